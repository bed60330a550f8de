package delivery

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"time"
)

const (
	pageSize = 10_000  // targets that one step loads
	scanSize = 200_000 // targets that one step looks at for a few lanes
)

// read reads a page of the log. ok is false if that failed, or the lease is lost.
func (w *worker) read(q Query) (page Page, ok bool) {
	w.mu.Lock()
	q.Epoch = w.lease.Epoch
	held := w.held
	w.mu.Unlock()
	if !held {
		return Page{}, false
	}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	page, err := w.q.Store.Load(ctx, q)
	return page, w.check("load", err)
}

// check says whether a call of the store has succeeded, and does what must be done if not.
func (w *worker) check(what string, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	switch {
	case errors.Is(err, ErrLeaseLost):
		w.lost()
	case err != nil:
		w.fail(what, err)
	default:
		w.trouble = 0
	}
	return err == nil
}

// name makes boxes for the inboxes in a page that have none.
func (w *worker) name(page Page) bool {
	var unknown []int64
	w.mu.Lock()
	for i := range page.Records {
		for _, id := range page.Records[i].Targets {
			if w.boxes.get(id) == nil {
				unknown = append(unknown, id)
			}
		}
	}
	w.mu.Unlock()
	if len(unknown) == 0 {
		return true
	}
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	urls, err := w.q.Store.URLs(ctx, unknown)
	if !w.check("urls", err) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, id := range unknown {
		if w.boxes.get(id) != nil {
			continue
		}
		// The store has only what Enqueue found to be a URL.
		origin, _, _ := originOf(urls[i])
		l := w.lane(origin)
		b := newBox(id, urls[i], l)
		l.boxes = append(l.boxes, b)
		w.boxes.put(b)
	}
	return true
}

// load reads the next page of new records.
func (w *worker) load() {
	w.mu.Lock()
	w.more, w.loading = false, true // what is enqueued from here on, the page may not have
	shards := w.reading()
	w.mu.Unlock()
	page, ok := w.read(Query{After: w.after, Limit: pageSize, Shards: shards})
	ok = ok && w.name(page)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loading = false
	if !ok || page.More {
		w.more = true
	}
	if !ok || !w.held {
		return
	}
	for _, p := range page.Records {
		w.enter(p, w.fresh)
	}
	w.replaced(page.Records)
	w.after = max(w.after, page.Through)
	if !page.More {
		// What was there when the shards became ours, others may have tried.
		w.fresh = w.fresh.With(shards)
	}
}

// enter puts the targets of a new record into their lanes. In the shards that are sure nobody else has tried it.
func (w *worker) enter(p Pending, sure Shards) {
	rec := w.known(p, sure)
	w.supersede(rec)
	heap.Push(&w.expiries, expiry{p.Expires, p.Seq})
	deferred := p.Deferred
	for _, id := range p.Targets {
		b := w.boxes.get(id)
		if b == nil {
			continue // name has made them all, and only run removes lanes
		}
		var d Deferral
		if len(deferred) > 0 && deferred[0].Inbox == id {
			d, deferred = deferred[0], deferred[1:]
		}
		w.add(b, rec, d)
	}
	if rec.refs == 0 {
		w.forgetRecord(rec)
	}
}

// add puts one target into its lane, unless the lane has enough.
func (w *worker) add(b *box, rec *record, d Deferral) {
	l := b.lane
	w.works(l)
	e := entry{rec: rec, box: b, attempts: uint16(d.Attempts)}
	if l.parked.zero() && l.size() >= l.most() {
		l.parked = e.place()
	}
	if !l.parked.zero() {
		l.behind++
		return
	}
	rec.refs++
	next := d.Next
	if rec.NotBefore.After(next) {
		next = rec.NotBefore
	}
	w.place(l, e, next)
	w.ready(l)
}

// supersede drops what a new record stands in for and is still in memory. The store has
// done so already; this process may not know.
func (w *worker) supersede(rec *record) {
	if rec.Supersedes == SupersedeAll {
		for _, old := range w.keys[rec.Key] {
			if old.Seq < rec.Seq {
				old.cancelled = true
				delete(w.out.acks, old.Seq)
			}
		}
	}
}

// replaced drops earlier updates from a lane in which an update of their key was put.
func (w *worker) replaced(page []Pending) {
	for _, p := range page {
		if p.Supersedes != SupersedeUpdates || len(w.keys[p.Key]) < 2 {
			continue
		}
		done := make(map[*lane]bool)
		for _, id := range p.Targets {
			b := w.boxes.get(id)
			if b == nil || done[b.lane] {
				continue
			}
			done[b.lane] = true
			for _, e := range w.sweep(b.lane, func(e entry) bool {
				if e.rec.Key != p.Key || e.rec.Seq >= p.Seq || e.rec.Supersedes != SupersedeUpdates {
					return false
				}
				_, also := slices.BinarySearch(p.Targets, e.box.id)
				return also
			}) {
				w.drop(e)
			}
			w.ready(b.lane)
		}
	}
}
