package storage

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

const (
	// writesAtOnce is how many calls share one transaction.
	writesAtOnce = 64

	// finishWait is how long Finish waits for others, and then for an Append whose commit it can share.
	finishWait = 10 * time.Millisecond

	// finishAtOnce is how many outcomes need wait no longer. Entries that came together lie together, and cost a fraction when
	// they are deleted together.
	finishAtOnce = 32

	// gatherTime is how long one who is to write for several waits for those who are expected: who was answered a moment ago
	// tends to come again, and a commit costs as much as all that is in it.
	gatherTime = 200 * time.Microsecond
)

// writes lets calls that come at the same time share a commit: a disk makes some hundred of them durable in a second, and
// each sender waits for its 202. Whoever comes while nobody writes, writes; who comes meanwhile waits, and the first of them
// writes for all of them next.
type writes struct {
	mu      sync.Mutex
	writing bool // by somebody, or somebody was woken to do it
	waiting []*write
	last    int           // how many appends were written the last time
	expect  int           // with so many waiting there is no need to wait for more
	enough  chan struct{} // closed when there are; nil if nobody waits for more
}

// write is one call of Append, or of Finish.
type write struct {
	entry  inbox.Entry
	bounds inbox.Bounds

	came     time.Time
	finish   bool
	epoch    int64
	outcomes []inbox.Outcome

	wake chan bool // true: write what waits, this too; false: the others are set
	kept inbox.Kept
	more bool
	err  error
}

// share has w written by commit, alone or with others: those whom take returns, the same each time. Who has to wait for other
// processes calls it after that, for more have come by then.
func (q *writes) share(ctx context.Context, w *write, commit func(take func() []*write) error) {
	if w.err = ctx.Err(); w.err != nil {
		return
	}
	w.wake = make(chan bool, 1)
	mine := q.enter(w)
	if !mine && w.finish {
		later := time.AfterFunc(finishWait, q.next)
		defer later.Stop()
	}
	for {
		if mine {
			q.write(commit) // w too, unless too many came before it
		}
		select {
		case mine = <-w.wake:
		case <-ctx.Done():
			if q.leave(w) {
				w.err = ctx.Err()
				return
			}
			mine = <-w.wake
		}
		if !mine {
			return
		}
	}
}

// enter reports whether w is to be written at once, by its caller.
func (q *writes) enter(w *write) (mine bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
	w.came = time.Now()
	if q.enough != nil && q.appends() >= q.expect {
		close(q.enough)
		q.enough = nil
	}
	mine = !q.writing && !w.finish
	q.writing = q.writing || mine
	return mine
}

// leave takes w back, unless its commit has begun or it was woken to write.
func (q *writes) leave(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i < 0 || len(w.wake) > 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// gather waits for those who are expected. First it lets everybody go on who can: where cores are few, those who are about to
// come would else find each commit over before they could.
func (q *writes) gather() {
	for n := 0; ; {
		q.mu.Lock()
		was := n
		n = len(q.waiting)
		q.mu.Unlock()
		if n == was || n >= writesAtOnce {
			break
		}
		runtime.Gosched()
	}
	q.mu.Lock()
	if q.expect < 2 || q.appends() >= q.expect {
		q.mu.Unlock()
		return
	}
	enough := make(chan struct{})
	q.enough = enough
	q.mu.Unlock()
	late := time.NewTimer(gatherTime)
	defer late.Stop()
	select {
	case <-enough:
	case <-late.C:
	}
}

// appends is how many of those who wait are in a hurry. The caller holds mu.
func (q *writes) appends() (n int) {
	for _, w := range q.waiting {
		if !w.finish {
			n++
		}
	}
	return n
}

// take returns what is to be written now, the longest waiting first.
func (q *writes) take() (some []*write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enough, q.last = nil, 0
	q.waiting = slices.DeleteFunc(q.waiting, func(w *write) bool {
		if len(some) == writesAtOnce || !w.due() {
			return false
		}
		if !w.finish {
			q.last++
		}
		some = append(some, w)
		return true
	})
	return some
}

// due tells whether w is to be written with what is written now.
func (w *write) due() bool {
	return !w.finish || len(w.outcomes) >= finishAtOnce || time.Since(w.came) >= finishWait
}

// done ends the writing of one.
func (q *writes) done() {
	q.mu.Lock()
	q.writing = false
	q.expect = min(q.last+q.appends(), writesAtOnce)
	q.mu.Unlock()
	q.next()
}

// next wakes one who waits to write for all, unless somebody writes or nobody is in a hurry.
func (q *writes) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.writing {
		return
	}
	for _, w := range q.waiting {
		if w.due() {
			q.writing = true
			w.wake <- true
			return
		}
	}
}

// errPanicked is what the others get if the driver panics in their transaction.
var errPanicked = errors.New("the transaction panicked")

// write commits what waits, tells everyone in it and wakes the next writer. No one's context may end what the others
// wait for.
func (q *writes) write(commit func(take func() []*write) error) {
	defer q.done()
	q.gather()
	take, err := sync.OnceValue(q.take), errPanicked
	defer func() {
		for _, w := range take() {
			if err != nil {
				w.kept, w.more, w.err = inbox.Kept{}, false, err
			}
			w.wake <- false
		}
	}()
	err = commit(take)
}
