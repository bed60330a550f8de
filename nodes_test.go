package fedihook_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// nodes are two processes' worth of blog.example over one store, of which the second serves and runs.
type nodes struct {
	net      *inboxtest.Net
	one, two *fedihook.Server
	store    storage.Storage // the first one's
	heads    atomic.Int64    // how often the second one asked how far the rules are
}

type countedRules struct {
	moderation.Rules
	heads *atomic.Int64
}

func (r countedRules) RulesHead(ctx context.Context) (moderation.Head, error) {
	r.heads.Add(1)
	return r.Rules.RulesHead(ctx)
}

// onNodes runs f over each kind of store that several nodes may share, by the clock of the wall.
func onNodes(t *testing.T, f func(t *testing.T, n *nodes)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) (one, two storage.Storage){
		"memory": func(*testing.T) (one, two storage.Storage) { s := storage.Memory(); return s, s },
		"postgres": func(t *testing.T) (one, two storage.Storage) {
			address := pgtest.URL(t)
			for _, s := range []*storage.Storage{&one, &two} {
				var err error
				if *s, err = storage.OpenPostgres(t.Context(), pgtest.Connect(t, address), nil); err != nil {
					t.Fatal(err)
				}
			}
			return one, two
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &nodes{net: inboxtest.NewNet(t)}
			one, two := open(t)
			n.store = one
			two.Rules = countedRules{two.Rules, &n.heads}
			for s, store := range map[**fedihook.Server]storage.Storage{&n.one: one, &n.two: two} {
				var err error
				if *s, err = fedihook.New(fedihook.Config{
					Origin: "https://blog.example", Storage: store, InsecureDial: n.net.Dial, RootCAs: n.net.RootCAs(),
					Logger: slog.New(slog.DiscardHandler),
					Profile: func(_ context.Context, handle string) (actor.Profile, error) {
						if handle != "alice" {
							return actor.Profile{}, actor.ErrNotFound
						}
						return actor.Profile{Handle: handle}, nil
					},
				}); err != nil {
					t.Fatal(err)
				}
			}
			n.net.Serve("blog.example", n.two.Handler())
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- n.two.Run(ctx) }()
			t.Cleanup(func() {
				stop()
				if err := <-done; err != nil {
					t.Errorf("Run = %v", err)
				}
			})
			f(t, n)
		})
	}
}

// noticed is how soon a node must know what another one did.
const noticed = time.Second

func TestARuleThatOneNodeMakesIsTheOthersWithinASecond(t *testing.T) {
	t.Parallel()
	onNodes(t, func(t *testing.T, n *nodes) {
		bob := n.net.Server("there.example").Actor("bob")
		posts := func() int { return bob.Create(bob.Mention(alice, "<p>hello</p>")) }
		accepted(t, "the first post", posts())
		began, before := time.Now(), n.heads.Load()
		for range 50 {
			accepted(t, "a post", posts())
		}
		// Enforcing asks once a second too, and so may who looks for work.
		most := 3 * (int64(time.Since(began)/time.Second) + 2)
		if asked := n.heads.Load() - before; asked > most {
			t.Errorf("50 posts in %v: the store was asked %d times how far the rules are, want %d at most", time.Since(began), asked, most)
		}
		if _, err := n.one.Moderate(t.Context(), moderation.Rule{Key: moderation.Key{About: "there.example"}, Severity: moderation.Suspend}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(noticed)
		if got := posts(); got != http.StatusForbidden {
			t.Errorf("a post from a suspended server was answered %d", got)
		}
		if _, err := n.one.Lift(t.Context(), "carol", "they are sorry", moderation.Key{About: "there.example"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(noticed)
		accepted(t, "a post after that", posts())
	})
}

func TestKeysThatOneNodeRevokesAreTheOthersNoLongerThanASecond(t *testing.T) {
	t.Parallel()
	onNodes(t, func(t *testing.T, n *nodes) {
		bob := n.net.Server("there.example").Actor("bob")
		pem := func() string {
			t.Helper()
			status, _, body := bob.Get(alice)
			doc, err := activity.Decode(body)
			if err != nil || status != http.StatusOK {
				t.Fatalf("alice is answered %d, %v", status, err)
			}
			a, ok := doc.(*activity.Actor)
			if !ok || len(a.PublicKey) == 0 {
				t.Fatalf("alice is %s", body)
			}
			return string(a.PublicKey[0].Raw)
		}
		last := pem()
		for what, change := range map[string]func(context.Context, string) (string, error){"rotated": n.one.RotateKeys, "revoked": n.one.RevokeKeys} {
			if _, err := change(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(noticed)
			next := pem()
			if next == last {
				t.Errorf("a second after they were %s the other node shows the old keys", what)
			}
			last = next
		}
	})
}

func TestDigestsOfFollowersHaveWhomAnotherNodeTookIn(t *testing.T) {
	t.Parallel()
	onNodes(t, func(t *testing.T, n *nodes) {
		there := n.net.Server("there.example")
		bob, dora := there.Actor("bob"), there.Actor("dora")
		accepted(t, "the Follow", bob.Follow(alice))
		there.Wait("Accept")
		digest := func() string {
			t.Helper()
			id, err := n.two.Publish(t.Context(), "alice", &activity.Object{Content: "<p>psst</p>", To: activity.To(activity.Followers)})
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				for _, d := range there.Received("Create") {
					if d.Activity.Object.First() == id {
						return d.Header.Get(syncField)
					}
				}
			}
			t.Fatal("it never came")
			return ""
		}
		if got := digest(); !strings.Contains(got, digestOf(bob.ID())) {
			t.Errorf("the first digest is %q", got)
		}
		f, err := n.store.Followers.Follow(t.Context(), bob.ID(), alice)
		if err != nil {
			t.Fatal(err)
		}
		f.Follower, f.ID = dora.ID(), dora.ID()+"/follows/1"
		if err := n.store.Followers.PutFollow(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		time.Sleep(noticed)
		if got := digest(); !strings.Contains(got, digestOf(bob.ID(), dora.ID())) {
			t.Errorf("after another node took dora in it is %q", got)
		}
		if err := n.store.Followers.DeleteFollow(t.Context(), bob.ID(), alice); err != nil {
			t.Fatal(err)
		}
		time.Sleep(noticed)
		if got := digest(); !strings.Contains(got, digestOf(dora.ID())) {
			t.Errorf("after another node let bob go it is %q", got)
		}
	})
}

// While a node lets somebody in by rules that are a second old, another one suspends them and looks whom that ends.
func TestNobodyFollowsWhomAnotherNodeSuspendedMeanwhile(t *testing.T) {
	t.Parallel()
	onNodes(t, func(t *testing.T, n *nodes) {
		bob := n.net.Server("there.example").Actor("bob")
		accepted(t, "a post, so that the rules are read", bob.Create(bob.Mention(alice, "<p>hello</p>")))
		// All that the second node's journal does meanwhile is judged by what it read then.
		if _, err := n.one.Moderate(t.Context(), moderation.Rule{Key: moderation.Key{About: "there.example"}, Severity: moderation.Suspend}); err != nil {
			t.Fatal(err)
		}
		got := bob.Follow(alice)
		time.Sleep(2 * noticed)
		if _, err := n.store.Followers.Follow(t.Context(), bob.ID(), alice); err == nil {
			t.Errorf("the Follow was answered %d, and is kept", got)
		}
	})
}
