package storage_test

import (
	"context"
	"slices"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// shelvedFault changes what Shelved is asked.
func shelvedFault(change func(s *inbox.Shelf, before *int64)) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, shelved: func(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
			change(&s, &before)
			return j.Shelved(ctx, s, before, limit)
		}}
	}
}

// unshelveFault changes what Unshelve is given.
func unshelveFault(change func(again *inbox.Entry)) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, unshelve: func(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error {
			if again != nil {
				own := *again
				change(&own)
				again = &own
			}
			return j.Unshelve(ctx, s, seq, again)
		}}
	}
}

// brokenMarks are more of brokenJournals.
var brokenMarks = []journalFault{
	{"a copy is for those whom it was not for before", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.To = nil })},
	{"a copy is for those whom it was not for before", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) {
		e.To = e.To[:min(1, len(e.To))]
	})},
	{"a copy is for those whom it was not for before", dueFault(func(list []inbox.Entry) {
		for i := range list {
			list[i].Alone = false
		}
	})},
	{"what is over is not kept", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Unless = nil })},
	{"what is over is not kept", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Once = true })},
	{"what is over is not kept", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Once = false })},
	{"what is undone before it came does not come", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Over = inbox.Mark{} })},
	{"what is undone before it came does not come", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Undoes = nil })},
	{"what undoes runs after what it undoes", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Undoes = nil })},
	{"what undoes runs after what it undoes", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Rules.Drop = nil })},
	{"a lane has its bound", appendFault(func(_ *inbox.Entry, b *inbox.Bounds) { b.Lane = 0 })},
	{"a lane has its bound", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Lane = "" })},
	{"the oldest marks beyond the bound are forgotten unless unfinished", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, forget: func(ctx context.Context, before time.Time, _ int) error { return j.Forget(ctx, before, 0) }}
	}},
	{"the earliest turn comes first", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Turn = time.Time{} })},
	{"what waited and what is new share the limit", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, due: func(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
			list, err := j.Due(ctx, epoch, now, 1000)
			return list[:min(limit, len(list))], err
		}}
	}},

	{"dead letters are kept, the newest first", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, shelved: func(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
			list, err := j.Shelved(ctx, s, before, limit)
			slices.Reverse(list)
			return list, err
		}}
	}},
	{"dead letters are kept, the newest first", shelvedFault(func(_ *inbox.Shelf, before *int64) { *before = 0 })},
	{"what is held is kept apart and has its bound", shelvedFault(func(s *inbox.Shelf, _ *int64) { *s = inbox.DeadLetters })},
	{"what is held is kept apart and has its bound", appendFault(func(_ *inbox.Entry, b *inbox.Bounds) { b.Held = 0 })},
	{"what is held is kept apart and has its bound", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Hold = false })},
	{"what comes back from its shelf is the newest", unshelveFault(func(again *inbox.Entry) { again.Key = "" })},
	{"what comes back from its shelf is the newest", unshelveFault(func(again *inbox.Entry) { again.Rules.Unless = nil })},
	{"what is not on its shelf can't be taken", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, unshelve: func(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error {
			for _, s := range []inbox.Shelf{inbox.Held, inbox.DeadLetters} {
				_ = j.Unshelve(ctx, s, seq, again)
			}
			return nil
		}}
	}},
}

// miscounter is a journal that counts wrongly.
type miscounter struct {
	inbox.Journal
	wrong func(*inbox.Backlog)
}

func (m miscounter) Backlog(ctx context.Context) (inbox.Backlog, error) {
	b, err := m.Journal.(inbox.Counter).Backlog(ctx)
	m.wrong(&b)
	return b, err
}

var brokenCounters = []journalFault{
	{"what is unfinished, held and dead is counted", func(j inbox.Journal) inbox.Journal {
		return miscounter{j, func(b *inbox.Backlog) { b.Held, b.Dead = b.Dead, b.Held }}
	}},
	{"what is unfinished, held and dead is counted", func(j inbox.Journal) inbox.Journal {
		return miscounter{j, func(b *inbox.Backlog) { b.Oldest = time.Time{} }}
	}},
}
