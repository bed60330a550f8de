package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// RunCounter checks the contract of [inbox.Counter]. Open returns an empty store, which no other check uses.
func RunCounter(t *testing.T, open func(t *testing.T) inbox.Journal) {
	t.Helper()
	run(t, open, counterChecks)
}

var counterChecks = []check[inbox.Journal]{
	{"what is unfinished, held and dead is counted", func(t *testing.T, ctx context.Context, j inbox.Journal) {
		count := func(what string, want inbox.Backlog) {
			t.Helper()
			c, is := j.(inbox.Counter)
			if !is {
				t.Fatalf("%T is no inbox.Counter", j)
			}
			got, err := c.Backlog(ctx)
			ok(t, err)
			if !got.Oldest.IsZero() {
				got.Oldest = got.Oldest.UTC()
			}
			equal(t, what, got, want)
		}
		count("of nothing", inbox.Backlog{})
		for i := range 5 {
			e := entry(i, "")
			e.Received = start.Add(time.Duration(i) * time.Second)
			add(t, ctx, j, e)
		}
		held := entry(5, "")
		held.Hold = true
		_, err := appendTo(ctx, j, held, inbox.Bounds{})
		ok(t, err)
		count("of what came", inbox.Backlog{Unfinished: 5, Oldest: start, Held: 1})
		epoch := lease(t, ctx, j)
		list := exactly(t, 5, due(t, ctx, j, epoch, start.Add(time.Hour), 10))
		seq := map[string]int64{}
		for _, e := range list {
			seq[string(e.Body)] = e.Seq
		}
		of := func(i int) int64 { return seq[string(entry(i, "").Body)] }
		ok(t, finish(ctx, j, epoch, []inbox.Outcome{
			{Seq: of(0), State: inbox.Dead, Attempts: 1, Err: "no"}, {Seq: of(1)}, {Seq: of(3), State: inbox.Dead, Attempts: 1, Err: "no"},
			{Seq: of(2), State: inbox.Again, Attempts: 1, NotBefore: start.Add(time.Hour)},
		}))
		count("after some ran", inbox.Backlog{Unfinished: 2, Oldest: start.Add(2 * time.Second), Held: 1, Dead: 2})
	}},
}
