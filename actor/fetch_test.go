package actor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

func TestActorsOfLyingServersAreRefused(t *testing.T) {
	t.Parallel()
	evil := func(changes map[string]any) string { return person(t, bob, changes) }
	for _, c := range []struct {
		name    string
		answer  page
		want    error
		passing bool
	}{
		{"another host's id", page{kind: activity.ContentType, body: person(t, "https://c.test/users/carol", nil)}, actor.ErrIDMismatch, false},
		{"the same host's other id", page{kind: activity.ContentType, body: person(t, "https://b.test/users/else", nil)}, actor.ErrIDMismatch, false},
		{"the same name at another port", page{kind: activity.ContentType, body: person(t, "https://b.test:8443/users/bob", nil)}, actor.ErrIDMismatch, false},
		{"no id", page{kind: activity.ContentType, body: evil(map[string]any{"id": nil})}, actor.ErrIDMismatch, false},
		{"a note", page{kind: activity.ContentType, body: evil(map[string]any{"type": "Note"})}, actor.ErrNotActor, false},
		{"an unknown type with an inbox", page{kind: activity.ContentType, body: evil(map[string]any{"type": "Robot"})}, actor.ErrNotActor, false},
		{"no inbox", page{kind: activity.ContentType, body: evil(map[string]any{"inbox": nil})}, actor.ErrMalformed, false},
		{"an inbox that is no URL", page{kind: activity.ContentType, body: evil(map[string]any{"inbox": "javascript:alert(1)"})}, actor.ErrMalformed, false},
		{"an inbox with a password", page{kind: activity.ContentType, body: evil(map[string]any{"inbox": "https://a:b@c.test/"})}, actor.ErrMalformed, false},
		{"a web page", page{kind: "text/html; charset=utf-8", body: "<!doctype html>"}, actor.ErrContentType, false},
		{"an upload", page{kind: "image/png", body: evil(nil)}, actor.ErrContentType, false},
		{"plain JSON", page{kind: "application/json", body: evil(nil)}, actor.ErrContentType, false},
		{"ld+json without profile", page{kind: "application/ld+json", body: evil(nil)}, actor.ErrContentType, false},
		{"ld+json with another profile", page{kind: `application/ld+json; profile="https://example.com"`, body: evil(nil)}, actor.ErrContentType, false},
		{"no media type", page{kind: "", body: evil(nil)}, actor.ErrContentType, false},
		{"no JSON", page{kind: activity.ContentType, body: "{"}, actor.ErrMalformed, false},
		{"a list", page{kind: activity.ContentType, body: "[]"}, actor.ErrMalformed, false},
		{"a huge body", page{kind: activity.ContentType, body: `{"x":"` + strings.Repeat("x", 1<<20) + `"}`}, actor.ErrTooLarge, false},
		{"204", page{status: 204, kind: activity.ContentType}, actor.ErrMalformed, false},
		{"206", page{status: 206, kind: activity.ContentType, body: evil(nil)}, actor.ErrMalformed, false},
		{"401", page{status: 401}, actor.ErrRejected, true},
		{"403", page{status: 403}, actor.ErrRejected, false},
		{"404", page{status: 404}, actor.ErrNotFound, false},
		{"410", page{status: 410}, actor.ErrGone, false},
		{"429", page{status: 429}, actor.ErrUnreachable, true},
		{"500", page{status: 500}, actor.ErrUnreachable, true},
		{"501", page{status: 501}, actor.ErrMalformed, false},
		{"503", page{status: 503}, actor.ErrUnreachable, true},
		{"a tombstone", page{kind: activity.ContentType, body: evil(map[string]any{"type": "Tombstone", "inbox": nil})}, actor.ErrGone, false},
		{"a redirect to itself", page{to: bob}, actor.ErrMalformed, false},
		{"a redirect to another host that serves it", page{to: "https://c.test/users/bob"}, actor.ErrIDMismatch, false},
		{"a redirect to another port", page{to: "https://b.test:8443/users/bob"}, actor.ErrIDMismatch, false},
		{"a redirect to another scheme", page{to: "http://b.test/users/bob"}, actor.ErrIDMismatch, false},
		{"a redirect to nowhere", page{status: 302, to: "https://%"}, actor.ErrMalformed, false},
		{"a redirect to a file", page{to: "file:///etc/passwd"}, actor.ErrIDMismatch, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("b.test", newPages().put("/users/bob", c.answer).json("/users/else", person(t, "https://b.test/users/else", nil)))
			w.set("c.test", newPages().json("/users/bob", person(t, bob, nil)))
			w.set("b.test:8443", newPages().json("/users/bob", person(t, bob, nil)))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			a, err := r.Actor(t.Context(), bob)
			if a != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %v, %v; want %v", a, err, c.want)
			}
			var e *actor.Error
			if !errors.As(err, &e) || e.Passing != c.passing || e.ID == "" {
				t.Errorf("got %#v; want passing %v", e, c.passing)
			}
			if store.written() != 0 {
				t.Error("something was stored")
			}
			asked := w.total()
			if _, again := r.Actor(t.Context(), bob); !errors.Is(again, c.want) {
				t.Errorf("asked again: %v", again)
			}
			if w.total() != asked {
				t.Error("asking again at once made another request")
			}
		})
	}
}

func TestAnActorIsTakenInEveryHonestForm(t *testing.T) {
	t.Parallel()
	doc := person(t, bob, nil)
	for name, answers := range map[string]*pages{
		"activity+json":              newPages().json("/users/bob", doc),
		"with charset":               newPages().put("/users/bob", page{kind: "application/activity+json; charset=utf-8", body: doc}),
		"ld+json with profile":       newPages().put("/users/bob", page{kind: activity.LDContentType, body: doc}),
		"ld+json with two profiles":  newPages().put("/users/bob", page{kind: `application/ld+json; profile="http://x.test https://www.w3.org/ns/activitystreams"`, body: doc}),
		"redirected on its own host": newPages().put("/users/bob", page{to: "/elsewhere"}).json("/elsewhere", doc),
		"thrice redirected":          newPages().put("/users/bob", page{to: "/1"}).put("/1", page{to: "/2"}).put("/2", page{to: "/3"}).json("/3", doc),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWeb(), newMemory()
			w.set("b.test", answers)
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			a, err := r.Actor(t.Context(), bob)
			if err != nil {
				t.Fatal(err)
			}
			if a.ID != bob || a.Inbox.ID != bob+"/inbox" {
				t.Errorf("got %s with inbox %s", a.ID, a.Inbox.ID)
			}
			kept, ok := store.stored(bob)
			if !ok || string(kept.Document) != doc || len(kept.KeyIDs) != 1 || kept.KeyIDs[0] != bob+"#main-key" {
				t.Errorf("stored %+v", kept)
			}
			asked := w.total()
			restarted := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			if a, err := restarted.Actor(t.Context(), bob); err != nil || a.ID != bob || w.total() != asked || store.written() != 1 {
				t.Errorf("after a restart: %v, %v; %d more requests, written %d times", a, err, w.total()-asked, store.written())
			}
		})
	}
}

func TestIDsThatCannotBeFetchedAreRefusedWithoutARequest(t *testing.T) {
	t.Parallel()
	w := newWeb()
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
	for _, id := range []string{
		"", "bob", "/users/bob", "ftp://b.test/x", "https:b.test", "https:///x", "https://u@b.test/x", "https://b.test/a b",
		"https://b.test/\n", "https://b.test\\@c.test/", "https://b.test/" + strings.Repeat("x", 2048), "https://[::1/", "mailto:a@b.test",
	} {
		if _, err := r.Actor(t.Context(), id); !errors.Is(err, actor.ErrInvalidID) {
			t.Errorf("Actor(%q): %v", id, err)
		}
		if _, _, err := r.Fetch(t.Context(), id); !errors.Is(err, actor.ErrInvalidID) {
			t.Errorf("Fetch(%q): %v", id, err)
		}
		if _, err := r.PublicKey(t.Context(), id); !errors.Is(err, actor.ErrInvalidID) {
			t.Errorf("PublicKey(%q): %v", id, err)
		}
	}
	if _, _, err := r.Fetch(t.Context(), "https://A.test:443/x"); !errors.Is(err, actor.ErrOurs) {
		t.Errorf("an id of ours: %v", err)
	}
	if w.total() != 0 {
		t.Errorf("%d requests were made", w.total())
	}
}

func TestADocumentWithAnotherIDIsFetchedOnceMoreOnTheSameHost(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().
		json("/@bob", person(t, bob, nil)).
		json("/users/bob", person(t, bob, nil)).
		json("/chain/1", `{"id":"https://b.test/chain/2","type":"Note"}`).
		json("/chain/2", `{"id":"https://b.test/chain/3","type":"Note"}`).
		json("/chain/3", `{"id":"https://b.test/chain/3","type":"Note"}`))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	doc, raw, err := r.Fetch(t.Context(), "https://b.test/@bob")
	if err != nil || doc.DocumentID() != bob || string(raw) != person(t, bob, nil) {
		t.Errorf("got %v, %v", doc, err)
	}
	if n := w.count(bob); n != 1 {
		t.Errorf("the id was fetched %d times", n)
	}
	if _, _, err := r.Fetch(t.Context(), "https://b.test/chain/1"); !errors.Is(err, actor.ErrIDMismatch) {
		t.Errorf("a chain of ids: %v", err)
	}
	if n := w.count("https://b.test/chain/3"); n != 0 {
		t.Error("a chain of ids was followed")
	}
}

func TestAHostThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("b.test", nil)
		w.set("b.test:8443", newPages().json("/users/x", person(t, "https://b.test:8443/users/x", nil)))
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		for _, id := range []string{"1", "2", "3"} {
			if _, err := r.Actor(t.Context(), "https://b.test/"+id); !errors.Is(err, actor.ErrUnreachable) {
				t.Fatal(err)
			}
		}
		if w.total() != 1 {
			t.Errorf("%d requests", w.total())
		}
		if _, err := r.Actor(t.Context(), "https://b.test:8443/users/x"); err != nil {
			t.Errorf("another port is another server: %v", err)
		}
		time.Sleep(time.Minute)
		w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
}

func TestRequestsToOneHostAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("b.test", newPages())
		r := resolver(t, actor.ResolverConfig{Client: w.client(), MaxFetches: 5})
		for i := range 50 {
			_, err := r.PublicKey(t.Context(), "https://b.test/"+strings.Repeat("x", i+1)+"#main-key")
			if err == nil {
				t.Fatal("a key was found")
			}
		}
		if w.total() != 5 {
			t.Errorf("%d requests in a minute, want 5", w.total())
		}
		time.Sleep(time.Minute)
		if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrNotFound) || w.total() != 6 {
			t.Errorf("in the next minute: %v after %d requests", err, w.total())
		}
	})
}

func TestPolicyIsAskedBeforeEachHop(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().put("/away", page{to: "https://bad.test/x"}).json("/users/bob", person(t, bob, nil)))
	w.set("bad.test", newPages().json("/x", person(t, "https://bad.test/x", nil)))
	broken := errors.New("database on fire")
	allow := func(_ context.Context, host string) error {
		switch host {
		case "bad.test":
			return moderation.ErrRefused
		case "unsure.test:8443":
			return broken
		}
		return nil
	}
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Allow: allow})
	if _, err := r.Actor(t.Context(), bob); err != nil {
		t.Error(err)
	}
	var e *actor.Error
	for id, passing := range map[string]bool{"https://bad.test/x": false, "https://BAD.test:443/x": false, "https://unsure.test:8443/x": true} {
		_, err := r.Actor(t.Context(), id)
		if !errors.As(err, &e) || !errors.Is(err, actor.ErrBlocked) || e.Passing != passing {
			t.Errorf("%s: %v", id, err)
		}
	}
	var l *actor.LookupError
	if _, err := r.Lookup(t.Context(), "https://b.test/away"); !errors.As(err, &l) || l.Reason != actor.Blocked {
		t.Errorf("redirect to a blocked host: %v", err)
	}
	if w.count("https://bad.test/x") != 0 {
		t.Error("a blocked host was asked")
	}
}

// endless is a server whose body never ends.
type endless struct{ read int }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {activity.ContentType}}, Body: io.NopCloser(e), Request: r}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read += len(p); e.read > 8<<20 {
		return 0, errors.New("read on and on")
	}
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func TestABodyWithoutEndIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	var server endless
	r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: &server}})
	if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrTooLarge) || server.read > 4<<20 {
		t.Errorf("%v after %d bytes", err, server.read)
	}
}

func TestAMissingKeyOfOursIsNoFaultOfTheirs(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
	broken := errors.New("disk on fire")
	fail := true
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Key: func(context.Context) (signature.Key, error) {
		if fail {
			return signature.Key{}, broken
		}
		return signature.Key{ID: "https://a.test/ap/actor#main-key", Private: testKeys()[1]}, nil
	}})
	var e *actor.Error
	if _, err := r.Actor(t.Context(), bob); !errors.As(err, &e) || !errors.Is(err, broken) || !e.Passing {
		t.Errorf("got %v", err)
	}
	fail = false
	if _, err := r.Actor(t.Context(), bob); err != nil {
		t.Errorf("as soon as the key is there: %v", err)
	}
}
