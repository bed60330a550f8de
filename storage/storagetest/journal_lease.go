package storagetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

var journalLeaseChecks = []check[inbox.Journal]{
	{"two owners never have the lease at once", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		a := leaseTo(t, ctx, j, "a", start)
		end := start.Add(time.Minute)
		noLease(t, ctx, j, "b", start)
		noLease(t, ctx, j, "b", end.Add(-time.Microsecond))
		b := leaseTo(t, ctx, j, "b", end)
		if b <= a {
			t.Errorf("b's epoch %d is not above a's %d", b, a)
		}
		noLease(t, ctx, j, "a", end)
		want(t, "a finishes", finish(ctx, j, a, nil), inbox.ErrLeaseLost)
		ok(t, finish(ctx, j, b, nil))
	}},
	{"of ten simultaneous owners one gets the lease", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		var given atomic.Int32
		atOnce(10, func(i int) {
			_, held, err := j.Lease(ctx, fmt.Sprint("owner ", i), start, time.Minute)
			if err != nil {
				t.Error(err)
			}
			if held {
				given.Add(1)
			}
		})
		if n := given.Load(); n != 1 {
			t.Errorf("%d owners got the lease", n)
		}
	}},
	{"a renewed lease keeps its epoch and lasts longer", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		a := leaseTo(t, ctx, j, odd, start)
		later := start.Add(30 * time.Second)
		equal(t, "epoch", leaseTo(t, ctx, j, odd, later), a)
		noLease(t, ctx, j, "b", start.Add(time.Minute))
		late := later.Add(time.Hour) // it ran out, and nobody wanted it
		equal(t, "epoch", leaseTo(t, ctx, j, odd, late), a)
		noLease(t, ctx, j, "b", late)
	}},
	{"an owner that lost the lease gets a higher epoch", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		last := leaseTo(t, ctx, j, "a", start)
		for i := range 4 {
			epoch := leaseTo(t, ctx, j, []string{"b", "a"}[i%2], start.Add(time.Duration(i+1)*time.Hour))
			if epoch <= last {
				t.Fatalf("epoch %d after %d", epoch, last)
			}
			last = epoch
		}
	}},
	{"a released lease is free and its epoch is over", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		a := leaseTo(t, ctx, j, "a", start)
		ok(t, j.Release(ctx, a))
		_, err := j.Due(ctx, a, start, 1)
		want(t, "due after release", err, inbox.ErrLeaseLost)
		want(t, "finish after release", finish(ctx, j, a, nil), inbox.ErrLeaseLost)
		b := leaseTo(t, ctx, j, "b", start)
		if b <= a {
			t.Errorf("epoch %d after %d", b, a)
		}
		ok(t, j.Release(ctx, b))
		if again := leaseTo(t, ctx, j, "b", start); again <= b {
			t.Errorf("epoch %d after %d, which was released", again, b)
		}
	}},
	{"the release of an old epoch changes nothing", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		a := leaseTo(t, ctx, j, "a", start)
		later := start.Add(time.Hour)
		b := leaseTo(t, ctx, j, "b", later)
		for _, epoch := range []int64{a, 0, b + 1} {
			ok(t, j.Release(ctx, epoch))
		}
		noLease(t, ctx, j, "c", later)
		ok(t, finish(ctx, j, b, nil))
	}},
	{"a lost lease changes nothing", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 3 {
			add(t, ctx, j, entry(i, ""))
		}
		a := leaseTo(t, ctx, j, "a", start)
		before := exactly(t, 3, due(t, ctx, j, a, start, 10))
		later := start.Add(time.Hour)
		b := leaseTo(t, ctx, j, "b", later)
		for _, epoch := range []int64{a, 0, -1, b + 1} {
			want(t, fmt.Sprintf("finish with epoch %d", epoch), finish(ctx, j, epoch, []inbox.Outcome{
				{Seq: before[0].Seq},
				{Seq: before[1].Seq, State: inbox.Again, Attempts: 1, NotBefore: later.Add(time.Hour), Err: "no"},
				{Seq: before[2].Seq, State: inbox.Dead, Attempts: 1, Err: "no"},
			}), inbox.ErrLeaseLost)
			_, err := j.Due(ctx, epoch, later, 10)
			want(t, fmt.Sprintf("due with epoch %d", epoch), err, inbox.ErrLeaseLost)
		}
		equal(t, "entries", due(t, ctx, j, b, later, 10), before)
		dead, err := j.Shelved(ctx, inbox.DeadLetters, 0, 10)
		ok(t, err)
		if len(dead) != 0 {
			t.Errorf("%d dead letters", len(dead))
		}
	}},
	{"nobody has the epochs of a new journal", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for _, epoch := range []int64{-1, 0, 1} {
			want(t, "finish", finish(ctx, j, epoch, nil), inbox.ErrLeaseLost)
			_, err := j.Due(ctx, epoch, start, 1)
			want(t, "due", err, inbox.ErrLeaseLost)
		}
		leaseTo(t, ctx, j, "", start) // an owner without a name is one
		noLease(t, ctx, j, "b", start)
	}},
}

// leaseTo takes the lease for a minute.
func leaseTo(t *testing.T, ctx context.Context, j inbox.Journal, owner string, now time.Time) (epoch int64) {
	t.Helper()
	epoch, held, err := j.Lease(ctx, owner, now, time.Minute)
	ok(t, err)
	if !held {
		t.Fatalf("%q can't have the lease", owner)
	}
	return epoch
}

func noLease(t *testing.T, ctx context.Context, j inbox.Journal, owner string, now time.Time) {
	t.Helper()
	_, held, err := j.Lease(ctx, owner, now, time.Minute)
	ok(t, err)
	if held {
		t.Fatalf("%q has the lease, which is another's", owner)
	}
}
