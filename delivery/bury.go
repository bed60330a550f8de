package delivery

import (
	"container/heap"
	"slices"
	"time"
)

// condemn gives up all that waits for a lane, what is parked of it included.
func (w *worker) condemn(l *lane, v verdict) {
	all := w.sweep(l, func(entry) bool { return true })
	if !l.parked.zero() {
		l.doom = &v
		w.refill(l)
	}
	w.bury(all, v)
}

// sweep takes the entries for which yes is true out of a lane and returns them in order.
func (w *worker) sweep(l *lane, yes func(entry) bool) []entry {
	var out []entry
	take := func(e entry) bool {
		if yes(e) {
			out = append(out, e)
			return false
		}
		return true
	}
	l.line.keep(func(e entry) bool {
		if take(e) {
			return true
		}
		l.counts[e.rec.Class]--
		return false
	})
	l.resting = slices.DeleteFunc(l.resting, func(r rest) bool { return !take(r.entry) })
	w.alarms.set(l, l.alarm())
	slices.SortFunc(out, byPlace)
	return out
}

// bury tells OnDead of entries that are in no lane any more, then notes them. What is
// not buried when Run ends the store has still, and the next Run buries it.
func (w *worker) bury(entries []entry, v verdict) {
	entries = slices.DeleteFunc(entries, func(e entry) bool {
		if e.rec.cancelled {
			w.drop(e)
		}
		return e.rec.cancelled
	})
	if len(entries) == 0 {
		return
	}
	if w.q.OnDead == nil {
		w.buried(entries, v)
		return
	}
	w.graves = append(w.graves, grave{entries, v})
	w.dying += len(entries)
	if !w.burying {
		w.burying = true
		w.flying++
		w.posters.Go(w.sexton)
	}
}

// grave is entries that are to be buried, all for one reason.
type grave struct {
	entries []entry
	verdict
}

const maxDying = pageSize // entries that wait for OnDead; a scan for more waits

// sexton calls OnDead for one entry after the other, in a slot of its own.
func (w *worker) sexton() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.graves) > 0 && w.sending.Err() == nil {
		g, term := w.graves[0], w.term
		w.graves[0] = grave{}
		w.graves = w.graves[1:]
		w.mu.Unlock()
		n := 0
		for _, e := range g.entries {
			if w.sending.Err() != nil {
				break
			}
			p := post{q: w.q, rec: e.rec, box: e.box, host: e.box.lane.authority, attempts: int(e.attempts)}
			p.tell(w.sending, g.verdict)
			n++
		}
		w.mu.Lock()
		w.now = time.Now()
		if term == w.term {
			w.dying -= len(g.entries)
			w.buried(g.entries[:n], g.verdict)
		}
		w.nudge()
	}
	w.burying = false
	w.flying--
	w.nudge()
}

func (w *worker) buried(entries []entry, v verdict) {
	for _, e := range entries {
		if e.box.lane.lost.Load() {
			w.drop(e) // it is another's by now
			continue
		}
		w.settle(e, v)
		if w.q.OnDead == nil {
			w.q.Logger.Debug("delivery: gave up", "activity", e.rec.ID, "inbox", e.box.url, "error", v.err)
		}
		w.tidy(e.box.lane)
	}
}

// outlived returns the records that have expired, by Seq, and takes their entries out
// of the lanes' way: from now on, none of them is sent.
func (w *worker) outlived() []int64 {
	var seqs []int64
	for len(w.expiries) > 0 && !w.expiries[0].at.After(w.now) && len(seqs) < 100 {
		e := heap.Pop(&w.expiries).(expiry)
		if r := w.records[e.seq]; r != nil {
			r.expired = true
		}
		seqs = append(seqs, e.seq)
	}
	return seqs
}

// expire buries what remains of records that have expired, in lanes or parked.
func (w *worker) expire() {
	w.mu.Lock()
	seqs, shards := w.outlived(), w.lease.Shards
	w.mu.Unlock()
	if len(seqs) == 0 || w.flush() != nil {
		return
	}
	for _, seq := range seqs {
		page, ok := w.read(Query{After: seq - 1, Through: seq, Limit: 1, Shards: shards})
		if !ok || !w.name(page) {
			w.mu.Lock()
			heap.Push(&w.expiries, expiry{w.now, seq}) // another time
			w.mu.Unlock()
			continue
		}
		w.mu.Lock()
		if w.held && len(page.Records) == 1 && page.Records[0].Seq == seq {
			w.outlive(page.Records[0])
		}
		w.mu.Unlock()
	}
}

func (w *worker) outlive(p Pending) {
	rec := w.known(p, 0)
	rec.expired = true
	var old []entry
	n, settled := 0, w.settledAlready(p.Seq)
	for _, id := range p.Targets {
		b := w.boxes.get(id)
		if b == nil || settled[id] {
			continue
		}
		l := b.lane
		if slices.ContainsFunc(l.flying, func(f *flight) bool { return f.rec == rec && f.box == b }) {
			continue // its outcome decides
		}
		n++
		rec.refs++
		e := entry{rec: rec, box: b}
		if !l.parked.zero() && !e.place().before(l.parked) {
			l.behind = max(l.behind-1, 0)
		}
		old = append(old, e)
	}
	for _, d := range p.Deferred {
		if i := slices.IndexFunc(old, func(e entry) bool { return e.box.id == d.Inbox }); i >= 0 {
			old[i].attempts = uint16(d.Attempts)
		}
	}
	if n > 0 {
		w.q.Logger.Info("delivery: expired", "activity", rec.ID, "targets", n)
		w.count(func(s *Stats) { s.Expired += int64(n) })
	}
	// Entries of it in lanes are not sent any more; to take them out now would mean to go through all lanes.
	w.bury(old, verdict{kind: dropped, err: ErrExpired})
	if rec.refs == 0 {
		w.forgetRecord(rec)
	}
}
