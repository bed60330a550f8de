package delivery

import (
	"slices"
	"sync/atomic"
	"time"
)

const (
	maxEntries    = 1000 // in memory for a lane that flows
	pausedEntries = 16   // and for one that is left alone
	refillBelow   = 250  // so few entries make a lane that flows read on
	lookPast      = 32   // entries whose keys are blocked before a lane is left for now
	idleLanes     = 16_384
)

// lane is all that waits for one origin. The worker's mu guards it.
type lane struct {
	HostState
	authority string
	shard     int
	boxes     []*box
	away      bool        // its shard is to be given up: nothing begins
	lost      atomic.Bool // it is another's, or may be: the worker has forgotten it

	line    line
	counts  [classes]int32 // entries of line by class
	resting []rest         // entries that wait for their own time
	flying  []*flight
	until   time.Time // the lane is left alone until then; zero: it isn't

	window  float64 // of posts at once
	goal    float64 // up to here the window doubles per round, beyond it grows by one
	latency time.Duration

	parked place    // from here on what waits is in the store alone; zero: all is here
	behind int      // how many targets that are, as far as it is known
	doom   *verdict // what becomes of what is still parked; nil: it is sent

	queued [classes]bool // it stands in the ring of that class
	due    time.Time     // of its alarm
	place  int           // in alarms; -1 outside
	woken  time.Time
	idle   int // its number in the worker's list of idle lanes; 0: it is not idle
}

// flight is a post under way.
type flight struct {
	entry
	lane  *lane
	began time.Time
	term  int
	slow  bool // it takes one of the slots of the slow class
	probe bool
}

// rests says whether nothing is sent for now.
func (l *lane) rests() bool { return !l.until.IsZero() || l.Held }

// suspect says whether the host has to prove that it is back.
func (l *lane) suspect() bool { return l.Failures > 0 }

// size is how many entries are in memory.
func (l *lane) size() int { return l.line.len() + len(l.resting) + len(l.flying) }

// most is how many may be.
func (l *lane) most() int {
	if l.rests() || l.suspect() {
		return pausedEntries
	}
	return maxEntries
}

// limit is how many posts may be under way. To a host that has to prove itself it is one.
func (l *lane) limit() int {
	if l.suspect() {
		return 1
	}
	return max(int(l.window), 1)
}

// sendable says whether a post may begin, if nothing is blocked.
func (l *lane) sendable() bool {
	return l.line.len() > 0 && len(l.flying) < l.limit() && !l.rests() && !l.away
}

// grew adjusts the window after a success: slow start, then one more per round.
func (l *lane) grew(most int) {
	if l.window < l.goal {
		l.window++
	} else {
		l.window += 1 / l.window
	}
	l.window = min(l.window, float64(most))
}

// busy halves the window: the host says that it has too much to do.
func (l *lane) busy() {
	l.window = max(l.window/2, 1)
	l.goal = l.window
}

// fell begins anew after a failure.
func (l *lane) fell() {
	l.goal = max(l.window/2, 2)
	l.window = 1
}

// took learns how long the host takes to answer.
func (l *lane) took(d time.Duration) {
	if l.latency == 0 {
		l.latency = d
		return
	}
	l.latency += (d - l.latency) / 4
}

// push adds an entry to the line.
func (l *lane) push(e entry) {
	l.line.insert(e)
	l.counts[e.rec.Class]++
}

// take removes entry i from the line.
func (l *lane) take(i int) entry {
	e := l.line.take(i)
	l.counts[e.rec.Class]--
	return e
}

// blocked says whether an earlier record of entry i's key is not settled.
func (w *worker) blocked(l *lane, i int) bool {
	e := l.line.at(i)
	if e.rec.Key == "" {
		return false
	}
	if len(w.frozen) > 0 && w.frozen[e.rec.Key] > 0 {
		return true
	}
	for j := range i {
		if o := l.line.at(j); o.rec != e.rec && o.rec.Key == e.rec.Key {
			return true
		}
	}
	for _, f := range l.flying {
		if f.rec.Key == e.rec.Key && f.rec.Seq < e.rec.Seq {
			return true
		}
	}
	for i := range l.resting {
		if o := &l.resting[i]; o.rec.Key == e.rec.Key && o.rec.Seq < e.rec.Seq {
			return true
		}
	}
	return false
}

// choose returns the index of the entry to be sent next for a class, or -1: the first
// that is not blocked; to a host that has to prove itself, the newest Interactive one,
// or else the oldest of all.
func (w *worker) choose(l *lane, c Class) int {
	if l.suspect() {
		if l.counts[Interactive] > 0 {
			for i := l.line.len() - 1; i >= 0; i-- {
				if l.line.at(i).rec.Class == Interactive && !w.blocked(l, i) {
					return i
				}
			}
		}
	}
	past := 0
	for i := 0; i < l.line.len() && past < lookPast; i++ {
		if l.line.at(i).rec.Class != c && !l.suspect() {
			continue
		}
		if !w.blocked(l, i) {
			return i
		}
		past++
	}
	return -1
}

// wakeEntry takes a resting entry out.
func (l *lane) wakeEntry(i int) entry {
	e := l.resting[i].entry
	l.resting = slices.Delete(l.resting, i, i+1)
	if len(l.resting) == 0 {
		l.resting = nil
	}
	return e
}

// alarm is when something in the lane is due.
func (l *lane) alarm() time.Time {
	if l.Held {
		return time.Time{}
	}
	if !l.until.IsZero() {
		return l.until
	}
	var at time.Time
	for i := range l.resting {
		if at.IsZero() || l.resting[i].next.Before(at) {
			at = l.resting[i].next
		}
	}
	return at
}

// lane finds or makes the lane of an origin.
func (w *worker) lane(origin string) *lane {
	l := w.lanes[origin]
	if l == nil {
		l = &lane{HostState: HostState{Origin: origin}, authority: authorityOf(origin), place: -1, window: 1, goal: float64(w.q.MaxWindow)}
		l.shard = shardOf(l.authority)
		l.away = w.leaving.Has(l.shard)
		w.lanes[origin] = l
	}
	return l
}

// tidy puts a lane that has nothing to send and nothing to remember among the idle ones,
// which are kept for what they know of their inboxes and of the host's speed. run removes the oldest.
func (w *worker) tidy(l *lane) {
	if l.idle != 0 || !l.spare() {
		return
	}
	w.idleLast++
	w.idleLanes++
	l.idle = w.idleLast
	w.idle = append(w.idle, idleLane{l, l.idle})
}

// idleLane is a lane that became idle. It has another number if it has worked since.
type idleLane struct {
	*lane
	number int
}

// works says that a lane is not idle any more.
func (w *worker) works(l *lane) {
	if l.idle != 0 {
		l.idle = 0
		w.idleLanes--
	}
}

// evict forgets the lanes that have been idle for longest, if there are too many.
func (w *worker) evict() {
	for w.idleLanes > idleLanes {
		old := w.idle[0]
		w.idle[0] = idleLane{}
		w.idle = w.idle[1:]
		if old.idle == old.number {
			w.works(old.lane)
			if old.spare() {
				w.remove(old.lane)
			}
		}
	}
	if len(w.idle) > 2*w.idleLanes+1024 {
		w.idle = slices.DeleteFunc(w.idle, func(i idleLane) bool { return i.idle != i.number })
	}
}

// spare says whether a lane could be forgotten.
func (l *lane) spare() bool { return l.size() == 0 && l.parked.zero() && l.nothing() }

// remove forgets a lane.
func (w *worker) remove(l *lane) {
	w.alarms.set(l, time.Time{})
	for _, b := range l.boxes {
		w.boxes.remove(b.id)
	}
	delete(w.lanes, l.Origin)
	delete(w.wants, l)
}
