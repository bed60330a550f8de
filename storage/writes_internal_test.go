package storage

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rounds has so many calls come together, one after the other with these pauses, and waits for all of them, once for each round. It
// returns how long that took and how many commits it took.
func rounds(q *writes, sizes []int, pause time.Duration) (took time.Duration, commits int) {
	start := time.Now()
	for _, n := range sizes {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				q.share(context.Background(), new(write), func([]*write) error {
					commits++
					time.Sleep(gatherTime / 4) // the disk
					return nil
				})
			})
			if n > 1 {
				time.Sleep(pause)
			}
		}
		wg.Wait()
	}
	return time.Since(start), commits
}

func TestWhoIsThereDoesNotWaitForThoseWhoDoNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q writes
		var took time.Duration
		const times = 200
		for range times {
			q.mu.Lock()
			q.expect = 8 // as after a commit of so many
			q.mu.Unlock()
			one, _ := rounds(&q, []int{1}, 0)
			took += one - gatherTime/4
		}
		if took > times/10*gatherTime {
			t.Errorf("%d who came alone waited %s for others", times, took)
		}
	})
}

func TestThoseWhoComeAgainAtOnceShareACommit(t *testing.T) {
	t.Parallel()
	const callers, times = 8, 500
	// Each comes again soon after it was answered, one a little later than the other.
	run := func(q *writes) (commits int) {
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for range times {
					q.share(context.Background(), new(write), func([]*write) error {
						commits++ // one at a time
						time.Sleep(gatherTime / 4)
						return nil
					})
					time.Sleep(gatherTime / 10 * time.Duration(i))
				}
			})
		}
		wg.Wait()
		return commits
	}
	for name, q := range map[string]*writes{"from the beginning": {}, "after a time in which nobody did": {vain: maxVain, skip: 1<<maxVain - 1}} {
		synctest.Test(t, func(t *testing.T) {
			if commits := run(q); commits > times*5/4 {
				t.Errorf("%s: %d times %d took %d commits", name, times, callers, commits)
			}
		})
	}
}
