package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

var journalShelfChecks = []check[inbox.Journal]{
	{"dead letters are kept, the newest first", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		first := entry(0, odd)
		first.Sender, first.Owner, first.Lane, first.To, first.Notes = odd, odd, odd, []string{odd}, oddBytes()
		add(t, ctx, j, first)
		add(t, ctx, j, entry(1, ""))
		add(t, ctx, j, entry(2, ""))
		epoch := lease(t, ctx, j)
		list := exactly(t, 3, due(t, ctx, j, epoch, start, 10))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[2].Seq, State: inbox.Dead, Attempts: 1, Err: "early"}}))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead, Attempts: 9, Err: odd, NotBefore: start}}))
		equal(t, "what is due", seqs(due(t, ctx, j, epoch, start.Add(time.Hour), 10)), seqs(list[1:2]))
		dead := exactly(t, 2, shelved(t, ctx, j, inbox.DeadLetters, 0, 10))
		list[0].Attempts, list[0].LastError = 9, odd
		list[2].Attempts, list[2].LastError = 1, "early"
		equal(t, "newest", plainEntry(dead[0]), plainEntry(list[2]))
		equal(t, "oldest", plainEntry(dead[1]), plainEntry(list[0]))
		equal(t, "with a limit of 1", seqs(shelved(t, ctx, j, inbox.DeadLetters, 0, 1)), seqs(list[2:]))
		equal(t, "the next page", seqs(shelved(t, ctx, j, inbox.DeadLetters, list[2].Seq, 10)), seqs(list[:1]))
		exactly(t, 0, shelved(t, ctx, j, inbox.DeadLetters, list[0].Seq, 10))
		exactly(t, 0, shelved(t, ctx, j, inbox.Held, 0, 10))
	}},
	{"what is held is kept apart and has its bound", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 2 {
			e := entry(i, "k")
			e.Hold = true
			_, err := appendTo(ctx, j, e, inbox.Bounds{All: 1, Lane: 1, Held: 2})
			ok(t, err)
		}
		third := entry(2, "k")
		third.Hold = true
		_, err := appendTo(ctx, j, third, inbox.Bounds{Held: 2})
		want(t, "a third", err, inbox.ErrFull)
		add(t, ctx, j, entry(3, "k"))
		epoch := lease(t, ctx, j)
		list := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		equal(t, "what runs", string(list[0].Body), string(entry(3, "").Body))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Review, Attempts: 1, Err: "look"}}))
		held := exactly(t, 3, shelved(t, ctx, j, inbox.Held, 0, 10))
		equal(t, "held", bodies(held), []string{string(entry(3, "").Body), string(entry(1, "").Body), string(entry(0, "").Body)})
		equal(t, "why", held[0].LastError, "look")
		equal(t, "as it came", plainEntry(held[2]), func() inbox.Entry { e := entry(0, "k"); e.Seq = held[2].Seq; return e }())
		appended(t, ctx, j, entry(0, "k"), true)
		exactly(t, 0, shelved(t, ctx, j, inbox.DeadLetters, 0, 10))
	}},
	{"what comes back from its shelf is the newest", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 4 {
			add(t, ctx, j, entry(i, "k"))
		}
		epoch := lease(t, ctx, j)
		for range 3 {
			list := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
			ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead, Attempts: 5, Err: "no"}}))
		}
		dead := exactly(t, 3, shelved(t, ctx, j, inbox.DeadLetters, 0, 10))
		again := dead[2]
		again.Notes, again.To, again.Attempts, again.NotBefore = []byte(odd), []string{"a"}, 7, start.Add(time.Hour)
		ok(t, j.Unshelve(ctx, inbox.DeadLetters, again.Seq, &again))
		over := dead[1]
		over.Rules.Unless = []inbox.Mark{entry(3, "").Mark}
		ok(t, j.Unshelve(ctx, inbox.DeadLetters, over.Seq, &over))
		ok(t, j.Unshelve(ctx, inbox.DeadLetters, dead[0].Seq, nil))
		exactly(t, 0, shelved(t, ctx, j, inbox.DeadLetters, 0, 10))
		list := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		equal(t, "first", string(list[0].Body), string(entry(3, "").Body))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}}))
		list = exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		if list[0].Seq <= dead[0].Seq {
			t.Errorf("it came back under Seq %d", list[0].Seq)
		}
		again.Seq, again.Attempts, again.LastError, again.NotBefore = list[0].Seq, 0, "", time.Time{}
		equal(t, "then", plainEntry(list[0]), plainEntry(again))
		_, err := appendTo(ctx, j, entry(9, ""), inbox.Bounds{All: 1})
		want(t, "what came back counts", err, inbox.ErrFull)
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}}))
		exactly(t, 0, due(t, ctx, j, epoch, start.Add(time.Hour), 10))
	}},
	{"what is not on its shelf can't be taken", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		add(t, ctx, j, entry(0, ""))
		add(t, ctx, j, entry(1, ""))
		epoch := lease(t, ctx, j)
		list := exactly(t, 2, due(t, ctx, j, epoch, start, 10))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq, State: inbox.Dead}}))
		want(t, "unfinished", j.Unshelve(ctx, inbox.DeadLetters, list[1].Seq, nil), inbox.ErrNoEntry)
		want(t, "on the other shelf", j.Unshelve(ctx, inbox.Held, list[0].Seq, &list[0]), inbox.ErrNoEntry)
		ok(t, j.Unshelve(ctx, inbox.DeadLetters, list[0].Seq, nil))
		want(t, "twice", j.Unshelve(ctx, inbox.DeadLetters, list[0].Seq, &list[0]), inbox.ErrNoEntry)
		equal(t, "what is due", seqs(due(t, ctx, j, epoch, start, 10)), seqs(list[1:]))
	}},
}

func shelved(t *testing.T, ctx context.Context, j inbox.Journal, s inbox.Shelf, before int64, limit int) []inbox.Entry {
	t.Helper()
	list, err := j.Shelved(ctx, s, before, limit)
	ok(t, err)
	return list
}
