package storage_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// brokenJournal does what its funcs do, where they are set.
type brokenJournal struct {
	inbox.Journal
	append   func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error)
	lease    func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error)
	release  func(ctx context.Context, epoch int64) error
	due      func(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error)
	finish   func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error)
	shelved  func(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error)
	unshelve func(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error
	forget   func(ctx context.Context, before time.Time, keep int) error
}

func (b *brokenJournal) Append(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
	if b.append != nil {
		return b.append(ctx, e, max)
	}
	return b.Journal.Append(ctx, e, max)
}

func (b *brokenJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
	if b.lease != nil {
		return b.lease(ctx, owner, now, ttl)
	}
	return b.Journal.Lease(ctx, owner, now, ttl)
}

func (b *brokenJournal) Release(ctx context.Context, epoch int64) error {
	if b.release != nil {
		return b.release(ctx, epoch)
	}
	return b.Journal.Release(ctx, epoch)
}

func (b *brokenJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	if b.due != nil {
		return b.due(ctx, epoch, now, limit)
	}
	return b.Journal.Due(ctx, epoch, now, limit)
}

func (b *brokenJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
	if b.finish != nil {
		return b.finish(ctx, epoch, outcomes)
	}
	return b.Journal.Finish(ctx, epoch, outcomes)
}

func (b *brokenJournal) Shelved(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	if b.shelved != nil {
		return b.shelved(ctx, s, before, limit)
	}
	return b.Journal.Shelved(ctx, s, before, limit)
}

func (b *brokenJournal) Unshelve(ctx context.Context, s inbox.Shelf, seq int64, again *inbox.Entry) error {
	if b.unshelve != nil {
		return b.unshelve(ctx, s, seq, again)
	}
	return b.Journal.Unshelve(ctx, s, seq, again)
}

func (b *brokenJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	if b.forget != nil {
		return b.forget(ctx, before, keep)
	}
	return b.Journal.Forget(ctx, before, keep)
}

type journalFault struct {
	check string
	fault func(j inbox.Journal) inbox.Journal
}

// dueFault changes what Due returns.
func dueFault(change func(list []inbox.Entry)) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, due: func(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
			list, err := j.Due(ctx, epoch, now, limit)
			change(list)
			return list, err
		}}
	}
}

// appendFault changes what Append is given.
func appendFault(change func(e *inbox.Entry, max *inbox.Bounds)) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			change(&e, &max)
			return j.Append(ctx, e, max)
		}}
	}
}

// keptFault changes what Append tells.
func keptFault(change func(k *inbox.Kept)) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			kept, err := j.Append(ctx, e, max)
			change(&kept)
			return kept, err
		}}
	}
}

// moreFault always says the same.
func moreFault(more bool) func(j inbox.Journal) inbox.Journal {
	return func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, finish: func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
			_, err := j.Finish(ctx, epoch, outcomes)
			return more, err
		}}
	}
}

var brokenJournals = []journalFault{
	{"keys may be long", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Key = e.Key[:min(len(e.Key), 2704)] })},
	{"an entry comes back as it was kept", dueFault(func(list []inbox.Entry) {
		for i := range list {
			list[i].LastError, _, _ = strings.Cut(list[i].LastError, "\x00")
		}
	})},
	{"an entry comes back as it was kept", dueFault(func(list []inbox.Entry) {
		for i := range list {
			list[i].NotBefore = list[i].NotBefore.Truncate(time.Millisecond)
		}
	})},
	{"an entry that was seen is not kept again", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) {
		e.Mark = inbox.MarkOf(e.Sender, "", "", e.Body)
	})},
	{"an entry that was seen is not kept again", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, finish: func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
			more, err := j.Finish(ctx, epoch, outcomes)
			if err != nil {
				return more, err
			}
			return more, j.Forget(ctx, time.Now().AddDate(100, 0, 0), 0) // marks go with their entries
		}}
	}},
	{"of ten simultaneous appends of a mark one is kept", func(j inbox.Journal) inbox.Journal {
		var marks sync.Map
		var n atomic.Int64
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			if _, seen := marks.Load(e.Mark); seen {
				return inbox.Kept{Seen: true}, nil
			}
			time.Sleep(10 * time.Millisecond)
			marks.Store(e.Mark, true)
			e.Mark[0], e.Mark[1] = byte(n.Add(1)), 0
			return j.Append(ctx, e, max)
		}}
	}},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.Seq++ })},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.Key = "" })},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.To = nil })},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.Alone = false })},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.Ready = true })},
	{"what was kept is told", keptFault(func(k *inbox.Kept) { k.Ready = false })},
	{"who lets others run says so", moreFault(true)},
	{"who lets others run says so", moreFault(false)},
	{"simultaneous appends are all kept", func(j inbox.Journal) inbox.Journal {
		var n atomic.Int64
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			if n.Add(1) == 100 {
				return inbox.Kept{}, nil
			}
			return j.Append(ctx, e, max)
		}}
	}},
	{"a full journal refuses what is new", appendFault(func(_ *inbox.Entry, max *inbox.Bounds) { max.All = 0 })},
	{"a full journal refuses what is new", appendFault(func(_ *inbox.Entry, max *inbox.Bounds) { max.All++ })},
	{"a full journal refuses what is new", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			kept, err := j.Append(ctx, e, max)
			if err != nil {
				j.Append(ctx, e, inbox.Bounds{}) // refused, and kept all the same
			}
			return kept, err
		}}
	}},
	{"simultaneous appends keep to the bound", func(j inbox.Journal) inbox.Journal {
		var n atomic.Int64
		return &brokenJournal{Journal: j, append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
			if n.Load() >= int64(max.All) && max.All > 0 {
				return inbox.Kept{}, inbox.ErrFull
			}
			time.Sleep(10 * time.Millisecond)
			n.Add(1)
			return j.Append(ctx, e, inbox.Bounds{})
		}}
	}},
	{"what is given and returned is the caller's", func(j inbox.Journal) inbox.Journal {
		var bodies sync.Map
		return &brokenJournal{Journal: j,
			append: func(ctx context.Context, e inbox.Entry, max inbox.Bounds) (inbox.Kept, error) {
				bodies.Store(e.Mark, e.Body)
				return j.Append(ctx, e, max)
			},
			due: func(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
				list, err := j.Due(ctx, epoch, now, limit)
				for i := range list {
					if body, ok := bodies.Load(list[i].Mark); ok {
						list[i].Body = body.([]byte)
					}
				}
				return list, err
			}}
	}},

	{"two owners never have the lease at once", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, lease: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
			return j.Lease(ctx, owner, now, ttl-time.Microsecond)
		}}
	}},
	{"of ten simultaneous owners one gets the lease", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, lease: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
			epoch, _, err := j.Lease(ctx, owner, now, ttl)
			return epoch, true, err
		}}
	}},
	{"a renewed lease keeps its epoch and lasts longer", func(j inbox.Journal) inbox.Journal {
		var last atomic.Int64
		return &brokenJournal{Journal: j, lease: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
			j.Release(ctx, last.Load())
			epoch, ok, err := j.Lease(ctx, owner, now, ttl)
			last.Store(epoch)
			return epoch, ok, err
		}}
	}},
	{"an owner that lost the lease gets a higher epoch", func(j inbox.Journal) inbox.Journal {
		var epochs sync.Map
		return &brokenJournal{Journal: j, lease: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
			epoch, ok, err := j.Lease(ctx, owner, now, ttl)
			first, _ := epochs.LoadOrStore(owner, epoch)
			return first.(int64), ok, err
		}}
	}},
	{"a released lease is free and its epoch is over", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, release: func(context.Context, int64) error { return nil }}
	}},
	{"the release of an old epoch changes nothing", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, release: func(ctx context.Context, _ int64) error {
			for epoch := range int64(10) {
				j.Release(ctx, epoch)
			}
			return nil
		}}
	}},
	{"a lost lease changes nothing", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, finish: func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
			more, err := j.Finish(ctx, epoch, outcomes)
			for current := int64(1); err != nil && current < 10; current++ {
				j.Finish(ctx, current, outcomes)
			}
			return more, err
		}}
	}},
	{"nobody has the epochs of a new journal", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, finish: func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
			if epoch == 0 {
				return false, nil
			}
			return j.Finish(ctx, epoch, outcomes)
		}}
	}},

	{"the oldest come first, up to the limit", dueFault(func(list []inbox.Entry) { slices.Reverse(list) })},
	{"the oldest come first, up to the limit", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, due: func(ctx context.Context, epoch int64, now time.Time, _ int) ([]inbox.Entry, error) {
			return j.Due(ctx, epoch, now, 1000)
		}}
	}},
	{"an entry waits for its time", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, due: func(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
			return j.Due(ctx, epoch, now.Add(time.Microsecond), limit)
		}}
	}},
	{"entries of one key run in order", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Key = "" })},
	{"entries of one key run in order", appendFault(func(e *inbox.Entry, _ *inbox.Bounds) { e.Key += "x" })}, // those without one too
	{"old marks are forgotten unless unfinished", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, forget: func(context.Context, time.Time, int) error { return nil }}
	}},
	{"old marks are forgotten unless unfinished", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, forget: func(ctx context.Context, before time.Time, keep int) error {
			return j.Forget(ctx, before.Add(time.Microsecond), keep)
		}}
	}},
}

var brokenDeadLetters = []journalFault{
	{"the newest ten thousand dead letters are kept", func(j inbox.Journal) inbox.Journal {
		return &brokenJournal{Journal: j, shelved: func(ctx context.Context, s inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
			return j.Shelved(ctx, s, before, min(limit, 9_999))
		}}
	}},
}
