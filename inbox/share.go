package inbox

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"time"
)

// ShardCount is into how many parts the work at a journal is divided.
const ShardCount = 64

// Sharing is what a [Journal] may be besides, so that several processes work it at once. Each of them has some of the
// shards, and works the entries of those alone: all of one Key are in one shard, see [Entry.Shard]. A Journal that is no
// Sharing is worked by one process at a time. Whoever wraps one passes these on, or it is none.
//
// A lease by Share and one by [Journal.Lease] exclude each other, except that a process that comes back may take its own.
type Sharing interface {
	// Share gives owner a lease until ttl from now, or renews the one it has, with the same Epoch as long as that was neither
	// released nor taken by others after its time, else with a higher one. All leases share the shards evenly: a Share takes
	// what is nobody's, up to its part, and never what another's lease has. When it finds a lease of which the time is over it
	// ends that, with all its shards.
	Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (Share, error)

	// Yield gives shards back, which are the lease's, and of which nothing runs any more. Others may take them. If the epoch
	// is not current it returns [ErrLeaseLost].
	Yield(ctx context.Context, epoch int64, s Shards) error

	// DueOf is [Journal.Due] of these shards, without the entries in held, which the caller has in hand: neither are they listed nor
	// do they count in limit. It returns [ErrLeaseLost] if not all of the shards are the lease's. Due regards all that are, and
	// Finish returns ErrLeaseLost for an entry of any other.
	DueOf(ctx context.Context, epoch int64, s Shards, held []int64, now time.Time, limit int) ([]Entry, error)
}

// Watcher is what a [Journal] may be besides, so that a process learns at once what another one has appended.
type Watcher interface {
	// Watch calls heard, which returns at once, when entries may have become due that another process has appended. It returns
	// when ctx ends, or with an error when it can hear no more; something may be missed at any time.
	Watch(ctx context.Context, heard func()) error
}

// Share is what a lease has of a journal.
type Share struct {
	Epoch  int64
	Shards Shards
	Spare  int // how many of them are beyond its part: others wait for them, so that it should yield so many
}

// Shards is a set of shards, from 0 to ShardCount-1. The zero Shards is empty.
type Shards uint64

// AllShards has all of them.
const AllShards = ^Shards(0)

// Has tells whether a shard is in s.
func (s Shards) Has(shard int) bool { return s>>shard&1 == 1 }

// Len is how many there are.
func (s Shards) Len() int { return bits.OnesCount64(uint64(s)) }

// First is s with its lowest n shards alone.
func (s Shards) First(n int) (first Shards) {
	for ; n > 0 && s != 0; n-- {
		low := s & -s
		first |= low
		s &^= low
	}
	return first
}

// Shard is the part of the journal to which e belongs: that of its Key, without one that of its Mark. It is the same in
// every process.
func (e *Entry) Shard() int {
	if e.Key == "" {
		return int(binary.BigEndian.Uint64(e.Mark[:]) % ShardCount)
	}
	h := fnv.New64a()
	h.Write([]byte(e.Key))
	sum := h.Sum64()
	return int((sum ^ sum>>32) % ShardCount)
}
