package actor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

var ap = map[string]string{"Accept": activity.ContentType}

// users of a.test: a usual one, one with an old site's id, one who was renamed, one who is gone.
func users(_ context.Context, name string) (actor.Profile, error) {
	switch name {
	case "alice":
		return actor.Profile{Handle: "alice", Name: "Alice <3", URL: "https://a.test/@alice", Icon: "https://a.test/alice.png",
			Published: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, nil
	case "plain":
		return actor.Profile{Handle: "plain"}, nil
	case "jane", "https://a.test/author/jane":
		return actor.Profile{Handle: "jane", ID: "https://a.test/author/jane"}, nil
	case "newname", "https://a.test/ap/users/oldname":
		return actor.Profile{Handle: "newname", ID: "https://a.test/ap/users/oldname"}, nil
	case "oldname": // who took the name that was free
		return actor.Profile{Handle: "oldname", ID: "https://a.test/ap/users/oldname-2"}, nil
	case "https://a.test/ap/users/oldname-2":
		return actor.Profile{Handle: "oldname", ID: "https://a.test/ap/users/oldname-2"}, nil
	case "gone":
		return actor.Profile{}, fmt.Errorf("users: %w", actor.ErrGone)
	case "broken":
		return actor.Profile{}, errors.New("users: database on fire")
	case "bad", "b a d":
		return actor.Profile{Handle: "b a d"}, nil
	case "foreign":
		return actor.Profile{Handle: "foreign", ID: "https://c.test/foreign"}, nil
	}
	return actor.Profile{}, fmt.Errorf("users: %w", actor.ErrNotFound)
}

func newHandler(log *bytes.Buffer) (*actor.Handler, *http.ServeMux, *memory) {
	store := newMemory()
	h := &actor.Handler{
		Names:     actor.Names{Origin: "https://a.test"},
		Profile:   users,
		Subscribe: "https://a.test/interact?uri={uri}&x",
		Logger:    slog.New(slog.NewTextHandler(log, nil)),
	}
	h.Keyring = &actor.Keyring{Store: store, Names: h.Names}
	mux := http.NewServeMux()
	h.Register(mux)
	mux.HandleFunc("/author/", h.ServeActor)
	return h, mux, store
}

func TestTheHandlerAnswersWithTheRightStatus(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	_, mux, store := newHandler(&log)
	browser := map[string]string{"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
	for _, c := range []struct {
		name, path string
		header     map[string]string
		status     int
		kind, to   string
	}{
		{"an actor", "/ap/users/alice", ap, 200, activity.ContentType, ""},
		{"an actor for a browser", "/ap/users/alice", browser, 303, "", "https://a.test/@alice"},
		{"an actor without a page for a browser", "/ap/users/plain", browser, 200, activity.ContentType, ""},
		{"the instance actor for a browser", "/ap/actor", browser, 200, activity.ContentType, ""},
		{"the instance actor", "/ap/actor", ap, 200, activity.ContentType, ""},
		{"nobody", "/ap/users/nobody", ap, 404, "application/json", ""},
		{"one who is gone", "/ap/users/gone", ap, 410, activity.ContentType, ""},
		{"one that the app can't find now", "/ap/users/broken", ap, 503, "application/json", ""},
		{"a profile that no server would take", "/ap/users/b%20a%20d", ap, 503, "application/json", ""},
		{"a minted id whose owner has another", "/ap/users/jane", ap, 301, "", "https://a.test/author/jane"},
		{"an id from before", "/author/jane", ap, 200, activity.ContentType, ""},
		{"one who was renamed, by the id", "/ap/users/oldname", ap, 200, activity.ContentType, ""},
		{"one who was renamed, by the new name", "/ap/users/newname", ap, 301, "", "https://a.test/ap/users/oldname"},
		{"a needless escape", "/ap/users/%61lice", ap, 404, "application/json", ""},
		{"a NUL", "/ap/users/%00", ap, 404, "application/json", ""},
		{"an outbox", "/ap/users/alice/outbox", ap, 200, activity.ContentType, ""},
		{"nobody's outbox", "/ap/users/nobody/outbox", ap, 404, "application/json", ""},
		{"a gone one's followers", "/ap/users/gone/followers", ap, 410, "application/json", ""},
		{"the collection of an id from before", "/ap/users/jane/followers", ap, 200, activity.ContentType, ""},
		{"the collection under another name", "/ap/users/newname/followers", ap, 301, "", "https://a.test/ap/users/oldname/followers"},
		{"the instance actor's outbox", "/ap/actor/outbox", ap, 200, activity.ContentType, ""},
		{"WebFinger", "/.well-known/webfinger?resource=acct:alice@a.test", nil, 200, "application/jrd+json", ""},
		{"WebFinger without resource", "/.well-known/webfinger", nil, 400, "application/json", ""},
		{"WebFinger with an empty resource", "/.well-known/webfinger?resource=", nil, 400, "application/json", ""},
		{"WebFinger with two resources", "/.well-known/webfinger?resource=acct:alice@a.test&resource=acct:plain@a.test", nil, 400, "application/json", ""},
		{"WebFinger with a bad query", "/.well-known/webfinger?resource=%zz", nil, 400, "application/json", ""},
		{"WebFinger for too much", "/.well-known/webfinger?resource=" + strings.Repeat("x", 3000), nil, 400, "application/json", ""},
		{"WebFinger for nobody", "/.well-known/webfinger?resource=acct:nobody@a.test", nil, 404, "application/json", ""},
		{"WebFinger for another host", "/.well-known/webfinger?resource=acct:alice@b.test", nil, 404, "application/json", ""},
		{"WebFinger for another port", "/.well-known/webfinger?resource=acct:alice@a.test:8443", nil, 404, "application/json", ""},
		{"WebFinger for another host's URL", "/.well-known/webfinger?resource=https://b.test/ap/users/alice", nil, 404, "application/json", ""},
		{"WebFinger for one who is gone", "/.well-known/webfinger?resource=acct:gone@a.test", nil, 410, "application/json", ""},
		{"WebFinger for one that the app can't find now", "/.well-known/webfinger?resource=acct:broken@a.test", nil, 503, "application/json", ""},
		{"WebFinger for a handle that no server takes", "/.well-known/webfinger?resource=acct:bad@a.test", nil, 503, "application/json", ""},
		{"WebFinger for an id elsewhere", "/.well-known/webfinger?resource=acct:foreign@a.test", nil, 503, "application/json", ""},
		{"host-meta", "/.well-known/host-meta", nil, 200, "application/xrd+xml", ""},
		{"NodeInfo's links", "/.well-known/nodeinfo", nil, 200, "application/json", ""},
		{"NodeInfo 2.1", "/nodeinfo/2.1", nil, 200, `application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"`, ""},
		{"NodeInfo by a schema that is too old", "/nodeinfo/1.0", nil, 404, "application/json", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := get(mux, "https://a.test"+c.path, c.header)
			if rec.Code != c.status || rec.Header().Get("Location") != c.to || c.kind != "" && rec.Header().Get("Content-Type") != c.kind {
				t.Fatalf("got %d %q to %q: %s", rec.Code, rec.Header().Get("Content-Type"), rec.Header().Get("Location"), rec.Body)
			}
			if strings.Contains(rec.Body.String(), "fire") {
				t.Error("the app's error was shown to a stranger")
			}
			open := strings.HasPrefix(c.path, "/.well-known/") || strings.HasPrefix(c.path, "/nodeinfo/")
			if got := rec.Header().Get("Access-Control-Allow-Origin"); (got == "*") != open {
				t.Errorf("Access-Control-Allow-Origin %q", got)
			}
			if c.status == 200 {
				if shared := c.path == "/author/jane"; strings.HasPrefix(rec.Header().Get("Cache-Control"), "public, max-age=") == shared {
					t.Errorf("Cache-Control %q", rec.Header().Get("Cache-Control"))
				}
				again := get(mux, "https://a.test"+c.path, map[string]string{"Accept": c.header["Accept"], "If-None-Match": rec.Header().Get("ETag")})
				if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
					t.Errorf("with its ETag: %d", again.Code)
				}
			}
			if c.status >= 400 && rec.Header().Get("Cache-Control") != "private, no-store" {
				t.Error("a failure may be cached")
			}
			r := httptest.NewRequest(http.MethodHead, "https://a.test"+c.path, nil)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			head := httptest.NewRecorder()
			mux.ServeHTTP(head, r)
			if head.Code != c.status || head.Body.Len() != 0 {
				t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
			}
		})
	}
	if !strings.Contains(log.String(), "database on fire") {
		t.Errorf("what the app failed with was not logged: %s", log.String())
	}
	if store.handedOut["https://c.test/foreign"] || store.handedOut["https://a.test/ap/users/b%20a%20d"] {
		t.Error("a key was made for an actor that can't be shown")
	}
}

func TestOnlyGetAndHeadAreAnswered(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	for _, serve := range []http.HandlerFunc{h.ServeActor, h.ServeCollection, h.ServeWebFinger, h.ServeHostMeta, h.ServeNodeInfo, h.ServeNodeInfoLinks, mux.ServeHTTP} {
		rec := httptest.NewRecorder()
		serve(rec, httptest.NewRequest(http.MethodPost, "https://a.test/ap/users/alice", nil))
		if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%d, Allow %q", rec.Code, rec.Header().Get("Allow"))
		}
	}
}

func TestATombstoneStandsForAnActorThatIsGone(t *testing.T) {
	t.Parallel()
	_, mux, _ := newHandler(&bytes.Buffer{})
	doc, err := activity.Decode(get(mux, "https://a.test/ap/users/gone", ap).Body.Bytes())
	if err != nil || !doc.Is("Tombstone") || doc.DocumentID() != "https://a.test/ap/users/gone" {
		t.Errorf("%v, %v", doc, err)
	}
}

func TestLocalTellsOursFromOthers(t *testing.T) {
	t.Parallel()
	h, _, _ := newHandler(&bytes.Buffer{})
	asked := 0
	inner := h.Profile
	h.Profile = func(ctx context.Context, name string) (actor.Profile, error) { asked++; return inner(ctx, name) }
	for iri, want := range map[string]string{ // handle; "" nobody, "!" gone, "?" an error
		"https://a.test/ap/users/alice":                "alice",
		"https://a.test/ap/actor":                      "a.test",
		"https://a.test/author/jane":                   "jane",
		"https://a.test/ap/users/jane":                 "",
		"https://a.test/ap/users/oldname":              "newname",
		"https://a.test/ap/users/newname":              "",
		"https://a.test/ap/users/alice#main-key":       "",
		"https://a.test/ap/users/alice/inbox":          "",
		"https://a.test/ap/users/nobody":               "",
		"https://a.test/ap/users/gone":                 "!",
		"https://a.test/ap/users/broken":               "?",
		"https://a.test/somewhere":                     "",
		"https://www.w3.org/ns/activitystreams#Public": "",
		"https://b.test/ap/users/alice":                "",
		"https://a.test:8443/ap/users/alice":           "",
		"https://a.test.b.test/ap/users/alice":         "",
		"nonsense":                                     "",
	} {
		before := asked
		p, ok, err := h.Local(t.Context(), iri)
		got := p.Handle
		switch {
		case errors.Is(err, actor.ErrGone):
			got = "!"
		case err != nil:
			got = "?"
		}
		if got != want || ok != (want != "" && want != "?") {
			t.Errorf("%s: %q, %v, %v; want %q", iri, got, ok, err, want)
		}
		if !strings.HasPrefix(iri, "https://a.test/") && asked != before {
			t.Errorf("the app was asked about %s", iri)
		}
	}
}

func TestCollectionsArePagedByTheApp(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	const id = "https://a.test/ap/users/alice/followers"
	ask := func(url string) *activity.Collection {
		t.Helper()
		rec := get(mux, url, ap)
		doc, err := activity.Decode(rec.Body.Bytes())
		c, ok := doc.(*activity.Collection)
		if err != nil || !ok {
			t.Fatalf("%s: %d %s", url, rec.Code, rec.Body)
		}
		return c
	}
	empty := ask(id)
	if empty.TotalItems == nil || *empty.TotalItems != 0 || !empty.First.IsZero() || len(empty.OrderedItems) != 0 {
		t.Errorf("without a callback: %+v", empty)
	}
	h.Collections.Followers = func(_ context.Context, q actor.Query) (actor.Page, error) {
		if q.Owner != "https://a.test/ap/users/alice" || q.Name != "followers" || q.ID != id || q.Limit <= 0 {
			return actor.Page{}, fmt.Errorf("asked for %+v", q)
		}
		switch q.Cursor {
		case "":
			return actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/1")}, Next: "a/b c&d", Total: 2}, nil
		case "a/b c&d":
			return actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/2")}, Total: 2}, nil
		}
		return actor.Page{}, actor.ErrNotFound
	}
	whole := ask(id)
	if *whole.TotalItems != 2 || whole.ID != id || !whole.Is("OrderedCollection") || len(whole.OrderedItems) != 0 {
		t.Errorf("%+v", whole)
	}
	var items []string
	for next, n := whole.First.ID, 0; next != "" && n < 5; n++ {
		p := ask(next)
		if p.ID != next || p.PartOf.ID != id || !p.Is("OrderedCollectionPage") {
			t.Errorf("page %+v", p)
		}
		items = append(items, p.OrderedItems.IDs()...)
		next = p.Next.ID
	}
	if strings.Join(items, " ") != "https://b.test/1 https://b.test/2" {
		t.Errorf("items %v", items)
	}
	if p := ask(id + "?cursor=a%2Fb+c%26d"); !p.Is("OrderedCollectionPage") || p.OrderedItems.IDs()[0] != "https://b.test/2" {
		t.Errorf("a cursor without page: %+v", p)
	}
	if rec := get(mux, id+"?page=true&cursor=made-up", ap); rec.Code != http.StatusNotFound {
		t.Errorf("a cursor that nobody gave out: %d", rec.Code)
	}
	if rec := get(mux, id+"?%zz", ap); rec.Code != http.StatusNotFound {
		t.Errorf("a bad query: %d", rec.Code)
	}
}
