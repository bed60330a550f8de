package storage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

func TestAppendEndsWithItsContextWhileOthersGoOn(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	s := openSQLite(t, openApp(t, f.app), openSQL(t, f.own))
	unlock := lockFile(t, f.own)

	var wg sync.WaitGroup
	first, third := make(chan error, 1), make(chan error, 1)
	wg.Go(func() { _, err := s.Journal.Append(t.Context(), numbered(1), inbox.Bounds{}); first <- err })
	time.Sleep(50 * time.Millisecond) // it waits for the lock
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	wg.Go(func() { _, err := s.Journal.Append(ctx, numbered(2), inbox.Bounds{}); second <- err })
	time.Sleep(50 * time.Millisecond) // it waits for the first
	wg.Go(func() { _, err := s.Journal.Append(t.Context(), numbered(3), inbox.Bounds{}); third <- err })
	cancel()
	select {
	case err := <-second:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the second: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the second waits on though its context ended")
	}
	unlock()
	for name, c := range map[string]chan error{"first": first, "third": third} {
		if err := <-c; err != nil {
			t.Errorf("the %s: %v", name, err)
		}
	}
	wg.Wait()
	for i, want := range map[int]bool{1: true, 2: false, 3: true} {
		if kept, err := s.Journal.Append(t.Context(), numbered(i), inbox.Bounds{}); err != nil || kept.Seen != want {
			t.Errorf("entry %d is kept: %v, want %v; %v", i, kept.Seen, want, err)
		}
	}
}

func TestAppendsThatFailTogetherAllSaySo(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	mustExec(t, own, `ALTER TABLE fedihook_entries RENAME TO away`)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if kept, err := s.Journal.Append(t.Context(), numbered(i), inbox.Bounds{}); err == nil || kept.Seen {
				t.Errorf("entry %d: seen %v, %v", i, kept.Seen, err)
			}
		})
	}
	wg.Wait()
	mustExec(t, own, `ALTER TABLE away RENAME TO fedihook_entries`)
	for i := range 100 {
		if kept, err := s.Journal.Append(t.Context(), numbered(i), inbox.Bounds{}); err != nil || kept.Seen {
			t.Fatalf("entry %d afterwards: seen %v, %v", i, kept.Seen, err)
		}
	}
}

// Not parallel: it takes all cores but one from the others. On one core a commit is over before anyone else has run.
func TestAppendsOnOneCoreShareCommits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	const senders, each = 8, 50
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range each {
				for judged := time.Now(); time.Since(judged) < 100*time.Microsecond; { // what an activity costs before it is kept
				}
				if _, err := s.Journal.Append(t.Context(), numbered(sender*each+i), inbox.Bounds{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var commits int
	if err := own.QueryRowContext(t.Context(), `SELECT version FROM fedihook_journal`).Scan(&commits); err != nil {
		t.Fatal(err)
	}
	if commits < each || commits > each*8/5 {
		t.Errorf("%d commits for %d entries of %d senders", commits, senders*each, senders)
	}
}

// What lies beyond the last few hundred is in an index, what does not is looked for: both are due.
func TestMoreThanAFewHundredNewEntriesAreAllDue(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	const n = 1300
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			e := numbered(i)
			e.Turn = time.UnixMicro(int64(1 + i*7919%n))
			if _, err := s.Journal.Append(t.Context(), e, inbox.Bounds{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	epoch, _, err := s.Journal.Lease(t.Context(), "a", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{n + 1, 300} {
		list, err := s.Journal.Due(t.Context(), epoch, time.Now(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != min(n, limit) {
			t.Fatalf("%d are due of %d, with a limit of %d", len(list), n, limit)
		}
		for i, e := range list {
			if e.Turn.UnixMicro() != int64(1+i) {
				t.Fatalf("limit %d: the %dth has the turn %d", limit, i, e.Turn.UnixMicro())
			}
		}
	}
}

// One transaction deletes a thousand marks.
func TestForgetDeletesAllThatIsOld(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	own := openSQL(t, f.own)
	s := openSQLite(t, openApp(t, f.app), own)
	mustExec(t, own, `INSERT INTO fedihook_marks (mark, at) WITH RECURSIVE n (i) AS
		(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500) SELECT CAST(printf('%016d', i) AS BLOB), i FROM n`)
	if err := s.Journal.Forget(t.Context(), time.UnixMicro(3001), 0); err != nil {
		t.Fatal(err)
	}
	if n := text(t, own, `SELECT count(*) || ' from ' || min(at) FROM fedihook_marks`); n != "500 from 3001" {
		t.Errorf("what is left: %s", n)
	}
}

// lockFile keeps everyone else from writing until unlock is called.
func lockFile(t *testing.T, path string) (unlock func()) {
	t.Helper()
	conn, err := openSQL(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), `ROLLBACK`); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

func numbered(i int) inbox.Entry {
	id := fmt.Sprint("https://a.example/", i)
	return inbox.Entry{Mark: inbox.MarkOf("a", "Create", id, nil), Sender: "a", Body: make([]byte, 2048), Received: time.Unix(1, 0)}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("one at a time", func(b *testing.B) {
		s, _ := fresh(b)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			if _, err := s.Journal.Append(b.Context(), numbered(i), inbox.Bounds{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64 at once", func(b *testing.B) {
		s, _ := fresh(b)
		b.ReportAllocs()
		i := 0
		for b.Loop() { // one iteration is 64 entries
			var wg sync.WaitGroup
			for range 64 {
				i++
				e := numbered(i)
				wg.Go(func() {
					if _, err := s.Journal.Append(b.Context(), e, inbox.Bounds{}); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(i), "µs/entry")
	})
}

// An activity from before its 202 until its hook has run, with so many at once, as the inbox does it: one who records what ran.
func BenchmarkJournal(b *testing.B) {
	for _, many := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(many, " at once"), func(b *testing.B) {
			s, _ := fresh(b)
			epoch, _, err := s.Journal.Lease(b.Context(), "a", time.Now(), time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			ran, all := make(chan int64, 1<<10), make(chan error)
			go func() {
				for seq := range ran {
					list := []inbox.Outcome{{Seq: seq}}
					for range len(ran) {
						list = append(list, inbox.Outcome{Seq: <-ran})
					}
					if _, err := s.Journal.Finish(b.Context(), epoch, list); err != nil {
						b.Error(err)
					}
				}
				all <- nil
			}()
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(many) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					e := numbered(i)
					e.Received = time.Now()
					e.Key, e.Lane, e.Sender = fmt.Sprint("https://a.example/posts/", i), "a.example", "https://a.example/users/a"
					e.Rules.Unless = []inbox.Mark{inbox.MarkOf("a", "over", fmt.Sprint(i), nil), inbox.MarkOf("a", "over", e.Key, nil)}
					kept, err := s.Journal.Append(b.Context(), e, inbox.Bounds{All: 100_000, Lane: 50_000})
					if err != nil {
						b.Error(err)
						return
					}
					ran <- kept.Seq
				}
			})
			close(ran)
			<-all
		})
	}
}

// A sender who sends much about one object, whose oldest activity can't be dealt with.
func BenchmarkDueBehindOneKey(b *testing.B) {
	f := newFiles(b)
	own := openSQL(b, f.own)
	s := openSQLite(b, openApp(b, f.app), own)
	mustExec(b, own, `INSERT INTO fedihook_entries (mark, okey, sender, owner, received, attempts, not_before, last_error, body, head)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		SELECT '', 'k', '', '', 0, 0, CASE i WHEN 1 THEN 1 << 60 ELSE 0 END, '', zeroblob(2048), i = 1 FROM n`)
	epoch, _, err := s.Journal.Lease(b.Context(), "a", time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if list, err := s.Journal.Due(b.Context(), epoch, time.Now(), 100); err != nil || len(list) != 0 {
			b.Fatalf("%d entries, %v", len(list), err)
		}
	}
}

func BenchmarkAddIntentInTx(b *testing.B) {
	s, app := fresh(b)
	in := outbox.Intent{ID: "https://a.example/1", Author: "alice", Activity: make([]byte, 2048), At: time.Now()}
	b.Run("the insert alone", func(b *testing.B) {
		tx, err := app.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer tx.Rollback()
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Intents.AddIntent(b.Context(), tx, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("an update and its commit, with an intent %v", with), func(b *testing.B) {
			mustExec(b, app, `CREATE TABLE IF NOT EXISTS posts (n INTEGER); INSERT INTO posts VALUES (0)`)
			b.ReportAllocs()
			for b.Loop() {
				tx, err := app.BeginTx(b.Context(), nil)
				if err == nil {
					_, err = tx.ExecContext(b.Context(), `UPDATE posts SET n = n + 1`)
				}
				if err == nil && with {
					err = s.Intents.AddIntent(b.Context(), tx, in)
				}
				if err == nil {
					err = tx.Commit()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
