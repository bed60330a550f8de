package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// moveBook is who has moved where.
type moveBook struct {
	mu     sync.Mutex
	last   map[string]inbox.Moved
	back   map[string]bool
	told   []string
	fails  int // so many times
	failed error
}

func (b *moveBook) LastMove(_ context.Context, id string) (inbox.Moved, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.last[id]
	return m, ok && !b.back[id], nil
}

func (b *moveBook) Moved(_ context.Context, m inbox.Moved) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails > 0 {
		b.fails--
		return b.failed
	}
	b.told = append(b.told, m.From+" "+m.To+" "+m.ID)
	b.last[m.From] = m
	return nil
}

// agreeing is the document of an actor who says that it was these.
func agreeing(id string, more string, were ...string) string {
	list := ""
	for i, was := range were {
		if i > 0 {
			list += ","
		}
		list += `"` + was + `"`
	}
	return fmt.Sprintf(`{"id":%q,"type":"Person","inbox":%q,"alsoKnownAs":[%s]%s}`, id, id+"/inbox", list, more)
}

func TestAMoveIsBelievedIfTheTargetAgrees(t *testing.T) {
	t.Parallel()
	target := mallory
	for _, c := range []struct {
		name, doc string
		believed  bool
	}{
		{"it does", agreeing(target, "", bob), true},
		{"it does, beside others", agreeing(target, "", eve, bob, alice), true},
		{"it says that it moved to itself", agreeing(target, `,"movedTo":"`+target+`"`, bob), true},
		{"it does not", agreeing(target, ""), false},
		{"it names another", agreeing(target, "", eve), false},
		{"it names one whose id is longer", agreeing(target, "", bob+"/"), false},
		{"it has moved", agreeing(target, `,"movedTo":"`+eve+`"`, bob), false},
		{"it has moved back to who moves", agreeing(target, `,"movedTo":"`+bob+`"`, bob), false},
		{"it is suspended", agreeing(target, `,"suspended":true`, bob), false},
		{"it has another id", agreeing(eve, "", bob), false},
		{"it is a post", `{"id":"` + target + `","type":"Note","alsoKnownAs":["` + bob + `"]}`, false},
		{"it is not there", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			moved := &moveBook{last: map[string]inbox.Moved{}}
			ran := 0
			b := newBench(t, func(conf *inbox.Config) {
				conf.Moves = moved
				conf.Hooks.Move = func(_ context.Context, m *inbox.Message) error {
					if ran++; m.Object == nil || m.Object.DocumentID() != target {
						t.Errorf("the hook gets %v", m.Object)
					}
					return nil
				}
			})
			if c.doc != "" {
				b.peers.docs[target] = c.doc
			}
			if got := b.post(bob, act("Move", there+"/a/1", bob, bob, "target", target)); got != 202 {
				t.Fatalf("status %d", got)
			}
			b.run()
			var want []string
			if c.believed {
				want = []string{bob + " " + target + " " + there + "/a/1"}
			}
			if !slices.Equal(moved.told, want) || ran != len(want) {
				t.Errorf("told %q, and the hook ran %d times", moved.told, ran)
			}
			if n := len(b.peers.fetched); n != 1 {
				t.Errorf("%d documents were fetched", n)
			}
		})
	}
}

func TestWhoMovedLatelyDoesNotMoveAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		ago      time.Duration
		id       string
		cooldown time.Duration
		believed bool
	}{
		{"an hour ago", time.Hour, there + "/a/0", 0, false},
		{"nearly seven days ago", 7*24*time.Hour - time.Minute, there + "/a/0", 0, false},
		{"seven days ago", 7*24*time.Hour + time.Minute, there + "/a/0", 0, true},
		{"the same, which is tried again", time.Hour, there + "/a/1", 0, true},
		{"longer ago than the app says", time.Hour, there + "/a/0", 30 * time.Minute, true},
		{"where there is no limit", time.Second, there + "/a/0", -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			moved := &moveBook{last: map[string]inbox.Moved{bob: {ID: c.id, From: bob, To: eve, At: time.Now().Add(-c.ago)}}, back: map[string]bool{bob: true}}
			b := newBench(t, func(conf *inbox.Config) { conf.Moves, conf.MoveCooldown = moved, c.cooldown })
			b.peers.docs[mallory] = agreeing(mallory, "", bob)
			b.post(bob, act("Move", there+"/a/1", bob, bob, "target", mallory))
			b.run()
			if got := len(moved.told) == 1; got != c.believed {
				t.Errorf("it was believed: %v", got)
			}
		})
	}
}

func TestAMoveToWhoIsSuspendedIsDropped(t *testing.T) {
	t.Parallel()
	moved := &moveBook{last: map[string]inbox.Moved{}}
	b := newBench(t, func(c *inbox.Config) { c.Moves, c.Policy = moved, refusing("evil.example") })
	b.peers.docs[mallory] = agreeing(mallory, "", bob)
	b.post(bob, act("Move", there+"/a/1", bob, bob, "target", mallory))
	b.run()
	if len(moved.told)+len(b.peers.fetched) != 0 {
		t.Errorf("told %q, fetched %q", moved.told, b.peers.fetched)
	}
}

// What fails is tried again, hook included; what another Move came before is over.
func TestAMoveThatCouldNotBeKeptIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err        error
		told, runs int
	}{
		"the disk is full": {errors.New("the disk is full"), 1, 3}, "another came first": {fmt.Errorf("another: %w", inbox.ErrDrop), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moved, runs := &moveBook{last: map[string]inbox.Moved{}, fails: 2, failed: c.err}, 0
			b := newBench(t, func(conf *inbox.Config) {
				conf.Moves = moved
				conf.Hooks.Move = func(context.Context, *inbox.Message) error { runs++; return nil }
			})
			b.peers.docs[mallory] = agreeing(mallory, "", bob)
			b.post(bob, act("Move", there+"/a/1", bob, bob, "target", mallory))
			b.run()
			if len(moved.told) != c.told || runs != c.runs {
				t.Errorf("told %q after %d runs of the hook", moved.told, runs)
			}
		})
	}
}

func TestWhoHasMovedTurnsFollowersAway(t *testing.T) {
	t.Parallel()
	id := there + "/f/1"
	for name, c := range map[string]struct {
		back, follows bool
		want          []string
		hook          int
	}{
		"a new one": {false, false, []string{"unfollowed " + bob + " " + alice, "Reject " + id + " to " + bob + " from " + alice}, 0},
		"one who was let in before": {false, true, []string{
			"followed " + bob + " " + alice + " " + id + " pending=false", "Accept " + id + " to " + bob + " from " + alice}, 1},
		"a new one, after it was taken back": {true, false, []string{
			"followed " + bob + " " + alice + " " + id + " pending=false", "Accept " + id + " to " + bob + " from " + alice}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moved := &moveBook{last: map[string]inbox.Moved{alice: {From: alice, To: eve, At: time.Now()}}, back: map[string]bool{alice: c.back}}
			ran := 0
			b := newBench(t, func(conf *inbox.Config) {
				conf.Moves = moved
				conf.Hooks.Follow = func(context.Context, *inbox.Message) error { ran++; return nil }
			})
			if c.follows {
				b.book.follows[bob+" "+alice] = inbox.Follow{ID: there + "/f/0", Follower: bob, Followed: alice, Accepted: true}
			}
			b.post(bob, act("Follow", id, bob, alice))
			b.run()
			if got := b.book.all(); !slices.Equal(got, c.want) || ran != c.hook {
				t.Errorf("got %q, want %q; the hook ran %d times", got, c.want, ran)
			}
		})
	}
}
