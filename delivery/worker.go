package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	flushEvery = 100 * time.Millisecond // after this much time
	flushAt    = 256                    // or this many settled targets
	pageSize   = 10_000                 // targets that one step loads
	storeTime  = 30 * time.Second       // for one call of the store
	sweepEvery = time.Hour              // for forgetting
	wakeEvery  = time.Minute            // per host
	maxTrouble = 30 * time.Second       // between two tries of a store that fails
)

// worker is one Run. All of it belongs to one goroutine; posts are made by others,
// which send their outcome to results.
type worker struct {
	q       *Queue
	ctx     context.Context // of store calls; it outlives Run's
	sending context.Context // of posts
	results chan outcome
	now     time.Time // of this step

	lease   Lease
	held    bool
	term    int       // counts leases, to know outcomes of an earlier one
	renewAt time.Time // or take the lease, if it isn't held

	after    int64 // Seq up to which records are loaded
	more     bool  // there is more to load
	heard    bool  // and Wake was called
	pollAt   time.Time
	forgetAt time.Time

	trouble time.Duration // waited last after the store had failed; 0: it works
	retryAt time.Time     // until then it is left alone

	records map[int64]*record
	boxes   map[int64]*box
	lanes   map[string]*lane
	rings   [classes][]*lane // lanes that may have something to send; checked when taken out
	turn    int
	alarms  alarms
	flying  int // goroutines under way
	out     unflushed
}

// Run delivers until ctx ends. Then it starts nothing more, gives posts under way
// Config.Grace to end, records what became of them and gives the lease back; it returns
// when its goroutines are gone. The error is nil unless that last record failed, after
// which some targets may be posted to again, or ErrRunning.
//
// While another process has the lease, or the Store fails, Run waits and tries again.
func (q *Queue) Run(ctx context.Context) error {
	done := make(chan struct{})
	q.mu.Lock()
	if q.done != nil {
		q.mu.Unlock()
		return fmt.Errorf("delivery: run: %w", ErrRunning)
	}
	q.done = done
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.done = nil
		clear(q.wakes)
		q.mu.Unlock()
		close(done)
	}()

	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	w := &worker{
		q: q, ctx: context.WithoutCancel(ctx), sending: sending,
		results: make(chan outcome, q.MaxInFlight),
	}
	w.reset()
	return w.run(ctx, stopSending)
}

// run is the loop.
func (w *worker) run(ctx context.Context, stopSending func()) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var grace <-chan time.Time
	ended, ending := ctx.Done(), false
	for {
		w.now = time.Now()
		if ending && w.flying == 0 {
			return w.end()
		}
		w.step(ending)
		timer.Reset(w.sleep(ending))
		select {
		case out := <-w.results:
			w.now = time.Now()
			w.take(out)
			for more := true; more && w.out.size < flushAt; { // as many as there are
				select {
				case out := <-w.results:
					w.take(out)
				default:
					more = false
				}
			}
		case <-w.q.signal:
			w.more, w.heard = true, true
		case fn := <-w.q.calls:
			w.now = time.Now()
			fn(w)
		case <-timer.C:
		case <-ended:
			ended, ending = nil, true
			t := time.NewTimer(w.q.Grace)
			defer t.Stop()
			grace = t.C
		case <-grace:
			stopSending()
		}
	}
}

// step does what is due. Nothing in it takes longer than a few calls of the store.
func (w *worker) step(ending bool) {
	if w.retryAt.After(w.now) {
		return
	}
	if !w.renewAt.After(w.now) {
		w.renew(ending)
	}
	if !w.held {
		return
	}
	if w.out.size >= flushAt || (w.out.size > 0 && w.now.Sub(w.out.since) >= flushEvery) {
		w.flush()
	}
	if ending || !w.held {
		return
	}
	if !w.pollAt.After(w.now) {
		w.more, w.pollAt = true, w.now.Add(w.q.Poll)
	}
	if w.more && !w.retryAt.After(w.now) {
		w.load()
	}
	if !w.forgetAt.After(w.now) && !w.retryAt.After(w.now) {
		w.forget()
	}
	for al := w.alarms.due(w.now); al != nil; al = w.alarms.due(w.now) {
		w.ring(al)
	}
	if w.heard {
		w.wake()
	}
	w.dispatch()
}

// sleep tells how long nothing will be due.
func (w *worker) sleep(ending bool) time.Duration {
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
		if w.out.size > 0 {
			sooner(w.out.since.Add(flushEvery))
		}
		if !ending {
			sooner(w.pollAt)
			sooner(w.forgetAt)
			if w.more {
				sooner(w.now)
			}
			if len(w.alarms) > 0 {
				sooner(w.alarms[0].at)
			}
		}
	}
	return max(next.Sub(w.now), 0)
}

// fail leaves a failing store alone for a while, longer each time.
func (w *worker) fail(what string, err error) {
	w.trouble = min(max(2*w.trouble, time.Second), maxTrouble)
	w.retryAt = w.now.Add(w.trouble)
	w.q.Logger.Error("delivery: store failed", "call", what, "err", err, "retry_in", w.trouble)
}

func (w *worker) ok() { w.trouble = 0 }

// load reads the next page of new records.
func (w *worker) load() {
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	page, err := w.q.Store.Load(ctx, w.lease.Epoch, w.after, pageSize)
	switch {
	case errors.Is(err, ErrLeaseLost):
		w.lost()
		return
	case err != nil:
		w.fail("load", err)
		return
	}
	w.ok()
	w.more = len(page) > 0
	for _, p := range page {
		w.after = p.Seq
		rec := &record{Pending: p, left: len(p.Targets)}
		rec.Targets = nil
		w.records[p.Seq] = rec
		for _, t := range p.Targets {
			b := w.boxes[t.Inbox]
			if b == nil {
				// The store has only what Enqueue found to be a URL.
				origin, _, _ := originOf(t.URL)
				b = &box{id: t.Inbox, url: t.URL, lane: w.lane(origin)}
				w.boxes[t.Inbox] = b
			}
			b.refs++
			next := t.Next
			if rec.NotBefore.After(next) {
				next = rec.NotBefore
			}
			w.add(b.lane, &item{rec: rec, box: b, attempts: t.Attempts}, next)
		}
	}
}

func (w *worker) lane(origin string) *lane {
	l := w.lanes[origin]
	if l == nil {
		l = &lane{HostState: HostState{Origin: origin}}
		w.lanes[origin] = l
	}
	return l
}

// tidy drops a lane that has nothing to send and nothing to remember.
func (w *worker) tidy(l *lane) {
	if l.size == 0 && l.sending == nil && l.Failures == 0 {
		delete(w.lanes, l.Origin)
	}
}

// ring does what an alarm was set for.
func (w *worker) ring(al *alarm) {
	l := al.lane
	if it := al.item; it != nil {
		delete(l.resting, it)
		it.alarm = nil
		w.place(l, it, time.Time{})
		return
	}
	l.alarm = nil
	w.ready(l)
}

// wake pulls forward the next try of hosts that were heard of.
func (w *worker) wake() {
	w.heard = false
	w.q.mu.Lock()
	heard := w.q.wakes
	if len(heard) == 0 {
		w.q.mu.Unlock()
		return
	}
	w.q.wakes = make(map[string]struct{})
	w.q.mu.Unlock()
	for host := range heard {
		for _, scheme := range []string{"https", "http"} {
			authority, _ := normalAuthority(scheme, host)
			l := w.lanes[scheme+"://"+authority]
			if l == nil || !l.rests() || l.Asked || w.now.Sub(l.woken) < wakeEvery {
				continue
			}
			l.woken = w.now
			w.alarms.stop(l.alarm)
			l.alarm = nil
			l.Next = w.now
			w.ready(l)
		}
	}
}

// forget drops what is too old, here and in the store.
func (w *worker) forget() {
	old := w.now.Add(-30 * day)
	f := Forget{Finished: w.now.Add(-remembered), Dead: w.now.Add(-w.q.Policy.KeepDead), Hosts: old, Inboxes: old}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	if err := w.q.Store.Forget(ctx, f); err != nil {
		w.fail("forget", err)
		return
	}
	w.forgetAt = w.now.Add(sweepEvery)
	for _, l := range w.lanes {
		if l.size == 0 && l.sending == nil && l.Last.Before(old) {
			w.alarms.stop(l.alarm)
			delete(w.lanes, l.Origin)
		}
	}
}

// cancel drops the items of records that the store no longer holds.
func (w *worker) cancel(seqs []int64) {
	any := false
	for _, seq := range seqs {
		if rec := w.records[seq]; rec != nil {
			rec.cancelled, any = true, true
		}
		delete(w.out.acks, seq)
	}
	if !any {
		return
	}
	for _, l := range w.lanes {
		w.sweep(l, func(it *item) bool { return it.rec.cancelled })
		w.tidy(l)
	}
}

// end records what is left to record and gives the lease back.
func (w *worker) end() error {
	if !w.held {
		return nil
	}
	w.retryAt = time.Time{}
	err := w.flush()
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	if w.held {
		if e := w.q.Store.Release(ctx, w.lease.Epoch); e != nil {
			// It runs out by itself.
			w.q.Logger.Warn("delivery: lease not given back", "owner", w.q.Owner, "err", e)
		}
	}
	if err != nil {
		return fmt.Errorf("delivery: run: last flush: %w", err)
	}
	return nil
}
