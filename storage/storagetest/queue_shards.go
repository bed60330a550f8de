package storagetest

import (
	"errors"
	"slices"

	"github.com/fedihook/fedihook/delivery"
)

// among returns those of some URLs that are in a shard of a set.
func among(urls []string, shards delivery.Shards) (in []string) {
	for _, u := range urls {
		if shards.Has(delivery.ShardOf(u)) {
			in = append(in, u)
		}
	}
	return in
}

var queueShards = []queueCheck{
	{"of the log the inboxes of some shards are read", func(q *queue) {
		const n = 200
		q.add("1", n)
		q.add("2", 1)
		q.lease()
		u := urls(n)
		p := q.all()[0]
		q.ack(p, u[:20]...)
		id := inboxes(p)[u[30]]
		q.flush(delivery.Flush{Defers: []delivery.Deferral{{Seq: p.Seq, Inbox: id, Attempts: 1, Next: q.now}}})
		first := delivery.Shard(delivery.ShardOf(u[0]))
		seen := 0
		for _, set := range []delivery.Shards{first, delivery.AllShards.Without(first)} {
			for _, epoch := range []int64{0, q.epoch} {
				got := q.named(q.load(delivery.Query{Epoch: epoch, Limit: 1000, Shards: set}))
				if set == first {
					if len(got) != 2 {
						q.Fatalf("of %x %d records, want 2", set, len(got))
					}
					q.left(got[1], u[0])
				} else if len(got) != 1 {
					q.Fatalf("of %x %d records, want 1: the other's only target is elsewhere", set, len(got))
				}
				q.left(got[0], among(u[20:], set)...)
				if got[0].Left != n-20 || got[0].Total != n {
					q.Errorf("%d of %d are left, want %d of %d, of whichever shard", got[0].Left, got[0].Total, n-20, n)
				}
				for _, t := range got[0].Targets {
					seen += t.Attempts
				}
			}
		}
		if seen != 2 {
			q.Errorf("what was put off was read %d times, want once with each epoch", seen)
		}
		all := q.named(q.load(delivery.Query{Limit: 1000, Shards: delivery.AllShards}))
		q.left(all[0], u[20:]...)
		only := []int64{inboxes(p)[u[50]], inboxes(p)[u[51]]}
		slices.Sort(only)
		for _, p := range q.named(q.load(delivery.Query{Limit: 1000, Only: only, Shards: delivery.Shard(delivery.ShardOf(u[50]))})) {
			q.left(p, among(u[50:52], delivery.Shard(delivery.ShardOf(u[50])))...)
		}
	}},
	{"a record of no such shard is passed", func(q *queue) {
		u := urls(1)
		q.add("1", 1)
		last := q.add("2", 1)
		page := q.load(delivery.Query{Limit: 100, Shards: delivery.AllShards.Without(delivery.Shard(delivery.ShardOf(u[0])))})
		if len(page.Records) != 0 || page.Through != last || page.More {
			q.Errorf("read %+v", page)
		}
	}},
	{"the log is read up to a record and not beyond", func(q *queue) {
		var seqs []int64
		for _, id := range []string{"1", "2", "3", "4"} {
			seqs = append(seqs, q.add(id, 3))
		}
		for _, limit := range []int{1, 4, 1000} {
			var got []int64
			query := delivery.Query{Limit: limit, Through: seqs[2], After: seqs[0]}
			for more := true; more; {
				page := q.load(query)
				for _, p := range page.Records {
					got = append(got, p.Seq)
				}
				if page.Through > seqs[2] || page.More && page.Through <= query.After {
					q.Fatalf("after %d, through %d: came to %d, more %v", query.After, query.Through, page.Through, page.More)
				}
				query.After, more = page.Through, page.More
			}
			if !slices.Equal(got, seqs[1:3]) {
				q.Errorf("with limit %d: read %v, want %v", limit, got, seqs[1:3])
			}
		}
	}},
	{"targets are dropped without a lease, and nothing else", func(q *queue) {
		q.add("1", 4)
		p, u := q.one(), urls(4)
		id := inboxes(p)
		drop := delivery.Flush{Now: q.now, Acks: []delivery.Ack{{Seq: p.Seq, Done: []int64{id[u[0]], id[u[2]]}, Failed: 2}}}
		for range 2 {
			if gone, err := q.st.Flush(q.ctx, 0, drop); err != nil || len(gone) != 0 {
				q.Errorf("Flush returned %v, %v", gone, err)
			}
		}
		q.left(q.one(), u[1], u[3])
		q.status("1", delivery.Status{Targets: 4, Pending: 2, Failed: 2, Created: q.now})
		q.lease() // nor is one needed, or in the way, while someone has it
		drop.Acks[0].Done, drop.Acks[0].Failed = []int64{id[u[1]]}, 1
		if _, err := q.st.Flush(q.ctx, 0, drop); err != nil {
			q.Error(err)
		}
		q.left(q.one(), u[3])
		drop.Acks = nil
		drop.Defers = []delivery.Deferral{{Seq: p.Seq, Inbox: id[u[3]], Attempts: 1, Next: q.now}}
		if _, err := q.st.Flush(q.ctx, 0, drop); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("a deferral without a lease: %v", err)
		}
		drop.Defers, drop.Acks = nil, []delivery.Ack{{Seq: p.Seq, Done: []int64{id[u[3]]}}, {Seq: p.Seq + 1, Done: []int64{1}}}
		if gone, err := q.st.Flush(q.ctx, 0, drop); err != nil || !slices.Equal(gone, []int64{p.Seq + 1}) {
			q.Errorf("Flush returned %v, %v", gone, err)
		}
		q.status("1", delivery.Status{Targets: 4, Failed: 3, Delivered: 1, Created: q.now, Finished: q.now})
	}},
	{"a delete goes where it is not sure that nothing was tried", func(q *queue) {
		const n = 100
		u := urls(n)
		sure := delivery.AllShards.First(32)
		a := q.extend("create", u, nil, nil)
		q.lease()
		id := inboxes(q.one())
		in := among(u, sure)
		r := q.record("delete")
		r.Key, r.NotBefore, r.Supersedes = "k", q.now.Add(-1), delivery.SupersedeAll
		d, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Tried: map[int64][]int64{a.Seq: {id[in[3]]}}, Sure: sure, Epoch: q.epoch})
		q.must(err)
		if d.Superseded != n || d.Targets != n-len(in)+1 {
			q.Errorf("Append returned %+v, want %d targets", d, n-len(in)+1)
		}
		q.left(q.one(), append(among(u, delivery.AllShards.Without(sure)), in[3])...)
	}},
	{"who has lost the lease is sure of nothing", func(q *queue) {
		for i, epoch := range []func() int64{
			func() int64 { return 0 },
			func() int64 { old := q.epoch; q.lease(); return old },
			func() int64 { q.must(q.st.Release(q.ctx, q.epoch)); return q.epoch },
		} {
			u := urls(5)
			q.lease()
			a := q.extend([]string{"a", "b", "c"}[i], u, nil, nil)
			r := q.record([]string{"da", "db", "dc"}[i])
			r.Key, r.Supersedes = "k", delivery.SupersedeAll
			r.NotBefore = q.now.Add(-1)
			d, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Tried: map[int64][]int64{a.Seq: {}}, Sure: delivery.AllShards, Epoch: epoch()})
			q.must(err)
			if d.Targets != 5 {
				q.Errorf("%d: the delete goes to %d of 5", i, d.Targets)
			}
			_, err = q.st.Cancel(q.ctx, "k", q.now)
			q.must(err)
		}
	}},
}
