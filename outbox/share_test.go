package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/jackc/pgx/v5"
)

func TestNodesShareWhatIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storage.Memory()
		shareWhatIsSaid(t, [3]storage.Storage{s, s, s}, 3*time.Second)
	})
}

func TestNodesShareWhatIsSaidInPostgres(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	var stores [3]storage.Storage
	for i := range stores {
		s, err := storage.OpenPostgres(t.Context(), pgtest.Connect(t, address), func(ctx context.Context, channel string, heard func()) error {
			conn, err := pgx.Connect(ctx, address)
			if err != nil {
				return err
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
				return err
			}
			for heard(); ; heard() {
				if _, err := conn.WaitForNotification(ctx); err != nil {
					return err
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		stores[i] = s
	}
	shareWhatIsSaid(t, stores, 10*time.Second)
}

type sharingLog interface {
	outbox.Log
	outbox.Sharing
}

// mortalLog is cut off from its store when it is dead.
type mortalLog struct {
	sharingLog
	dead *atomic.Bool
}

var errDead = errors.New("dead")

func (l mortalLog) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (outbox.Shards, error) {
	if l.dead.Load() {
		return 0, errDead
	}
	return l.sharingLog.Share(ctx, owner, now, ttl)
}

func (l mortalLog) Unshare(ctx context.Context, owner string) error {
	if l.dead.Load() {
		return errDead
	}
	return l.sharingLog.Unshare(ctx, owner)
}

// Three nodes, of which the first has shard 0 and dies.
func shareWhatIsSaid(t *testing.T, stores [3]storage.Storage, quick time.Duration) {
	var mu sync.Mutex
	sent, lookups, byNode := map[string]int{}, 0, map[int]int{}
	var nodes [3]*bench
	var dead atomic.Bool
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer all.Wait()
	defer stop()
	for i := range nodes {
		nodes[i] = newBench(t, func(c *outbox.Config) {
			c.Intents, c.Log, c.Node = stores[i].Intents, stores[i].Log, fmt.Sprint("node ", i)
			if i == 0 {
				c.Log = mortalLog{stores[0].Log.(sharingLog), &dead}
			}
			inboxes := c.Inboxes
			c.Inboxes = func(ctx context.Context, id string) (outbox.Target, error) {
				mu.Lock()
				defer mu.Unlock()
				lookups++
				return inboxes(ctx, id)
			}
			c.Enqueue = func(_ context.Context, d outbox.Delivery, _ iter.Seq[outbox.Target]) error {
				mu.Lock()
				defer mu.Unlock()
				sent[d.ID]++
				byNode[i]++
				return nil
			}
		})
		all.Go(func() {
			if err := nodes[i].Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(50 * time.Millisecond) // the first has all of it, then
	}
	say := func(from, to int) {
		for n := from; n < to; n++ {
			note := &activity.Object{ID: fmt.Sprintf("%s/ap/objects/%d", here, n), Type: activity.Types{"Note"}, To: activity.To(bob)}
			create := &activity.Activity{Type: activity.Types{"Create"}, Object: activity.Refs{activity.Embed(note)}}
			if _, err := nodes[1+n%2].Say(t.Context(), nil, "alice", create); err != nil {
				t.Fatal(err)
			}
		}
	}
	within := func(d time.Duration, n int) {
		t.Helper()
		for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			done := len(sent)
			mu.Unlock()
			if done == n {
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		t.Errorf("%d of %d were handed over after %v, by node %v", len(sent), n, d, byNode)
	}
	time.Sleep(8 * time.Second)
	say(0, 60)
	within(quick, 60)
	mu.Lock()
	if len(byNode) != 3 || lookups != 60 {
		t.Errorf("handed over by %v after %d lookups", byNode, lookups)
	}
	mu.Unlock()
	dead.Store(true)
	time.Sleep(4 * time.Second) // it learns by its own clock
	say(60, 90)
	within(15*time.Second, 90)
	mu.Lock()
	defer mu.Unlock()
	for id, n := range sent {
		if n != 1 {
			t.Errorf("%s was handed over %d times", id, n)
		}
	}
}
