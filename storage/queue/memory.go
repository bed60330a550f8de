// Package queue keeps a delivery queue in memory or in a SQLite file.
//
// [Memory] is for tests and for apps that can lose what is under way; [OpenSQLite] keeps
// it in a file of its own through database/sql and whichever driver the app has
// chosen. Both return a [delivery.Store].
//
// What an app must do in its own transaction is not here: the file is ours alone.
package queue

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// Memory returns a store that forgets everything when the process ends. Two Queues over
// one Memory behave like two processes over one database.
func Memory() delivery.Store {
	return &memory{
		ids: make(map[string]*activity), seqs: make(map[int64]*activity),
		inboxes: make(map[string]*inbox), urls: make(map[int64]*inbox), hosts: make(map[string]delivery.HostState),
	}
}

type memory struct {
	mu      sync.Mutex
	seq     int64
	ids     map[string]*activity // also of those that are finished and not forgotten
	seqs    map[int64]*activity  // of those that are not finished
	order   []int64              // their Seqs, ascending; some may be finished by now
	inboxes map[string]*inbox
	urls    map[int64]*inbox
	lastBox int64
	hosts   map[string]delivery.HostState
	dead    []delivery.DeadLetter
	letters int64 // the last ID given
	owner   string
	lease   delivery.Lease
	targets int
	bytes   int64
}

type activity struct {
	delivery.Record
	seq    int64
	left   map[int64]delivery.Deferral // zero where nothing was put off
	status delivery.Status             // but Pending and Deferred
}

type inbox struct {
	id   int64
	url  string
	used time.Time
}

func (m *memory) Append(ctx context.Context, r delivery.Record, inboxes []string, max delivery.Limit) (delivery.Appended, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Appended{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.ids[r.ID]; a != nil {
		return delivery.Appended{Seq: a.seq, Targets: a.status.Targets, Duplicate: true}, nil
	}
	if (max.Targets > 0 && m.targets+len(inboxes) > max.Targets) || (max.Bytes > 0 && m.bytes+int64(len(r.Body)) > max.Bytes) {
		return delivery.Appended{}, delivery.ErrBacklog
	}
	m.seq++
	r.Body = slices.Clone(r.Body)
	r.Created, r.NotBefore, r.Expires = milli(r.Created), milli(r.NotBefore), milli(r.Expires)
	a := &activity{Record: r, seq: m.seq, left: make(map[int64]delivery.Deferral, len(inboxes))}
	for _, url := range inboxes {
		a.left[m.intern(url, r.Created)] = delivery.Deferral{}
	}
	a.status = delivery.Status{ID: r.ID, Seq: a.seq, Targets: len(a.left), Created: r.Created}
	m.ids[r.ID], m.seqs[a.seq] = a, a
	m.order = append(m.order, a.seq)
	m.targets += len(a.left)
	m.bytes += int64(len(r.Body))
	return delivery.Appended{Seq: a.seq, Targets: len(a.left)}, nil
}

func (m *memory) intern(url string, now time.Time) int64 {
	b := m.inboxes[url]
	if b == nil {
		m.lastBox++
		b = &inbox{id: m.lastBox, url: strings.Clone(url)}
		m.inboxes[b.url], m.urls[b.id] = b, b
	}
	if now.After(b.used) {
		b.used = now
	}
	return b.id
}

func (m *memory) Load(ctx context.Context, epoch, after int64, limit int) ([]delivery.Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch != 0 && !m.current(epoch) {
		return nil, delivery.ErrLeaseLost
	}
	var page []delivery.Pending
	first, _ := slices.BinarySearch(m.order, after+1)
	for _, seq := range m.order[first:] {
		a := m.seqs[seq]
		if a == nil {
			continue
		}
		p := delivery.Pending{Seq: seq, Record: a.Record, Targets: make([]delivery.Remaining, 0, len(a.left))}
		p.Body = nil
		for id, d := range a.left {
			p.Targets = append(p.Targets, delivery.Remaining{
				Inbox: id, URL: m.urls[id].url, Attempts: d.Attempts, Next: d.Next, Status: d.Status, Err: d.Err,
			})
		}
		slices.SortFunc(p.Targets, func(a, b delivery.Remaining) int { return int(a.Inbox - b.Inbox) })
		page = append(page, p)
		if limit -= len(p.Targets); limit <= 0 {
			break
		}
	}
	return page, nil
}

func (m *memory) Body(ctx context.Context, seq int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.seqs[seq]
	if a == nil {
		return nil, delivery.ErrUnknown
	}
	return slices.Clone(a.Body), nil
}

func (m *memory) Flush(ctx context.Context, epoch int64, f delivery.Flush) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.current(epoch) {
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
	// Before the acks, which may finish a record that is then no longer here.
	for _, d := range f.Defers {
		if missing(d.Seq) {
			continue
		}
		if _, ok := m.seqs[d.Seq].left[d.Inbox]; ok {
			d.Next = milli(d.Next)
			m.seqs[d.Seq].left[d.Inbox] = d
		}
	}
	for _, ack := range f.Acks {
		if missing(ack.Seq) {
			continue
		}
		a := m.seqs[ack.Seq]
		n := 0
		for _, id := range ack.Done {
			if _, ok := a.left[id]; ok {
				delete(a.left, id)
				n++
			}
		}
		m.targets -= n
		a.status.Failed += min(ack.Failed, n)
		if len(a.left) == 0 {
			m.finish(a, f.Now)
		}
	}
	for _, h := range f.Hosts {
		if h.Failures == 0 {
			delete(m.hosts, h.Origin)
			continue
		}
		h.Since, h.Last, h.Next = milli(h.Since), milli(h.Last), milli(h.Next)
		m.hosts[h.Origin] = h
	}
	for _, d := range f.Dead {
		m.letters++
		d.ID, d.At = m.letters, milli(d.At)
		m.dead = append(m.dead, d)
	}
	if extra := len(m.dead) - f.MaxDead; f.MaxDead > 0 && extra > 0 {
		m.dead = slices.Clone(m.dead[extra:])
	}
	return ascending(gone), nil
}

// finish keeps of an activity only what Status tells.
func (m *memory) finish(a *activity, now time.Time) {
	m.bytes -= int64(len(a.Body))
	delete(m.seqs, a.seq)
	a.status.Finished = milli(now)
	a.Record, a.left = delivery.Record{}, nil
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
		c.Targets += len(a.left)
		m.targets -= len(a.left)
		a.status.Cancelled = len(a.left)
		m.finish(a, now)
	}
	return c, nil
}

func (m *memory) current(epoch int64) bool { return m.owner != "" && epoch == m.lease.Epoch }

func (m *memory) Lease(ctx context.Context, r delivery.LeaseRequest) (delivery.Lease, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Lease{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case r.Epoch != 0 && (!m.current(r.Epoch) || m.owner != r.Owner):
		return delivery.Lease{}, delivery.ErrLeaseLost
	case r.Epoch == 0 && m.owner != "" && m.owner != r.Owner && m.lease.Until.After(r.Now):
		return delivery.Lease{}, delivery.ErrLeaseHeld
	case r.Epoch == 0:
		m.lease.Epoch++
		m.owner = r.Owner
	}
	m.lease.Until = milli(r.Now.Add(r.TTL))
	return m.lease, nil
}

func (m *memory) Release(ctx context.Context, epoch int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current(epoch) {
		m.owner = ""
	}
	return nil
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
	s.Pending = len(a.left)
	for _, d := range a.left {
		if d.Attempts > 0 {
			s.Deferred++
		}
	}
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
		if h.Last.Before(f.Hosts) {
			delete(m.hosts, origin)
		}
	}
	m.dead = slices.DeleteFunc(m.dead, func(d delivery.DeadLetter) bool { return d.At.Before(f.Dead) })
	needed := make(map[int64]bool)
	for _, a := range m.seqs {
		for id := range a.left {
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

// milli cuts a time to what every store keeps.
func milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}
