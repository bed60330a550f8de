package inbox

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// guests are verified for as long as take says, and tell how many of them at most were at once.
func guests(t *testing.T, g *gate, n, places int, take func(i int) time.Duration) (most, refused int) {
	t.Helper()
	var mu sync.Mutex
	inside := 0
	enter := func(ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if !ok {
			refused++
			return
		}
		inside++
		most = max(most, inside)
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			v := g.visit("a.example", places)
			ok := v != nil && v.wait(t.Context())
			if enter(ok); !ok {
				return
			}
			time.Sleep(take(i))
			mu.Lock()
			inside--
			mu.Unlock()
			v.leave()
		})
	}
	all.Wait()
	time.Sleep(stuckTime) // whoever stays counts as stuck
	return most, refused
}

func TestHowManyOfAHostAreVerifiedAtOnceFollowsFromHowLongThatTakes(t *testing.T) {
	t.Parallel()
	const places = 16
	for _, c := range []struct {
		name          string
		first, others time.Duration
		most          int
	}{
		{"in no time", time.Millisecond, 3 * time.Millisecond, 1},
		{"soon", 20 * time.Millisecond, 20 * time.Millisecond, 5},
		{"late", time.Second, time.Second, places - 1}, // one has it all the time
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{}
				keep := g.visit("a.example", places) // so that the line stays
				guests(t, g, 1, places, func(int) time.Duration { return c.first })
				if most, refused := guests(t, g, 20, places, func(int) time.Duration { return c.others }); most != c.most || refused != 0 {
					t.Errorf("%d at once, %d refused, want %d", most, refused, c.most)
				}
				keep.leave()
				time.Sleep(placeTime)
				if len(g.fetching) != 0 {
					t.Error("the line stays though nobody is there")
				}
			})
		})
	}
}

func TestWhoIsStuckDoesNotHoldUpAHostThatIsQuickElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places = 8
		g := &gate{}
		keep := g.visit("a.example", places)
		guests(t, g, 1, places, func(int) time.Duration { return time.Millisecond })
		keep.leave()
		keep = g.visit("a.example", places)
		stuck := g.visit("a.example", places) // for an answer that never comes
		time.Sleep(stuckTime)
		if !stuck.wait(t.Context()) {
			t.Fatal("there is a place")
		}
		defer stuck.leave()
		if _, refused := guests(t, g, 10, places, func(int) time.Duration { return time.Millisecond }); refused != 0 {
			t.Errorf("%d refused", refused)
		}
		keep.leave()
	})
}

func TestAHostThatAnswersAtOnceLeavesTimeForEveryoneElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, begun := &gate{}, time.Now()
		for range 250 { // each as soon as the last one was verified, as on one connection
			v := g.visit("a.example", 16)
			if !v.wait(t.Context()) {
				t.Fatal("there is no place")
			}
			v.leave()
		}
		if took := time.Since(begun); took < 248*placeTime || took > 251*placeTime {
			t.Errorf("250 were verified within %s", took)
		}
	})
}

func TestWhoDoesNotWaitAnyLongerTakesNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		first := g.visit("a.example", 1)
		ctx, cancel := context.WithCancel(t.Context())
		second := g.visit("a.example", 1)
		go cancel()
		if second.wait(ctx) {
			t.Error("it has a place that another has")
		}
		third := g.visit("a.example", 1)
		if g.visit("a.example", 1) == nil {
			t.Error("there is room for a third")
		}
		if g.visit("a.example", 1) != nil {
			t.Error("there is room for a fourth")
		}
		start := time.Now()
		if third.wait(t.Context()) || time.Since(start) != maxLine {
			t.Errorf("it waited for %s", time.Since(start))
		}
		first.leave()
	})
}
