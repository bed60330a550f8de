package actor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// X-25 in other words: the three that Lemmy compares with, of which this is one.
func TestTheContentTypeIsOneThatLemmyTakes(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Object = func(_ context.Context, id, _ string) (activity.Document, error) {
		if strings.HasSuffix(id, "/gone") {
			return &activity.Object{ID: id, Type: activity.Types{"Tombstone"}}, nil
		}
		return &activity.Object{ID: id, Type: activity.Types{"Note"}}, nil
	}
	for path, status := range map[string]int{
		"/ap/users/alice": 200, "/ap/actor": 200, "/ap/users/alice/outbox": 200, "/ap/users/alice/outbox?page=true": 200,
		"/ap/objects/1": 200, "/ap/activities/1": 200, "/ap/objects/gone": 410, "/ap/users/gone": 410,
	} {
		for _, accept := range []string{activity.ContentType, activity.LDContentType, "application/ld+json", "application/json"} {
			rec := get(mux, "https://a.test"+path, map[string]string{"Accept": accept})
			if rec.Code != status || rec.Header().Get("Content-Type") != "application/activity+json" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s as %s: %d %v", path, accept, rec.Code, rec.Header())
			}
		}
	}
}

func TestWhoHasADocumentGetsNoSecondCopy(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	changed := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	h.Object = func(_ context.Context, id, asker string) (activity.Document, error) {
		o := &activity.Object{ID: id, Type: activity.Types{"Note"}, Published: changed.Add(-time.Hour)}
		switch {
		case strings.HasSuffix(id, "/dated"):
			o.Updated = changed
		case strings.HasSuffix(id, "/hidden") && asker == "":
			return nil, actor.ErrHidden
		}
		return o, nil
	}
	h.Asker = func(*http.Request) (string, error) { return "https://b.test/bob", nil }
	const at = "Wed, 04 Mar 2026 05:06:07 GMT"
	tag := get(mux, "https://a.test/ap/objects/dated", ap).Header().Get("ETag")
	for _, c := range []struct {
		name, path string
		header     map[string]string
		status     int
	}{
		{"its tag", "/ap/objects/dated", map[string]string{"If-None-Match": tag}, 304},
		{"a weak one", "/ap/objects/dated", map[string]string{"If-None-Match": "W/" + tag}, 304},
		{"one of several", "/ap/objects/dated", map[string]string{"If-None-Match": `"other", ` + tag}, 304},
		{"another", "/ap/objects/dated", map[string]string{"If-None-Match": `"other"`}, 200},
		{"its date", "/ap/objects/dated", map[string]string{"If-Modified-Since": at}, 304},
		{"an older date", "/ap/objects/dated", map[string]string{"If-Modified-Since": "Wed, 04 Mar 2026 05:06:06 GMT"}, 200},
		{"a tag counts more than a date", "/ap/objects/dated", map[string]string{"If-Modified-Since": at, "If-None-Match": `"other"`}, 200},
		{"a date that is none", "/ap/objects/dated", map[string]string{"If-Modified-Since": "yesterday"}, 200},
		{"a date, of what is not dated", "/ap/objects/plain", map[string]string{"If-Modified-Since": "Wed, 04 Mar 2037 05:06:06 GMT"}, 200},
		{"a private one for its reader", "/ap/objects/hidden", map[string]string{"Signature": "x"}, 200},
	} {
		header := map[string]string{"Accept": activity.ContentType}
		for k, v := range c.header {
			header[k] = v
		}
		rec := get(mux, "https://a.test"+c.path, header)
		if rec.Code != c.status || rec.Code == 304 && rec.Body.Len() != 0 || rec.Code == 200 && rec.Header().Get("ETag") == "" {
			t.Errorf("%s: %d %v %s", c.name, rec.Code, rec.Header(), rec.Body)
		}
		if private := strings.HasSuffix(c.path, "/hidden"); private != (rec.Header().Get("Cache-Control") == "private, no-store") {
			t.Errorf("%s: %v", c.name, rec.Header())
		}
	}
}

func TestAnObjectThatIsNilIsNotThere(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Collections.Likes = func(context.Context, actor.Query) (actor.Page, error) { return actor.Page{}, nil }
	for _, err := range []error{nil, actor.ErrPartial} {
		h.Object = func(context.Context, string, string) (activity.Document, error) { return nil, err }
		for _, path := range []string{"/ap/objects/1", "/ap/objects/1/likes"} {
			for _, accept := range []string{activity.ContentType, "text/html"} {
				if rec := get(mux, "https://a.test"+path, map[string]string{"Accept": accept}); rec.Code != 404 {
					t.Errorf("%s with %v: %d", path, err, rec.Code)
				}
			}
		}
	}
}

func TestBrowsersAreSentToThePageOfAnObject(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.AuthorizedFetch = actor.FetchSigned
	h.Object = func(_ context.Context, id, asker string) (activity.Document, error) {
		page := "https://a.test/page"
		if strings.HasSuffix(id, "/odd") {
			page = "javascript:alert(1)"
		}
		if strings.HasSuffix(id, "/hidden") {
			return nil, actor.ErrHidden
		}
		app := activity.Embed(&activity.Link{Type: activity.Types{"Link"}, Href: "blog://1", MediaType: "application/x-blog"})
		return &activity.Object{ID: id, Type: activity.Types{"Note"}, URL: activity.Refs{app, activity.IRI(page)}}, nil
	}
	for path, want := range map[string]int{"/ap/objects/1": 303, "/ap/objects/odd": 401, "/ap/objects/hidden": 404} {
		rec := get(mux, "https://a.test"+path, map[string]string{"Accept": "text/html"})
		if rec.Code != want || (want == 303) != (rec.Header().Get("Location") == "https://a.test/page") || rec.Header().Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: %d %v", path, rec.Code, rec.Header())
		}
	}
}

func TestWhatAskerFailsWithIsAnsweredByWhatItTells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                  string
		fails                 error
		open, hidden, partial int
	}{
		{"unknown key", &signature.Error{Status: 401, Err: signature.ErrNoKey}, 401, 404, 200},
		{"malformed", &signature.Error{Status: 400, Err: signature.ErrMalformed}, 400, 404, 200},
		{"refused", &signature.Error{Status: 403, Err: signature.ErrRefused}, 403, 404, 200},
		{"key not to be had now", &signature.Error{Status: 503, Err: fmt.Errorf("%w: secret", signature.ErrKeyUnavailable)}, 503, 404, 200},
		{"broken", errors.New("secret"), 503, 503, 200},
	} {
		h, mux, _ := newHandler(&bytes.Buffer{})
		h.Asker = func(*http.Request) (string, error) { return "", c.fails }
		h.Object = func(_ context.Context, id, asker string) (activity.Document, error) {
			if strings.HasSuffix(id, "/hidden") {
				return nil, actor.ErrHidden
			}
			if strings.HasSuffix(id, "/partial") {
				return &activity.Object{ID: id, Type: activity.Types{"Note"}}, actor.ErrPartial
			}
			return &activity.Object{ID: id, Type: activity.Types{"Note"}}, nil
		}
		for path, want := range map[string]int{"hidden": c.hidden, "partial": c.partial, "open": c.open} {
			h.AuthorizedFetch = actor.FetchOpen
			if path == "open" {
				h.AuthorizedFetch = actor.FetchSigned
			}
			rec := get(mux, "https://a.test/ap/objects/"+path, map[string]string{"Accept": activity.ContentType, "Signature": "x"})
			if rec.Code != want || strings.Contains(rec.Body.String(), "secret") || rec.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s, %s: %d, want %d: %v %s", c.name, path, rec.Code, want, rec.Header(), rec.Body)
			}
			if (want == 503) != (rec.Header().Get("Retry-After") != "") {
				t.Errorf("%s, %s: Retry-After %q", c.name, path, rec.Header().Get("Retry-After"))
			}
		}
		// Without an Asker nobody gets what needs one.
		h.Asker, h.AuthorizedFetch = nil, actor.FetchSigned
		if rec := get(mux, "https://a.test/ap/objects/open", map[string]string{"Signature": "x"}); rec.Code != 503 {
			t.Errorf("without Asker: %d", rec.Code)
		}
	}
}

func TestAnActorIsNeverServedAsItWasBefore(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	var now actor.Profile
	h.Profile = func(context.Context, string) (actor.Profile, error) { return now, nil }
	// What a Handler that has served nothing yet makes of the same profile.
	fresh := func() string {
		other := &actor.Handler{Names: h.Names, Profile: h.Profile, Keyring: h.Keyring, Collections: h.Collections, Subscribe: h.Subscribe, Intents: h.Intents}
		mux := http.NewServeMux()
		other.Register(mux)
		return get(mux, "https://a.test/ap/users/alice", ap).Body.String() + get(mux, "https://a.test/.well-known/webfinger?resource=alice@a.test", nil).Body.String()
	}
	served := func() string {
		return get(mux, "https://a.test/ap/users/alice", ap).Body.String() + get(mux, "https://a.test/.well-known/webfinger?resource=alice@a.test", nil).Body.String()
	}
	base := actor.Profile{Handle: "alice", Name: "A", Fields: []actor.Field{{Name: "a", Value: "b"}}, AlsoKnownAs: []string{"https://b.test/1"},
		Published: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	different := map[string]bool{}
	kind := reflect.TypeFor[actor.Profile]()
	for i := -1; i < kind.NumField(); i++ {
		now = base
		name := "nothing"
		if i >= 0 {
			name = kind.Field(i).Name
			change(t, reflect.ValueOf(&now).Elem().Field(i), name)
		}
		if name == "Moderators" { // which only groups have
			now.Type = "Group"
		}
		if name == "Handle" || name == "ID" { // another actor
			continue
		}
		served() // as it was
		want := fresh()
		if got := served(); got != want {
			t.Errorf("%s changed:\n got %s\nwant %s", name, got, want)
		}
		different[want] = true
	}
	if len(different) < kind.NumField()-2 {
		t.Errorf("%d changes made %d documents", kind.NumField(), len(different))
	}
	// The app may reuse what it returned.
	now = base
	now.Fields, now.AlsoKnownAs = slices.Clone(base.Fields), slices.Clone(base.AlsoKnownAs)
	served()
	now.Fields[0].Value, now.AlsoKnownAs[0] = "c", "https://b.test/2"
	if got := served(); got != fresh() || !strings.Contains(got, "https://b.test/2") {
		t.Errorf("after a change in place: %s", got)
	}
	h.Intents = map[string]string{"Create": "https://a.test/share?text={content}"}
	if got := served(); got != fresh() || !strings.Contains(got, "/share") {
		t.Errorf("with intents: %s", got)
	}
	h.Intents["Create"] = "https://a.test/say?text={content}"
	if got := served(); got != fresh() || !strings.Contains(got, "/say") {
		t.Errorf("with other intents: %s", got)
	}
	h.Collections.Featured = func(context.Context, actor.Query) (actor.Page, error) { return actor.Page{}, nil }
	if got := served(); got != fresh() || !strings.Contains(got, "/featured") {
		t.Errorf("with pinned posts: %s", got)
	}
}

// change sets a field to something else that a profile may have.
func change(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Interface().(type) {
	case string:
		text := map[string]string{"Type": "Service", "Name": "B", "Summary": "<p>s</p>", "Handle": "bob", "WebFinger": "alice@c.test"}[name]
		if text == "" {
			text = "https://a.test/changed/" + name
		}
		v.SetString(text)
	case bool:
		v.SetBool(!v.Bool())
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)))
	case []string:
		text := "https://c.test/3"
		if name == "AttributionDomains" {
			text = "c.test"
		}
		v.Set(reflect.ValueOf([]string{text}))
	case []actor.Field:
		v.Set(reflect.ValueOf([]actor.Field{{Name: "a", Value: "z"}}))
	case activity.List:
		v.Set(reflect.ValueOf(activity.List{activity.Embed(&activity.Link{Type: activity.Types{"Hashtag"}, Name: "#x", Href: "https://a.test/x"})}))
	case activity.Extra:
		v.Set(reflect.ValueOf(activity.Extra{"more": json.RawMessage(`1`)}))
	default:
		t.Errorf("%s: a %s, of which this test knows no other", name, v.Type())
	}
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct {
	header http.Header
	status int
	n      int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
func (w *nowhere) Write(p []byte) (int, error) { w.n += len(p); return len(p), nil }
func (w *nowhere) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, r)
	w.n += int(n)
	return n, err
}

func TestADocumentCostsFewAllocations(t *testing.T) {
	_, mux, _ := newHandler(&bytes.Buffer{})
	for _, path := range []string{"/ap/users/alice", "/.well-known/webfinger?resource=acct:alice@a.test"} {
		r := httptest.NewRequest(http.MethodGet, "https://a.test"+path, nil)
		r.Header.Set("Accept", "application/activity+json, application/ld+json")
		w := &nowhere{header: http.Header{}}
		n := testing.AllocsPerRun(100, func() {
			clear(w.header)
			w.n = 0
			mux.ServeHTTP(w, r)
		})
		if n > 40 || w.status >= 300 || w.n < 100 {
			t.Errorf("%s: %v allocations, status %d, %d bytes", path, n, w.status, w.n)
		}
	}
}

func TestTheHeaderOfAPageLeadsToItsDocument(t *testing.T) {
	t.Parallel()
	header := http.Header{"Link": {"</style.css>; rel=preload"}}
	actor.SetAlternate(header, "https://a.test/ap/objects/1?a=1&b=2")
	want := []string{"</style.css>; rel=preload", `<https://a.test/ap/objects/1?a=1&b=2>; rel="alternate"; type="application/activity+json"`}
	if got := header.Values("Link"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := actor.AlternateHTML("https://a.test/?a=\"><script>&b"); got != `<link rel="alternate" type="application/activity+json" href="https://a.test/?a=&#34;&gt;&lt;script&gt;&amp;b">` {
		t.Errorf("%s", got)
	}
	for _, id := range []string{"", "javascript:alert(1)", "/relative", "https://a.test/\r\nX: y", `https://a.test/?">`} {
		header := http.Header{}
		if actor.SetAlternate(header, id); len(header) != 0 {
			t.Errorf("%q: %v", id, header)
		}
	}
	if actor.AlternateHTML("javascript:alert(1)") != "" {
		t.Error("a script")
	}
}

// At a split domain example.test only sends on, as HandleDomain says; the actors live on social.example.test.
func splitDomain() (h *actor.Handler, net *web) {
	h = &actor.Handler{
		Names: actor.Names{Origin: "https://social.example.test", Domain: "example.test"},
		Profile: func(ctx context.Context, name string) (actor.Profile, error) {
			if name == "alice" {
				return actor.Profile{Handle: "alice", URL: "https://social.example.test/@alice"}, nil
			}
			return actor.Profile{}, actor.ErrNotFound
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	h.Keyring = &actor.Keyring{Store: newMemory(), Names: h.Names}
	mux := http.NewServeMux()
	h.Register(mux)
	net = newWeb()
	net.set("social.example.test", mux)
	net.set("example.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/webfinger" && r.URL.Path != "/.well-known/host-meta" {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, "https://social.example.test"+r.URL.RequestURI(), http.StatusMovedPermanently)
	}))
	return h, net
}

func TestAHandleMayLiveOnAnotherDomainThanItsActor(t *testing.T) {
	t.Parallel()
	h, net := splitDomain()
	for _, resource := range []string{
		"acct:alice@example.test", "acct:alice@social.example.test", "alice@EXAMPLE.test", "acct:ALICE@example.test", "ACCT:alice@example.test",
		"https://social.example.test/ap/users/alice", "https://social.example.test/@alice", "https://social.example.test/@alice/",
	} {
		rec := get(net.hosts["social.example.test"], "https://social.example.test/.well-known/webfinger?resource="+resource, nil)
		var j actor.JRD
		if err := json.Unmarshal(rec.Body.Bytes(), &j); err != nil || j.Subject != "acct:alice@example.test" || j.Self() != "https://social.example.test/ap/users/alice" {
			t.Errorf("%s: %d %s", resource, rec.Code, rec.Body)
		}
	}
	for _, resource := range []string{
		"https://example.test", "https://example.test/", "https://social.example.test", "acct:example.test@example.test", "acct:social.example.test@social.example.test",
	} {
		rec := get(net.hosts["social.example.test"], "https://social.example.test/.well-known/webfinger?resource="+resource, nil)
		var j actor.JRD
		if err := json.Unmarshal(rec.Body.Bytes(), &j); err != nil || j.Subject != "acct:social.example.test@social.example.test" || j.Self() != h.Names.Instance() {
			t.Errorf("%s: %d %s", resource, rec.Code, rec.Body)
		}
	}
	doc, err := h.Document(t.Context(), "acct:alice@example.test")
	if err != nil || doc.Webfinger != "alice@example.test" {
		t.Errorf("%+v, %v", doc, err)
	}
	// Someone else goes from either handle to the actor, and back to the true one.
	other := resolver(t, actor.ResolverConfig{Client: net.client(), Store: newMemory(), Names: actor.Names{Origin: "https://b.test"}, Key: func(context.Context) (signature.Key, error) {
		return signature.Key{ID: "https://b.test/ap/actor#main-key", Private: testKeys()[0]}, nil
	}})
	for _, handle := range []string{"@alice@example.test", "@alice@social.example.test"} {
		a, err := other.Lookup(t.Context(), handle)
		if err != nil || a.ID != "https://social.example.test/ap/users/alice" {
			t.Fatalf("%s: %+v, %v", handle, a, err)
		}
		if acct, err := other.Handle(t.Context(), a); err != nil || acct != "alice@example.test" {
			t.Errorf("%s is %s, %v", handle, acct, err)
		}
		without := *a
		without.Webfinger = "" // as for a reader that does not know FEP-2c59
		if acct, err := other.Handle(t.Context(), &without); err != nil || acct != "alice@example.test" {
			t.Errorf("without the claim %s is %s, %v", handle, acct, err)
		}
	}
	for _, domain := range []string{"Example.test", "example.test/", "https://example.test", "exa mple", "@"} {
		if err := (actor.Names{Origin: "https://a.test", Domain: domain}).Check(); err == nil || !strings.Contains(err.Error(), "Domain") {
			t.Errorf("Domain %q: %v", domain, err)
		}
	}
	if err := h.Names.Check(); err != nil {
		t.Error(err)
	}
}
