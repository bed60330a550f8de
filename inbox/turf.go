package inbox

import (
	"context"
	"maps"
	"slices"
	"time"
)

// turf is what a shift may work at.
type turf struct {
	Share
	leased  time.Time // when the lease was last taken or renewed
	ttl     time.Duration
	leaving Shards          // of which nothing new is begun, for others wait for them
	busy    [ShardCount]int // how many entries of each are in hand
	lost    bool
}

// sure tells whether nobody else can have taken the lease by now, going by this process's clock.
func (t *turf) sure() bool { return !t.lost && time.Since(t.leased) < t.ttl }

// open are the shards whose entries may be begun.
func (t *turf) open() Shards { return t.Shards &^ t.leaving }

// idle are those that are about to be left and of which nothing is in hand any more.
func (t *turf) idle() (s Shards) {
	for shard, busy := range t.busy {
		if busy == 0 {
			s |= 1 << shard
		}
	}
	return s & t.leaving
}

// spare chooses which shards to leave: those that are being left, then those of which nothing is in hand.
func (t *turf) spare() {
	t.leaving &= t.Shards
	left := t.leaving.First(t.Spare)
	for _, wanted := range []func(shard int) bool{
		func(shard int) bool { return t.busy[shard] == 0 },
		func(int) bool { return true },
	} {
		for shard := range ShardCount {
			if left.Len() < t.Spare && t.Shards.Has(shard) && wanted(shard) {
				left |= 1 << shard
			}
		}
	}
	t.leaving = left
}

func (in *Inbox) leaseTTL() time.Duration {
	if _, ok := in.Journal.(Sharing); ok {
		return shareTTL
	}
	return leaseTTL
}

// lease takes what this process may work at, or renews it. Ok is false while another one works at all of it.
func (in *Inbox) lease(ctx context.Context, now time.Time) (s Share, ok bool, err error) {
	ttl := in.leaseTTL()
	ctx, cancel := context.WithTimeout(ctx, ttl/2) // who waits longer does not know what it has
	defer cancel()
	if sharing, ok := in.Journal.(Sharing); ok {
		s, err = sharing.Share(ctx, in.Node, now, ttl)
		return s, err == nil, err
	}
	epoch, ok, err := in.Journal.Lease(ctx, in.Node, now, ttl)
	return Share{Epoch: epoch, Shards: AllShards}, ok, err
}

// due lists up to so many entries that may be begun and are not in hand, and tells whether there may be more.
func (s *shift) due(ctx context.Context, limit int) (list []Entry, more bool, err error) {
	sharing, ok := s.in.Journal.(Sharing)
	switch {
	case !ok:
		limit += len(s.held)
		list, err = s.in.Journal.Due(ctx, s.turf.Epoch, time.Now(), limit)
		more = len(list) == limit
	case s.turf.open() != 0:
		list, err = sharing.DueOf(ctx, s.turf.Epoch, s.turf.open(), slices.Collect(maps.Keys(s.held)), time.Now(), limit)
		more = len(list) == limit
	}
	return slices.DeleteFunc(list, func(e Entry) bool { _, held := s.held[e.Seq]; return held }), more, err
}

// renew renews the lease when a third of its time is over, and leaves what others wait for. It returns false if the lease
// is lost; if nobody can tell, it is tried again.
func (s *shift) renew(ctx context.Context) bool {
	t, now := &s.turf, time.Now()
	if t.lost {
		return false
	}
	if now.Sub(t.leased) >= t.ttl/3 {
		s.in.leases.Add(1) // what was offered before may be another's by now, or have been meanwhile
		share, ok, err := s.in.lease(ctx, now)
		s.in.leases.Add(1)
		switch {
		case err != nil:
			s.in.Logger.WarnContext(ctx, "inbox: lease on the journal not renewed", "error", err)
			return true
		case !ok || share.Epoch != t.Epoch:
			s.in.Logger.WarnContext(ctx, "inbox: lease on the journal lost")
			t.lost = true
			return false
		}
		s.look = s.look || share.Shards&^t.Shards != 0
		t.Share, t.leased = share, now
		t.spare()
	}
	if idle := t.idle(); idle != 0 {
		s.yield(ctx, idle)
	}
	return true
}

// yield gives shards to others of which nothing is in hand.
func (s *shift) yield(ctx context.Context, idle Shards) {
	sharing, ok := s.in.Journal.(Sharing)
	if !ok {
		return
	}
	s.in.leases.Add(1)
	defer s.in.leases.Add(1)
	if err := sharing.Yield(ctx, s.turf.Epoch, idle); err != nil {
		s.in.Logger.WarnContext(ctx, "inbox: shards not given to others", "error", err)
		return // the next renewal tells whether they are
	}
	s.turf.Shards &^= idle
	s.turf.leaving &^= idle
}
