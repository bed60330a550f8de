package inbox_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/inbox"
)

func TestACopyAtAnotherPersonalInboxRunsTheHookForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	var got []string
	b := newBench(t, func(c *inbox.Config) {
		c.Workers = 1
		c.Hooks.Create = func(_ context.Context, m *inbox.Message) error {
			got = append(got, fmt.Sprint(m.To, m.ToFollowers, m.Alone))
			return nil
		}
	})
	// WriteFreely (seen 2026-11) sends one Create per follower, all under one id, which is the post's too.
	post := func(owner string) {
		id := there + "/p/1"
		body := act("Create", id, bob, object{"id": id, "type": "Article", "attributedTo": bob, "to": "as:Public", "cc": owner}, "to", "as:Public", "cc", owner)
		b.postTo("/ap/users/x/inbox", bob, body, b.Personal(owner))
	}
	for range 2 {
		post(alice)
		post(alice)
		post(locky)
		b.run()
		post(locky)
	}
	if want := []string{fmt.Sprint([]string{alice}, true, false), fmt.Sprint([]string{locky}, false, true)}; !slices.Equal(got, want) {
		t.Errorf("the hook got %q, want %q", got, want)
	}
}

func TestTenSimultaneousPostsOfOneLikeRunItsHookOnce(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Like = func(context.Context, *inbox.Message) error { runs.Add(1); return nil }
	})
	body := act("Like", there+"/a/1", bob, here+"/ap/objects/1")
	anonymous := act("Add", "", bob, there+"/n/1", "target", bob+"/featured")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for _, body := range []string{body, anonymous} {
				if status := b.post(bob, body); status != 202 {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	wg.Wait()
	b.run()
	if n := runs.Load(); n != 1 {
		t.Errorf("ran %d times", n)
	}
}

// Whatever order they come in: what was deleted or undone is gone, and nothing brings it back.
func TestWhateverTheOrderOfArrivalADeletedPostStaysDeleted(t *testing.T) {
	t.Parallel()
	note := object{"id": there + "/n/1", "type": "Note", "attributedTo": bob}
	bodies := map[string]string{
		"Create":       act("Create", there+"/a/1", bob, note),
		"Update":       act("Update", there+"/a/2", bob, note),
		"Delete":       act("Delete", there+"/a/3", bob, object{"id": there + "/n/1", "type": "Tombstone"}),
		"Announce":     act("Announce", there+"/a/4", bob, here+"/ap/objects/1"),
		"UndoAnnounce": act("Undo", there+"/a/5", bob, there+"/a/4"),
	}
	names := slices.Sorted(maps.Keys(bodies))
	for order := range permutations(names) {
		state := map[string]bool{}
		var mu sync.Mutex
		set := func(what string, is bool) inbox.Hook {
			return func(context.Context, *inbox.Message) error {
				mu.Lock()
				defer mu.Unlock()
				state[what] = is
				return nil
			}
		}
		b := newBench(t, func(c *inbox.Config) {
			c.Hooks = inbox.Hooks{
				Create: set("post", true), Update: set("post", true), Delete: set("post", false),
				Announce: set("share", true), Undo: set("share", false),
			}
		})
		for i, name := range order {
			if status := b.post(bob, bodies[name]); status != 202 {
				t.Fatalf("%s: status %d", name, status)
			}
			if i%2 == 0 {
				b.run()
			}
			b.post(bob, bodies[order[0]]) // and again
		}
		b.run()
		if state["post"] || state["share"] {
			t.Errorf("after %q the post is there: %v, the share: %v", order, state["post"], state["share"])
		}
	}
}

func permutations(list []string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		var walk func(done, left []string) bool
		walk = func(done, left []string) bool {
			if len(left) == 0 {
				return yield(done)
			}
			for i := range left {
				rest := slices.Concat(left[:i], left[i+1:])
				if !walk(append(slices.Clone(done), left[i]), rest) {
					return false
				}
			}
			return true
		}
		walk(nil, list)
	}
}

// The model: a follow is in force if its last Follow came after its last Undo, except that an Undo that comes first takes
// one Follow of its id with it.
func TestFollowsAndTheirUndosInAnyOrderEndAsTheModelSays(t *testing.T) {
	t.Parallel()
	id := there + "/follows/bob/alice"
	follow := act("Follow", id, bob, alice)
	undos := map[string]string{
		"by its id": act("Undo", id+"/undo", bob, id),
		"embedded":  act("Undo", id+"/undo", bob, object{"id": id, "type": "Follow", "actor": bob, "object": alice}),
	}
	for name, undo := range undos {
		for n := range 1 << 5 { // each bit a step
			b := newBench(t, nil)
			var steps []string
			followed, asked, void, undone := false, false, false, false
			for bit := range 5 {
				if n>>bit&1 == 0 {
					steps = append(steps, "Follow")
					b.post(bob, follow)
					switch {
					case void:
						void = false
					case !asked:
						followed, asked, undone = true, true, false
					}
				} else {
					steps = append(steps, "Undo")
					b.post(bob, undo)
					if !undone {
						void = !asked
						followed, asked, undone = false, false, true
					}
				}
				if n%3 == 0 {
					b.run()
				}
			}
			b.run()
			if _, got := b.book.follows[bob+" "+alice]; got != followed {
				t.Errorf("Undo %s, after %q: follows %v, want %v", name, steps, got, followed)
			}
		}
	}
}

func TestAnUndoByTheIDOfSomebodyElsesFollowChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.post(bob, act("Follow", there+"/f/1", bob, alice))
	b.run()
	b.post(eve, act("Undo", there+"/u/1", eve, there+"/f/1"))
	b.post(eve, act("Undo", there+"/u/2", eve, object{"id": there + "/f/1", "type": "Follow"}))
	b.run()
	if _, ok := b.book.follows[bob+" "+alice]; !ok {
		t.Error("bob does not follow any more")
	}
	b.post(bob, act("Undo", there+"/u/3", bob, there+"/f/1"))
	b.run()
	if _, ok := b.book.follows[bob+" "+alice]; ok {
		t.Error("bob follows still")
	}
}

func TestAFollowThatComesTwiceIsAnsweredAnewAndStaysAccepted(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.book.follows[bob+" "+locky] = inbox.Follow{ID: there + "/f/1", Follower: bob, Followed: locky, Accepted: true}
	b.post(bob, act("Follow", there+"/f/2", bob, locky))
	b.run()
	want := []string{"followed " + bob + " " + locky + " " + there + "/f/2 pending=false", "Accept " + there + "/f/2 to " + bob + " from " + locky}
	if got := b.book.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheUndoOfAnAcceptRemovesTheFollower(t *testing.T) {
	t.Parallel()
	rejected := 0
	b := newBench(t, func(c *inbox.Config) {
		c.Hooks.Rejected = func(context.Context, *inbox.Message) error { rejected++; return nil }
	})
	b.book.asked[alice+" "+bob] = true
	follow := object{"id": here + "/ap/activities/1", "type": "Follow", "actor": alice, "object": bob}
	b.post(bob, act("Undo", there+"/u/1", bob, object{"id": there + "/a/1", "type": "Accept", "actor": bob, "object": follow}))
	b.run()
	if got := b.book.all(); rejected != 1 || !slices.Equal(got, []string{"answered " + alice + " " + bob + " accepted=false"}) {
		t.Errorf("Rejected ran %d times, relations %q", rejected, got)
	}
}
