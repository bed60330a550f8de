package delivery

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	flushEvery = 250 * time.Millisecond // after this much time,
	flushIdle  = 100 * time.Millisecond // or this much if nothing is under way,
	flushAt    = 256                    // or this many settled targets
	sweepEvery = time.Hour              // for forgetting
	gaugeEvery = time.Second            // for the Observer
	maxTrouble = 30 * time.Second       // between two tries of a store that fails
)

// worker is one Run. Its goroutine keeps time and calls the store; posters, one per post
// under way, take what is ready. mu guards all of it but the fields that run alone uses.
type worker struct {
	q       *Queue
	ctx     context.Context // of store calls; it outlives Run's
	sending context.Context // of posts
	signal  chan struct{}   // something for run to look at
	posters sync.WaitGroup
	flushMu sync.Mutex // one flush at a time; taken before mu

	mu     sync.Mutex
	now    time.Time // of this step
	ending bool
	drain  chan struct{} // closed by Drain

	lease   Lease // its Shards without those in giving
	held    bool
	until   atomic.Pointer[time.Time] // posts may begin before, by this machine's clocks
	term    int                       // counts leases, to know outcomes of an earlier one
	renewAt time.Time                 // or take the lease, if it isn't held
	leaving Shards                    // no post begins there: they are to be given up
	parting int                       // posts under way there
	giving  Shards                    // nothing is known of them any more; the store is to be told
	gains   []*gain                   // what is to be read before the log is followed there
	fresh   Shards                    // what is read from now on of these, nobody else has tried

	more     bool // there is more to load
	loading  bool // it is just being read
	pollAt   time.Time
	forgetAt time.Time
	gaugeAt  time.Time
	trouble  time.Duration // waited last after the store had failed; 0: it works
	retryAt  time.Time     // until then it is left alone
	after    int64         // Seq up to which records are loaded; run alone writes it
	scan     *scan
	heard    atomic.Bool // another process has appended something
	orderly  bool        // it is time to ask for orders

	records map[int64]*record
	keys    map[string][]*record // by ordering key
	frozen  map[string]int       // keys of which nothing is to begin
	boxes   boxes
	lanes   map[string]*lane
	wants   map[*lane]struct{} // lanes that are to read on
	idle    []idleLane         // lanes that only remember, oldest first; some may have work again
	loaded  []*record          // that have their bodies in memory while none of them flies

	rings, slowRings [classes]ring
	turn             int
	alarms           alarms
	expiries         expiries
	progress         map[*record]struct{}

	graves  []grave
	dying   int  // entries in them
	burying bool // the sexton is at work

	timed     context.Context // see deadline
	stopTimed context.CancelFunc
	timedAt   time.Time

	preparing           preparing
	coming              bool // a poster has been started and has not looked yet
	flying              int  // slots taken
	slowFlying          int
	flushing            int // acks in the flush under way
	loadedBytes         int
	idleLanes, idleLast int
	out                 unflushed
	stats               Stats
	headers             headers
}

// Run delivers until ctx ends. Then it starts nothing more, gives posts under way
// Config.Grace to end, records what became of them and gives the lease back; it returns
// when its goroutines are gone. The error is nil unless that last record failed, after
// which some targets may be posted to again, or ErrRunning.
//
// Processes that share a Store and run at the same time share out the hosts, if the Store can do that; otherwise one
// delivers and the others wait. While the Store fails, Run waits and tries again.
func (q *Queue) Run(ctx context.Context) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	w := &worker{
		q: q, ctx: context.WithoutCancel(ctx), sending: sending, signal: make(chan struct{}, 1),
		drain: make(chan struct{}), frozen: make(map[string]int), now: time.Now(),
	}
	w.reset()
	done := make(chan struct{})
	q.mu.Lock()
	if q.worker != nil {
		q.mu.Unlock()
		return fmt.Errorf("delivery: run: %w", ErrRunning)
	}
	q.worker, q.done = w, done
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.worker = nil
		q.mu.Unlock()
		close(done)
	}()

	var intents sync.WaitGroup
	if q.Intents != nil {
		reading, stop := context.WithCancel(ctx)
		defer stop()
		intents.Go(func() { q.expandAll(reading, w.drain) })
	}
	if st, ok := q.Store.(Watcher); ok {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			w.watch(watching, st)
		}()
		defer func() {
			stop()
			<-watched
		}()
	}
	err := w.run(ctx, stopSending)
	stopSending()
	intents.Wait()
	if err != nil {
		return fmt.Errorf("delivery: run: last flush: %w", err)
	}
	return nil
}

// run is the loop.
func (w *worker) run(ctx context.Context, stopSending func()) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	ended, drained := ctx.Done(), (<-chan struct{})(w.drain)
	grace := time.NewTimer(time.Hour)
	grace.Stop()
	defer grace.Stop()
	end := func() {
		ended, drained = nil, nil
		w.mu.Lock()
		w.ending = true
		w.mu.Unlock()
		grace.Reset(w.q.Grace)
	}
	for {
		w.mu.Lock()
		w.now = time.Now()
		over := w.ending && w.flying == 0
		w.mu.Unlock()
		if over {
			w.posters.Wait()
			w.mu.Lock()
			if w.preparing.timer != nil {
				w.preparing.timer.Stop()
			}
			w.mu.Unlock()
			return w.end()
		}
		w.step()
		timer.Reset(w.sleep())
		select {
		case <-w.signal:
		case <-timer.C:
		case <-ended:
			end()
		case <-drained:
			end()
		case <-grace.C:
			stopSending()
		}
	}
}

// nudge makes run look.
func (w *worker) nudge() {
	select {
	case w.signal <- struct{}{}:
	default: // it will look anyway
	}
}

// step does what is due. Nothing in it takes longer than a few calls of the store.
func (w *worker) step() {
	if w.is(func() bool { return w.retryAt.After(w.now) }) {
		return
	}
	if w.is(func() bool { return !w.renewAt.After(w.now) }) {
		w.renew()
	}
	if w.is(func() bool { return w.full() || w.out.size > 0 && !w.flushDue().After(w.now) }) {
		w.flush()
	}
	w.tellProgress()
	if !w.working() {
		return
	}
	if w.is(func() bool {
		if !w.pollAt.After(w.now) {
			w.more, w.orderly, w.pollAt = true, true, w.now.Add(w.q.Poll)
		}
		if w.heard.Swap(false) {
			w.more = true
		}
		return w.more && w.reading() != 0
	}) {
		w.load()
	}
	if w.working() && w.is(func() bool { return len(w.gains) > 0 }) {
		w.catchUp()
	}
	if w.working() && w.is(func() bool { return w.orderly }) {
		w.obey()
	}
	if w.working() && w.is(func() bool { return len(w.expiries) > 0 && !w.expiries[0].at.After(w.now) }) {
		w.expire()
	}
	if w.working() {
		w.rebuild()
	}
	if w.working() && w.is(func() bool { return !w.forgetAt.After(w.now) }) {
		w.forget()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := w.alarms.next(w.now); l != nil; l = w.alarms.next(w.now) {
		w.ring(l)
	}
	w.unload()
	w.evict()
	if w.q.Observer != nil && !w.gaugeAt.After(w.now) {
		w.gaugeAt = w.now.Add(gaugeEvery)
		w.q.Observer.Measured(w.measure())
	}
	w.kick()
}

// is evaluates a condition under the lock.
func (w *worker) is(cond func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cond()
}

// working says whether the store can be asked for more to do.
func (w *worker) working() bool {
	return w.is(func() bool { return w.held && !w.ending && !w.retryAt.After(w.now) })
}

// sleep tells how long nothing will be due.
func (w *worker) sleep() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	if w.retryAt.After(w.now) {
		return w.retryAt.Sub(w.now)
	}
	next := w.renewAt
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if w.held {
		switch {
		case w.full():
			sooner(w.now)
		case w.out.size > 0:
			sooner(w.flushDue())
		}
		for r := range w.progress {
			if w.tellable(r) {
				sooner(r.told.Add(time.Second))
			} // else after the next flush
		}
		if !w.ending {
			sooner(w.pollAt)
			sooner(w.forgetAt)
			if w.more && w.reading() != 0 || len(w.gains) > 0 || w.scan != nil && w.dying <= maxDying {
				sooner(w.now)
			}
			if len(w.alarms) > 0 {
				sooner(w.alarms[0].due)
			}
			if len(w.expiries) > 0 {
				sooner(w.expiries[0].at)
			}
			if len(w.loaded) > 0 {
				sooner(w.now.Add(bodyIdle))
			}
			if w.q.Observer != nil {
				sooner(w.gaugeAt)
			}
		}
	}
	return max(next.Sub(w.now), 0)
}

// fail leaves a failing store alone for a while, longer each time.
func (w *worker) fail(what string, err error) {
	w.trouble = min(max(2*w.trouble, time.Second), maxTrouble)
	w.retryAt = w.now.Add(w.trouble)
	w.q.Logger.Error("delivery: store failed", "call", what, "error", err, "retry_in", w.trouble)
}

// tryNow ends a lane's wait.
func (w *worker) tryNow(l *lane) {
	l.until, l.Next = time.Time{}, w.now
	w.alarms.set(l, l.alarm())
	w.refill(l)
	w.ready(l)
}

// forget drops what is too old, here and in the store.
func (w *worker) forget() {
	w.mu.Lock()
	now := w.now
	w.mu.Unlock()
	old := now.Add(-30 * day)
	f := Forget{Finished: now.Add(-remembered), Dead: now.Add(-w.q.Policy.KeepDead), Hosts: old, Inboxes: old}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	if !w.check("forget", w.q.Store.Forget(ctx, f)) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgetAt = w.now.Add(sweepEvery)
	for _, l := range w.lanes {
		if l.size() == 0 && l.parked.zero() && !l.Held && l.idle == 0 && l.Last.Before(old) {
			w.remove(l)
		}
	}
}
