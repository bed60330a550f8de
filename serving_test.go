package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// app answers for posts by the last part of their ids; what it hides from strangers it shows to friend.
type app struct {
	friend atomic.Value
	asked  sync.Map // asker → true
}

func (a *app) object(_ context.Context, id, asker string) (*activity.Object, error) {
	a.asked.Store(asker, true)
	friend, _ := a.friend.Load().(string)
	o := &activity.Object{Type: activity.Types{"Note"}, To: activity.To(activity.Public), Content: "for all",
		Updated: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	known := asker != "" && asker == friend
	switch id[strings.LastIndexByte(id, '/')+1:] {
	case "open":
	case "partial":
		if known {
			o.Content += " and for friends"
			return o, nil
		}
		return o, actor.ErrPartial
	case "hidden":
		if !known {
			return nil, actor.ErrHidden
		}
	default:
		return nil, actor.ErrNotFound
	}
	return o, nil
}

func TestWhoAsksGetsWhatIsForThem(t *testing.T) {
	t.Parallel()
	for fetch, statuses := range map[actor.AuthorizedFetch]map[string]int{ // "who path" → status
		actor.FetchOpen: {
			"- /open": 200, "- /partial": 200, "- /hidden": 0, "- /ap/objects/open": 200, "- /ap/objects/hidden": 404, "- /ap/users/alice/outbox": 200, "- /ap/users/alice": 200,
			"stranger /ap/objects/hidden": 404, "forger /ap/objects/hidden": 404, "forger /partial": 200, "forger /ap/objects/open": 200,
		},
		actor.FetchSigned: {
			"- /open": 401, "- /partial": 401, "- /hidden": 0, "- /nothing": 0, "- /ap/objects/open": 401, "- /ap/objects/hidden": 404, "- /ap/objects/nothing": 404,
			"- /ap/users/alice/outbox": 401, "- /ap/users/alice": 200,
			"stranger /ap/objects/hidden": 404, "forger /ap/objects/hidden": 404, "forger /partial": 401, "forger /ap/objects/open": 401,
			"stranger /ap/users/alice/outbox": 200, "forger /ap/users/alice": 200,
		},
		actor.FetchSignedActors: {
			"- /open": 401, "stranger /open": 200, "- /ap/users/alice": 401, "stranger /ap/users/alice": 200, "forger /ap/users/alice": 401, "- /ap/users/nobody": 404,
		},
	} {
		var posts app
		s := newSites(t, func(host string, c *fedihook.Config) {
			if host == "a.test" {
				c.AuthorizedFetch, c.Object = fetch, posts.object
			}
		}, "a.test", "b.test")
		a, b := s[0], s[1]
		posts.friend.Store(b.id("bob"))
		// Whatever the rule.
		for _, path := range []string{"/open", "/partial", "/hidden", "/ap/objects/open", "/ap/objects/hidden"} {
			statuses["friend "+path] = 200
		}
		for _, path := range []string{
			"/ap/actor", "/.well-known/webfinger?resource=acct:alice@a.test", "/.well-known/nodeinfo", "/nodeinfo/2.1", "/.well-known/host-meta",
		} {
			statuses["- "+path], statuses["forger "+path] = 200, 200
		}
		for asked, want := range statuses {
			who, path, _ := strings.Cut(asked, " ")
			by, as := (*site)(nil), ""
			switch who {
			case "friend":
				by, as = b, "bob"
			case "stranger":
				by, as = b, "carol"
			case "forger":
				by, as = a, "gone" // of an actor that has no key to be found
			}
			status, body, header := a.get(a.origin+path, activity.ContentType, by, as)
			if want == 0 { // nothing here, so the app's page
				if status != 200 || body != "a page" {
					t.Errorf("%d, %s: %d %s", fetch, asked, status, body)
				}
				continue
			}
			if status != want {
				t.Errorf("%d, %s: %d, want %d: %s", fetch, asked, status, want, body)
			}
			if status == 401 && (header.Get("WWW-Authenticate") == "" || header.Get("Accept-Signature") == "") {
				t.Errorf("%d, %s: a 401 that doesn't say how to sign: %v", fetch, asked, header)
			}
			if friends := strings.Contains(body, "and for friends"); friends != (who == "friend" && path == "/partial") {
				t.Errorf("%d, %s: %s", fetch, asked, body)
			}
			depends := path == "/partial" || strings.HasSuffix(path, "/hidden") || fetch != actor.FetchOpen && strings.HasSuffix(path, "/open")
			if cache := header.Get("Cache-Control"); depends && cache != "private, no-store" {
				t.Errorf("%d, %s: what depends on the signer may be kept: %q", fetch, asked, cache)
			}
		}
		if _, ok := posts.asked.Load(b.id("carol")); ok != true {
			t.Error("the app was never told that carol asks")
		}
		if _, ok := posts.asked.Load(a.id("gone")); ok {
			t.Error("the app was told of an asker who wasn't verified")
		}
	}
}

func TestTwoServersThatBothAskForSignaturesReachEachOther(t *testing.T) {
	t.Parallel()
	for _, fetch := range []actor.AuthorizedFetch{actor.FetchSigned, actor.FetchSignedActors} {
		s := newSites(t, func(_ string, c *fedihook.Config) { c.AuthorizedFetch = fetch }, "a.test", "b.test")
		a, b := s[0], s[1]
		if _, err := a.Lookup(t.Context(), "@bob@b.test"); err != nil {
			t.Fatalf("%d: %v", fetch, err)
		}
		b.follow("bob", a, "alice")
		a.follow("alice", b, "bob")
		id, err := a.Publish(t.Context(), "alice", note(activity.Public, activity.Followers))
		if err != nil {
			t.Fatal(err)
		}
		b.waitFor("Create", id)
		if _, err := b.Like(t.Context(), "bob", id); err != nil { // asks a for the post, to know whose it is
			t.Fatal(err)
		}
		a.waitFor("Like", id)
	}
}

func TestWithAuthorizedFetchTheSuspendedGetNothing(t *testing.T) {
	t.Parallel()
	var posts app
	policy := &moderation.Policy{Rules: storage.Memory().Rules}
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.AuthorizedFetch, c.Object, c.Policy = actor.FetchSigned, posts.object, policy
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	posts.friend.Store(b.id("bob"))
	if status, _, _ := a.get(a.origin+"/ap/objects/hidden", activity.ContentType, b, "bob"); status != 200 {
		t.Fatalf("before: %d", status)
	}
	if err := policy.Suspend(t.Context(), "b.test", "spam"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/ap/objects/open": 403, "/ap/objects/hidden": 404, "/ap/users/alice/outbox": 403, "/open": 403,
		"/ap/actor": 200, "/ap/users/alice": 200,
	} {
		if status, body, _ := a.get(a.origin+path, activity.ContentType, b, "bob"); status != want {
			t.Errorf("%s: %d, want %d: %s", path, status, want, body)
		}
	}
}

// anyone takes every signature for that of one actor, and asks no policy.
type anyone struct {
	inbox.Verifier
	owner string
}

func (v anyone) Verify(*http.Request, []byte) (signature.Verified, error) {
	return signature.Verified{Owner: v.owner}, nil
}

func TestAVerifierOfTheAppsDoesNotLetTheSuspendedIn(t *testing.T) {
	t.Parallel()
	var posts app
	policy := &moderation.Policy{Rules: storage.Memory().Rules}
	s, err := fedihook.New(fedihook.Config{
		Origin: "https://a.test", Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound },
		Object: posts.object, AuthorizedFetch: actor.FetchSigned, Policy: policy, Verifier: anyone{owner: "https://b.test/bob"},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := func() int {
		r := httptest.NewRequest(http.MethodGet, "https://a.test/open", nil)
		r.Header.Set("Accept", activity.ContentType)
		r.Header.Set("Signature", "x")
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, r)
		return rec.Code
	}
	if code := get(); code != 200 {
		t.Errorf("before: %d", code)
	}
	if err := policy.Suspend(t.Context(), "b.test", ""); err != nil {
		t.Fatal(err)
	}
	if code := get(); code != 403 {
		t.Errorf("suspended: %d", code)
	}
}

func TestTheOutboxShowsWhatObjectShows(t *testing.T) {
	t.Parallel()
	var blocked atomic.Value
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.AuthorizedFetch = actor.FetchSigned
			c.Object = func(_ context.Context, id, asker string) (*activity.Object, error) {
				if b, _ := blocked.Load().(string); asker == b {
					return nil, actor.ErrHidden
				}
				return &activity.Object{Type: activity.Types{"Note"}, Content: "edited since"}, nil
			}
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	blocked.Store(b.id("bob"))
	b.follow("carol", a, "alice")
	id, err := a.Publish(t.Context(), "alice", note(activity.Public, activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", id)
	page := a.id("alice") + "/outbox?page=true"
	if status, body, _ := a.get(page, activity.ContentType, b, "carol"); status != 200 || !strings.Contains(body, id) || !strings.Contains(body, "edited since") {
		t.Errorf("to carol: %d %s", status, body)
	}
	if status, body, _ := a.get(page, activity.ContentType, b, "bob"); status != 200 || strings.Contains(body, id) {
		t.Errorf("to bob, who may not see it: %d %s", status, body)
	}
}

func TestADocumentOnTheURLOfAPageIsNeverCached(t *testing.T) {
	t.Parallel()
	var posts app
	a := newSites(t, func(_ string, c *fedihook.Config) {
		c.Object = posts.object
		profile := c.Profile
		c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
			if handle == "jane" || strings.HasSuffix(handle, "/author/jane") {
				return actor.Profile{Handle: "jane", ID: c.Origin + "/author/jane"}, nil
			}
			return profile(ctx, handle)
		}
		c.Collections.Own = map[string]actor.Source{"/books": func(context.Context, actor.Query) (actor.Page, error) {
			return actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/book")}, Total: 1}, nil
		}}
	}, "a.test")[0]
	for path, kept := range map[string]string{
		"/open": "private, no-store", "/author/jane": "private, no-store", "/books": "private, no-store", "/books?page=true": "private, no-store",
		"/ap/objects/open": "public, max-age=60", "/ap/users/alice": "public, max-age=60", "/ap/users/alice/followers": "public, max-age=60",
	} {
		status, _, header := a.get(a.origin+path, activity.ContentType, nil, "")
		if status != 200 || header.Get("Cache-Control") != kept || !strings.HasPrefix(header.Get("Vary"), "Accept") || header.Get("Etag") == "" {
			t.Errorf("%s: %d %v", path, status, header)
		}
		if _, body, page := a.get(a.origin+path, "text/html", nil, ""); kept == "private, no-store" && (body != "a page" || page.Get("Vary") != "Accept") {
			t.Errorf("%s for a browser: %s %v", path, body, page)
		}
	}
	_, _, header := a.get(a.origin+"/ap/objects/open", activity.ContentType, nil, "")
	if got := header.Get("Last-Modified"); got != "Tue, 03 Feb 2026 04:05:06 GMT" {
		t.Errorf("Last-Modified %q", got)
	}
}

func TestTheAppsCollectionsAreServedAndLinked(t *testing.T) {
	t.Parallel()
	var posts app
	list := func(_ context.Context, q actor.Query) (actor.Page, error) {
		return actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/" + q.Name)}, Total: 1}, nil
	}
	a := newSites(t, func(_ string, c *fedihook.Config) {
		c.Object = posts.object
		c.Collections = actor.Collections{Featured: list, Replies: list, Followers: func(context.Context, actor.Query) (actor.Page, error) {
			return actor.Page{Total: 7, Hidden: true}, nil
		}}
		c.HandleDomain, c.Subscribe = "example.test", c.Origin+"/interact?uri={uri}"
	}, "a.test")[0]
	for path, want := range map[string]string{
		"/ap/users/alice":                              `"featured":"http://a.test/ap/users/alice/featured"`,
		"/ap/users/alice/featured":                     `"orderedItems":["https://b.test/featured"]`,
		"/ap/objects/open":                             `"replies":"http://a.test/ap/objects/open/replies"`,
		"/ap/objects/open/replies?page=true":           `"items":["https://b.test/replies"]`,
		"/open":                                        `"replies":"http://a.test/ap/of/L29wZW4/replies"`,
		"/ap/of/L29wZW4/replies?page=true":             `"items":["https://b.test/replies"]`,
		"/ap/users/alice/followers":                    `"totalItems":7`,
		"/ap/users/alice/following":                    `"totalItems":0`,
		"/.well-known/webfinger?resource=alice@a.test": `"subject":"acct:alice@example.test"`,
	} {
		if status, body, _ := a.get(a.origin+path, activity.ContentType, nil, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{
		"/ap/users/alice/followers?page=true": 404, "/ap/users/alice/liked": 404, "/ap/objects/open/likes": 404,
		"/ap/objects/hidden/replies": 404, "/ap/objects/nothing/replies": 404, "/ap/users/alice/following?cursor=x&page=1": 404,
		"/ap/users/alice/outbox?page=1&cursor=-1": 404, "/ap/users/alice/outbox?page=1&cursor=99999999999999999999": 404,
	} {
		if status, body, _ := a.get(a.origin+path, activity.ContentType, nil, ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestTheAppMayHideItsFollowersAndStillHaveThem(t *testing.T) {
	t.Parallel()
	var a *site
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Collections.Followers = func(ctx context.Context, q actor.Query) (actor.Page, error) {
				p, err := a.Collection(ctx, q)
				p.Hidden = true
				return p, err
			}
		}
	}, "a.test", "b.test")
	a = s[0]
	s[1].follow("bob", a, "alice")
	a.follow("alice", s[1], "bob")
	followers, following := a.id("alice")+"/followers", a.id("alice")+"/following"
	if status, body, _ := a.get(followers, activity.ContentType, nil, ""); status != 200 || !strings.Contains(body, `"totalItems":1`) || strings.Contains(body, "first") {
		t.Errorf("followers: %d %s", status, body)
	}
	if status, body, _ := a.get(followers+"?page=true", activity.ContentType, nil, ""); status != 404 {
		t.Errorf("a page of hidden followers: %d %s", status, body)
	}
	if status, body, _ := a.get(following+"?page=true", activity.ContentType, nil, ""); status != 200 || !strings.Contains(body, s[1].id("bob")) {
		t.Errorf("following: %d %s", status, body)
	}
	if _, err := a.Collection(t.Context(), actor.Query{Name: "liked"}); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("liked: %v", err)
	}
}

func TestNewRefusesWhatCanNotBeServed(t *testing.T) {
	t.Parallel()
	source := func(context.Context, actor.Query) (actor.Page, error) { return actor.Page{}, nil }
	for name, change := range map[string]func(c *fedihook.Config){
		"HandleDomain":    func(c *fedihook.Config) { c.HandleDomain = "Example.test/x" },
		"AuthorizedFetch": func(c *fedihook.Config) { c.AuthorizedFetch = 9 },
		"Collections": func(c *fedihook.Config) {
			c.Collections.Own = map[string]actor.Source{"/{user}/inbox": source}
		},
		"Own[\"books\"]":  func(c *fedihook.Config) { c.Collections.Own = map[string]actor.Source{"books": source} },
		"Own[\"/books\"]": func(c *fedihook.Config) { c.Collections.Own = map[string]actor.Source{"/books": nil} },
		"Own":             func(c *fedihook.Config) { c.Collections.Own = map[string]actor.Source{"/{": source} },
	} {
		c := fedihook.Config{Origin: "https://a.test", Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, nil }}
		change(&c)
		if _, err := fedihook.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
