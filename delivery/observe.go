package delivery

import (
	"context"
	"time"
)

// Observer is told what happens, for metrics. Its methods are called by many goroutines
// at once and must return at once; they must not call the Queue.
type Observer interface {
	// Posted is called after each post.
	Posted(Posted)
	// Flushed is called after the Store was told of settled targets, or was not.
	Flushed(settled int, took time.Duration, err error)
	// Measured is called about once a second by the process that delivers, and when it has ceased to.
	Measured(Stats)
}

// Tracer is what an [Observer] may be, too: it puts a trace of its own around each post of an activity that has a Trace.
type Tracer interface {
	// Posting is called as such a post begins, by many goroutines at once. It returns ctx, or one made of it, under which
	// Config.Allow, Config.Prepare and the RoundTripper are called, and what to call with what became of the post; nil: nothing is.
	Posting(ctx context.Context, p Posting) (context.Context, func(Posted))
}

// Posting tells of a post that begins.
type Posting struct {
	Activity, Trace, Host string
	Attempts              int // this one counted
}

// Posted tells of one post.
type Posted struct {
	Host     string
	Class    Class
	Verdict  string // "delivered", "deferred", "paused", "gone", "dead", "dropped", "vanished" or "aborted"
	Status   int    // of the answer; 0 if none came
	Attempts int
	Probe    bool          // to a host that had failed before
	Took     time.Duration // with Allow, Prepare and signing
	Stages   Stages        // of that, what is known
	Age      time.Duration // of the activity when the post began
	Err      error         // nil if delivered, vanished or aborted
}

// Stats is a look at a Queue. Counts are since Run began.
type Stats struct {
	InFlight     int // posts under way
	SlowInFlight int // of them, to hosts that are slow or have to prove that they are back
	Lanes        int // hosts that are known
	Failing      int // of them, left alone after failures
	Held         int // of them, by Pause
	Parked       int // of them, for which more waits than is in memory
	Unflushed    int // settled targets that the Store was not told of
	Expired      int64
	Dead         int64 // dead letters
	Shards       int   // of the lease: see [Leases]
	LeaseChanges int64 // how often shards came or went
	// Waiting is by Class how many targets are left of what is to be delivered. Beside other processes it is those of this one that are
	// in memory, without what waits for Parked hosts beyond that.
	Waiting [3]int
	Oldest  [3]time.Duration // by Class: for how long the oldest of what is in memory has waited
}

func (w *worker) measure() Stats {
	s := w.stats
	s.InFlight, s.SlowInFlight, s.Lanes, s.Unflushed = w.flying, w.slowFlying, len(w.lanes), w.out.settled+w.flushing
	for _, l := range w.lanes {
		switch {
		case l.Held:
			s.Held++
		case l.suspect():
			s.Failing++
		}
		if !l.parked.zero() {
			s.Parked++
		}
	}
	s.Shards = w.lease.Shards.Len()
	for _, r := range w.records {
		if !r.over(w.now) {
			if w.lease.Shards == AllShards {
				s.Waiting[r.Class] += r.Left
			} else {
				s.Waiting[r.Class] += r.refs
			}
			s.Oldest[r.Class] = max(s.Oldest[r.Class], r.age(w.now))
		}
	}
	return s
}

// ceased tells the Observer that nothing is delivered here any more: of what there was the counts remain.
func (w *worker) ceased() {
	w.stats.LeaseChanges++
	if w.q.Observer != nil {
		w.q.Observer.Measured(w.stats)
	}
}

func (w *worker) count(fn func(*Stats)) { fn(&w.stats) }

// Progress tells how far an activity with many targets is.
type Progress struct {
	Activity string
	Targets  int
	Left     int
}

// tellable says whether it is known how much is left of a record. Beside other processes the store knows, once it was told.
func (w *worker) tellable(r *record) bool {
	return w.lease.Shards == AllShards || w.out.acks[r.Seq] == nil
}

// tellProgress calls OnProgress.
func (w *worker) tellProgress() {
	if w.q.OnProgress == nil {
		return
	}
	var list []Progress
	w.mu.Lock()
	alone := w.lease.Shards == AllShards
	for r := range w.progress {
		if (r.Left > 0 || !alone) && w.now.Sub(r.told) < time.Second {
			continue
		}
		if !w.tellable(r) {
			continue
		}
		r.told = w.now
		delete(w.progress, r)
		list = append(list, Progress{r.ID, r.Total, r.Left})
	}
	w.mu.Unlock()
	for _, p := range list {
		if !alone {
			ctx, cancel := context.WithTimeout(w.ctx, storeTime)
			st, err := w.q.Store.Status(ctx, p.Activity)
			cancel()
			if err != nil {
				continue // it tells again when more is settled
			}
			p.Left = st.Pending
		}
		w.q.OnProgress(p)
	}
}
