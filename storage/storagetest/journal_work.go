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
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{
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
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{Seq: first, State: inbox.Again, NotBefore: start.Add(time.Hour)}}))
		runs("while the oldest waits", 2, 3, 4, 6)
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{Seq: first}}))
		runs("after it is done", 1, 2, 3, 4, 6)
		second := exactly(t, 1, due(t, ctx, j, epoch, start, 1))[0].Seq
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{Seq: second, State: inbox.Dead}}))
		runs("after the next is dead", 2, 3, 4, 5, 6)
	}},
	{"marks that an outcome names are forgotten with it", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 3 {
			add(t, ctx, j, entry(i, ""))
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 3, due(t, ctx, j, epoch, start, 10))
		lost := inbox.Outcome{Seq: list[2].Seq, Forget: []inbox.Mark{list[2].Mark}}
		want(t, "with another lease", j.Finish(ctx, epoch+1, []inbox.Outcome{lost}), inbox.ErrLeaseLost)
		never := inbox.MarkOf("never", "", "", nil)
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{
			{Seq: list[0].Seq}, {Seq: list[1].Seq, Forget: []inbox.Mark{list[0].Mark, never, list[1].Mark}},
		}))
		for i, again := range []bool{true, true, false} {
			seen, err := j.Append(ctx, entry(i, ""), 0)
			ok(t, err)
			equal(t, string(entry(i, "").Body)+" is seen as new", !seen, again)
		}
	}},
	{"dead letters are kept, the newest first", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		first := entry(0, odd)
		first.Sender, first.Owner = odd, odd
		add(t, ctx, j, first)
		add(t, ctx, j, entry(1, ""))
		add(t, ctx, j, entry(2, ""))
		epoch := lease(t, ctx, j)
		list := exactly(t, 3, due(t, ctx, j, epoch, start, 10))
		// The last entry dies first.
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{Seq: list[2].Seq, State: inbox.Dead, Attempts: 1, Err: "early"}}))
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead, Attempts: 9, Err: odd}}))
		equal(t, "what is due", seqs(due(t, ctx, j, epoch, start.Add(time.Hour), 10)), seqs(list[1:2]))
		dead, err := j.Dead(ctx, 10)
		ok(t, err)
		exactly(t, 2, dead)
		list[0].Attempts, list[0].LastError = 9, odd
		list[2].Attempts, list[2].LastError = 1, "early"
		equal(t, "newest", plainEntry(dead[0]), plainEntry(list[0]))
		equal(t, "oldest", plainEntry(dead[1]), plainEntry(list[2]))
		dead, err = j.Dead(ctx, 1)
		ok(t, err)
		equal(t, "with a limit of 1", seqs(dead), seqs(list[:1]))
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
		ok(t, j.Finish(ctx, epoch, []inbox.Outcome{
			{Seq: list[0].Seq}, {Seq: list[1].Seq, State: inbox.Dead},
			{Seq: list[2].Seq, State: inbox.Again}, {Seq: list[3].Seq}, {Seq: list[4].Seq},
		}))
		ok(t, j.Forget(ctx, limit))
		for i, left := range []bool{false, false, true, true, false} {
			seen, err := j.Append(ctx, entries[i], 0)
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
				if _, err := j.Append(ctx, entry(i, ""), 0); err != nil {
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
			ok(t, j.Finish(ctx, epoch, dead))
			last = dead[len(dead)-1].Seq
		}
		dead, err := j.Dead(ctx, 2*n)
		ok(t, err)
		if len(dead) != n || dead[0].Seq != last {
			t.Fatalf("%d of %d dead letters are left, want all", len(dead), n)
		}
	}},
}
