package actor_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/actor"
)

const fingerOf = "/.well-known/webfinger?resource=acct:"

func jrd(subject, self string) page {
	return page{kind: "application/jrd+json", body: `{"subject":"` + subject + `","links":[{"rel":"self","type":"text/html","href":"https://x.test/"},` +
		`{"rel":"self","type":"application/activity+json","href":"` + self + `"}]}`}
}

func TestAnActorIsFoundByWhateverPeopleType(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().
		json("/users/bob", person(t, bob, nil)).
		json("/@bob", person(t, bob, nil)).
		put("/profile", page{to: "https://www.b.test/@bob"}).
		put(fingerOf+"bob@b.test", jrd("acct:bob@b.test", bob)).
		put(fingerOf+"Bob@b.test", jrd("acct:bob@b.test", bob)))
	w.set("www.b.test", newPages().json("/@bob", person(t, bob, nil)))
	for _, query := range []string{
		"@bob@b.test", "bob@b.test", "acct:bob@b.test", " @Bob@B.TEST ", "bob@b.test:443", bob, "https://b.test/@bob", "https://b.test/profile",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			a, err := r.Lookup(t.Context(), query)
			if err != nil || a.ID != bob {
				t.Fatalf("got %v, %v", a, err)
			}
			if _, ok := store.stored(bob); !ok {
				t.Error("who was found was not stored")
			}
		})
	}
}

func TestOurOwnActorsAreFoundWithoutARequest(t *testing.T) {
	t.Parallel()
	w := newWeb()
	s := newSite(t, w, "a.test", actor.Profile{Handle: "alice", URL: "https://a.test/@alice"})
	for _, query := range []string{"@alice@a.test", "https://a.test/ap/users/alice", "acct:a.test@a.test"} {
		a, err := s.resolver.Lookup(t.Context(), query)
		if err != nil || !strings.HasPrefix(a.ID, "https://a.test/ap/") {
			t.Errorf("%s: %v, %v", query, a, err)
		}
	}
	if a, err := s.resolver.Actor(t.Context(), "https://a.test/ap/users/alice"); err != nil || a.PreferredUsername != "alice" {
		t.Errorf("by id: %v, %v", a, err)
	}
	var l *actor.LookupError
	if _, err := s.resolver.Lookup(t.Context(), "@nobody@a.test"); !errors.As(err, &l) || l.Reason != actor.Unknown {
		t.Errorf("nobody of ours: %v", err)
	}
	if w.total() != 0 {
		t.Errorf("%d requests", w.total())
	}
}

func TestAHandleOnAnotherHostThanTheActorIsCheckedFromBothSides(t *testing.T) {
	t.Parallel()
	const ap = "https://ap.b.test/users/bob"
	both := func(w *web, apex, host page) {
		w.set("b.test", newPages().put(fingerOf+"bob@b.test", apex))
		w.set("ap.b.test", newPages().put(fingerOf+"bob@ap.b.test", host).json("/users/bob", person(t, ap, nil)))
	}
	for _, c := range []struct {
		name       string
		apex, host page
		query      string
		handle     string // "": refused
	}{
		{"both agree", jrd("acct:bob@b.test", ap), jrd("acct:bob@b.test", ap), "@bob@b.test", "bob@b.test"},
		{"both agree, asked for the other", jrd("acct:bob@b.test", ap), jrd("acct:bob@b.test", ap), "@bob@ap.b.test", "bob@b.test"},
		{"subject without acct:", jrd("bob@b.test", ap), jrd("bob@b.test", ap), "@bob@b.test", "bob@b.test"},
		{"a stranger's domain points at an actor that has its own handle", jrd("acct:bob@b.test", ap), jrd("acct:bob@ap.b.test", ap), "@bob@b.test", "bob@ap.b.test"},
		{"the actor's host knows nothing of it", jrd("acct:bob@b.test", ap), page{status: 404}, "@bob@b.test", ""},
		{"the actor claims a handle whose host denies it", jrd("acct:bob@b.test", "https://ap.b.test/users/other"), jrd("acct:bob@b.test", ap), ap, ""},
		{"the actor claims a handle that there is not", page{status: 404}, jrd("acct:bob@b.test", ap), ap, ""},
		{"the subject goes on and on", jrd("acct:bob@c.test", ap), jrd("acct:bob@b.test", ap), "@bob@ap.b.test", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			both(w, c.apex, c.host)
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			a, err := r.Lookup(t.Context(), c.query)
			if c.handle == "" {
				var l *actor.LookupError
				if !errors.As(err, &l) || a != nil {
					t.Fatalf("got %v, %v", a, err)
				}
				if store.written() != 0 {
					t.Error("who was refused was stored")
				}
				return
			}
			if err != nil || a.ID != ap {
				t.Fatalf("got %v, %v", a, err)
			}
			if handle, err := r.Handle(t.Context(), a); err != nil || handle != c.handle {
				t.Errorf("handle %q, %v; want %q", handle, err, c.handle)
			}
		})
	}
}

func TestAnActorMayNameItsHandleItself(t *testing.T) {
	t.Parallel()
	const ap = "https://ap.b.test/users/bob"
	w := newWeb()
	w.set("b.test", newPages().put(fingerOf+"bob@b.test", jrd("acct:bob@b.test", ap)))
	w.set("ap.b.test", newPages().json("/users/bob", person(t, ap, map[string]any{"webfinger": "bob@b.test"})))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	if a, err := r.Lookup(t.Context(), ap); err != nil || a.ID != ap {
		t.Errorf("%v, %v", a, err)
	}
}

func TestALookupSaysWhyNobodyWasFound(t *testing.T) {
	t.Parallel()
	w := newWeb()
	self := func(path string) page { return jrd("acct:bob@b.test", "https://b.test"+path) }
	w.set("down.test", nil)
	w.set("html.test", newPages().put(fingerOf+"bob@html.test", page{kind: "text/html", body: "<html>"}))
	w.set("old.test", newPages().put(fingerOf+"bob@old.test", page{status: 405}))
	w.set("b.test", newPages().
		put(fingerOf+"noself@b.test", page{kind: "application/jrd+json", body: `{"subject":"acct:noself@b.test","links":[]}`}).
		put(fingerOf+"gone@b.test", page{status: 410}).
		put(fingerOf+"busy@b.test", page{status: 503}).
		put(fingerOf+"hidden@b.test", jrd("acct:hidden@b.test", "https://b.test/hidden")).
		put(fingerOf+"shy@b.test", jrd("acct:shy@b.test", "https://b.test/shy")).
		put(fingerOf+"dead@b.test", jrd("acct:dead@b.test", "https://b.test/dead")).
		put(fingerOf+"note@b.test", jrd("acct:note@b.test", "https://b.test/note")).
		put(fingerOf+"liar@b.test", jrd("acct:liar@b.test", "https://b.test/liar")).
		put(fingerOf+"bob@b.test", self("/users/other")).
		put("/shy", page{status: 403}).
		put("/dead", page{status: 410}).
		json("/note", `{"id":"https://b.test/note","type":"Note"}`).
		json("/liar", person(t, bob, nil)).
		json("/users/bob", person(t, bob, nil)).
		put("/page", page{kind: "text/html", body: "<html>"}))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	for query, want := range map[string]actor.Reason{
		"":                      actor.NotAHandle,
		"bob":                   actor.NotAHandle,
		"@bob":                  actor.NotAHandle,
		"bob@":                  actor.NotAHandle,
		"@b.test":               actor.NotAHandle,
		"a@b@c.test":            actor.NotAHandle,
		"bob@b.test/x":          actor.NotAHandle,
		"bob@b.test?x":          actor.NotAHandle,
		"bob?x@b.test":          actor.NotAHandle,
		"https://":              actor.NotAHandle,
		"bob@no.test":           actor.NoSuchHost,
		"bob@down.test":         actor.Unreachable,
		"busy@b.test":           actor.Unreachable,
		"bob@html.test":         actor.NoWebFinger,
		"bob@old.test":          actor.NoWebFinger,
		"nobody@b.test":         actor.Unknown,
		"https://b.test/nobody": actor.Unknown,
		"hidden@b.test":         actor.Rejected, // found by WebFinger, then 404
		"shy@b.test":            actor.Rejected,
		"gone@b.test":           actor.Gone,
		"dead@b.test":           actor.Gone,
		"noself@b.test":         actor.NotAnActor,
		"note@b.test":           actor.NotAnActor,
		"https://b.test/note":   actor.NotAnActor,
		"https://b.test/page":   actor.NotAnActor,
		"liar@b.test":           actor.Inconsistent,
		bob:                     actor.Inconsistent, // its WebFinger names another
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			a, err := r.Lookup(t.Context(), query)
			var l *actor.LookupError
			if a != nil || !errors.As(err, &l) || l.Reason != want {
				t.Fatalf("got %v, %v (reason %d); want reason %d", a, err, l.Reason, want)
			}
			sentence := l.Sentence()
			if !strings.HasSuffix(sentence, ".") || strings.Contains(sentence, "  ") || strings.HasPrefix(sentence, " ") {
				t.Errorf("sentence %q", sentence)
			}
		})
	}
}

func TestHostMetaTellsWhereWebFingerIs(t *testing.T) {
	t.Parallel()
	w := newWeb()
	meta := func(template string) page {
		return page{kind: "application/xrd+xml", body: `<?xml version="1.0"?><XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">` +
			`<Link rel="other" template="https://x.test/{uri}"/><Link rel="lrdd" template="` + template + `"/></XRD>`}
	}
	w.set("b.test", newPages().put("/.well-known/host-meta", meta("https://wf.test/ask?r={uri}&amp;x=1")))
	w.set("wf.test", newPages().put("/ask?r=acct%3Abob%40b.test&x=1", jrd("acct:bob@b.test", bob)))
	w.set("loop.test", newPages().put("/.well-known/host-meta", meta("https://loop.test/nothing?r={uri}")))
	w.set("bad.test", newPages().put("/.well-known/host-meta", meta("file:///{uri}")))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	j, err := r.WebFinger(t.Context(), "acct:bob@b.test")
	if err != nil || j.Self() != bob || j.Subject != "acct:bob@b.test" {
		t.Errorf("%+v, %v", j, err)
	}
	if _, err := r.WebFinger(t.Context(), "bob@loop.test"); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("404 there too: %v", err)
	}
	if n := w.count("https://loop.test/.well-known/host-meta"); n != 1 {
		t.Errorf("host-meta was asked %d times", n)
	}
	if _, err := r.WebFinger(t.Context(), "bob@bad.test"); !errors.Is(err, actor.ErrInvalidID) {
		t.Errorf("a template that leads nowhere: %v", err)
	}
}

func TestWebFingerIsAskedUnsignedAndFetchesAreSigned(t *testing.T) {
	t.Parallel()
	w := newWeb()
	a := newSite(t, w, "a.test")
	newSite(t, w, "b.test", actor.Profile{Handle: "bob"})
	if _, err := a.resolver.Lookup(t.Context(), "bob@b.test"); err != nil {
		t.Fatal(err)
	}
	signed, unsigned := 0, 0
	for _, r := range w.seen {
		finger := strings.HasPrefix(r.URL.Path, "/.well-known/")
		if has := r.Header.Get("Signature") != ""; has == finger {
			t.Errorf("%s: signed %v", r.URL, has)
		}
		if finger {
			unsigned++
		} else {
			signed++
			if got := r.Header.Get("Accept"); got != "application/activity+json, application/ld+json" {
				t.Errorf("Accept %q", got)
			}
			if sig := r.Header.Get("Signature"); !strings.Contains(sig, `keyId="https://a.test/ap/actor#main-key"`) {
				t.Errorf("signed as someone else: %s", sig)
			}
		}
		if r.Method != http.MethodGet {
			t.Error(r.Method)
		}
	}
	if signed != 1 || unsigned != 1 {
		t.Errorf("%d signed and %d unsigned requests", signed, unsigned)
	}
}
