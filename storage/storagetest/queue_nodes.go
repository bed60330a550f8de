package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// fleet is nodes that share a store.
type fleet struct {
	*queue
	leases map[string]delivery.Lease
}

func (q *queue) fleet() *fleet { return &fleet{q, make(map[string]delivery.Lease)} }

const nodeTTL = 10 * time.Second

// ask makes an owner join or renew, and checks that nobody else has what it gets.
func (f *fleet) ask(owner string, give delivery.Shards) delivery.Lease {
	f.Helper()
	old := f.leases[owner]
	l, err := f.st.Lease(f.ctx, delivery.LeaseRequest{Owner: owner, Epoch: old.Epoch, Now: f.now, TTL: nodeTTL, Give: give})
	f.must(err)
	if old.Epoch != 0 && l.Epoch != old.Epoch {
		f.Fatalf("%s renewed %d and got %d", owner, old.Epoch, l.Epoch)
	}
	if !l.Until.Equal(f.now.Add(nodeTTL)) {
		f.Errorf("%s has a lease until %v, at %v", owner, l.Until, f.now)
	}
	if l.Surplus.Without(l.Shards) != 0 {
		f.Errorf("%s has %x, of which %x are too many", owner, l.Shards, l.Surplus)
	}
	if l.Shards.Both(give) != 0 {
		f.Errorf("%s gave %x and has %x", owner, give, l.Shards)
	}
	for other, o := range f.leases {
		if other != owner && o.Until.After(f.now) && o.Shards.Both(l.Shards) != 0 {
			f.Fatalf("%s and %s both have %x", owner, other, o.Shards.Both(l.Shards))
		}
	}
	f.leases[owner] = l
	return l
}

// round lets every owner renew and give what it is to give.
func (f *fleet) round(owners ...string) {
	f.Helper()
	for _, o := range owners {
		f.ask(o, f.leases[o].Surplus)
	}
}

// fair checks that all shards are held, by each no more than its share.
func (f *fleet) fair(owners ...string) {
	f.Helper()
	var all delivery.Shards
	for _, o := range owners {
		l := f.leases[o]
		all = all.With(l.Shards)
		if share := (delivery.ShardCount + len(owners) - 1) / len(owners); l.Shards.Len() > share || l.Surplus != 0 {
			f.Errorf("of %d %s has %d shards and %d too many, want at most %d and none", len(owners), o, l.Shards.Len(), l.Surplus.Len(), share)
		}
	}
	if all != delivery.AllShards {
		f.Errorf("of %d nothing holds %x", len(owners), delivery.AllShards.Without(all))
	}
}

// lost checks that an epoch counts for nothing.
func (f *fleet) lost(owner string, l delivery.Lease) {
	f.Helper()
	if _, err := f.st.Flush(f.ctx, l.Epoch, delivery.Flush{Now: f.now}); !errors.Is(err, delivery.ErrLeaseLost) {
		f.Errorf("Flush of %s returned %v", owner, err)
	}
	if _, err := f.st.Load(f.ctx, delivery.Query{Epoch: l.Epoch, Limit: 1}); !errors.Is(err, delivery.ErrLeaseLost) {
		f.Errorf("Load of %s returned %v", owner, err)
	}
	if _, err := f.st.Lease(f.ctx, delivery.LeaseRequest{Owner: owner, Epoch: l.Epoch, Now: f.now, TTL: nodeTTL}); !errors.Is(err, delivery.ErrLeaseLost) {
		f.Errorf("renewal of %s returned %v", owner, err)
	}
}

// queueNodes is for stores from which many processes deliver at the same time.
var queueNodes = []queueCheck{
	{"who joins gets what others give", func(q *queue) {
		f := q.fleet()
		if a := f.ask("a", 0); a.Shards != delivery.AllShards || a.Surplus != 0 {
			q.Fatalf("the first has %x, and %x too many", a.Shards, a.Surplus)
		}
		b := f.ask("b", 0)
		if b.Shards != 0 || b.Surplus != 0 || b.Epoch <= f.leases["a"].Epoch {
			q.Errorf("the second has %+v beside %+v", b, f.leases["a"])
		}
		a := f.ask("a", 0)
		if a.Shards != delivery.AllShards || a.Surplus.Len() != 32 {
			q.Fatalf("the first has %x, and %x too many", a.Shards, a.Surplus)
		}
		if again := f.ask("a", 0); again.Surplus != a.Surplus {
			q.Errorf("%x too many, then %x", a.Surplus, again.Surplus)
		}
		if b := f.ask("b", 0); b.Shards != 0 {
			q.Errorf("the second took %x, which nobody gave", b.Shards)
		}
		given := f.leases["a"].Surplus
		f.ask("a", given)
		if b := f.ask("b", 0); b.Shards != given {
			q.Errorf("given were %x, the second has %x", given, b.Shards)
		}
		f.fair("a", "b")
	}},
	{"shares are fair after three renewals, however many join", func(q *queue) {
		for _, n := range []int{2, 3, 5, 10, 64, 70} {
			f := q.fleet()
			q.now = q.now.Add(time.Hour) // those of before have run out
			var owners []string
			for i := range n {
				owners = append(owners, fmt.Sprint(n, ".", i))
				f.ask(owners[i], 0)
			}
			for range 3 {
				q.now = q.now.Add(nodeTTL * 3 / 10)
				f.round(owners...)
			}
			f.fair(owners...)
			before := fmt.Sprint(f.leases)
			for range 3 {
				f.round(owners...)
			}
			f.fair(owners...)
			var moved int
			for _, o := range owners {
				moved += f.leases[o].Surplus.Len()
			}
			if after := fmt.Sprint(f.leases); after != before || moved > 0 {
				q.Errorf("of %d shards move without need: %s, then %s", n, before, after)
			}
		}
	}},
	{"what was given comes back if nobody takes it, not at once", func(q *queue) {
		f := q.fleet()
		f.ask("a", 0)
		if a := f.ask("a", delivery.AllShards); a.Shards != 0 {
			q.Errorf("who gave everything has %x", a.Shards)
		}
		if a := f.ask("a", delivery.Shard(63)); a.Shards != delivery.AllShards.Without(delivery.Shard(63)) {
			q.Errorf("who does not want the last has %x", a.Shards)
		}
		if a := f.ask("a", 0); a.Shards != delivery.AllShards {
			q.Errorf("then it has %x", a.Shards)
		}
	}},
	{"a dead node's shards are taken, and all that it had ends", func(q *queue) {
		f := q.fleet()
		for _, o := range []string{"a", "b", "c"} {
			f.ask(o, 0)
		}
		for range 3 {
			f.round("a", "b", "c")
		}
		dead := f.leases["a"]
		if dead.Shards.Len() == 0 {
			q.Fatal("it has no shards")
		}
		q.now = q.now.Add(nodeTTL - time.Millisecond)
		f.round("b", "c")
		if f.leases["b"].Shards.Both(dead.Shards) != 0 {
			q.Error("it was not dead yet")
		}
		q.now = q.now.Add(time.Millisecond)
		f.ask("b", 0)
		f.lost("a", dead)
		f.ask("c", 0)
		f.fair("b", "c")
		delete(f.leases, "a")
		if a := f.ask("a", 0); a.Epoch <= f.leases["c"].Epoch {
			q.Errorf("back again it has epoch %d, after %d", a.Epoch, f.leases["c"].Epoch)
		}
		for range 3 {
			f.round("a", "b", "c")
		}
		f.fair("a", "b", "c")
	}},
	{"who joins takes a dead node's shards, no more than its share", func(q *queue) {
		f := q.fleet()
		f.ask("a", 0)
		f.ask("b", 0)
		q.now = q.now.Add(nodeTTL / 2)
		f.ask("b", 0)
		dead := f.leases["a"]
		q.now = q.now.Add(nodeTTL / 2)
		if c := f.ask("c", 0); c.Shards.Len() != 32 {
			q.Errorf("beside one that lives it has %d shards", c.Shards.Len())
		}
		f.lost("a", dead)
		f.ask("b", 0)
		f.fair("b", "c")
	}},
	{"nobody renews for another", func(q *queue) {
		f := q.fleet()
		a := f.ask("a", 0)
		if _, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "b", Epoch: a.Epoch, Now: q.now, TTL: nodeTTL}); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("a stranger renewed: %v", err)
		}
	}},
	{"what a node that leaves had is shared out", func(q *queue) {
		f := q.fleet()
		for _, o := range []string{"a", "b", "c"} {
			f.ask(o, 0)
		}
		for range 3 {
			f.round("a", "b", "c")
		}
		gone := f.leases["b"]
		q.must(q.st.Release(q.ctx, gone.Epoch))
		delete(f.leases, "b")
		f.round("a", "c")
		f.fair("a", "c")
		f.lost("b", gone)
	}},
	{"who comes back under its name has its shards at once", func(q *queue) {
		f := q.fleet()
		f.ask("a", 0)
		f.ask("b", 0)
		for range 3 {
			f.round("a", "b")
		}
		old := f.leases["a"]
		delete(f.leases, "a")
		a := f.ask("a", 0)
		if a.Shards != old.Shards || a.Epoch <= f.leases["b"].Epoch {
			q.Errorf("it had %+v and has %+v", old, a)
		}
		f.lost("a", old)
		f.ask("b", 0)
		f.fair("a", "b")
	}},
	{"a node without shards has a lease", func(q *queue) {
		f := q.fleet()
		f.ask("a", 0)
		b := f.ask("b", 0)
		if b.Shards != 0 {
			q.Fatalf("it has %x", b.Shards)
		}
		q.add("1", 3)
		p := q.one()
		if _, err := q.st.Load(q.ctx, delivery.Query{Epoch: b.Epoch, Limit: 1}); err != nil {
			q.Error(err)
		}
		// What fences is the epoch, whoever has the shard.
		if _, err := q.st.Flush(q.ctx, b.Epoch, delivery.Flush{Now: q.now, Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{inboxes(p)[urls(1)[0]]}}}}); err != nil {
			q.Error(err)
		}
		q.left(q.one(), urls(3)[1:]...)
		q.now = q.now.Add(nodeTTL - time.Millisecond)
		f.ask("b", 0)
	}},
	{"of many who ask at once nobody has what another has", func(q *queue) {
		const n = 8
		var wg sync.WaitGroup
		leases := make([]delivery.Lease, n)
		errs := make([]error, n)
		for range 4 {
			for i := range n {
				wg.Go(func() {
					leases[i], errs[i] = q.st.Lease(q.ctx, delivery.LeaseRequest{
						Owner: fmt.Sprint("node ", i), Epoch: leases[i].Epoch, Now: q.now, TTL: time.Minute, Give: leases[i].Surplus,
					})
				})
			}
			wg.Wait()
			q.must(errors.Join(errs...))
			var all delivery.Shards
			epochs := make(map[int64]bool)
			for _, l := range leases {
				if all.Both(l.Shards) != 0 || epochs[l.Epoch] {
					q.Fatalf("two have epoch %d or %x", l.Epoch, all.Both(l.Shards))
				}
				all, epochs[l.Epoch] = all.With(l.Shards), true
			}
		}
		f := q.fleet()
		for i, l := range leases {
			f.leases[fmt.Sprint("node ", i)] = l
			if l.Shards.Len() != delivery.ShardCount/n {
				q.Errorf("node %d of %d has %d shards", i, n, l.Shards.Len())
			}
		}
	}},
}
