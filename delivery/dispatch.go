package delivery

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// turns shares slots between the classes where several have something to send.
var turns = [...]Class{
	Interactive, Normal, Interactive, Interactive, Normal, Interactive,
	Bulk, Interactive, Interactive, Normal, Interactive, Interactive,
}

// ring is lanes that may have something to send; that is checked when they are taken out.
type ring struct {
	lanes []*lane
	head  int
}

// maxRing is for how many lanes an empty ring keeps room.
const maxRing = 1 << 14

func (r *ring) push(l *lane) { r.lanes = append(r.lanes, l) }

func (r *ring) pop() *lane {
	if r.empty() {
		return nil
	}
	l := r.lanes[r.head]
	r.lanes[r.head] = nil
	switch r.head++; {
	case r.empty() && cap(r.lanes) > maxRing:
		r.lanes, r.head = nil, 0
	case r.empty():
		r.lanes, r.head = r.lanes[:0], 0
	case r.head > 1024 && r.head > len(r.lanes)/2:
		r.lanes, r.head = slices.Delete(r.lanes, 0, r.head), 0
	}
	return l
}

func (r *ring) empty() bool { return r.head == len(r.lanes) }

// slow says whether a lane belongs to the slow class, which has a quarter of the slots.
func (w *worker) slow(l *lane) bool { return l.suspect() || l.latency > w.q.Policy.SlowAfter }

// ready puts a lane into the rings of the classes of which it has something to send,
// and sees to it that someone looks.
func (w *worker) ready(l *lane) {
	if !l.sendable() {
		return
	}
	set := &w.rings
	if w.slow(l) {
		set = &w.slowRings
	}
	for c := range l.counts {
		if l.counts[c] > 0 && !l.queued[c] {
			l.queued[c] = true
			set[c].push(l)
		}
	}
	w.kick()
}

// kick starts one more poster if there is something to send. It starts the next one
// itself before it sends, so that there are as many as posts that take their time.
func (w *worker) kick() {
	if w.coming || w.flying >= w.q.MaxInFlight || !w.open() || !w.waiting() {
		return
	}
	w.coming = true
	w.posters.Add(1)
	go w.poster()
}

// open says whether posts may begin.
func (w *worker) open() bool {
	if !w.held || w.ending || w.retryAt.After(w.now) {
		return false
	}
	// After a crash, what is under way and what was not recorded goes again: both
	// together are bounded, though a record takes its time.
	if w.unrecorded() >= w.q.MaxInFlight+flushAt {
		return false
	}
	// Whose lease has run out, perhaps while a call of the store took long, may not be
	// the only one to send.
	return w.leased(w.now)
}

// unrecorded is how many posts would go again after a crash.
func (w *worker) unrecorded() int { return w.flying + w.out.settled + w.flushing }

func (w *worker) waiting() bool {
	urgent := w.urgentOnly()
	for c := range w.rings {
		if urgent && Class(c) != Interactive {
			continue
		}
		if !w.rings[c].empty() || w.slowFlying < w.q.MaxInFlight/4+1 && !w.slowRings[c].empty() {
			return true
		}
	}
	return false
}

// poster posts one entry after the other, until there is nothing to send.
func (w *worker) poster() {
	defer w.posters.Done()
	f, witness, blank := new(flight), &witness{w: w}, new(blank)
	w.mu.Lock()
	w.coming = false
	w.now = time.Now()
	for w.pick(f) {
		ctx := witness.begin(w.deadline())
		polite := w.polite(f)
		w.kick()
		p := post{q: w.q, fence: fence{w, f.lane}, rec: f.rec, box: f.box, blank: blank, host: f.lane.authority, attempts: int(f.attempts) + 1, probe: f.probe, began: w.now}
		w.mu.Unlock()
		if polite {
			runtime.Gosched()
		}
		v := p.send(ctx, w.sending)
		w.mu.Lock()
		w.now = time.Now()
		witness.end(v)
		w.take(f, v)
		*f = flight{}
	}
	w.mu.Unlock()
}

// deadline returns a context that ends Policy.Timeout from now. Posts that begin together share
// one: a timer for each would be a good part of what a post costs.
func (w *worker) deadline() context.Context {
	if grain := min(w.q.Policy.Timeout/100, maxGrain); w.timed == nil || w.now.Sub(w.timedAt) > grain {
		// An earlier one ends by itself; to cancel it now would end its posts.
		w.timed, w.stopTimed = context.WithTimeout(w.sending, w.q.Policy.Timeout)
		w.timedAt = w.now
	}
	return w.timed
}

// maxGrain is how exact Policy.Timeout is, at worst.
const maxGrain = 100 * time.Millisecond

// pick fills f with what is to be sent next, if there is anything and a slot for it.
func (w *worker) pick(f *flight) bool {
	for w.flying < w.q.MaxInFlight && w.open() {
		first := turns[w.turn%len(turns)]
		order := [...]Class{first, Interactive, Normal, Bulk}
		tries := order[:]
		if w.urgentOnly() {
			tries = order[1:2]
		}
		found := false
		for _, c := range tries {
			if w.rings[c].empty() && w.slowRings[c].empty() {
				continue
			}
			l := w.takeLane(c)
			if l == nil {
				continue
			}
			found = true
			if w.next(l, c, f) {
				w.turn++
				return true
			}
			break
		}
		if !found {
			return false
		}
	}
	return false
}

// takeLane returns the lane that has waited longest in a class, or nil. Slow ones get
// every fourth turn, and no more than their share of slots.
func (w *worker) takeLane(c Class) *lane {
	sets := [...]*ring{&w.rings[c], &w.slowRings[c]}
	if w.turn%4 == 3 {
		sets[0], sets[1] = sets[1], sets[0]
	}
	for _, set := range sets {
		if set == &w.slowRings[c] && w.slowFlying >= w.q.MaxInFlight/4+1 {
			continue
		}
		for l := set.pop(); l != nil; l = set.pop() {
			l.queued[c] = false
			if !l.sendable() || l.counts[c] == 0 {
				continue
			}
			if set == &w.rings[c] && w.slow(l) { // it became slow as it stood here
				w.ready(l)
				continue
			}
			return l
		}
	}
	return nil
}

// next takes an entry of a lane. It returns false if what there is is blocked or over.
func (w *worker) next(l *lane, c Class, f *flight) bool {
	for dropped := false; ; dropped = true {
		i := w.choose(l, c)
		if i < 0 {
			if dropped { // what they blocked in other classes may go
				w.ready(l)
			}
			return false
		}
		e := l.take(i)
		if e.rec.over(w.now) {
			w.drop(e) // it was cancelled, or expire buries it
			w.refill(l)
			if !l.sendable() {
				w.tidy(l)
				return false
			}
			continue
		}
		*f = flight{entry: e, lane: l, began: w.now, term: w.term, slow: w.slow(l), probe: l.suspect()}
		l.flying = append(l.flying, f)
		e.rec.flying++
		w.flying++
		if f.slow {
			w.slowFlying++
		}
		w.refill(l)
		w.ready(l)
		return true
	}
}
