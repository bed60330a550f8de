package main

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

func TestEveryGoalOfPostgresIsMeasuredAndJudged(t *testing.T) {
	t.Parallel()
	pgtest.URL(t) // skips without a server
	for _, g := range goals(true) {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			o := tiny(t, "-store", "postgres", "-nodes", "1,2", "-suite", "ed25519")
			o.baseline = g.name != "interactive" // with which the pool takes its time
			judged := 0
			for _, w := range measured(t, g, o).rows {
				if w.Met != nil {
					judged++
				}
				if math.IsNaN(w.Queue) || math.IsInf(w.Queue, 0) || w.Queue == endless {
					t.Errorf("%s is %v", w.What, w.Queue)
				}
			}
			if judged == 0 {
				t.Error("no row has a limit")
			}
		})
	}
}

// The rows are what the queue is compared with: several processes must share them, and nothing is posted twice or lost.
func TestTwoPoolsShareTheRowsInPostgres(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	f := &flaky{tries: make(map[string]int)}
	var db *sql.DB
	var stops []func() error
	for range 2 {
		p, err := newTablePool(t.Context(), address, f)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if db == nil {
			db = p.jobs.(*tableJobs).db
			to := mixed(inboxes(fine, 500), inboxes(refuse, 10), inboxes(fine, 500)) // the last ones are folded
			if err := p.Enqueue(t.Context(), post{id: "1", body: []byte("x")}, to); err != nil {
				t.Fatal(err)
			}
		}
		stops = append(stops, working(t.Context(), p))
	}
	left := func() (n int) {
		if err := db.QueryRow(`SELECT count(*) FROM job`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); left() > 10 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	for _, stop := range stops {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n != 10 {
		t.Errorf("%d rows are left, want the 10 that failed", n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tries) != 510 {
		t.Errorf("%d inboxes were tried, want 510", len(f.tries))
	}
	for url, n := range f.tries {
		if n != 1 {
			t.Errorf("%s was tried %d times", url, n)
		}
	}
}

func TestPostgresHasGoalsOfItsOwn(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-store", "postgres", "-nodes", "1,3"})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(names(true), ","); o.goals != want || !o.baseline || !slices.Equal(o.sets, []int{1, 3}) {
		t.Errorf("goals are %s, want %s; nodes %v; beside the pool: %v", o.goals, want, o.sets, o.baseline)
	}
	for _, args := range [][]string{
		{"-store", "postgres", "-goals", "bytes"}, {"-goals", "wal"}, {"-nodes", "0"}, {"-nodes", "1,two"}, {"-nodes", fmt.Sprint(65)},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
