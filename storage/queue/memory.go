// Package queue keeps a delivery queue in memory or in a SQLite file.
//
// [Memory] is for tests and for apps that can lose what is under way; [OpenSQLite] keeps
// it in a file of its own through database/sql and whichever driver the app has
// chosen. Both return a [delivery.Store].
//
// What an app must do in its own transaction is not there but in a table of its own
// database: see [OpenIntents].
package queue

import (
	"context"
	"fmt"
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
		ids: make(map[string]*activity), seqs: make(map[int64]*activity), keys: make(map[string][]*activity),
		inboxes: make(map[string]*inbox), urls: make(map[int64]*inbox), hosts: make(map[string]delivery.HostState),
		kept: make(map[int64]delivery.Record), watchers: make(map[*watcher]struct{}),
	}
}

type memory struct {
	mu      sync.Mutex
	seq     int64
	ids     map[string]*activity   // also of those that are finished and not forgotten
	seqs    map[int64]*activity    // of those that are not finished
	keys    map[string][]*activity // of those, by Seq
	order   []int64                // their Seqs, ascending; some may be finished by now
	inboxes map[string]*inbox
	urls    map[int64]*inbox
	lastBox int64
	hosts   map[string]delivery.HostState
	dead    []delivery.DeadLetter
	kept    map[int64]delivery.Record // of finished records, for dead letters
	letters int64                     // the last ID given
	nodes   []*node                   // by epoch
	epoch   int64                     // the last one given
	orders  []delivery.Order
	ordered int64 // the last ID of an order
	targets int
	bytes   int64

	watchers map[*watcher]struct{}
}

type activity struct {
	delivery.Record
	seq     int64
	targets []int64 // ascending
	done    []uint64
	left    int
	defers  map[int64]delivery.Deferral
	status  delivery.Status // but Pending and Deferred
}

func (a *activity) settled(i int) bool { return a.done[i/64]&(1<<(i%64)) != 0 }

// settle marks a target. It returns false if it is not one, or was settled.
func (a *activity) settle(id int64) bool {
	i, ok := slices.BinarySearch(a.targets, id)
	if !ok || a.settled(i) {
		return false
	}
	a.done[i/64] |= 1 << (i % 64)
	a.left--
	delete(a.defers, id)
	return true
}

// remaining returns the targets that are not settled.
func (a *activity) remaining() []int64 {
	ids := make([]int64, 0, a.left)
	for i, id := range a.targets {
		if !a.settled(i) {
			ids = append(ids, id)
		}
	}
	return ids
}

type inbox struct {
	id    int64
	url   string
	shard int
	used  time.Time
}

func (m *memory) Append(ctx context.Context, add delivery.Addition) (delivery.Appended, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Appended{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, max := add.Record, add.Max
	if a := m.ids[r.ID]; a != nil {
		return delivery.Appended{Seq: a.seq, Targets: a.status.Targets, Duplicate: true}, nil
	}
	ids := make([]int64, 0, len(add.Inboxes))
	for _, url := range add.Inboxes {
		ids = append(ids, m.intern(url, r.Created))
	}
	ids = ascending(ids)
	plan := m.supersede(add, ids)
	ids = plan.targets
	size := int64(bodySize(r.Bodies))
	if over(max.Targets, int64(m.targets+len(ids)-plan.cancelled)) || max.Bytes > 0 && m.bytes+size-plan.bytes > max.Bytes {
		return delivery.Appended{}, delivery.ErrBacklog
	}
	out := delivery.Appended{Targets: len(ids), Superseded: plan.cancelled}
	for _, c := range plan.drop {
		if m.cancel(c.a, c.ids, r.Created) {
			out.Cancelled = append(out.Cancelled, c.a.seq)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	out.Seq = m.insert(r, ids)
	return out, nil
}

func over(max int, n int64) bool { return max > 0 && n > int64(max) }

// insert adds a record.
func (m *memory) insert(r delivery.Record, ids []int64) int64 {
	m.seq++
	r.Bodies = cloneBodies(r.Bodies)
	r.Created, r.NotBefore, r.Expires = milli(r.Created), milli(r.NotBefore), milli(r.Expires)
	a := &activity{Record: r, seq: m.seq, targets: ids, done: make([]uint64, (len(ids)+63)/64), left: len(ids)}
	a.status = delivery.Status{ID: r.ID, Seq: a.seq, Targets: len(ids), Created: r.Created}
	m.ids[r.ID], m.seqs[a.seq] = a, a
	if r.Key != "" {
		m.keys[r.Key] = append(m.keys[r.Key], a)
	}
	m.order = append(m.order, a.seq)
	m.targets += len(ids)
	m.bytes += int64(bodySize(r.Bodies))
	m.tell()
	return a.seq
}

// superseding is what an addition does to earlier records.
type superseding struct {
	targets   []int64 // of the addition
	cancelled int
	bytes     int64 // of records of which nothing is left
	drop      []struct {
		a   *activity
		ids []int64
	}
}

func (m *memory) supersede(add delivery.Addition, ids []int64) superseding {
	s := superseding{targets: ids}
	sure := m.sure(add)
	if add.Supersedes == delivery.SupersedeNothing {
		return s
	}
	for _, a := range m.keys[add.Key] {
		left := a.remaining()
		drop := left
		switch {
		case add.Supersedes == delivery.SupersedeAll:
			switch {
			case a.NotBefore.After(add.Created):
			case a.Supersedes == delivery.SupersedeAll: // what it was to delete may be wherever it did not come yet
				s.targets = append(s.targets, a.targets...)
			default:
				var deferred []int64
				for id := range a.defers {
					deferred = append(deferred, id)
				}
				s.targets = append(s.targets, inherited(a.targets, left, deferred, m.outside(left, sure), add.Tried, a.seq)...)
			}
		case a.Supersedes == delivery.SupersedeUpdates:
			drop = common(left, ids)
		default:
			continue
		}
		if len(drop) == 0 {
			continue
		}
		s.cancelled += len(drop)
		if len(drop) == len(left) {
			s.bytes += int64(bodySize(a.Bodies))
		}
		s.drop = append(s.drop, struct {
			a   *activity
			ids []int64
		}{a, drop})
	}
	s.targets = ascending(s.targets)
	return s
}

// inherited returns to which targets of a record a Delete must go: those that are
// settled, those that were put off, and those that were tried, or may have been: tried does not know of those in unsure.
func inherited(targets, left, deferred, unsure []int64, tried map[int64][]int64, seq int64) []int64 {
	known, named := tried[seq]
	if !named {
		return targets
	}
	return slices.Concat(without(targets, left), deferred, common(targets, ascending(known)), unsure)
}

// sure returns the shards for which an addition's Tried holds.
func (m *memory) sure(add delivery.Addition) delivery.Shards {
	if n := m.current(add.Epoch); n != nil {
		return add.Sure.Both(n.shards)
	}
	return 0
}

// outside returns those inboxes that are in none of the shards.
func (m *memory) outside(ids []int64, shards delivery.Shards) (out []int64) {
	for _, id := range ids {
		if b := m.urls[id]; b == nil || !shards.Has(b.shard) {
			out = append(out, id)
		}
	}
	return out
}

// cancel settles targets of a record; true if none is left.
func (m *memory) cancel(a *activity, ids []int64, now time.Time) bool {
	for _, id := range ids {
		if a.settle(id) {
			a.status.Cancelled++
			m.targets--
		}
	}
	if a.left > 0 {
		return false
	}
	if a.NotBefore.After(now) {
		delete(m.ids, a.ID) // nothing was to be known of it yet
	}
	m.finish(a, now)
	return true
}

func (m *memory) intern(url string, now time.Time) int64 {
	b := m.inboxes[url]
	if b == nil {
		m.lastBox++
		b = &inbox{id: m.lastBox, url: strings.Clone(url), shard: delivery.ShardOf(url)}
		m.inboxes[b.url], m.urls[b.id] = b, b
	}
	if now.After(b.used) {
		b.used = now
	}
	return b.id
}

func (m *memory) Load(ctx context.Context, q delivery.Query) (delivery.Page, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Epoch != 0 && m.current(q.Epoch) == nil {
		return delivery.Page{}, delivery.ErrLeaseLost
	}
	page := delivery.Page{Through: q.After}
	first, _ := slices.BinarySearch(m.order, q.After+1)
	looked := 0
	for _, seq := range m.order[first:] {
		a := m.seqs[seq]
		if a == nil {
			continue
		}
		if q.Through > 0 && seq > q.Through {
			break
		}
		if looked >= max(q.Limit, 1) {
			page.More = true
			break
		}
		page.Through = seq
		looked += len(a.targets)
		p := delivery.Pending{Seq: seq, Record: a.Record, Total: a.status.Targets, Left: a.left, Targets: a.remaining()}
		p.Bodies = delivery.Bodies{}
		if q.Only != nil {
			p.Targets = common(p.Targets, q.Only)
		}
		if q.Shards != 0 {
			p.Targets = without(p.Targets, m.outside(p.Targets, q.Shards))
		}
		if len(p.Targets) == 0 {
			continue
		}
		for _, d := range a.defers {
			if _, ok := slices.BinarySearch(p.Targets, d.Inbox); ok {
				p.Deferred = append(p.Deferred, d)
			}
		}
		slices.SortFunc(p.Deferred, func(a, b delivery.Deferral) int { return int(a.Inbox - b.Inbox) })
		page.Records = append(page.Records, p)
	}
	return page, nil
}

func (m *memory) URLs(ctx context.Context, ids []int64) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	urls := make([]string, len(ids))
	for i, id := range ids {
		b := m.urls[id]
		if b == nil {
			return nil, fmt.Errorf("queue: inbox %d has no URL", id)
		}
		urls[i] = b.url
	}
	return urls, nil
}

func (m *memory) Body(ctx context.Context, seq int64) (delivery.Bodies, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Bodies{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.seqs[seq]
	if a == nil {
		return delivery.Bodies{}, delivery.ErrUnknown
	}
	return cloneBodies(a.Bodies), nil
}

func bodySize(b delivery.Bodies) int {
	n := len(b.Body)
	for _, o := range b.Other {
		n += len(o.Bytes)
	}
	return n
}

func cloneBodies(b delivery.Bodies) delivery.Bodies {
	b.Body, b.Other = slices.Clone(b.Body), slices.Clone(b.Other)
	for i := range b.Other {
		b.Other[i].Bytes = slices.Clone(b.Other[i].Bytes)
	}
	return b
}

// milli cuts a time to what every store keeps.
func milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// Volatile says that what this store holds ends with the process.
func (*memory) Volatile() {}
