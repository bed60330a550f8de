package delivery

import (
	"iter"
	"math/bits"
)

// Shards is a set of the 64 shards into which hosts fall. Processes that deliver at the same time share out
// shards, so that one host is always one process's affair. The zero value is the empty set.
type Shards uint64

// AllShards are all 64.
const AllShards = ^Shards(0)

// ShardCount is how many shards there are.
const ShardCount = 64

// ShardOf tells into which shard, from 0 to 63, the host of an inbox URL falls. It goes by the authority in
// lower case and without the scheme's default port, whatever the scheme, and is the same in every
// version: the lower six bits of its FNV-1a hash of 64 bits. Of what is no such URL it is 0.
func ShardOf(inbox string) int {
	_, authority, ok := originOf(inbox)
	if !ok {
		return 0
	}
	return shardOf(authority)
}

func shardOf(authority string) int {
	h := uint64(14695981039346656037)
	for i := range len(authority) {
		h = (h ^ uint64(authority[i])) * 1099511628211
	}
	return int(h % ShardCount)
}

// Shard returns the set that has one shard, from 0 to 63.
func Shard(shard int) Shards { return 1 << (uint(shard) % ShardCount) }

// Has says whether a shard is in the set.
func (s Shards) Has(shard int) bool { return s&Shard(shard) != 0 }

// Len is how many shards are in the set.
func (s Shards) Len() int { return bits.OnesCount64(uint64(s)) }

// With returns the shards of both sets.
func (s Shards) With(o Shards) Shards { return s | o }

// Without returns the shards of s that are not in o.
func (s Shards) Without(o Shards) Shards { return s &^ o }

// Both returns the shards that are in both sets.
func (s Shards) Both(o Shards) Shards { return s & o }

// First returns the n lowest shards of s, or all if it has no more.
func (s Shards) First(n int) Shards {
	rest := s
	for ; n > 0 && rest != 0; n-- {
		rest &= rest - 1
	}
	return s &^ rest
}

// All yields the shards of s, the lowest first.
func (s Shards) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(bits.TrailingZeros64(uint64(s))) {
				return
			}
		}
	}
}
