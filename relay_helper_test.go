package fedihook_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
)

const (
	carol      = "https://blog.example/ap/users/carol"
	ourActor   = "https://blog.example/ap/actor"
	ourInbox   = "https://blog.example/ap/inbox"
	aliceGroup = alice + "/followers"
)

// storedFediverse is a fediverse whose stores the test sees.
type storedFediverse struct {
	*fediverse
	store storage.Storage
}

// inStoredFediverse runs f in a bubble, with an app of alice and carol whose hooks note what they hear.
func inStoredFediverse(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, v *storedFediverse)) {
	t.Helper()
	keys := madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		v := &storedFediverse{
			fediverse: &fediverse{net: n, there: n.Server("there.example"), bob: n.Server("there.example").Actor("bob")}, store: storage.Memory(),
		}
		v.store.Keys = keys
		h := v.hear
		c := fedihook.Config{
			Origin: "https://blog.example", Storage: v.store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				if handle != "alice" && handle != "carol" {
					return actor.Profile{}, actor.ErrNotFound
				}
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{
				Follow: h, Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, Announce: h, Undo: h, Other: h,
			},
		}
		if change != nil {
			change(&c)
		}
		var err error
		if v.Server, err = fedihook.New(c); err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", v.Handler())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		f(t, v)
	})
}

// accepted fails unless a request was answered 202.
func accepted(t *testing.T, what string, status int) {
	t.Helper()
	if status != http.StatusAccepted {
		t.Fatalf("%s was answered %d", what, status)
	}
}

// follows makes an actor elsewhere a follower of one here.
func (v *storedFediverse) follows(t *testing.T, a *inboxtest.Actor, followed string) {
	t.Helper()
	accepted(t, "the Follow", a.Follow(followed))
	v.net.Until("the Accept", func() bool { return slices.Contains(a.Following(), followed) })
}

// weFollow makes users here, by handle, followers of an actor elsewhere.
func (v *storedFediverse) weFollow(t *testing.T, a *inboxtest.Actor, handles ...string) {
	t.Helper()
	for _, handle := range handles {
		if _, err := v.Follow(t.Context(), handle, a.ID()); err != nil {
			t.Fatal(err)
		}
		a.Server().Wait("Follow")
		id := "https://blog.example/ap/users/" + handle
		accepted(t, "the Accept", a.Accept(id))
		v.net.Until("the follow is in force", func() bool { return v.state(t, id, a.ID()) == actor.Accepted })
	}
}

// state is how far a follow is, zero if there is none.
func (v *storedFediverse) state(t *testing.T, follower, followed string) actor.FollowState {
	t.Helper()
	f, err := v.store.Followers.Follow(t.Context(), follower, followed)
	if err != nil {
		return 0
	}
	return f.State
}

// settle lets everything that is under way come to an end.
func settle() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// count is how many activities of a type about an object a server got.
func count(s *inboxtest.Server, typ, objectID string) (n int) {
	for _, d := range s.Received(typ) {
		if objectID == "" || d.Activity.Object.First() == objectID {
			n++
		}
	}
	return n
}

// say publishes for alice and returns the id.
func (v *storedFediverse) say(t *testing.T, o *activity.Object) string {
	t.Helper()
	id, err := v.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	settle()
	return id
}
