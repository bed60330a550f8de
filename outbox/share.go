package outbox

import (
	"context"
	"hash/fnv"
	"math/bits"
	"time"
)

const (
	// ShardCount is into how many parts what is due is divided.
	ShardCount = 64

	// shareTTL is how long the part of a process that has died is left alone.
	shareTTL = 10 * time.Second
)

// Sharing is what a [Log] may be besides, so that several processes share what is due. Without it each of them begins with
// all that is, and what they do at once counts once: [Record.Version] sees to that. Whoever wraps one passes these on, or
// it is none.
type Sharing interface {
	// Share gives owner its part of the shards until ttl from now, all of them if nobody else has any, or renews it. Parts
	// are as even as can be: what others wait for is not in it any more, nor is what they took when its time was over. No shard
	// is two owners' at once, going by the times that they give.
	Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (Shards, error)

	// Unshare ends the lease of owner, if it has one.
	Unshare(ctx context.Context, owner string) error

	// DueOf is [Log.DueRecords] of the records of these shards, see [Record.Shard]. Of older records about one object all
	// count: they are in the same one.
	DueOf(ctx context.Context, s Shards, now time.Time, limit int) ([]Record, error)
}

// Watcher is what an [Intents] may be besides, so that a process learns at once what others have said.
type Watcher interface {
	// Watch calls heard, which returns at once, when another process may have added an intent, and it was committed, or a record
	// of a shard that this one has. It returns when ctx ends, or with an error when it can hear no more; something may be missed at
	// any time.
	Watch(ctx context.Context, heard func()) error
}

// Shards is a set of shards, from 0 to ShardCount-1. Who has shard 0 also takes intents.
type Shards uint64

// AllShards has all of them.
const AllShards = ^Shards(0)

// Has tells whether a shard is in s.
func (s Shards) Has(shard int) bool { return s>>shard&1 == 1 }

// Len is how many there are.
func (s Shards) Len() int { return bits.OnesCount64(uint64(s)) }

// Shard is the part of the log to which r belongs: that of its Object, without one that of its ID. It is the same in every
// process.
func (r *Record) Shard() int {
	key := r.Object
	if key == "" {
		key = r.ID
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	sum := h.Sum64()
	return int((sum ^ sum>>32) % ShardCount)
}

// part is what one Run works at.
type part struct {
	shards Shards
	until  time.Time // it is renewed when two thirds of this are left
}

// renew takes the part of this process, or renews it.
func (o *Outbox) renew(ctx context.Context, p *part) error {
	sharing, ok := o.Log.(Sharing)
	if !ok {
		p.shards = AllShards
		return nil
	}
	now := time.Now()
	if p.until.Sub(now) > shareTTL*2/3 {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, shareTTL/2)
	defer cancel()
	shards, err := sharing.Share(asking, o.Node, now, shareTTL)
	if err != nil {
		if !now.Before(p.until) {
			p.shards = 0
		}
		return err
	}
	p.shards, p.until = shards, now.Add(shareTTL)
	return nil
}

// unshare lets others go on at once.
func (o *Outbox) unshare(ctx context.Context) {
	sharing, ok := o.Log.(Sharing)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := sharing.Unshare(ctx, o.Node); err != nil {
		o.Logger.WarnContext(ctx, "outbox: lease not released", "error", err)
	}
}

// due lists what a part may begin with.
func (o *Outbox) due(ctx context.Context, s Shards, limit int) ([]Record, error) {
	sharing, ok := o.Log.(Sharing)
	switch {
	case s == 0:
		return nil, nil
	case !ok, s == AllShards:
		return o.Log.DueRecords(ctx, time.Now(), limit)
	}
	return sharing.DueOf(ctx, s, time.Now(), limit)
}

// watch looks at once for what other processes have said, if the store tells.
func (o *Outbox) watch(ctx context.Context) {
	w, ok := o.Intents.(Watcher)
	for ok && ctx.Err() == nil {
		if err := w.Watch(ctx, o.wake); err != nil && ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "outbox: hears nothing of other processes, looks once a second", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollRare):
		}
	}
}
