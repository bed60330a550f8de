package storage

import (
	"slices"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// leases are who works a journal in memory, by [inbox.Sharing] or [inbox.Journal.Lease].
type leases struct {
	epoch int64 // the highest that was ever given
	list  []*lease
}

type lease struct {
	owner  string
	epoch  int64
	until  time.Time
	shards inbox.Shards
}

func (ls *leases) current(epoch int64) *lease {
	for _, l := range ls.list {
		if l.epoch == epoch {
			return l
		}
	}
	return nil
}

// take is the rule of [inbox.Sharing.Share].
func (ls *leases) take(owner string, now time.Time, ttl time.Duration) inbox.Share {
	l := ls.renew(owner, now, ttl)
	free := inbox.AllShards
	for _, other := range ls.list {
		free &^= other.shards
	}
	part := partOf(len(ls.list))
	l.shards |= free.First(part - l.shards.Len())
	return inbox.Share{Epoch: l.epoch, Shards: l.shards, Spare: max(l.shards.Len()-part, 0)}
}

// takeAll is the rule of [inbox.Journal.Lease].
func (ls *leases) takeAll(owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool) {
	for _, other := range ls.list {
		if other.owner != owner && other.until.After(now) {
			return 0, false
		}
	}
	l := ls.renew(owner, now, ttl)
	l.shards = inbox.AllShards
	return l.epoch, true
}

// renew ends the leases of others of which the time is over, and finds or makes that of owner.
func (ls *leases) renew(owner string, now time.Time, ttl time.Duration) *lease {
	ls.list = slices.DeleteFunc(ls.list, func(l *lease) bool { return l.owner != owner && !l.until.After(now) })
	i := slices.IndexFunc(ls.list, func(l *lease) bool { return l.owner == owner })
	if i < 0 {
		ls.epoch++
		i = len(ls.list)
		ls.list = append(ls.list, &lease{owner: owner, epoch: ls.epoch})
	}
	ls.list[i].until = now.Add(ttl)
	return ls.list[i]
}

// partOf is how many shards each of so many workers has at most.
func partOf(workers int) int { return (inbox.ShardCount + workers - 1) / workers }
