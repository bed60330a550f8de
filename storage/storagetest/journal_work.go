package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

var journalWorkChecks = []check[inbox.Journal]{
	{"the oldest come first, up to the limit", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 5 {
			add(t, ctx, j, entry(i, ""))
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 5, due(t, ctx, j, epoch, start, 10))
		for i, e := range list {
			equal(t, "body", string(e.Body), string(entry(i, "").Body))
			if i > 0 && e.Seq <= list[i-1].Seq {
				t.Errorf("Seq %d after %d", e.Seq, list[i-1].Seq)
			}
		}
		equal(t, "with a limit of 3", seqs(due(t, ctx, j, epoch, start, 3)), seqs(list)[:3])
	}},
	{"an entry waits for its time", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		add(t, ctx, j, entry(0, ""))
		late := entry(1, "")
		late.NotBefore = start.Add(time.Minute)
		add(t, ctx, j, late)
		epoch := lease(t, ctx, j)
		list := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		e := list[0]
		e.Attempts, e.NotBefore, e.LastError = 7, start.Add(2*time.Minute), odd
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{
			Seq: e.Seq, State: inbox.Again, Attempts: e.Attempts, NotBefore: e.NotBefore, Err: e.LastError,
		}}))
		equal(t, "bodies after a minute", bodies(due(t, ctx, j, epoch, late.NotBefore, 10)), []string{string(late.Body)})
		equal(t, "just before its time", len(due(t, ctx, j, epoch, e.NotBefore.Add(-time.Microsecond), 10)), 1)
		list = exactly(t, 2, due(t, ctx, j, epoch, e.NotBefore, 10))
		equal(t, "entry", plainEntry(list[0]), e)
	}},
	{"entries of one key run in order", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i, key := range []string{"k", "k", "", "", "k\x00", "k", "l"} {
			add(t, ctx, j, entry(i, key))
		}
		epoch := lease(t, ctx, j)
		runs := func(when string, want ...int) {
			t.Helper()
			var names []string
			for _, i := range want {
				names = append(names, string(entry(i, "").Body))
			}
			equal(t, when, bodies(due(t, ctx, j, epoch, start, 10)), names)
		}
		runs("at first", 0, 2, 3, 4, 6)
		first := exactly(t, 1, due(t, ctx, j, epoch, start, 1))[0].Seq
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: first, State: inbox.Again, NotBefore: start.Add(time.Hour)}}))
		runs("while the oldest waits", 2, 3, 4, 6)
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: first}}))
		runs("after it is done", 1, 2, 3, 4, 6)
		second := exactly(t, 1, due(t, ctx, j, epoch, start, 1))[0].Seq
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: second, State: inbox.Dead}}))
		runs("after the next is dead", 2, 3, 4, 5, 6)
	}},
	{"the earliest turn comes first", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i, wait := range []int{3, 1, 2, 1} {
			e := entry(i, "")
			e.Turn = start.Add(time.Duration(wait) * time.Microsecond)
			add(t, ctx, j, e)
		}
		epoch := lease(t, ctx, j)
		names := func(want ...int) (names []string) {
			for _, i := range want {
				names = append(names, string(entry(i, "").Body))
			}
			return names
		}
		equal(t, "all", bodies(due(t, ctx, j, epoch, start, 10)), names(1, 3, 2, 0))
		equal(t, "the first two", bodies(due(t, ctx, j, epoch, start, 2)), names(1, 3))
	}},
	{"what waited and what is new share the limit", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 20 {
			e := entry(i, "")
			if i >= 10 {
				e.NotBefore = start.Add(time.Duration(-i) * time.Minute) // the last has waited longest
			}
			add(t, ctx, j, e)
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 4, due(t, ctx, j, epoch, start, 4))
		var got []string
		for _, i := range []int{0, 1, 18, 19} {
			got = append(got, string(entry(i, "").Body))
		}
		equal(t, "four of twenty", bodies(list), got)
		exactly(t, 15, due(t, ctx, j, epoch, start, 15))
		exactly(t, 20, due(t, ctx, j, epoch, start, 100))
	}},
	{"old marks are forgotten unless unfinished", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		limit := start.Add(time.Hour)
		entries := []inbox.Entry{entry(0, ""), entry(1, ""), entry(2, ""), entry(3, ""), entry(4, "")}
		entries[3].Received = limit
		entries[4].Received = limit.Add(-time.Microsecond)
		for _, e := range entries {
			add(t, ctx, j, e)
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 5, due(t, ctx, j, epoch, start, 10))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{
			{Seq: list[0].Seq}, {Seq: list[1].Seq, State: inbox.Dead},
			{Seq: list[2].Seq, State: inbox.Again}, {Seq: list[3].Seq}, {Seq: list[4].Seq},
		}))
		ok(t, j.Forget(ctx, limit, 0))
		for i, left := range []bool{false, false, true, true, false} {
			seen, err := appendTo(ctx, j, entries[i], inbox.Bounds{})
			ok(t, err)
			if seen != left {
				t.Errorf("entry %d is seen: %v, want %v", i, seen, left)
			}
		}
	}},
}

func bodies(list []inbox.Entry) []string {
	var s []string
	for _, e := range list {
		s = append(s, string(e.Body))
	}
	return s
}

// RunJournalDeadLetters checks how many dead letters an [inbox.Journal] keeps. It is a part of the contract
// and takes some seconds, or half a minute with the race detector, so it is not a part of [RunJournal].
func RunJournalDeadLetters(t *testing.T, open func(t *testing.T) inbox.Journal) {
	t.Helper()
	run(t, open, deadLettersChecks)
}

var deadLettersChecks = []check[inbox.Journal]{
	{"the newest ten thousand dead letters are kept", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		const n, workers = 10_000, 64
		atOnce(workers, func(w int) {
			for i := w; i < n; i += workers {
				if _, err := appendTo(ctx, j, entry(i, ""), inbox.Bounds{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
		epoch := lease(t, ctx, j)
		var last int64
		for range n / 1000 {
			var dead []inbox.Outcome
			for _, e := range due(t, ctx, j, epoch, start, 2500) {
				dead = append(dead, inbox.Outcome{Seq: e.Seq, State: inbox.Dead})
			}
			if len(dead) == 0 {
				break
			}
			ok(t, finish(ctx, j, epoch, dead))
			last = dead[len(dead)-1].Seq
		}
		dead, err := j.Shelved(ctx, inbox.DeadLetters, 0, 2*n)
		ok(t, err)
		if len(dead) != n || dead[0].Seq != last {
			t.Fatalf("%d of %d dead letters are left, want all", len(dead), n)
		}
	}},
}
