package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

func (m *memory) Flush(ctx context.Context, epoch int64, f delivery.Flush) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch == 0 {
		if len(f.Defers)+len(f.Hosts)+len(f.Dead)+len(f.Obeyed) > 0 {
			return nil, delivery.ErrLeaseLost
		}
	} else if m.current(epoch) == nil {
		return nil, delivery.ErrLeaseLost
	}
	var gone []int64
	missing := func(seq int64) bool {
		a := m.seqs[seq]
		if a == nil {
			gone = append(gone, seq)
		}
		return a == nil
	}
	for _, d := range f.Dead {
		m.letters++
		d.ID, d.At = m.letters, milli(d.At)
		m.dead = append(m.dead, d)
	}
	// Before the acks, which may finish a record that is then no longer here.
	for _, d := range f.Defers {
		if missing(d.Seq) {
			continue
		}
		a := m.seqs[d.Seq]
		if i, ok := slices.BinarySearch(a.targets, d.Inbox); ok && !a.settled(i) {
			if a.defers == nil {
				a.defers = make(map[int64]delivery.Deferral)
			}
			d.Next = milli(d.Next)
			a.defers[d.Inbox] = d
		}
	}
	for _, ack := range f.Acks {
		if missing(ack.Seq) {
			continue
		}
		a := m.seqs[ack.Seq]
		n := 0
		for _, id := range ack.Done {
			if a.settle(id) {
				n++
			}
		}
		m.targets -= n
		a.status.Failed += min(ack.Failed, n)
		if a.left == 0 {
			m.finish(a, f.Now)
		}
	}
	for _, h := range f.Hosts {
		if h.Failures == 0 && h.Refusals == 0 && !h.Held {
			delete(m.hosts, h.Origin)
			continue
		}
		h.Since, h.Last, h.Next = milli(h.Since), milli(h.Last), milli(h.Next)
		m.hosts[h.Origin] = h
	}
	m.orders = slices.DeleteFunc(m.orders, func(o delivery.Order) bool { return slices.Contains(f.Obeyed, o.ID) })
	if extra := len(m.dead) - f.MaxDead; f.MaxDead > 0 && extra > 0 {
		m.dead = slices.Clone(m.dead[extra:])
	}
	m.trim(f.MaxBodies)
	return ascending(gone), nil
}

// finish keeps of an activity only what Status tells.
func (m *memory) finish(a *activity, now time.Time) {
	m.bytes -= int64(bodySize(a.Bodies))
	delete(m.seqs, a.seq)
	if keys := slices.DeleteFunc(m.keys[a.Key], func(o *activity) bool { return o == a }); len(keys) == 0 {
		delete(m.keys, a.Key)
	} else {
		m.keys[a.Key] = keys
	}
	if slices.ContainsFunc(m.dead, func(d delivery.DeadLetter) bool { return d.Seq == a.seq }) {
		m.kept[a.seq] = a.Record
	}
	a.status.Finished = milli(now)
	a.Record, a.targets, a.done, a.defers = delivery.Record{}, nil, nil, nil
	if len(m.order) > 2*len(m.seqs)+64 {
		m.order = slices.DeleteFunc(m.order, func(seq int64) bool { return m.seqs[seq] == nil })
	}
}

func (m *memory) Cancel(ctx context.Context, key string, now time.Time) (delivery.Cancelled, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Cancelled{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var c delivery.Cancelled
	for _, seq := range slices.Clone(m.order) {
		a := m.seqs[seq]
		if a == nil || a.Key != key {
			continue
		}
		c.Seqs = append(c.Seqs, seq)
		c.Targets += a.left
		m.cancel(a, a.remaining(), now)
	}
	return c, nil
}

func (m *memory) Status(ctx context.Context, id string) (delivery.Status, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Status{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.ids[id]
	if a == nil {
		return delivery.Status{}, delivery.ErrUnknown
	}
	s := a.status
	s.Pending, s.Deferred = a.left, len(a.defers)
	s.Delivered = s.Targets - s.Pending - s.Failed - s.Cancelled
	return s, nil
}

func (m *memory) Hosts(ctx context.Context, after string, limit int) ([]delivery.HostState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var page []delivery.HostState
	for origin, h := range m.hosts {
		if origin > after {
			page = append(page, h)
		}
	}
	slices.SortFunc(page, func(a, b delivery.HostState) int { return strings.Compare(a.Origin, b.Origin) })
	return page[:min(limit, len(page))], nil
}

func (m *memory) HostsOf(ctx context.Context, origins []string) ([]delivery.HostState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []delivery.HostState
	for _, origin := range origins {
		if h, ok := m.hosts[origin]; ok {
			list = append(list, h)
		}
	}
	return list, nil
}

func (m *memory) Dead(ctx context.Context, after int64, limit int) ([]delivery.DeadLetter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	first := slices.IndexFunc(m.dead, func(d delivery.DeadLetter) bool { return d.ID > after })
	if first < 0 {
		return nil, nil
	}
	return slices.Clone(m.dead[first:min(first+limit, len(m.dead))]), nil
}

func (m *memory) Forget(ctx context.Context, f delivery.Forget) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, a := range m.ids {
		if m.seqs[a.seq] == nil && a.status.Finished.Before(f.Finished) {
			delete(m.ids, id)
		}
	}
	for origin, h := range m.hosts {
		if h.Last.Before(f.Hosts) && !h.Held {
			delete(m.hosts, origin)
		}
	}
	m.dead = slices.DeleteFunc(m.dead, func(d delivery.DeadLetter) bool { return d.At.Before(f.Dead) })
	m.trim(0)
	needed := make(map[int64]bool)
	for _, a := range m.seqs {
		for _, id := range a.remaining() {
			needed[id] = true
		}
	}
	for url, b := range m.inboxes {
		if b.used.Before(f.Inboxes) && !needed[b.id] {
			delete(m.inboxes, url)
			delete(m.urls, b.id)
		}
	}
	return nil
}

// trim drops bodies that no dead letter needs; those of the newest so many may be needed.
func (m *memory) trim(max int) {
	needed := make(map[int64]bool)
	for i, d := range slices.Backward(m.dead) {
		if max > 0 && i < len(m.dead)-max {
			break
		}
		needed[d.Seq] = true
	}
	for seq := range m.kept {
		if !needed[seq] {
			delete(m.kept, seq)
		}
	}
}

func (m *memory) Redrive(ctx context.Context, r delivery.Redrive) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	again := make(map[int64][]delivery.DeadLetter)
	for _, d := range m.dead {
		if _, ok := slices.BinarySearch(r.IDs, d.ID); !ok {
			continue
		}
		if _, ok := m.kept[d.Seq]; ok || m.seqs[d.Seq] != nil {
			again[d.Seq] = append(again[d.Seq], d)
		}
	}
	n := 0
	gone := make(map[int64]bool)
	for seq, letters := range again {
		rec, ok := m.kept[seq]
		if !ok {
			rec = m.seqs[seq].Record
		}
		rec.ID = redriven(rec.ID, letters[0].ID)
		rec.Supersedes, rec.Created, rec.NotBefore, rec.Expires = delivery.SupersedeNothing, r.Now, time.Time{}, r.Expires
		rec.Trace = ""
		var ids []int64
		for _, d := range letters {
			ids = append(ids, m.intern(d.Inbox, r.Now))
			gone[d.ID] = true
			n++
		}
		m.insert(rec, ascending(ids))
	}
	m.dead = slices.DeleteFunc(m.dead, func(d delivery.DeadLetter) bool { return gone[d.ID] })
	m.trim(0)
	return n, nil
}

// redriven is the ID of a record made of dead letters.
func redriven(id string, letter int64) string { return fmt.Sprintf("%s redriven %d", id, letter) }
