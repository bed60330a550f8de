package fedihook_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// fragile fails when it is told to, at any of the calls that a rule's consequences take.
type fragile struct {
	moderation.Rules
	actor.Followers
	delivery.Store
	left atomic.Int64 // calls that succeed
}

var errCrash = errors.New("the process died")

func (f *fragile) step() error {
	if f.left.Add(-1) < 0 {
		return errCrash
	}
	return nil
}

func (f *fragile) DeleteFollow(ctx context.Context, follower, followed string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Followers.DeleteFollow(ctx, follower, followed)
}

func (f *fragile) Append(ctx context.Context, a delivery.Addition) (delivery.Appended, error) {
	if err := f.step(); err != nil {
		return delivery.Appended{}, err
	}
	return f.Store.Append(ctx, a)
}

func (f *fragile) SetEnforced(ctx context.Context, seq int64) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Rules.SetEnforced(ctx, seq)
}

// Wherever a process dies after a rule was stored, the next one ends what is left to end, and says goodbye once.
func TestARuleThatWasStoredIsEnforcedAfterACrash(t *testing.T) {
	t.Parallel()
	whole := false
	for calls := 0; !whole; calls++ {
		if calls > 20 {
			t.Fatal("there is no end to the calls")
		}
		synctest.Test(t, func(t *testing.T) {
			store := storage.Memory()
			f := &fragile{Rules: store.Rules, Followers: store.Followers, Store: store.Queue}
			f.left.Store(int64(calls))
			broken := store
			broken.Rules, broken.Followers, broken.Queue = f, f, f
			s := newIsolated(t, broken)
			ids := s.meet(t, "bad.example", 3)
			f.left.Store(1000)
			for i, id := range ids {
				if i%2 == 0 {
					s.relate(t, id, alice, actor.Accepted)
				} else {
					s.relate(t, alice, id, actor.Accepted)
				}
			}
			f.left.Store(int64(calls))
			_, err := s.Moderate(t.Context(), suspend("bad.example")) // nothing runs: as in a process that only serves
			whole = err == nil
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			if err := s.Policy().Allow(t.Context(), "bad.example"); !errors.Is(err, moderation.ErrRefused) {
				t.Errorf("after %d calls the rule does not hold: %v", calls, err)
			}
			next := newIsolated(t, store)
			stop := next.run(t)
			time.Sleep(time.Minute)
			if n := len(next.relations(t)); n != 0 {
				t.Errorf("after %d calls and a crash %d relations are left", calls, n)
			}
			_, goodbyes := next.waiting(t)
			slices.Sort(goodbyes)
			if want := []string{ids[0] + "/inbox", ids[1] + "/inbox", ids[2] + "/inbox"}; !slices.Equal(goodbyes, want) {
				t.Errorf("after %d calls and a crash goodbyes wait for %q", calls, goodbyes)
			}
			if h, err := store.Rules.RulesHead(t.Context()); err != nil || h.Enforced != h.Site {
				t.Errorf("after %d calls and a crash it is enforced up to %+v, %v", calls, h, err)
			}
			stop()
		})
	}
}

// However follows, their Undos, rules and liftings come one after the other, who may follow does and who may not does not.
func TestRulesAndFollowsInAnyOrder(t *testing.T) {
	t.Parallel()
	permutations([]string{"follow", "undo", "suspend", "lift", "follow"}, func(order []string) {
		t.Run(strings.Join(order, " "), func(t *testing.T) {
			t.Parallel()
			inModerated(t, nil, func(t *testing.T, w *moderated) {
				follows, suspended, said := false, false, false
				w.carol.Follow(erin) // so that bob's server is known whatever comes first
				w.bob.Like(w.publish(t))
				settle()
				for _, do := range order {
					switch do {
					case "follow":
						want := 202
						if suspended {
							want = 403
						}
						if got := w.bob.Follow(alice); got != want {
							t.Errorf("the follow is %d", got)
						}
						follows, said = !suspended || follows, true
					case "undo":
						if !said {
							continue
						}
						if got := w.bob.Undo("Follow", alice); got != 202 {
							t.Errorf("the undo is %d", got)
						}
						follows, said = false, false
					case "suspend":
						w.moderate(t, suspend("there.example"))
						follows, suspended = false, true
					case "lift":
						w.lift(t, "", "there.example")
						suspended = false
					}
					settle()
					if got := w.state(w.bob.ID(), alice) == actor.Accepted; got != follows {
						t.Errorf("after %s of %q he follows: %v", do, order, got)
					}
				}
			})
		})
	})
}

func permutations(list []string, yield func([]string)) {
	seen := make(map[string]bool)
	var walk func(done, left []string)
	walk = func(done, left []string) {
		if len(left) == 0 {
			if key := strings.Join(done, " "); !seen[key] {
				seen[key] = true
				yield(slices.Clone(done))
			}
			return
		}
		for i := range left {
			walk(append(slices.Clone(done), left[i]), slices.Delete(slices.Clone(left), i, i+1))
		}
	}
	walk(nil, list)
}

// A rule that another process stored, or an app by its Policy, is enforced by whoever runs.
func TestARuleMadeElsewhereIsEnforcedByWhoRuns(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		other := &moderation.Policy{Rules: w.store.Rules}
		if err := other.Suspend(t.Context(), "there.example", "spam"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := w.bob.Create(noteOf(w.bob, "1", alice)); got != 403 {
			t.Errorf("a second later bob is answered %d", got)
		}
		settle()
		if got := w.state(w.bob.ID(), alice); got != 0 {
			t.Errorf("he is %v", got)
		}
		if n := len(w.there.Received("Reject")); n != 1 {
			t.Errorf("%d Rejects", n)
		}
	})
}
