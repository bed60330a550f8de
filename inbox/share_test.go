package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage"
)

// Three nodes share the work; each activity comes to two of them at once. One dies in the middle: it is not heard of any more,
// though what it has begun goes on, as after a SIGSTOP. Then another one comes.
func TestNodesShareTheJournalAndTakeOverFromTheDead(t *testing.T) {
	t.Parallel()
	keys() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		j := storage.Memory().Journal
		shareAndTakeOver(t, [4]inbox.Journal{j, j, j, j})
	})
}

func TestNodesShareTheJournalInPostgres(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	var journals [4]inbox.Journal
	for i := range journals {
		s, err := storage.OpenPostgres(t.Context(), pgtest.Connect(t, address), nil)
		if err != nil {
			t.Fatal(err)
		}
		journals[i] = s.Journal
	}
	shareAndTakeOver(t, journals)
}

type sharingJournal interface {
	inbox.Journal
	inbox.Sharing
}

// mortalJournal is cut off from its store when it is dead.
type mortalJournal struct {
	sharingJournal
	dead atomic.Bool
}

var errDead = errors.New("dead")

func (j *mortalJournal) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
	if j.dead.Load() {
		return inbox.Share{}, errDead
	}
	return j.sharingJournal.Share(ctx, owner, now, ttl)
}

func (j *mortalJournal) Finish(ctx context.Context, epoch int64, out []inbox.Outcome) (bool, error) {
	if j.dead.Load() {
		return false, errDead
	}
	return j.sharingJournal.Finish(ctx, epoch, out)
}

func (j *mortalJournal) DueOf(ctx context.Context, epoch int64, s inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	if j.dead.Load() {
		return nil, errDead
	}
	return j.sharingJournal.DueOf(ctx, epoch, s, held, now, limit)
}

func (j *mortalJournal) Release(ctx context.Context, epoch int64) error {
	if j.dead.Load() {
		return errDead
	}
	return j.sharingJournal.Release(ctx, epoch)
}

// ledger is what hooks have done on all nodes.
type ledger struct {
	mu      sync.Mutex
	running map[string]string // object → node
	ran     map[string][]string
	ranBy   map[string]string // activity → node
	byNode  map[string]int
	faults  []string
}

func (l *ledger) hook(node string, dead *atomic.Bool) inbox.Hook {
	return func(_ context.Context, m *inbox.Message) error {
		object := m.ObjectID
		l.mu.Lock()
		if other := l.running[object]; other != "" {
			l.faults = append(l.faults, fmt.Sprintf("%s begins with %s while %s is at one of its object", node, m.Activity.ID, other))
		}
		l.running[object] = node
		l.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, object)
		if dead.Load() {
			return nil // it counts for another one
		}
		switch by := l.ranBy[m.Activity.ID]; by {
		case "":
		case "node 0": // it died before it could say so
			return nil
		default:
			l.faults = append(l.faults, fmt.Sprintf("%s runs %s again, which %s has run", node, m.Activity.ID, by))
		}
		l.ranBy[m.Activity.ID] = node
		l.ran[object] = append(l.ran[object], m.Activity.ID)
		l.byNode[node]++
		return nil
	}
}

func (l *ledger) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.ran {
		n += len(list)
	}
	return n
}

func shareAndTakeOver(t *testing.T, journals [4]inbox.Journal) {
	l := &ledger{running: map[string]string{}, ran: map[string][]string{}, ranBy: map[string]string{}, byNode: map[string]int{}}
	var nodes [4]*bench
	var stop [4]context.CancelFunc
	var mortal [4]*mortalJournal
	var all sync.WaitGroup
	start := func(i int) {
		mortal[i] = &mortalJournal{sharingJournal: journals[i].(sharingJournal)}
		name := fmt.Sprint("node ", i)
		nodes[i] = newBench(t, func(c *inbox.Config) {
			c.Journal, c.Node, c.Workers = mortal[i], name, 4
			c.Hooks.Create, c.Hooks.Update = l.hook(name, &mortal[i].dead), l.hook(name, &mortal[i].dead)
		})
		var ctx context.Context
		ctx, stop[i] = context.WithCancel(t.Context())
		all.Go(func() {
			if err := nodes[i].Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	// say posts activities of so many objects, each to two nodes at once.
	say := func(from, to, first, second int) {
		for o := from; o < to; o++ {
			for n, typ := range []string{"Create", "Update", "Update"} {
				note := object{"id": fmt.Sprintf("%s/n/%d", there, o), "type": "Note", "attributedTo": bob, "content": "x"}
				body := act(typ, fmt.Sprintf("%s/a/%d-%d", there, o, n), bob, note)
				var both sync.WaitGroup
				for _, i := range []int{first, second} {
					both.Go(func() {
						if got := nodes[i].post(bob, body); got != 202 {
							t.Errorf("status %d", got)
						}
					})
				}
				both.Wait()
			}
		}
	}
	within := func(d time.Duration, n int) {
		t.Helper()
		for until := time.Now().Add(d); l.count() < n && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		if got := l.count(); got != n {
			t.Errorf("%d of %d hooks ran after %v", got, n, d)
		}
	}
	for i := range 3 {
		start(i)
	}
	time.Sleep(9 * time.Second) // until each has its part
	say(0, 40, 0, 1)
	within(5*time.Second, 120)
	if len(l.byNode) != 3 {
		t.Errorf("hooks ran on %v, want three nodes", l.byNode)
	}
	say(40, 60, 1, 2)
	mortal[0].dead.Store(true)
	say(60, 80, 1, 2)
	within(15*time.Second, 240)
	stop[0]()
	start(3)
	time.Sleep(9 * time.Second)
	before := l.byNode["node 3"]
	say(80, 120, 1, 2)
	within(5*time.Second, 360)
	if l.byNode["node 3"] == before {
		t.Error("who came later has nothing to do")
	}
	for i := range nodes {
		stop[i]()
	}
	all.Wait()
	for o := range 120 {
		id := fmt.Sprintf("%s/n/%d", there, o)
		var want []string
		for n := range 3 {
			want = append(want, fmt.Sprintf("%s/a/%d-%d", there, o, n))
		}
		if got := l.ran[id]; !slices.Equal(got, want) {
			t.Errorf("of %s ran %q", id, got)
		}
	}
	for _, fault := range l.faults {
		t.Error(fault)
	}
	left, err := journals[1].Shelved(t.Context(), inbox.DeadLetters, 0, 1)
	if err != nil || len(left) > 0 {
		t.Errorf("dead letters: %v, %v", left, err)
	}
}
