package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

func TestNewNamesTheFieldThatDoesNotWork(t *testing.T) {
	t.Parallel()
	profile := func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound }
	for field, c := range map[string]fedihook.Config{
		"Config.Profile":               {Origin: "https://here.example"},
		"Config.Origin":                {Profile: profile},
		"Origin":                       {Profile: profile, Origin: "https://here.example/blog"},
		"Prefix":                       {Profile: profile, Origin: "https://here.example", Prefix: "ap"},
		"Config.Node":                  {Profile: profile, Origin: "https://here.example", Node: strings.Repeat("x", 256)},
		"Config.Storage.Log":           {Profile: profile, Origin: "https://here.example", Storage: storage.Storage{Intents: storage.Memory().Intents}},
		"Config.InsecureAllowLoopback": {Profile: profile, Origin: "https://here.example", InsecureAllowLoopback: map[string]string{"a.test": "192.0.2.1:80"}},
	} {
		if _, err := fedihook.New(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New without a good %s = %v", field, err)
		}
	}
	if _, err := fedihook.New(fedihook.Config{Profile: profile, Origin: "https://here.example"}); err != nil {
		t.Errorf("New with Origin and Profile alone = %v", err)
	}
}

func TestAPublicPostReachesAFollowerAndItsIDShowsIt(t *testing.T) {
	t.Parallel()
	s := newSites(t, nil, "a.test", "b.test")
	a, b := s[0], s[1]
	b.follow("bob", a, "alice")
	id, err := a.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"})
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", id)
	status, body, header := a.get(id, activity.ContentType, nil, "")
	if status != http.StatusOK || !strings.Contains(body, "hello") || header.Get("Content-Type") != activity.ContentType {
		t.Errorf("GET: %d %s %s", status, header.Get("Content-Type"), body)
	}
	status, body, _ = a.get(a.id("alice")+"/outbox?page=true", activity.ContentType, nil, "")
	if status != http.StatusOK || !strings.Contains(body, id) {
		t.Errorf("outbox: %d %s", status, body)
	}
	again, err := a.Publish(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>hello</p>"})
	if err != nil || again != id {
		t.Errorf("publishing the same id: %s, %v", again, err)
	}
}

func TestAFollowerIsWaitedForWhereTheUserWantsIt(t *testing.T) {
	t.Parallel()
	s := newSites(t, nil, "a.test", "b.test")
	a, b := s[0], s[1]
	if _, err := b.Follow(t.Context(), "bob", a.id("locky")); err != nil {
		t.Fatal(err)
	}
	a.until("requested", func() bool {
		for f, err := range a.Requests(t.Context(), "locky") {
			return err == nil && f.Follower == b.id("bob")
		}
		return false
	})
	if b.state(b.id("bob"), a.id("locky")) != actor.Pending {
		t.Error("bob follows before he was accepted")
	}
	if _, err := a.Accept(t.Context(), "locky", b.id("bob")); err != nil {
		t.Fatal(err)
	}
	b.until("accepted", func() bool { return b.state(b.id("bob"), a.id("locky")) == actor.Accepted })
	if _, err := a.Reject(t.Context(), "locky", b.id("bob")); err != nil {
		t.Fatal(err)
	}
	b.until("rejected", func() bool { return b.state(b.id("bob"), a.id("locky")) == 0 })
	if _, err := a.Accept(t.Context(), "locky", b.id("bob")); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("accepting nobody: %v", err)
	}
}

func TestAHookMayRefuseAFollower(t *testing.T) {
	t.Parallel()
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Hooks.Follow = func(context.Context, *inbox.Message) error { return inbox.ErrRefuse }
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	id, err := b.Follow(t.Context(), "bob", a.id("alice"))
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Reject", id)
	if a.state(b.id("bob"), a.id("alice")) != 0 || b.state(b.id("bob"), a.id("alice")) != 0 {
		t.Error("something of the follow is left")
	}
}

func TestAPrivatePostIsShownOnlyToWhomItIsFor(t *testing.T) {
	t.Parallel()
	s := newSites(t, nil, "a.test", "b.test")
	a, b := s[0], s[1]
	b.follow("bob", a, "alice")
	forFollowers, err := a.Publish(t.Context(), "alice", note(activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	forBob, err := a.Publish(t.Context(), "alice", note(b.id("bob")))
	if err != nil {
		t.Fatal(err)
	}
	blind := note(b.id("bob"))
	blind.To, blind.BCC = nil, blind.To
	forBobBlindly, err := a.Publish(t.Context(), "alice", blind)
	if err != nil {
		t.Fatal(err)
	}
	b.get(b.id("carol"), activity.ContentType, nil, "") // has a key made
	for _, id := range []string{forFollowers, forBob, forBobBlindly} {
		b.waitFor("Create", id)
		for _, c := range []struct {
			as   string
			want int
		}{{"", 404}, {"carol", 404}, {"bob", 200}} {
			if status, body, _ := a.get(id, activity.ContentType, b, c.as); status != c.want {
				t.Errorf("GET %s as %q: %d, want %d: %s", id, c.as, status, c.want, body)
			}
		}
	}
	status, body, _ := a.get(a.id("alice")+"/outbox?page=true", activity.ContentType, nil, "")
	if status != 200 || strings.Contains(body, forFollowers) || strings.Contains(body, forBob) {
		t.Errorf("the outbox shows private posts: %s", body)
	}
}

// verifications counts how often a signature is looked at.
type verifications struct {
	inbox.Verifier
	n atomic.Int32
}

func (v *verifications) Verify(r *http.Request, body []byte) (signature.Verified, error) {
	v.n.Add(1)
	return signature.Verified{}, &signature.Error{Status: http.StatusUnauthorized, Err: signature.ErrBadSignature}
}

func TestSignaturesAreLookedAtOnlyWhereTheAnswerDependsOnThem(t *testing.T) {
	t.Parallel()
	for _, withApp := range []bool{false, true} {
		v := &verifications{}
		a := newSites(t, func(_ string, c *fedihook.Config) {
			c.Verifier = v
			if withApp {
				c.Object = func(context.Context, string, string) (*activity.Object, error) { return nil, actor.ErrNotFound }
			}
		}, "a.test")[0]
		a.get(a.id("carol"), activity.ContentType, nil, "") // has a key made
		for _, path := range []string{
			"/api/v1/instance", "/.well-known/nodeinfo", "/nodeinfo/2.1", "/ap/users/alice", "/ap/users/nobody", "/ap/actor",
			"/ap/objects/nothing", "/ap/activities/nothing", "/ap/users/alice/outbox", "/nothing",
		} {
			a.get(a.origin+path, "application/json", a, "carol")
			a.get(a.origin+path, activity.ContentType, a, "carol")
			if n := v.n.Load(); n != 0 {
				t.Fatalf("a signed GET of %s was verified %d times", path, n)
			}
		}
		id, err := a.Publish(t.Context(), "alice", note(a.id("bob")))
		if err != nil {
			t.Fatal(err)
		}
		// A signature that does not hold tells no more than none: whether there is something stays hidden.
		a.until("verified a signed GET of what is not for everyone", func() bool {
			status, _, _ := a.get(id, activity.ContentType, a, "carol")
			if status != http.StatusNotFound {
				t.Fatalf("a signature that does not hold: %d", status)
			}
			return v.n.Load() > 0
		})
	}
}

func TestWhatWasDeletedIsATombstoneWhateverTheAppSays(t *testing.T) {
	t.Parallel()
	var keep *activity.Object
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Object = func(_ context.Context, id, _ string) (*activity.Object, error) {
				if keep == nil {
					return nil, actor.ErrNotFound
				}
				o := *keep
				o.ID = id
				return &o, nil
			}
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	b.follow("bob", a, "alice")
	id, err := a.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>"})
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", id)
	if status, body, _ := a.get(id, activity.ContentType, nil, ""); status != 404 {
		t.Errorf("the app does not know it, but it is shown: %d %s", status, body)
	}
	keep = &activity.Object{Type: activity.Types{"Note"}, Content: "<p>from the app</p>"}
	status, body, _ := a.get(id, activity.ContentType, nil, "")
	if status != 200 || !strings.Contains(body, "from the app") || !strings.Contains(body, a.id("alice")) || !strings.Contains(body, "#Public") {
		t.Errorf("the app's object is not completed: %d %s", status, body)
	}
	if _, err := a.Delete(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	b.waitFor("Delete", id)
	status, body, _ = a.get(id, activity.ContentType, nil, "")
	if status != 410 || !strings.Contains(body, "Tombstone") || strings.Contains(body, "from the app") {
		t.Errorf("after the Delete: %d %s", status, body)
	}
}

func TestTheSameURLShowsAPageToPeopleAndADocumentToServers(t *testing.T) {
	t.Parallel()
	s := newSites(t, func(_ string, c *fedihook.Config) {
		c.Object = func(_ context.Context, id, _ string) (*activity.Object, error) {
			if !strings.HasSuffix(id, "/2026/bread") {
				return nil, actor.ErrNotFound
			}
			return &activity.Object{Type: activity.Types{"Article"}, To: activity.To(activity.Public), Content: "<p>Bread</p>"}, nil
		}
	}, "a.test")
	a := s[0]
	for _, c := range []struct{ path, accept, want string }{
		{"/2026/bread", "text/html", "a page"},
		{"/2026/bread", activity.ContentType, "<p>Bread</p>"},
		{"/2026/bread", activity.LDContentType, "<p>Bread</p>"},
		{"/2026/salt", activity.ContentType, "a page"},
		{"/", activity.ContentType, "a page"},
	} {
		status, body, header := a.get(a.origin+c.path, c.accept, nil, "")
		if status != 200 || !strings.Contains(strings.ReplaceAll(body, `\u003c`, "<"), c.want) {
			t.Errorf("GET %s as %s: %d %s", c.path, c.accept, status, body)
		}
		if document := c.want == "<p>Bread</p>"; document && header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("GET %s: Cache-Control %q", c.path, header.Get("Cache-Control"))
		}
	}
}

func TestActorsOfOneServerFollowAndReadEachOther(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	follow := a.follow("carol", a, "alice")
	id, err := a.Publish(t.Context(), "alice", note(activity.Public, activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	a.waitFor("Create", id)
	if _, err := a.Undo(t.Context(), "carol", follow); err != nil {
		t.Fatal(err)
	}
	a.until("unfollowed", func() bool { return a.state(a.id("carol"), a.id("alice")) == 0 })
}

func TestWhatIsNotOursCanNotBeChanged(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"Publish": func() error {
			_, err := a.Publish(ctx, "alice", &activity.Object{ID: "http://b.test/1"})
			return err
		},
		"Publish at another port": func() error {
			_, err := a.Publish(ctx, "alice", &activity.Object{ID: "http://a.test:81/1"})
			return err
		},
		"Update": func() error { _, err := a.Update(ctx, "alice", &activity.Object{}); return err },
		"Delete": func() error { _, err := a.Delete(ctx, "alice", "http://b.test/1"); return err },
		"Undo":   func() error { _, err := a.Undo(ctx, "alice", "http://b.test/1"); return err },
	} {
		if err := do(); !errors.Is(err, fedihook.ErrNotOurs) {
			t.Errorf("%s: %v, want ErrNotOurs", name, err)
		}
	}
	if _, err := a.Undo(ctx, "alice", "http://a.test/ap/activities/never"); !errors.Is(err, outbox.ErrUnknown) {
		t.Errorf("Undo of nothing: %v", err)
	}
	if _, err := a.Follow(ctx, "alice", "@bob@b.test"); !errors.Is(err, outbox.ErrIncomplete) {
		t.Errorf("Follow of a handle: %v", err)
	}
	if _, err := a.In(noTx{}).Publish(ctx, "alice", note()); !errors.Is(err, outbox.ErrNoTransaction) {
		t.Errorf("memory in a transaction: %v", err)
	}
	if _, err := a.In(noTx{}).Accept(ctx, "alice", "http://b.test/ap/users/bob"); !errors.Is(err, outbox.ErrNoTransaction) {
		t.Errorf("Accept in a transaction: %v", err)
	}
}

type noTx struct{ storage.Execer }

func TestInboxesOfNobodyAnswerSo(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	for path, want := range map[string]int{
		"/ap/users/nobody/inbox": 404,
		"/ap/users/gone/inbox":   410,
		"/ap/users/alice/inbox":  400, // an empty body
		"/ap/inbox":              400,
		"/ap/actor/inbox":        400,
	} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(""))
		r.Host = "a.test"
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("POST %s: %d, want %d", path, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/ap/inbox", nil)
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET of an inbox: %d", w.Code)
	}
}

func TestTheMediaTypeOnTheWireIsActivityPubs(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	_, body, header := a.get(a.id("alice"), `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, nil, "")
	if got := header.Get("Content-Type"); got != "application/activity+json" {
		t.Errorf("Content-Type %q", got)
	}
	if !strings.HasPrefix(body, `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"`) {
		t.Errorf("body %s", body)
	}
	if !strings.Contains(body, `"manuallyApprovesFollowers":false`) {
		t.Errorf("body %s", body)
	}
}
