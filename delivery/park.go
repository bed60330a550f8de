package delivery

import (
	"slices"
)

// park drops the entries that a lane which is left alone need not have in memory, and
// remembers from where on it must read them again.
func (w *worker) park(l *lane) {
	most := l.most()
	if l.line.len()+len(l.resting) <= most {
		return
	}
	w.leaveScan(l)
	all := slices.Clone(l.line.all())
	for _, r := range l.resting {
		all = append(all, r.entry)
	}
	slices.SortFunc(all, byPlace)
	from := all[most].place()
	if l.parked.zero() || from.before(l.parked) {
		l.parked = from
	}
	for _, e := range w.sweep(l, func(e entry) bool { return !e.place().before(from) }) {
		l.behind++
		w.drop(e)
	}
	l.line.entries = slices.Clip(slices.Clone(l.line.all()))
	l.line.head = 0
	l.resting = slices.Clip(l.resting)
}

// refill sees to it that a lane reads on if it has little left in memory.
func (w *worker) refill(l *lane) {
	if l.parked.zero() {
		return
	}
	n := l.line.len() + len(l.resting)
	switch {
	case l.doom != nil:
	case l.most() == maxEntries && n < refillBelow:
	case n == 0: // a lane that is left alone needs something to probe with
	default:
		return
	}
	if _, wanted := w.wants[l]; !wanted {
		w.wants[l] = struct{}{}
		w.nudge()
	}
}

// leaveScan lets the scan under way pass a lane: what it would find is not all that the lane misses.
func (w *worker) leaveScan(l *lane) {
	if w.scan != nil {
		delete(w.scan.lanes, l)
	}
}

// scan is a walk through the log for a few lanes.
type scan struct {
	lanes map[*lane]struct{}
	only  []int64 // their inboxes, ascending
	after int64
}

// rebuild reads on for the lanes that want it.
func (w *worker) rebuild() {
	if w.is(func() bool { return w.dying > maxDying }) {
		return
	}
	s := w.scanning()
	if s == nil {
		if !w.startScan() {
			return
		}
		if s = w.scanning(); s == nil {
			return
		}
	}
	page, ok := w.read(Query{After: s.after, Limit: scanSize, Only: s.only})
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.held || w.scan != s {
		return
	}
	doomed := make(map[*lane][]entry)
	for _, p := range page.Records {
		if p.Seq > w.after { // load brings it
			break
		}
		w.restock(s, p, doomed)
	}
	for l, entries := range doomed {
		w.bury(entries, *l.doom)
	}
	s.after = min(page.Through, w.after)
	end := !page.More || page.Through >= w.after
	for l := range s.lanes {
		if end {
			l.parked, l.behind, l.doom = place{}, 0, nil
			w.tidy(l)
		} else if p := (place{s.after + 1, 0}); l.parked.before(p) {
			l.parked = p
		}
	}
	if end || len(s.lanes) == 0 {
		w.scan = nil
	}
}

func (w *worker) scanning() *scan {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.scan
}

// startScan chooses lanes to read on for. What the store has not been told of them yet must
// not be read again: it is flushed before, and a lane that is just posting something
// from behind the place where it was parked waits until that is settled.
func (w *worker) startScan() bool {
	w.mu.Lock()
	s := &scan{lanes: make(map[*lane]struct{})}
	for l := range w.wants {
		if l.parked.zero() || w.lanes[l.Origin] != l {
			delete(w.wants, l)
			continue
		}
		if slices.ContainsFunc(w.gains, func(g *gain) bool { return g.shards.Has(l.shard) }) {
			continue // all of it is just being read
		}
		if slices.ContainsFunc(l.flying, func(f *flight) bool { return !f.place().before(l.parked) }) {
			continue
		}
		delete(w.wants, l)
		s.lanes[l] = struct{}{}
		if s.after == 0 || l.parked.seq-1 < s.after {
			s.after = l.parked.seq - 1
		}
		for _, b := range l.boxes {
			s.only = append(s.only, b.id)
		}
	}
	if len(s.lanes) > 0 {
		w.scan = s
	}
	w.mu.Unlock()
	if len(s.lanes) == 0 {
		return false
	}
	slices.Sort(s.only)
	if w.flush() == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.scan == s {
		w.scan = nil
		for l := range s.lanes {
			w.wants[l] = struct{}{}
		}
	}
	return false
}

// restock puts what a scan found into its lanes.
func (w *worker) restock(s *scan, p Pending, doomed map[*lane][]entry) {
	rec := w.known(p, 0)
	deferred := p.Deferred
	for _, id := range p.Targets {
		var d Deferral
		if len(deferred) > 0 && deferred[0].Inbox == id {
			d, deferred = deferred[0], deferred[1:]
		}
		b := w.boxes.get(id)
		if b == nil {
			continue
		}
		l := b.lane
		e := entry{rec: rec, box: b, attempts: uint16(d.Attempts)}
		if _, wanted := s.lanes[l]; !wanted || e.place().before(l.parked) {
			continue
		}
		if l.doom != nil {
			rec.refs++
			doomed[l] = append(doomed[l], e)
			continue
		}
		if l.size() >= l.most() {
			l.parked = e.place()
			delete(s.lanes, l)
			continue
		}
		l.behind = max(l.behind-1, 0)
		rec.refs++
		next := d.Next
		if rec.NotBefore.After(next) {
			next = rec.NotBefore
		}
		w.place(l, e, next)
		w.ready(l)
	}
	if rec.refs == 0 {
		w.forgetRecord(rec)
	}
}
