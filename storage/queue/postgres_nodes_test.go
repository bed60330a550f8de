package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/storage/queue"
)

func add(t testing.TB, st delivery.Store, id string, to []string) int64 {
	t.Helper()
	a, err := st.Append(t.Context(), delivery.Addition{Record: record(id), Inboxes: to})
	must(t, err)
	return a.Seq
}

func lease(t testing.TB, st delivery.Store, owner string, at time.Time) delivery.Lease {
	t.Helper()
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: owner, Now: at, TTL: 10 * time.Second})
	must(t, err)
	return l
}

// waits returns when so many backends wait for a lock in a database, which is the test's own schema's as far as query names it.
func waits(t testing.TB, db *sql.DB, query string) (pid int) {
	t.Helper()
	for range 500 {
		err := db.QueryRow(`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'
			AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'fedihook_q_activity'::regclass)`, query).Scan(&pid)
		if err == nil {
			return pid
		} else if !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody waits")
	return 0
}

// The very first additions hold back those after them like any other, however many there are: a claim may be 0.
func TestReaderWaitsForTheLowestOfManyAdditions(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	st, db := openPostgres(t, address), pgtest.Connect(t, address)
	const late = 6
	seqs := make(chan int64, late)
	var held [late]*sql.Tx
	for i := range held {
		tx, err := db.BeginTx(t.Context(), nil)
		must(t, err)
		defer tx.Rollback()
		held[i] = tx
		_, err = tx.Exec(`INSERT INTO fedihook_q_ledger (seq, created, finished, total, failed, cancelled, id) VALUES (0, 0, 0, 0, 0, 0, $1)`, fmt.Append(nil, i))
		must(t, err)
		go func() { seqs <- add(t, st, fmt.Sprint(i), inboxes(1)) }()
		for given := 0; given <= i; time.Sleep(time.Millisecond) {
			must(t, db.QueryRow(`SELECT last_value FROM fedihook_q_seq`).Scan(&given))
		}
	}
	after := add(t, st, "after", inboxes(1))
	through := func(want int64, records int) {
		t.Helper()
		page, err := st.Load(t.Context(), delivery.Query{Limit: 100})
		must(t, err)
		if len(page.Records) != records || page.Through != want {
			t.Errorf("read %d records through %d, want %d through %d", len(page.Records), page.Through, records, want)
		}
	}
	through(0, 0)
	for i := late - 1; i > 0; i-- { // the lowest comes last
		must(t, held[i].Rollback())
		if seq := <-seqs; seq != int64(i+1) {
			t.Errorf("addition %d has the number %d", i, seq)
		}
		through(0, 0)
	}
	must(t, held[0].Rollback())
	<-seqs
	through(after, late+1)
}

// An addition that has its number and is not committed yet holds back those after it, whatever took them.
func TestReaderWaitsForAnAdditionThatIsCommittedLate(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	st, db := openPostgres(t, address), pgtest.Connect(t, address)
	first := add(t, st, "first", inboxes(1))
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback()
	// The same ID is on its way in already: the addition waits until it is known what becomes of that, with its number.
	_, err = tx.Exec(`INSERT INTO fedihook_q_ledger (seq, created, finished, total, failed, cancelled, id) VALUES (0, 0, 0, 0, 0, 0, 'late')`)
	must(t, err)
	late := make(chan int64, 1)
	go func() { late <- add(t, st, "late", inboxes(1)) }()
	waits(t, db, "INSERT INTO fedihook_q_ledger")
	after := add(t, st, "after", inboxes(1))
	page, err := st.Load(t.Context(), delivery.Query{Limit: 100})
	must(t, err)
	if len(page.Records) != 1 || page.Through != first {
		t.Errorf("read %d records through %d, want 1 through %d", len(page.Records), page.Through, first)
	}
	must(t, tx.Rollback())
	seq := <-late
	if seq <= first || seq >= after {
		t.Fatalf("the late one has %d, between %d and %d it was to be", seq, first, after)
	}
	page, err = st.Load(t.Context(), delivery.Query{After: page.Through, Limit: 100})
	must(t, err)
	if len(page.Records) != 2 || page.Records[0].Seq != seq || page.Through != after {
		t.Errorf("then %d records through %d", len(page.Records), page.Through)
	}
}

// What several nodes settle of the same records at the same time is all counted, once, and the last one finishes each.
func TestNodesThatSettleTheSameRecordsCountExactly(t *testing.T) {
	t.Parallel()
	const nodes, records, targets = 6, 12, 400
	address := pgtest.URL(t)
	st := openPostgres(t, address)
	for i := range records {
		add(t, st, fmt.Sprint(i), inboxes(targets))
	}
	page, err := st.Load(t.Context(), delivery.Query{Limit: records * targets})
	must(t, err)
	var wg sync.WaitGroup
	for i := range nodes {
		mine := openPostgres(t, address)
		l := lease(t, mine, fmt.Sprint(i), now)
		wg.Go(func() {
			left := make([][]int64, records) // each node a sixth, and some of another's, too
			for r, p := range page.Records {
				for j, id := range p.Targets {
					if j%nodes == i || j%nodes == (i+1)%nodes && j%3 == 0 {
						left[r] = append(left[r], id)
					}
				}
			}
			for {
				f := delivery.Flush{Now: now}
				for _, r := range rand.Perm(records) {
					n := min(7, len(left[r]))
					if n == 0 {
						continue
					}
					a := delivery.Ack{Seq: page.Records[r].Seq, Done: left[r][:n]}
					for _, id := range a.Done {
						if slices.Index(page.Records[r].Targets, id)%10 == 0 {
							a.Failed++
						}
					}
					f.Acks = append(f.Acks, a)
					f.Hosts = append(f.Hosts, delivery.HostState{Origin: fmt.Sprint("https://", r), Failures: 1, Last: now})
					left[r] = left[r][n:]
				}
				if len(f.Acks) == 0 {
					return
				}
				if _, err := mine.Flush(t.Context(), l.Epoch, f); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range records {
		s, err := st.Status(t.Context(), fmt.Sprint(i))
		must(t, err)
		// Of a flush of which another has settled a part it is not known which of its targets failed.
		if s.Pending != 0 || s.Delivered+s.Failed != targets || s.Finished.IsZero() || s.Failed < targets/10 {
			t.Errorf("status %+v", s)
		}
	}
	for _, table := range []string{"activity", "ack", "defer"} {
		var n int
		must(t, pgtest.Connect(t, address).QueryRow(`SELECT count(*) FROM fedihook_q_`+table).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// A process that stops in the middle of a flush holds a lease up for some seconds, and then has written nothing.
func TestNodeThatStopsInMidFlushIsFenced(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	pause := newPauser("commit")
	stopped, err := queue.OpenPostgres(t.Context(), pause.open(t, address), nil)
	must(t, err)
	st := openPostgres(t, address)
	add(t, st, "1", inboxes(10))
	a := lease(t, stopped, "a", now)
	page, err := st.Load(t.Context(), delivery.Query{Limit: 100})
	must(t, err)
	p := page.Records[0]
	pause.on.Store(true)
	flushed := make(chan error, 1)
	go func() {
		_, err := stopped.Flush(t.Context(), a.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: p.Targets[:5]}}})
		flushed <- err
	}()
	<-pause.reached
	later := now.Add(time.Minute)
	b := lease(t, st, "b", later)
	if b.Shards != 0 {
		t.Errorf("what is on its way may still be committed, and its shards are taken: %x", b.Shards)
	}
	begin := time.Now()
	for b.Shards == 0 && time.Since(begin) < 10*time.Second {
		time.Sleep(100 * time.Millisecond)
		b, err = st.Lease(t.Context(), delivery.LeaseRequest{Owner: "b", Epoch: b.Epoch, Now: later, TTL: 10 * time.Second})
		must(t, err)
	}
	if b.Shards != delivery.AllShards {
		t.Fatalf("after %v it has %x", time.Since(begin), b.Shards)
	}
	t.Logf("taken over after %v", time.Since(begin))
	pause.goOn()
	if err := <-flushed; err == nil {
		t.Error("the stopped flush succeeded")
	}
	if _, err := stopped.Flush(t.Context(), a.Epoch, delivery.Flush{Now: now, Acks: []delivery.Ack{{Seq: p.Seq, Done: p.Targets[:5]}}}); !errors.Is(err, delivery.ErrLeaseLost) {
		t.Errorf("again: %v", err)
	}
	if page, err = st.Load(t.Context(), delivery.Query{Limit: 100}); err != nil || len(page.Records[0].Targets) != 10 {
		t.Errorf("%d targets are left, %v", len(page.Records[0].Targets), err)
	}
}

// An update and a delete of one object at once: whichever is first, nothing of it is left beside the delete.
func TestDeleteOverlooksNothingThatIsOnItsWayIn(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	for i := range 40 {
		key := fmt.Sprint("key ", i)
		var wg sync.WaitGroup
		appended := make([]delivery.Appended, 2)
		for j, what := range []delivery.Supersedes{delivery.SupersedeNothing, delivery.SupersedeAll} {
			st := []delivery.Store{one, other}[j]
			wg.Go(func() {
				r := record(fmt.Sprint(i, what))
				r.Key, r.Supersedes = key, what
				var err error
				if appended[j], err = st.Append(t.Context(), delivery.Addition{Record: r, Inboxes: inboxes(3)[:3-2*j]}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		create, del := appended[0], appended[1]
		s, err := one.Status(t.Context(), fmt.Sprint(i, delivery.SupersedeNothing))
		must(t, err)
		if create.Seq < del.Seq && (s.Pending != 0 || del.Targets != 3) {
			t.Fatalf("%d: %+v is before %+v and has %d targets left", i, create, del, s.Pending)
		}
	}
}

func TestManyWhoOpenAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	var wg sync.WaitGroup
	for range 8 {
		db := pgtest.Connect(t, address)
		wg.Go(func() {
			if _, err := queue.OpenPostgres(t.Context(), db, nil); err != nil {
				t.Error(err)
			}
			if _, err := queue.OpenPostgresIntents(t.Context(), db); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	add(t, openPostgres(t, address), "1", inboxes(3))
}

// Sites that share a database have schemas of their own, and wake and stop nobody else.
func TestSchemasAreSeparate(t *testing.T) {
	t.Parallel()
	one, other := openPostgres(t, pgtest.URL(t)), openPostgres(t, pgtest.URL(t))
	heard := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go one.Watch(ctx, func() { heard <- struct{}{} })
	<-heard
	add(t, other, "1", inboxes(1))
	if l, m := lease(t, one, "a", now), lease(t, other, "b", now); l.Shards != delivery.AllShards || m.Shards != delivery.AllShards {
		t.Errorf("leases %+v and %+v", l, m)
	}
	add(t, one, "1", inboxes(1))
	<-heard
	if len(heard) != 0 {
		t.Error("another schema was heard")
	}
}
