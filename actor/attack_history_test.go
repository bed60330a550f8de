package actor_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
	"github.com/fedihook/fedihook/signature"
)

// What other servers of the fediverse, and libraries for them, got wrong in finding and fetching, by the
// names of the advisories. Each test first shows that the honest variant works.

// Mastodon before 4.1.3 bounded each read, not the whole answer.
func TestCVE_2023_36461_ASlowDripHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := safehttptest.NewNet(t)
		n.Name("slow.example", []string{"93.184.216.34"})
		drip := false
		doc := person(t, "https://slow.example/users/bob", nil)
		n.Serve(t, "93.184.216.34", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", activity.ContentType)
			for i := range len(doc) {
				if io.WriteString(w, doc[i:i+1]); drip && r.Context().Err() == nil {
					w.(http.Flusher).Flush()
					time.Sleep(time.Second)
				}
			}
		}))
		ask := func() (time.Duration, error) {
			start := time.Now()
			_, err := resolver(t, actor.ResolverConfig{Client: n.Client(t)}).Actor(t.Context(), "https://slow.example/users/bob")
			return time.Since(start), err
		}
		if _, err := ask(); err != nil {
			t.Fatalf("at an honest pace: %v", err)
		}
		drip = true
		if took, err := ask(); !errors.Is(err, actor.ErrUnreachable) || took != 10*time.Second {
			t.Errorf("a drip: %v after %v", err, took)
		}
	})
}

// Mastodon 4.2.0-rc1 let line breaks in a URL through into the request.
func TestCVE_2023_42450_ALineBreakInAnAddressBeginsNoHeader(t *testing.T) {
	t.Parallel()
	p := newPeers()
	site := people(t, "evil.test", named(t, mallory, nil))
	to := func(user, href string) {
		site.put(fingerOf+user+"@evil.test", jrd("acct:"+user+"@evil.test", href))
	}
	to("escaped", "http://evil.test/users/a%0d%0aX-Injected:%20yes%0d%0a")
	to("raw", `http://evil.test/users/a\r\nX-Injected: yes`)
	to("unicode", "http://evil.test/users/a\u2028X-Injected: yes")
	to("host", `http://evil.test\r\nX-Injected: yes/users/a`)
	p.serve(t, "evil.test", site)
	r := p.resolver(t, actor.ResolverConfig{Key: ourKey})
	if a, err := r.Lookup(t.Context(), "@mallory@evil.test"); err != nil || a.ID != mallory {
		t.Fatalf("an honest address: %v, %v", a, err)
	}
	for _, query := range []string{
		"@escaped@evil.test", "@raw@evil.test", "@unicode@evil.test", "@host@evil.test", "@a\r\nX-Injected: yes@evil.test", "@a@evil.test\r\nX-Injected: yes",
		"http://evil.test/users/a\r\nX-Injected: yes", "http://evil.test/users/a%0d%0aX-Injected:%20yes", "http://evil.test/\x00", "http://evil.test/a b HTTP/1.1",
	} {
		if a, err := r.Lookup(t.Context(), query); err == nil {
			t.Errorf("%q leads to %v", query, a)
		}
	}
	for _, id := range []string{"http://evil.test/users/a\r\nX-Injected: yes#main-key", "http://evil.test/users/a%0d%0aX-Injected:%20yes#main-key"} {
		if k, err := r.PublicKey(t.Context(), id); err == nil {
			t.Errorf("%q leads to %v", id, k)
		}
	}
	for _, got := range p.all() {
		if got.Header.Get("X-Injected") != "" || strings.ContainsAny(got.RequestURI, "\r\n \x00") || got.Host != "evil.test" {
			t.Errorf("%s %q with %v", got.Host, got.RequestURI, got.Header)
		}
	}
}

// Mastodon before 4.2.0-rc2 took every slash out of a domain, so that one became another.
func TestCVE_2023_42451_AnOddlyWrittenHostIsNotAnother(t *testing.T) {
	t.Parallel()
	p := newPeers()
	p.serve(t, "victim.test", people(t, "victim.test", named(t, victor, nil)))
	r := p.resolver(t, actor.ResolverConfig{})
	for _, query := range []string{"@victor@victim.test", "victor@VICTIM.test", "http://VICTIM.test:80/users/victor"} {
		if a, err := r.Lookup(t.Context(), query); err != nil || a.ID != victor {
			t.Errorf("honest, %q: %v, %v", query, a, err)
		}
	}
	before := len(p.all())
	for _, query := range []string{
		"@victor@vic/tim.test", "@victor@victim.test/", "@victor@/victim.test", `@victor@vic\tim.test`, "@victor@victim.test?", "@victor@victim.test#", "@victor@victim%2etest",
		"@victor@victim.test%2f", "@victor@ victim.test", "@victor@victim.test.", "@victor@victim..test", "@victor@evil@victim.test", "@victor@[victim.test]", "@victor@victim.test:",
		"http://victim.test%2f/users/victor", `http://victim.test\@evil.test/users/victor`, "http://evil@victim.test/users/victor", "http://victim.test./users/victor",
		"http://vic%74im.test.evil/users/victor", "http:victim.test/users/victor", "http:///victim.test/users/victor", "//victim.test/users/victor",
	} {
		if a, err := r.Lookup(t.Context(), query); err == nil {
			t.Errorf("%q leads to %s", query, a.ID)
		}
	}
	if got := p.all()[before:]; len(got) != 0 {
		t.Errorf("the victim was asked for %s", got[0].RequestURI)
	}
}

// Mastodon before 4.2.5 believed a document from one host about another.
func TestCVE_2024_23832_ADocumentSpeaksForItsOwnHostOnly(t *testing.T) {
	t.Parallel()
	p, store := newPeers(), newMemory()
	forged := named(t, victor, listing(t, victorKey, victor, testKeys()[1]))
	p.serve(t, "evil.test", people(t, "evil.test", named(t, mallory, nil)).
		json("/users/victor", forged).
		json("/note", `{"id":"http://victim.test/notes/1","type":"Note","content":"forged"}`).
		put(fingerOf+"victor@evil.test", jrd("acct:victor@evil.test", "http://evil.test/users/victor")).
		put(fingerOf+"victor@victim.test", jrd("acct:victor@victim.test", "http://evil.test/users/victor")))
	p.serve(t, "victim.test", people(t, "victim.test", named(t, victor, nil)).json("/notes/1", `{"id":"http://victim.test/notes/1","type":"Note","content":"true"}`))
	r := p.resolver(t, actor.ResolverConfig{Store: store})
	if a, err := r.Actor(t.Context(), mallory); err != nil || a.ID != mallory {
		t.Fatalf("a document of its own: %v, %v", a, err)
	}
	if _, err := r.Actor(t.Context(), "http://evil.test/users/victor"); !errors.Is(err, actor.ErrIDMismatch) {
		t.Errorf("an actor: %v", err)
	}
	if doc, _, err := r.Fetch(t.Context(), "http://evil.test/note"); !errors.Is(err, actor.ErrIDMismatch) {
		t.Errorf("a note: %v, %v", doc, err)
	}
	if _, err := r.PublicKey(t.Context(), "http://evil.test/users/victor#main-key"); !errors.Is(err, signature.ErrNoKey) {
		t.Errorf("a key: %v", err)
	}
	if a, err := r.Lookup(t.Context(), "@victor@evil.test"); err == nil {
		t.Errorf("a handle leads to %v", a)
	}
	if _, ok := store.stored(victor); ok {
		t.Error("the forged actor was stored")
	}
	// A search for the liar's URL may lead to the victim: then it is the victim's own document.
	if a, err := r.Lookup(t.Context(), "http://evil.test/users/victor"); err != nil || a.ID != victor {
		t.Errorf("a search: %v, %v", a, err)
	}
	if k, err := r.PublicKey(t.Context(), victorKey); err != nil || !testKeys()[0].PublicKey.Equal(k.Key) {
		t.Errorf("the victim's key: %+v, %v", k, err)
	}
}

// Mastodon before 4.2.7 (CVE-2024-25623) took any file for a document, uploads too.
func TestGHSA_jhrq_qvrm_qr36_AnUploadedFileIsNoDocument(t *testing.T) {
	t.Parallel()
	p := newPeers()
	upload := func(path, kind string) page { return page{kind: kind, body: named(t, "http://victim.test"+path, nil)} }
	site := people(t, "victim.test", named(t, victor, nil))
	kinds := map[string]string{"/media/1.txt": "text/plain", "/media/2.json": "application/json", "/media/3.png": "image/png", "/media/4.jsonld": "application/ld+json", "/media/5": ""}
	for path, kind := range kinds {
		site.put(path, upload(path, kind))
	}
	p.serve(t, "victim.test", site)
	r := p.resolver(t, actor.ResolverConfig{})
	if _, err := r.Actor(t.Context(), victor); err != nil {
		t.Fatal(err)
	}
	for path, kind := range kinds {
		if _, err := r.Actor(t.Context(), "http://victim.test"+path); !errors.Is(err, actor.ErrContentType) {
			t.Errorf("an actor as %q: %v", kind, err)
		}
		if _, _, err := r.Fetch(t.Context(), "http://victim.test"+path); !errors.Is(err, actor.ErrContentType) {
			t.Errorf("a document as %q: %v", kind, err)
		}
	}
}

// Mastodon before 4.3.3 and before 4.3.8 took addresses of any scheme, and values that are none.
func oddAddresses(t *testing.T) {
	t.Helper()
	odd := []any{"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://", "//evil.test/x", "x", 5, true, []any{}, map[string]any{}, map[string]any{"id": "javascript:alert(1)"}, "http://u:p@evil.test/"}
	p := newPeers()
	site := people(t, "evil.test", named(t, mallory, map[string]any{"url": "http://evil.test/@mallory", "endpoints": map[string]string{"sharedInbox": "http://evil.test/inbox"}}))
	for i, value := range odd {
		inbox, rest := fmt.Sprintf("http://evil.test/users/inbox%d", i), fmt.Sprintf("http://evil.test/users/rest%d", i)
		site.json(inbox[len("http://evil.test"):], named(t, inbox, map[string]any{"inbox": value}))
		site.json(rest[len("http://evil.test"):], named(t, rest, map[string]any{
			"outbox": value, "followers": value, "following": value, "liked": value, "featured": value, "featuredTags": value,
			"url": value, "endpoints": map[string]any{"sharedInbox": value},
		}))
	}
	site.json("/users/link", named(t, "http://evil.test/users/link", map[string]any{"url": []any{
		map[string]any{"type": "Link", "href": "javascript:alert(1)"}, "http://evil.test/@link", map[string]any{"type": "Link", "href": "http://evil.test/link"},
	}}))
	p.serve(t, "evil.test", site)
	r := p.resolver(t, actor.ResolverConfig{})
	a, err := r.Actor(t.Context(), mallory)
	if err != nil || a.Outbox.ID == "" || a.Followers.ID == "" || len(a.URL) != 1 || a.URL[0].ID != "http://evil.test/@mallory" {
		t.Fatalf("honest addresses: %+v, %v", a, err)
	}
	if _, shared, err := r.Inboxes(t.Context(), mallory); err != nil || shared != "http://evil.test/inbox" {
		t.Fatalf("an honest shared inbox: %q, %v", shared, err)
	}
	for i, value := range odd {
		if a, err := r.Actor(t.Context(), fmt.Sprintf("http://evil.test/users/inbox%d", i)); !errors.Is(err, actor.ErrMalformed) {
			t.Errorf("inbox %v: %v, %v", value, a, err)
		}
		id := fmt.Sprintf("http://evil.test/users/rest%d", i)
		a, err := r.Actor(t.Context(), id)
		if err != nil {
			t.Errorf("%v: %v", value, err)
			continue
		}
		for name, ref := range map[string]activity.Ref{
			"outbox": a.Outbox, "followers": a.Followers, "following": a.Following, "liked": a.Liked, "featured": a.Featured, "featuredTags": a.FeaturedTags,
		} {
			if ref.ID != "" {
				t.Errorf("%s %v is kept as %q", name, value, ref.ID)
			}
		}
		for _, ref := range a.URL {
			t.Errorf("url %v is kept as %+v", value, ref)
		}
		if inbox, shared, err := r.Inboxes(t.Context(), id); err != nil || shared != "" || inbox != id+"/inbox" {
			t.Errorf("sharedInbox %v is kept as %q, %v", value, shared, err)
		}
	}
	a, err = r.Actor(t.Context(), "http://evil.test/users/link")
	if err != nil || len(a.URL) != 2 || a.URL[0].ID != "http://evil.test/@link" || a.URL[1].ID != "http://evil.test/link" {
		t.Errorf("of three links, %+v are kept, %v", a.URL, err)
	}
}

func TestGHSA_5wxh_3p65_r4g6_AnActorsAddressesAreAddresses(t *testing.T) {
	t.Parallel()
	oddAddresses(t)
}

func TestGHSA_x2rc_v5wx_g3m5_AddressesOfOtherSchemesAreNotHandedOn(t *testing.T) {
	t.Parallel()
	oddAddresses(t)
}

// Mastodon bounded neither names nor fields nor polls.
func TestCVE_2026_23962_ADocumentIsBoundedInAllItsParts(t *testing.T) {
	t.Parallel()
	p := newPeers()
	fill := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	body := func(more string) string {
		return strings.TrimSuffix(named(t, mallory, nil), "}") + `,` + more + `}`
	}
	site := people(t, "evil.test", named(t, mallory, nil))
	p.serve(t, "evil.test", site)
	for name, c := range map[string]struct {
		more string
		ok   bool
	}{
		"some fields":          {`"attachment":[` + fill(50, `{"type":"PropertyValue","name":"a","value":"b"}`) + `]`, true},
		"a mebibyte of name":   {`"name":"` + strings.Repeat("x", 1<<20) + `"`, false},
		"a mebibyte of fields": {`"attachment":[` + fill(1<<15, `{"type":"PropertyValue","name":"a","value":"b"}`) + `]`, false},
		"deep nesting":         {`"attachment":` + strings.Repeat(`[`, 10000) + strings.Repeat(`]`, 10000), false},
		"deep objects":         {`"attachment":` + strings.Repeat(`{"a":`, 10000) + `1` + strings.Repeat(`}`, 10000), false},
		"very many values":     {`"attachment":[` + fill(400_000, `1`) + `]`, false},
	} {
		site.json("/users/mallory", body(c.more))
		start := time.Now()
		_, err := p.resolver(t, actor.ResolverConfig{}).Actor(t.Context(), mallory)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, actor.ErrTooLarge) && !errors.Is(err, actor.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Misskey before 2023.11.1 tied neither the key's host nor the actor's to the signer's.
func TestGHSA_3f39_6537_3cgc_AKeyIsOfTheActorThatListsIt(t *testing.T) {
	t.Parallel()
	p := newPeers()
	p.serve(t, "victim.test", people(t, "victim.test", named(t, victor, nil)))
	p.serve(t, "evil.test", people(t, "evil.test", named(t, mallory, nil)).
		json("/key", keyDoc(t, "http://evil.test/key", victor, testKeys()[0])).
		json("/users/owner", named(t, "http://evil.test/users/owner", listing(t, "http://evil.test/users/owner#main-key", victor, testKeys()[0]))).
		json("/users/actor", named(t, victor, listing(t, "http://evil.test/users/actor#main-key", victor, testKeys()[0]))).
		json("/users/other", named(t, "http://evil.test/users/other", listing(t, malloryKey, mallory, testKeys()[1]))))
	r := p.resolver(t, actor.ResolverConfig{})
	for id, owner := range map[string]string{malloryKey: mallory, victorKey: victor} {
		if k, err := r.PublicKey(t.Context(), id); err != nil || k.Owner != owner {
			t.Errorf("an honest key: %+v, %v", k, err)
		}
	}
	for _, id := range []string{"http://evil.test/key", "http://evil.test/users/owner#main-key", "http://evil.test/users/actor#main-key", "http://evil.test/users/other#main-key"} {
		if k, err := r.PublicKey(t.Context(), id); !errors.Is(err, signature.ErrNoKey) {
			t.Errorf("%s is a key of %q, %v", id, k.Owner, err)
		}
	}
}

// Fedify looked for links in a page with an expression that took for ever on some.
func TestCVE_2025_68475_APageIsReadInTime(t *testing.T) {
	t.Parallel()
	p := newPeers()
	site := people(t, "evil.test", named(t, mallory, nil)).
		put("/page", page{kind: "text/html; charset=utf-8", body: `<!doctype html><html><head><title>Mallory</title><link rel="stylesheet" href="/s.css"><link rel="alternate" type="application/activity+json" href="/users/mallory"></head><body>Hello`})
	p.serve(t, "evil.test", site)
	if a, err := p.resolver(t, actor.ResolverConfig{}).Lookup(t.Context(), "http://evil.test/page"); err != nil || a.ID != mallory {
		t.Fatalf("an honest page: %v, %v", a, err)
	}
	for name, unit := range map[string]string{
		"links that do not end": `<link `, "attributes": `<a a="`, "attributes without values": "<link a a a a\t", "angles": "<", "spaces": "<link" + strings.Repeat(" ", 100),
		"alternates": `<link rel="alternate" type="application/activity+json" href="`, "deep": "<div>", "comments": "<!--", "scripts": "<script><", "entities": "&amp;&#x", "NUL": "\x00<link\x00",
	} {
		site.put("/page", page{kind: "text/html; charset=utf-8", body: "<!doctype html>" + strings.Repeat(unit, 900_000/len(unit))})
		start := time.Now()
		within(t, 20*time.Second, func() {
			if a, err := p.resolver(t, actor.ResolverConfig{}).Lookup(t.Context(), "http://evil.test/page"); err == nil {
				t.Errorf("%s: %v", name, a)
			}
		})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Fedify kept the state of its circuit breaker for every host that was ever down.
func TestCVE_2026_69132_HostsThatAreDownAreForgotten(t *testing.T) {
	// Not parallel: it measures memory.
	down := refusing{}
	r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: down}})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			_, err := r.PublicKey(t.Context(), fmt.Sprintf("https://h%d.example/%s#main-key", i, strings.Repeat("x", 200)))
			if !errors.Is(err, actor.ErrUnreachable) {
				t.Fatal(err)
			}
		}
	}
	ask(0, 21_000) // fills what there is to fill
	before := heap()
	ask(21_000, 31_000)
	if grown := heap() - before; grown > 3<<20 {
		t.Errorf("10,000 more hosts that are down take %d KB more", grown>>10)
	}
	runtime.KeepAlive(r)

	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("b.test", nil)
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrUnreachable) {
			t.Fatal(err)
		}
		w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
		time.Sleep(2 * time.Minute)
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Errorf("a host that is back: %v", err)
		}
	})
}

// refusing is a network in which nobody answers.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}
