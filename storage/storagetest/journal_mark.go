package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

var journalMarkChecks = []check[inbox.Journal]{
	{"a copy is for those whom it was not for before", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		first := entry(0, "k")
		first.To = []string{"a", odd}
		add(t, ctx, j, first)
		seen := func(want bool, to ...string) {
			t.Helper()
			e := entry(0, "k")
			e.To = to
			got, err := appendTo(ctx, j, e, inbox.Bounds{})
			ok(t, err)
			if got != want {
				t.Fatalf("a copy for %q is seen: %v, want %v", to, got, want)
			}
		}
		seen(true)
		seen(true, "a")
		seen(true, odd, "a")
		seen(false, "a", "b", odd, "c")
		seen(true, "c", "b")
		epoch := lease(t, ctx, j)
		list := exactly(t, 1, due(t, ctx, j, epoch, start, 10)) // the copy waits for the first: it has its key
		equal(t, "the first is alone", list[0].Alone, false)
		equal(t, "the first is for", list[0].To, first.To)
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}}))
		list = exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		equal(t, "the copy is alone", list[0].Alone, true)
		equal(t, "the copy is for", list[0].To, []string{"b", "c"})
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}}))
		seen(true, "a", "b", "c", odd)
		ok(t, j.Forget(ctx, start.Add(time.Hour), 0))
		seen(false, "a")
		seen(false, "b")
	}},
	{"what is over is not kept", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		add(t, ctx, j, entry(0, ""))
		stopped := entry(1, "")
		stopped.Rules.Unless = []inbox.Mark{entry(9, "").Mark, entry(0, "").Mark}
		for range 2 {
			appended(t, ctx, j, stopped, true)
		}
		stopped.Rules.Once = true
		appended(t, ctx, j, stopped, true) // and takes the mark away
		appended(t, ctx, j, stopped, false)
		appended(t, ctx, j, entry(0, ""), false)
	}},
	{"what is undone before it came does not come", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		never, done := entry(7, "").Mark, entry(0, "").Mark
		over := func(i int) inbox.Mark { return inbox.MarkOf("over", "", string(rune('a'+i)), nil) }
		add(t, ctx, j, entry(0, ""))
		for i, undoes := range [][]inbox.Mark{nil, {never}, {never, done}} {
			e := entry(i+1, "")
			e.Rules.Undoes, e.Rules.Over = undoes, over(i)
			add(t, ctx, j, e)
		}
		for i, want := range []bool{true, true, false} {
			e := entry(10+i, "")
			e.Rules.Unless = []inbox.Mark{over(i)}
			appended(t, ctx, j, e, want)
		}
	}},
	{"what undoes runs after what it undoes", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		add(t, ctx, j, entry(0, "pair"))
		undo := entry(1, "its own")
		undo.Rules.Undoes = []inbox.Mark{entry(9, "").Mark, entry(0, "").Mark}
		undo.Rules.Drop = []inbox.Mark{entry(0, "").Mark}
		add(t, ctx, j, undo)
		epoch := lease(t, ctx, j)
		list := exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		add(t, ctx, j, entry(0, "pair")) // its mark was dropped
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}}))
		list = exactly(t, 1, due(t, ctx, j, epoch, start, 10))
		equal(t, "the next", string(list[0].Body), string(undo.Body))
		equal(t, "its key", list[0].Key, "pair")
	}},
	{"a lane has its bound", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		in := func(i int, lane string) inbox.Entry { e := entry(i, ""); e.Lane = lane; return e }
		b := inbox.Bounds{Lane: 2}
		for i, lane := range []string{"a", "a", odd} {
			if seen, err := appendTo(ctx, j, in(i, lane), b); err != nil || seen {
				t.Fatalf("entry %d: seen %v, %v", i, seen, err)
			}
		}
		_, err := appendTo(ctx, j, in(3, "a"), b)
		want(t, "a third in one lane", err, inbox.ErrFull)
		if seen, err := appendTo(ctx, j, in(0, "a"), b); err != nil || !seen {
			t.Fatalf("what is there already: seen %v, %v", seen, err)
		}
		if _, err := appendTo(ctx, j, in(4, odd), b); err != nil {
			t.Fatal(err)
		}
		epoch := lease(t, ctx, j)
		list := exactly(t, 4, due(t, ctx, j, epoch, start, 10))
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: list[0].Seq}, {Seq: list[0].Seq}, {Seq: list[2].Seq, State: inbox.Again}}))
		if _, err := appendTo(ctx, j, in(3, "a"), b); err != nil {
			t.Fatal(err)
		}
		for _, lane := range []string{"a", odd} {
			_, err = appendTo(ctx, j, in(5, lane), b)
			want(t, "a third in one lane", err, inbox.ErrFull)
		}
	}},
	{"the oldest marks beyond the bound are forgotten unless unfinished", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		for i := range 6 {
			e := entry(i, "")
			e.Received = start.Add(time.Duration(i) * time.Second)
			add(t, ctx, j, e)
		}
		epoch := lease(t, ctx, j)
		for i, e := range exactly(t, 6, due(t, ctx, j, epoch, start, 10)) {
			if i != 1 {
				ok(t, finish(ctx, j, epoch, []inbox.Outcome{{Seq: e.Seq}}))
			}
		}
		ok(t, j.Forget(ctx, start, 6))
		ok(t, j.Forget(ctx, start, 3))
		for i, left := range []bool{false, true, false, false, true, true} {
			e := entry(i, "")
			e.Received = start.Add(time.Hour)
			appended(t, ctx, j, e, left)
		}
	}},
}

func appended(t *testing.T, ctx context.Context, j inbox.Journal, e inbox.Entry, seen bool) {
	t.Helper()
	got, err := appendTo(ctx, j, e, inbox.Bounds{})
	ok(t, err)
	if got != seen {
		t.Fatalf("%s is seen: %v, want %v", e.Body, got, seen)
	}
}
