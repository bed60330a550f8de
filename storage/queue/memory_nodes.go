package queue

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// node is a current lease.
type node struct {
	owner  string
	epoch  int64
	until  time.Time
	shards delivery.Shards
}

// current returns the lease with an epoch; nil if it is over.
func (m *memory) current(epoch int64) *node {
	if i := slices.IndexFunc(m.nodes, func(n *node) bool { return n.epoch == epoch }); i >= 0 {
		return m.nodes[i]
	}
	return nil
}

func (m *memory) Lease(ctx context.Context, r delivery.LeaseRequest) (delivery.Lease, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Lease{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	me := m.current(r.Epoch)
	switch {
	case r.Epoch == 0:
		m.nodes = slices.DeleteFunc(m.nodes, func(n *node) bool { return n.owner == r.Owner })
		m.epoch++
		me = &node{owner: r.Owner, epoch: m.epoch}
		m.nodes = append(m.nodes, me)
	case me == nil || me.owner != r.Owner:
		return delivery.Lease{}, delivery.ErrLeaseLost
	}
	me.until = milli(r.Now.Add(r.TTL))
	me.shards = me.shards.Without(r.Give)
	m.nodes = slices.DeleteFunc(m.nodes, func(n *node) bool { return n != me && !n.until.After(r.Now) })
	free := delivery.AllShards.Without(r.Give)
	for _, n := range m.nodes {
		free = free.Without(n.shards)
	}
	share := m.share(me)
	me.shards = me.shards.With(free.First(share - me.shards.Len()))
	return delivery.Lease{
		Epoch: me.epoch, Until: me.until, Shards: me.shards, Surplus: me.shards.Without(me.shards.First(share)),
	}, nil
}

// share is how many shards a node is to have: what can't be shared out evenly the oldest have.
func (m *memory) share(me *node) int {
	n, rank := len(m.nodes), slices.Index(m.nodes, me)
	share := delivery.ShardCount / n
	if rank < delivery.ShardCount%n {
		share++
	}
	return share
}

func (m *memory) Release(ctx context.Context, epoch int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes = slices.DeleteFunc(m.nodes, func(n *node) bool { return n.epoch == epoch })
	return nil
}

func (m *memory) Order(ctx context.Context, o delivery.Order) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ordered++
	o.ID, o.At = m.ordered, milli(o.At)
	m.orders = append(m.orders, o)
	m.tell()
	return nil
}

func (m *memory) Orders(ctx context.Context, shards delivery.Shards, after int64, limit int) ([]delivery.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []delivery.Order
	for _, o := range m.orders {
		if o.ID > after && shards.Has(o.Shard) && len(out) < limit {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b delivery.Order) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// watcher is one call of Watch.
type watcher struct{ heard func() }

// Watch tells at once, also of what the same Queue appends: which of those that share the store that is, it does not know.
func (m *memory) Watch(ctx context.Context, heard func()) error {
	w := &watcher{heard}
	m.mu.Lock()
	m.watchers[w] = struct{}{}
	m.mu.Unlock()
	heard()
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watchers, w)
	return nil
}

// tell wakes those who watch. heard does not block, and does not call the store.
func (m *memory) tell() {
	for w := range m.watchers {
		w.heard()
	}
}
