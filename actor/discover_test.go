package actor_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

// linked is a page with Link fields.
func linked(html string, links ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, l := range links {
			w.Header().Add("Link", l)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(html))
	})
}

func head(elements string) string {
	return "<!doctype html><html><head><title>&lt;b&gt;</title>" + elements + "</head><body><p>Hello</body></html>"
}

func TestAPageLeadsToItsDocument(t *testing.T) {
	t.Parallel()
	const ld = `application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"`
	for name, page := range map[string]http.Handler{
		"by a Link field":                     linked("", `<https://b.test/users/bob>; rel="alternate"; type="application/activity+json"`),
		"by one of several":                   linked("", `</x.css>; rel=preload; as=style, </feed>; rel="alternate"; type="application/rss+xml"`, `</y>; rel=next`, `<https://b.test/users/bob>; type="application/activity+json"; title="a, \"b\"; c"; rel="me ALTERNATE"`),
		"by a Link field with a profile":      linked("", `<https://b.test/users/bob>; rel=alternate; type="`+ld+`"`),
		"by an element":                       linked(head(`<link rel=stylesheet href=/x.css><link rel="alternate" type="application/rss+xml" href="/feed"><link rel="alternate" type="application/activity+json" href="https://b.test/users/bob">`)),
		"by an element with a profile":        linked(head(`<LINK REL="ALTERNATE" TYPE='application/ld+json; profile="https://www.w3.org/ns/activitystreams"' HREF="//b.test/users/bob" />`)),
		"relative to a base":                  linked(head(`<base href="https://b.test/users/"><link rel=alternate type="application/activity+json" href="bob">`)),
		"after a script that looks like more": linked(head(`<script>"</body><link rel=alternate type='application/activity+json' href='/lie'>"</script><link rel=alternate type="application/activity+json" href="https://b.test/users/bob">`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("www.test", page)
			w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)).put(fingerOf+"bob@b.test", jrd("acct:bob@b.test", bob)))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			a, err := r.Lookup(t.Context(), "https://www.test/@bob")
			if err != nil || a.ID != bob {
				t.Fatalf("%v, %v", a, err)
			}
			doc, err := r.LookupURL(t.Context(), "https://www.test/@bob")
			if err != nil || doc.DocumentID() != bob {
				t.Errorf("LookupURL: %v, %v", doc, err)
			}
			for _, asked := range w.seen {
				if asked.URL.Host == "www.test" && !strings.Contains(asked.Header.Get("Accept"), "text/html;q=0.1") {
					t.Errorf("asked for %q", asked.Header.Get("Accept"))
				}
			}
		})
	}
}

func TestAPageIsNotBelievedMoreThanItMaySay(t *testing.T) {
	t.Parallel()
	element := `<link rel="alternate" type="application/activity+json" href="https://b.test/users/bob">`
	for name, page := range map[string]http.Handler{
		"a link in the body":           linked("<!doctype html><html><head></head><body>" + element),
		"a link in a comment":          linked(head("<!-- " + element + " -->")),
		"a link in a text":             linked(head("<style>" + element + "</style>")),
		"a link in an attribute":       linked(head(`<meta content='` + element + `'>`)),
		"another type":                 linked(head(`<link rel="alternate" type="application/json" href="https://b.test/users/bob">`)),
		"another relation":             linked(head(`<link rel="canonical" type="application/activity+json" href="https://b.test/users/bob">`)),
		"a script":                     linked(head(`<link rel="alternate" type="application/activity+json" href="javascript:alert(1)">`)),
		"a file":                       linked("", `<file:///etc/passwd>; rel="alternate"; type="application/activity+json"`),
		"a password":                   linked("", `<https://u:p@b.test/users/bob>; rel="alternate"; type="application/activity+json"`),
		"another page":                 linked("", `<https://www.test/2>; rel="alternate"; type="application/activity+json"`),
		"a field without an end":       linked("", `<https://b.test/users/bob>; rel="alternate; type="application/activity+json"`),
		"a second type":                linked("", `<https://b.test/users/bob>; rel="alternate"; type="text/html"; type="application/activity+json"`),
		"a document of somebody else":  linked("", `<https://b.test/fake>; rel="alternate"; type="application/activity+json"`),
		"an id that its host disowns":  linked("", `<https://b.test/disowned>; rel="alternate"; type="application/activity+json"`),
		"a document and its own words": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(person(t, bob, nil))) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("www.test", page)
			w.set("b.test", newPages().
				json("/users/bob", person(t, bob, nil)).put(fingerOf+"bob@b.test", jrd("acct:bob@b.test", bob)).
				json("/fake", person(t, "https://c.test/users/carol", nil)).
				json("/disowned", person(t, "https://b.test/nowhere", nil)))
			w.set("c.test", newPages().json("/users/carol", person(t, "https://c.test/users/carol", nil)))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			var l *actor.LookupError
			if a, err := r.Lookup(t.Context(), "https://www.test/@bob"); a != nil || !errors.As(err, &l) {
				t.Fatalf("got %v, %v", a, err)
			}
			if doc, err := r.LookupURL(t.Context(), "https://www.test/@bob"); doc != nil || !errors.As(err, &l) {
				t.Fatalf("LookupURL: got %v, %v", doc, err)
			}
			if store.written() != 0 {
				t.Error("something was stored")
			}
		})
	}
}

func TestAPastedURLOfAPostIsConfirmedByItsServer(t *testing.T) {
	t.Parallel()
	note := func(id, by string) string {
		return `{"id":"` + id + `","type":"Note","attributedTo":"` + by + `","content":"x"}`
	}
	w := newWeb()
	site := newPages().
		json("/1", note("https://b.test/1", bob)).
		put("/short", page{to: "https://b.test/1"}).
		json("/copy", note("https://c.test/9", "https://c.test/u")).
		json("/forged", note("https://b.test/forged", "https://c.test/u")).
		json("/liar", note("https://c.test/other", "https://c.test/u")).
		json("/ours", note("https://a.test/ap/objects/1", "https://a.test/ap/users/alice")).
		json("/anonymous", `{"type":"Note"}`).
		json("/dead", `{"id":"https://b.test/dead","type":"Tombstone"}`)
	w.set("b.test", site)
	w.set("www.test", newPages().put("/go", page{to: "https://b.test/1"}))
	w.set("c.test", newPages().json("/9", note("https://c.test/9", "https://c.test/u")).json("/other", note("https://c.test/9", "https://c.test/u")))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
	for address, id := range map[string]string{
		"https://b.test/1": "https://b.test/1", " https://b.test/short ": "https://b.test/1", "https://www.test/go": "https://b.test/1",
		"https://b.test/copy": "https://c.test/9",
	} {
		doc, err := r.LookupURL(t.Context(), address)
		if err != nil || doc.DocumentID() != id {
			t.Errorf("%s: %v, %v", address, doc, err)
		}
	}
	for address, reason := range map[string]actor.Reason{
		"https://b.test/forged": actor.Inconsistent, "https://b.test/liar": actor.Inconsistent, "https://b.test/ours": actor.NotAnActor,
		"https://b.test/anonymous": actor.NotAnActor, "https://b.test/dead": actor.Gone, "https://b.test/none": actor.Unknown, "b.test": actor.NotAHandle,
	} {
		var l *actor.LookupError
		if doc, err := r.LookupURL(t.Context(), address); doc != nil || !errors.As(err, &l) || l.Reason != reason {
			t.Errorf("%s: %v, %v; want %v", address, doc, err, reason)
		}
	}
	if w.count("https://c.test/9") == 0 {
		t.Error("a copy was believed")
	}
}

func TestThreadsIsLookedForWhereItFederates(t *testing.T) {
	t.Parallel()
	const id = "https://threads.net/ap/users/17841400000000000/"
	const old = "https://www.threads.net/ap/users/zuck/"
	w := newWeb()
	w.set("threads.net", newPages().
		json("/ap/users/17841400000000000/", person(t, id, map[string]any{"preferredUsername": "zuck"})).
		put(fingerOf+"zuck@threads.net", jrd("acct:zuck@threads.net", id)))
	w.set("www.threads.net", newPages().json("/ap/users/zuck/", person(t, old, nil)))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	for _, query := range []string{
		"@zuck@threads.net", "@zuck@threads.com", "zuck@www.threads.com", "zuck@www.threads.net", "@zuck@THREADS.com",
		"https://www.threads.com/@zuck", "https://www.threads.net/@zuck", "https://threads.net/@zuck", "https://threads.com/@zuck/",
		"https://www.threads.com/@zuck?hl=en",
	} {
		if a, err := r.Lookup(t.Context(), query); err != nil || a.ID != id {
			t.Errorf("%s: %v, %v", query, a, err)
		}
		if strings.HasPrefix(query, "https:") {
			if doc, err := r.LookupURL(t.Context(), query); err != nil || doc.DocumentID() != id {
				t.Errorf("LookupURL(%s): %v, %v", query, doc, err)
			}
		}
	}
	if j, err := r.WebFinger(t.Context(), "zuck@threads.com"); err != nil || j.Self() != id {
		t.Errorf("%v, %v", j, err)
	}
	if a, err := r.Actor(t.Context(), old); err != nil || a.ID != old {
		t.Errorf("an id is taken as it is: %v, %v", a, err)
	}
	for _, asked := range w.seen {
		if asked.URL.Host != "threads.net" && asked.URL.String() != old {
			t.Errorf("asked %s", asked.URL)
		}
	}
}

func TestASentenceShowsNoInternalsAndNoEndOfText(t *testing.T) {
	t.Parallel()
	for reason := actor.NotAHandle; reason <= actor.Busy; reason++ {
		e := &actor.LookupError{Query: strings.Repeat("x\xff", 5000), Host: "b.test", Reason: reason, Err: errors.New("dial tcp 10.0.0.1")}
		s := e.Sentence()
		if len(s) > 600 || strings.Contains(s, "10.0.0.1") || !strings.HasSuffix(s, ".") || strings.ToValidUTF8(s, "") != s {
			t.Errorf("%v: %q", reason, s)
		}
		if reason.String() == "" || strings.HasPrefix(reason.String(), "reason") {
			t.Errorf("reason %d has no name", reason)
		}
	}
}
