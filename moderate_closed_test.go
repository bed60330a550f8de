package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
)

func TestAUsersBlockIsForThatUserAlone(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{"of a domain": "there.example", "of an actor": "https://there.example/users/bob"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModerated(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSigned }, func(t *testing.T, w *moderated) {
				follow(t, w.bob, alice)
				follow(t, w.bob, erin)
				w.followBack(t, "alice", w.bob)
				post := w.publish(t)
				if status := bobGets(w, post); status != http.StatusOK {
					t.Fatalf("before the block bob gets %d", status)
				}
				r := suspend(what)
				r.Local = "alice"
				did := w.moderate(t, r)
				if did.Ended != (moderation.Ties{Followers: 1, Following: 1}) || len(did.Users) != 1 || did.Deliveries != 0 || did.Actors != 1 {
					t.Errorf("it did %+v", did)
				}
				settle()
				if rejects, undos := len(w.there.Received("Reject")), len(w.there.Received("Undo")); rejects != 1 || undos != 1 {
					t.Errorf("%d Rejects, %d Undos", rejects, undos)
				}
				if got := w.bob.Follow(alice); got != http.StatusAccepted {
					t.Errorf("a later Follow is %d", got)
				}
				settle()
				if n := len(w.there.Received("Reject")); n != 2 || w.state(w.bob.ID(), alice) != 0 {
					t.Errorf("a later Follow had %d Rejects, and is %v", n-1, w.state(w.bob.ID(), alice))
				}
				if got := w.state(w.bob.ID(), erin); got != actor.Accepted {
					t.Errorf("erin's follower is %v", got)
				}
				w.bob.Create(noteOf(w.bob, "1", alice))
				w.bob.Create(noteOf(w.bob, "2", alice, erin))
				settle()
				if got := w.of("Create", w.bob.ID()); len(got) != 1 || !slices.Equal(got[0].To, []string{erin}) {
					t.Errorf("hooks got %+v", got)
				}
				if status := bobGets(w, post); status != http.StatusNotFound {
					t.Errorf("bob gets her post: %d", status)
				}
				if status, _, page := w.bob.Get(alice + "/outbox?page=true"); status != http.StatusOK || strings.Contains(string(page), post) {
					t.Errorf("bob gets her outbox: %d %s", status, page)
				}
				if status, _, page := w.carol.Get(alice + "/outbox?page=true"); what == w.bob.ID() && (status != http.StatusOK || !strings.Contains(string(page), post)) {
					t.Errorf("carol gets her outbox: %d %s", status, page)
				}
				if _, err := w.Follow(t.Context(), "alice", w.bob.ID()); err != nil {
					t.Fatal(err)
				}
				settle()
				if got := w.state(alice, w.bob.ID()); got != 0 {
					t.Errorf("she asks to follow whom she blocks: %v", got)
				}
				w.lift(t, "alice", what)
				follow(t, w.bob, alice)
				if status := bobGets(w, post); status != http.StatusOK {
					t.Errorf("after it was lifted bob gets %d", status)
				}
			})
		})
	}
}

// bobGets asks for a document, signed by bob, and returns the status.
func bobGets(w *moderated, id string) int {
	status, _, _ := w.bob.Get(id)
	return status
}

// storeThatFails fails when it is told to.
type storeThatFails struct {
	moderation.Rules
	mu  sync.Mutex
	err error
}

func (s *storeThatFails) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *storeThatFails) RulesHead(ctx context.Context) (moderation.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return moderation.Head{}, s.err
	}
	return s.Rules.RulesHead(ctx)
}

func TestAStoreOfRulesThatFailsMeansNotNow(t *testing.T) {
	t.Parallel()
	rules := &storeThatFails{}
	inModerated(t, func(c *fedihook.Config) {
		rules.Rules = c.Storage.Rules
		c.Storage.Rules = rules
		c.AuthorizedFetch = actor.FetchSigned
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		post := w.publish(t)
		rules.set(errors.New("disk on fire"))
		time.Sleep(2 * time.Second)
		for what, do := range map[string]func() int{
			"Follow": func() int { return w.bob.Follow(erin) }, "Create": func() int { return w.bob.Create(noteOf(w.bob, "1", alice)) },
			"Undo":       func() int { return w.bob.Undo("Follow", alice) },
			"Flag":       func() int { return w.bob.Flag(alice, "spam", alice) },
			"a post":     func() int { return bobGets(w, post) },
			"the outbox": func() int { return bobGets(w, alice+"/outbox?page=true") },
		} {
			if got := do(); got != http.StatusServiceUnavailable {
				t.Errorf("%s: %d", what, got)
			}
		}
		before := len(w.there.Received("Create"))
		if _, err := w.Publish(t.Context(), "alice", &activity.Object{Content: "<p>later</p>"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(w.there.Received("Create")); n != before {
			t.Error("it was sent where nobody could say whether it may")
		}
		var passing *actor.LookupError
		if _, err := w.Lookup(t.Context(), "@carol@there.example"); !errors.As(err, &passing) || passing.Reason == actor.Unknown {
			t.Errorf("Lookup = %v", err)
		}
		if _, err := w.Moderate(t.Context(), suspend("there.example")); err == nil {
			t.Error("Moderate says that it has")
		}
		if _, err := w.Foretell(t.Context(), suspend("there.example")); err == nil {
			t.Error("Foretell says that it knows")
		}
		rules.set(nil)
		time.Sleep(time.Hour)
		if n := len(w.there.Received("Create")); n != before+1 {
			t.Errorf("when the store is back %d Creates come", n-before)
		}
		if got := w.state(w.bob.ID(), alice); got != actor.Accepted {
			t.Errorf("bob's follow is %v", got)
		}
	})
}

func TestAnAllowListClosesTheSite(t *testing.T) {
	t.Parallel()
	inModerated(t, func(c *fedihook.Config) {
		c.Policy = &moderation.Policy{Rules: c.Storage.Rules, AllowList: true}
		err := c.Policy.Put(context.Background(), moderation.Rule{Key: moderation.Key{About: "there.example"}, Allow: true})
		if err != nil {
			panic(err)
		}
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		post := w.publish(t)
		eve := w.net.Server("sub.there.example").Actor("eve")
		if got := eve.Follow(alice); got != http.StatusForbidden {
			t.Errorf("who is not on the list: %d", got)
		}
		client := w.net.Client()
		defer client.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, post, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", activity.ContentType)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a stranger gets a post: %d", resp.StatusCode)
		}
		if status := bobGets(w, post); status != http.StatusOK {
			t.Errorf("who is on the list gets %d", status)
		}
		foretold, err := w.ForetellLift(t.Context(), moderation.Key{About: "there.example"})
		if err != nil {
			t.Fatal(err)
		}
		did, err := w.Lift(t.Context(), "mod", "", moderation.Key{About: "there.example"})
		if err != nil {
			t.Fatal(err)
		}
		sameEffect(t, foretold, did)
		if did.Ended.Followers != 1 {
			t.Errorf("it did %+v", did)
		}
		settle()
		if n := len(w.there.Received("Reject")); n != 1 {
			t.Errorf("%d Rejects", n)
		}
		if got := w.bob.Create(noteOf(w.bob, "1", alice)); got != http.StatusForbidden {
			t.Errorf("who is not on it any more: %d", got)
		}
	})
}

// A rule may be made while a hook decides about who follows, or after an Accept was judged.
func TestARuleThatIsMadeWhileAHookRunsHoldsForWhatFollows(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]moderation.Rule{
		"the site's": suspend("there.example"), "the user's own": {Key: moderation.Key{Local: "alice", About: "there.example"}, Severity: moderation.Suspend},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var app *fedihook.Server
			change := func(c *fedihook.Config) {
				c.Hooks.Follow = func(ctx context.Context, _ *inbox.Message) error {
					_, err := app.Moderate(ctx, rule)
					return err
				}
			}
			inModerated(t, change, func(t *testing.T, w *moderated) {
				app = w.Server
				if got := w.bob.Follow(alice); got != http.StatusAccepted {
					t.Fatalf("the Follow was answered %d", got)
				}
				settle()
				if got := w.state(w.bob.ID(), alice); got != 0 {
					t.Errorf("bob follows: %v", got)
				}
				if n := len(w.there.Received("Accept")); n != 0 {
					t.Errorf("%d Accepts went out", n)
				}
			})
		})
	}
}

// What closes the site to others does not close its users' ways to each other.
func TestNeighboursAreNotJudgedByTheRulesForOthers(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]func(*moderation.Policy) *moderation.Rule{
		"an allow-list": func(p *moderation.Policy) *moderation.Rule { p.AllowList = true; return nil },
		"new hosts are limited": func(p *moderation.Policy) *moderation.Rule {
			p.NewFor = 24 * time.Hour
			return nil
		},
		"a suspended domain above": func(*moderation.Policy) *moderation.Rule { r := suspend("example"); return &r },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModerated(t, func(c *fedihook.Config) {
				c.Policy = &moderation.Policy{Rules: c.Storage.Rules, Hosts: c.Storage.Hosts}
				if r := policy(c.Policy); r != nil {
					if err := c.Policy.Put(context.Background(), *r); err != nil {
						panic(err)
					}
				}
				profile := c.Profile
				c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
					if handle == "frank" {
						return actor.Profile{Handle: handle}, nil
					}
					p, err := profile(ctx, handle)
					if handle == "alice" {
						p.AlsoKnownAs = []string{erin}
					}
					return p, err
				}
			}, func(t *testing.T, w *moderated) {
				const frank = "https://blog.example/ap/users/frank"
				if _, err := w.Follow(t.Context(), "frank", erin); err != nil {
					t.Fatal(err)
				}
				settle()
				if got := w.state(frank, erin); got != actor.Accepted {
					t.Fatalf("frank follows erin: %v", got)
				}
				post, err := w.Publish(t.Context(), "alice", &activity.Object{
					Content: "<p>hello</p>", To: activity.To(activity.Public),
					InteractionPolicy: activity.Policy{CanLike: &activity.Rule{Automatic: activity.To(erin)}, CanQuote: &activity.Rule{Manual: activity.To(erin)}}.Ref(),
				})
				if err != nil {
					t.Fatal(err)
				}
				settle()
				if _, err := w.Like(t.Context(), "erin", post); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Publish(t.Context(), "erin", &activity.Object{Content: "<p>look</p>", Quote: activity.IRI(post)}); err != nil {
					t.Fatal(err)
				}
				settle()
				if n := len(w.of("Like", erin)); n != 1 {
					t.Errorf("%d likes by a neighbour", n)
				}
				asked := 0
				for st, err := range w.Asked(t.Context(), "alice") {
					if err != nil {
						t.Fatal(err)
					}
					asked++
					if _, err := w.Grant(t.Context(), "alice", st.Request); err != nil {
						t.Error(err)
					}
				}
				if asked != 1 {
					t.Errorf("%d quotes by a neighbour are asked for", asked)
				}
				if _, err := w.Move(t.Context(), "erin", alice); err != nil {
					t.Fatal(err)
				}
				settle()
				time.Sleep(time.Hour)
				if got := w.state(frank, alice); got != actor.Accepted {
					t.Errorf("frank was carried along: %v", got)
				}
			})
		})
	}
}
