package fedihook_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

const erin = "https://blog.example/ap/users/erin"

// moderated is an app at blog.example with the users alice and erin, in a network where bob and carol are at there.example.
type moderated struct {
	*fedihook.Server
	net        *inboxtest.Net
	there      *inboxtest.Server
	bob, carol *inboxtest.Actor
	store      storage.Storage

	stop func() // ends Run

	mu    sync.Mutex
	heard []*inbox.Message
}

// inModerated runs f in a bubble; change may alter the app.
func inModerated(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, w *moderated)) {
	t.Helper()
	keys := madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		w := &moderated{net: n, there: n.Server("there.example"), store: storage.Memory()}
		w.bob, w.carol = w.there.Actor("bob"), w.there.Actor("carol")
		w.store.Keys = keys
		h := w.hear
		c := fedihook.Config{
			Origin: "https://blog.example", Storage: w.store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				if handle != "alice" && handle != "erin" {
					return actor.Profile{}, actor.ErrNotFound
				}
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{
				Follow: h, Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, React: h, Announce: h, Vote: h,
				Block: h, Add: h, Remove: h, Undo: h, Move: h, Flag: h, Other: h,
			},
		}
		if change != nil {
			change(&c)
		}
		w.store = c.Storage
		var err error
		if w.Server, err = fedihook.New(c); err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", w.Handler())
		w.stop = w.run(t)
		t.Cleanup(func() { w.stop() })
		f(t, w)
	})
}

// run runs the server until the returned func is called.
func (w *moderated) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := w.Server
	go func() { done <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// passes lets a long time pass, in which the server is down but for half an hour at either end: it would ask its store for news
// each second.
func (w *moderated) passes(t *testing.T, d time.Duration) {
	t.Helper()
	time.Sleep(30 * time.Minute)
	w.stop()
	time.Sleep(d - time.Hour)
	w.stop = w.run(t)
	time.Sleep(30 * time.Minute)
}

func (w *moderated) hear(_ context.Context, m *inbox.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, m)
	return nil
}

// of lists the messages of a type by somebody, by the ids of what they are about: hooks of several objects run at once.
func (w *moderated) of(typ, sender string) (out []*inbox.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.heard {
		if m.Activity.Is(typ) && m.Sender == sender {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b *inbox.Message) int { return cmp.Compare(a.ObjectID, b.ObjectID) })
	return out
}

// follow makes somebody a follower.
func follow(t *testing.T, a *inboxtest.Actor, followed string) {
	t.Helper()
	if got := a.Follow(followed); got != http.StatusAccepted {
		t.Fatalf("the Follow was answered %d", got)
	}
	settle()
	if !slices.Contains(a.Following(), followed) {
		t.Fatalf("%s does not follow %s", a.ID(), followed)
	}
}

// followBack makes a user of the app follow somebody.
func (w *moderated) followBack(t *testing.T, handle string, a *inboxtest.Actor) {
	t.Helper()
	if _, err := w.Follow(t.Context(), handle, a.ID()); err != nil {
		t.Fatal(err)
	}
	settle()
	if got := a.Accept("https://blog.example/ap/users/" + handle); got != http.StatusAccepted {
		t.Fatalf("the Accept was answered %d", got)
	}
	settle()
}

func (w *moderated) state(follower, followed string) actor.FollowState {
	f, err := w.store.Followers.Follow(context.Background(), follower, followed)
	if err != nil {
		return 0
	}
	return f.State
}

func (w *moderated) moderate(t *testing.T, rules ...moderation.Rule) moderation.Effect {
	t.Helper()
	foretold, err := w.Foretell(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	did, err := w.Moderate(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	sameEffect(t, foretold, did)
	return did
}

func sameEffect(t *testing.T, foretold, did moderation.Effect) {
	t.Helper()
	if foretold.Actors != did.Actors || foretold.Kept != did.Kept || foretold.Ended != did.Ended || foretold.Deliveries != did.Deliveries || len(foretold.Users) != len(did.Users) {
		t.Errorf("foretold was %+v, done %+v", foretold, did)
	}
	for user, ties := range foretold.Users {
		if did.Users[user] != ties {
			t.Errorf("to %s foretold was %+v, done %+v", user, ties, did.Users[user])
		}
	}
}

func (w *moderated) lift(t *testing.T, local, about string) {
	t.Helper()
	if _, err := w.Lift(t.Context(), "mod", "", moderation.Key{Local: local, About: about}); err != nil {
		t.Fatal(err)
	}
}

func about(what string, s moderation.Severity) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: what}, Severity: s, Private: "because", By: "mod"}
}

func suspend(what string) moderation.Rule { return about(what, moderation.Suspend) }

func noteOf(a *inboxtest.Actor, name string, to ...string) *activity.Object {
	return &activity.Object{
		ID: a.ID() + "/notes/" + name, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(a.ID())}, Content: "<p>hello</p>",
		To: activity.To(append([]string{activity.Public}, to...)...),
	}
}

func (w *moderated) publish(t *testing.T, to ...string) string {
	t.Helper()
	o := &activity.Object{Content: "<p>hello</p>"}
	if len(to) > 0 {
		o.To = activity.To(append(to, activity.Public, activity.Followers)...)
	}
	id, err := w.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	settle()
	return id
}

// gets lists what was asked of bob's server.
func (w *moderated) gets() (n int) {
	for _, r := range w.there.Requests() {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}
