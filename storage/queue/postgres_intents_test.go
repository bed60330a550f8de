package queue_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage/queue"
)

func openPostgresIntents(t testing.TB, db *sql.DB) *queue.PostgresIntents {
	t.Helper()
	in, err := queue.OpenPostgresIntents(t.Context(), db)
	must(t, err)
	return in
}

func intend(t testing.TB, in *queue.PostgresIntents, tx *sql.Tx, id string) {
	t.Helper()
	must(t, in.In(tx).AppendIntent(t.Context(), delivery.Intent{
		Activity: delivery.Activity{ID: id, Sender: "s\x00\xff", Body: []byte("body\x00of " + id), Key: "k"}, Targets: []delivery.Target{{Inbox: "https://a.example/inbox"}},
	}))
}

func begin(t testing.TB, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// waiting returns the IDs of the intents that wait.
func waiting(t testing.TB, in *queue.PostgresIntents) (ids []string) {
	t.Helper()
	for _, i := range all(t, in) {
		ids = append(ids, i.Activity.ID)
	}
	return ids
}

func all(t testing.TB, in *queue.PostgresIntents) []delivery.Intent {
	t.Helper()
	list, err := in.Intents(t.Context(), 1000)
	must(t, err)
	return list
}

func expand(t testing.TB, in *queue.PostgresIntents, list []delivery.Intent) {
	t.Helper()
	var ids []int64
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	must(t, in.Expanded(t.Context(), ids))
}

func TestPostgresIntentIsSeenFromItsCommitToItsExpansion(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	in := openPostgresIntents(t, db)
	tx := begin(t, db)
	intend(t, in, tx, "back")
	must(t, tx.Rollback())
	tx = begin(t, db)
	intend(t, in, tx, "1")
	intend(t, in, tx, "2")
	if got := waiting(t, in); len(got) != 0 {
		t.Errorf("before the commit %q wait", got)
	}
	must(t, tx.Commit())
	list := all(t, in)
	if len(list) != 2 || list[0].Activity.ID != "1" || list[0].ID >= list[1].ID || !bytes.Equal(list[0].Activity.Body, []byte("body\x00of 1")) ||
		list[0].Targets[0].Inbox != "https://a.example/inbox" || list[0].Activity.Key != "k" {
		t.Errorf("got %+v", list)
	}
	expand(t, in, list[:1])
	if got := waiting(t, in); !slices.Equal(got, []string{"2"}) {
		t.Errorf("%q wait", got)
	}
}

// An app's transaction may take long; what others wrote after it goes out, and so does it in the end.
func TestPostgresIntentThatIsCommittedLateIsNotMissed(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	db.SetMaxOpenConns(20)
	in, other := openPostgresIntents(t, db), openPostgresIntents(t, db)
	for round := range 3 {
		slow := begin(t, db)
		intend(t, in, slow, "slow")
		for i := range 30 {
			tx := begin(t, db)
			intend(t, in, tx, fmt.Sprint(i))
			must(t, tx.Commit())
			for _, in := range []*queue.PostgresIntents{in, other} {
				if list := all(t, in); len(list) > 0 {
					expand(t, in, list)
				}
			}
		}
		if got := waiting(t, in); len(got) != 0 {
			t.Errorf("%q wait still", got)
		}
		must(t, slow.Commit())
		for _, in := range []*queue.PostgresIntents{in, other} {
			if got := waiting(t, in); !slices.Equal(got, []string{"slow"}) {
				t.Fatalf("round %d: %q wait", round, got)
			}
		}
		expand(t, in, all(t, in))
	}
}

func TestPostgresIntentsOfManyWritersAreAllSeen(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	const writers, each = 6, 40
	var wg sync.WaitGroup
	seen := make([]map[string]bool, 2)
	written := make(chan struct{})
	for i := range seen { // two who expand
		seen[i] = make(map[string]bool)
		in := openPostgresIntents(t, pgtest.Connect(t, address))
		wg.Go(func() {
			for last := false; ; {
				list := all(t, in)
				for _, one := range list {
					seen[i][one.Activity.ID] = true
				}
				expand(t, in, list)
				if last && len(list) == 0 {
					return
				}
				select {
				case <-written:
					last = true
				default:
				}
			}
		})
	}
	var writing sync.WaitGroup
	for w := range writers {
		db := pgtest.Connect(t, address)
		in := openPostgresIntents(t, db)
		writing.Go(func() {
			for i := range each {
				tx := begin(t, db)
				intend(t, in, tx, fmt.Sprint(w, ".", i))
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				must(t, tx.Commit())
			}
		})
	}
	writing.Wait()
	close(written)
	wg.Wait()
	for w := range writers {
		for i := range each {
			if id := fmt.Sprint(w, ".", i); !seen[0][id] && !seen[1][id] {
				t.Errorf("%s was missed", id)
			}
		}
	}
}

// Where vacuum is held up, what was expanded long ago is not walked over each time.
func TestPostgresIntentsThatAreExpandedAreNotPassedAgain(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := pgtest.Connect(t, address)
	db.SetMaxOpenConns(1) // it alone counts blocks; see reads
	in := openPostgresIntents(t, db)
	_, err := db.Exec(`ALTER TABLE fedihook_q_intent SET (autovacuum_enabled = off)`) // which reads blocks, too
	must(t, err)
	held, err := pgtest.Connect(t, address).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	must(t, err)
	defer held.Rollback()
	var n int
	must(t, held.QueryRow(`SELECT count(*) FROM fedihook_q_intent`).Scan(&n))
	tx := begin(t, db)
	for i := range 5000 {
		intend(t, in, tx, fmt.Sprint(i))
	}
	must(t, tx.Commit())
	for list := all(t, in); len(list) > 0; list = all(t, in) {
		expand(t, in, list)
	}
	// That nothing is to come up to a number is known when all transactions are over that were there when it was the last one, and
	// those of the tests beside this one count as well.
	for range 3 {
		all(t, in)
		var last, oldest int64
		must(t, db.QueryRow(`SELECT pg_current_xact_id()::text::bigint`).Scan(&last))
		for ; oldest <= last; time.Sleep(time.Millisecond) {
			must(t, db.QueryRow(`SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&oldest))
		}
	}
	all(t, in)
	// A connection reports its counts at the end of a statement, once a second. Up to version 14 they are on their way for a while.
	reads := func() (n int64) {
		time.Sleep(1100 * time.Millisecond)
		_, err := db.Exec(`SELECT 1`)
		must(t, err)
		time.Sleep(600 * time.Millisecond)
		must(t, db.QueryRow(`SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables
			WHERE schemaname = current_schema() AND relname = 'fedihook_q_intent'`).Scan(&n))
		return n
	}
	before := reads()
	for range 50 {
		all(t, in)
	}
	if n := reads() - before; n < 50 || n > 50*20 { // none were a miscount
		t.Errorf("to see 50 times that nothing waits took %d blocks", n)
	}
}

// ctx is done before the pool's connection is back.
func TestPostgresIntentOfACancelledContextIsAnError(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	in := openPostgresIntents(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Intents(ctx, 10); err == nil {
		t.Error("Intents succeeded")
	}
	if err := in.Expanded(ctx, []int64{1}); err == nil {
		t.Error("Expanded succeeded")
	}
}
