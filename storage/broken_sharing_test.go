package storage_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/storage"
)

// sharedJournal is what storagetest.RunSharing checks.
type sharedJournal interface {
	inbox.Journal
	inbox.Sharing
}

// brokenSharing does what its funcs do, where they are set.
type brokenSharing struct {
	sharedJournal
	share  func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error)
	dueOf  func(ctx context.Context, epoch int64, shards inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error)
	lease  func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error)
	finish func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error)
}

func (b *brokenSharing) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
	if b.share != nil {
		return b.share(ctx, owner, now, ttl)
	}
	return b.sharedJournal.Share(ctx, owner, now, ttl)
}

func (b *brokenSharing) DueOf(ctx context.Context, epoch int64, shards inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	if b.dueOf != nil {
		return b.dueOf(ctx, epoch, shards, held, now, limit)
	}
	return b.sharedJournal.DueOf(ctx, epoch, shards, held, now, limit)
}

func (b *brokenSharing) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
	if b.lease != nil {
		return b.lease(ctx, owner, now, ttl)
	}
	return b.sharedJournal.Lease(ctx, owner, now, ttl)
}

func (b *brokenSharing) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
	if b.finish != nil {
		return b.finish(ctx, epoch, outcomes)
	}
	return b.sharedJournal.Finish(ctx, epoch, outcomes)
}

// shareFault changes what Share returns.
func shareFault(change func(s *inbox.Share)) func(j sharedJournal) inbox.Journal {
	return func(j sharedJournal) inbox.Journal {
		return &brokenSharing{sharedJournal: j, share: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
			s, err := j.Share(ctx, owner, now, ttl)
			if err == nil {
				change(&s)
			}
			return s, err
		}}
	}
}

var brokenSharings = []struct {
	check string
	fault func(j sharedJournal) inbox.Journal
}{
	{"who is alone has all, and shares with who comes", shareFault(func(s *inbox.Share) { s.Spare = 0 })},
	{"what somebody leaves by dying is taken after its time, not before", func(j sharedJournal) inbox.Journal {
		return &brokenSharing{sharedJournal: j, share: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
			return j.Share(ctx, owner, now, ttl-time.Millisecond)
		}}
	}},
	{"who comes back under its name has what it had", func(j sharedJournal) inbox.Journal {
		return &brokenSharing{sharedJournal: j, share: func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
			s, err := j.Share(ctx, owner, now, ttl)
			if err == nil { // it begins anew each time
				err = j.Release(ctx, s.Epoch)
			}
			if err == nil {
				s, err = j.Share(ctx, owner, now, ttl)
			}
			return s, err
		}}
	}},
	{"a lease on all and shares exclude each other", func(j sharedJournal) inbox.Journal {
		other := storage.Memory().Journal
		return &brokenSharing{sharedJournal: j, lease: other.Lease}
	}},
	{"each works the entries of its shards, in the order of their keys", func(j sharedJournal) inbox.Journal {
		return &brokenSharing{sharedJournal: j, finish: func(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (bool, error) {
			more, err := j.Finish(ctx, epoch, outcomes)
			if errors.Is(err, inbox.ErrLeaseLost) {
				err = nil
			}
			return more, err
		}}
	}},
	{"only what is one's own is listed", func(j sharedJournal) inbox.Journal {
		b := &brokenSharing{sharedJournal: j}
		var mine inbox.Shards
		b.share = func(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
			s, err := j.Share(ctx, owner, now, ttl)
			mine = s.Shards
			return s, err
		}
		b.dueOf = func(ctx context.Context, epoch int64, _ inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
			return j.DueOf(ctx, epoch, mine, held, now, limit)
		}
		return b
	}},
	{"what is in hand is not listed, and does not count", func(j sharedJournal) inbox.Journal {
		return &brokenSharing{sharedJournal: j, dueOf: func(ctx context.Context, epoch int64, shards inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
			list, err := j.DueOf(ctx, epoch, shards, nil, now, limit)
			return slices.DeleteFunc(list, func(e inbox.Entry) bool { return slices.Contains(held, e.Seq) }), err
		}}
	}},
	{"no shard is two workers' while they come, go and die", shareFault(func(s *inbox.Share) { s.Shards, s.Spare = inbox.AllShards, 0 })},
	{"of many simultaneous shares none has another's", shareFault(func(s *inbox.Share) { s.Shards, s.Spare = inbox.AllShards, 0 })},
}
