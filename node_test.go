package fedihook_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
)

// keptQueue and keptJournal lose what a process says when it ends, as if it had crashed before.
type keptQueue struct{ delivery.Store }

func (keptQueue) Release(context.Context, int64) error { return nil }

type keptJournal struct{ inbox.Journal }

func (keptJournal) Release(context.Context, int64) error { return nil }

// An answered Follow has passed both the journal and the queue.
func TestAProcessThatComesBackUnderItsNameNeedNotWaitForItsLease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		before, after string
		least, most   time.Duration
	}{
		{"its name", "one", "one", 0, 2 * time.Second},
		{"another name", "one", "two", 15 * time.Second, 35 * time.Second},
		{"no name", "", "", 15 * time.Second, 35 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			keys := madeOnce()
			synctest.Test(t, func(t *testing.T) {
				n := inboxtest.NewNet(t)
				n.Patience = time.Minute
				there := n.Server("there.example")
				store := storage.Memory()
				store.Keys, store.Queue, store.Journal = keys, keptQueue{store.Queue}, keptJournal{store.Journal}
				live := func(node, follower string) time.Duration {
					s, err := fedihook.New(fedihook.Config{
						Origin: "https://blog.example", Storage: store, Node: node,
						InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
						Profile: func(_ context.Context, handle string) (actor.Profile, error) {
							return actor.Profile{Handle: handle}, nil
						},
					})
					if err != nil {
						t.Fatal(err)
					}
					n.Serve("blog.example", s.Handler())
					ctx, die := context.WithCancel(t.Context())
					done := make(chan error, 1)
					go func() { done <- s.Run(ctx) }()
					defer func() {
						die()
						if err := <-done; err != nil {
							t.Errorf("Run = %v", err)
						}
					}()
					began := time.Now()
					if got := there.Actor(follower).Follow(alice); got != http.StatusAccepted {
						t.Errorf("the Follow was answered %d", got)
					}
					there.Wait("Accept")
					return time.Since(began)
				}
				if took := live(c.before, "bob"); took > 2*time.Second {
					t.Errorf("the first life needed %v", took)
				}
				if took := live(c.after, "carol"); took < c.least || took > c.most {
					t.Errorf("the second life needed %v, want %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}
