package delivery

import (
	"context"
	"errors"
	"slices"
	"time"
)

// renew takes the lease or keeps it, gives up what others are to have, and begins with what is new.
func (w *worker) renew() {
	w.mu.Lock()
	if w.ending && !w.held {
		w.renewAt = w.now.Add(w.q.LeaseTTL)
		w.mu.Unlock()
		return
	}
	if w.leaving != 0 {
		w.part(w.leaving)
	}
	given := w.giving
	w.mu.Unlock()
	if given != 0 && w.flush() != nil {
		given = 0 // the lease is to be kept nevertheless, if it is not lost
	}
	w.mu.Lock()
	w.now = time.Now()
	now, r := w.now, LeaseRequest{Owner: w.q.Owner, Epoch: w.lease.Epoch, Now: w.now, TTL: w.q.LeaseTTL, Give: given}
	if w.ending {
		r.Give = given.With(AllShards.Without(w.lease.Shards.With(w.giving))) // no new ones
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	lease, err := w.q.Store.Lease(ctx, r)
	cancel()
	if errors.Is(err, ErrLeaseHeld) {
		w.check("lease", nil)
		w.mu.Lock()
		w.renewAt = w.now.Add(min(w.q.LeaseTTL/3, w.q.Poll))
		w.mu.Unlock()
		return
	}
	if !w.check("lease", err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.granted(lease, given, now)
}

// granted goes on with what a lease that was asked for at a time is for.
func (w *worker) granted(lease Lease, given Shards, asked time.Time) {
	if !w.held {
		w.held = true
		w.q.Logger.Info("delivery: begins", "owner", w.q.Owner, "epoch", lease.Epoch, "shards", lease.Shards.Len())
	}
	before := w.lease.Shards
	w.lease = lease
	w.giving = w.giving.Without(given)
	w.lease.Shards = lease.Shards.Without(w.giving)
	w.renewAt = w.now.Add(w.q.LeaseTTL / 3)
	if lease.Shards == 0 {
		w.renewAt = w.now.Add(min(w.q.LeaseTTL/3, w.q.Poll)) // someone may leave
	}
	w.close(asked)
	if w.lease.Shards != before {
		w.stats.LeaseChanges++
	}
	if gained := w.lease.Shards.Without(before); gained != 0 {
		for _, r := range w.records {
			r.sure = r.sure.Without(gained) // others may have tried it meanwhile
		}
		w.gains = append(w.gains, &gain{shards: gained})
	}
	if lost := before.Without(lease.Shards); lost != 0 {
		w.part(lost)
		w.giving = w.giving.Without(lost)
	}
	w.leave(lease.Surplus.Both(w.lease.Shards))
	w.kick()
}

// close says until when posts may begin under a lease that was asked for at a time: not to the last, because clocks differ.
func (w *worker) close(asked time.Time) {
	until := asked.Add(w.q.LeaseTTL - w.q.LeaseTTL/10)
	w.until.Store(&until)
}

// leased says whether posts may begin now, as far as the lease's time goes. It goes by two clocks: one stands still while
// the machine sleeps, the other may be set back. w.mu need not be held.
func (w *worker) leased(now time.Time) bool {
	until := w.until.Load()
	return until != nil && now.Before(*until) && now.Round(0).Before(until.Round(0))
}

// fence is what a post asks whether it may begin.
type fence struct {
	worker *worker
	lane   *lane
}

// barred says whether a post may not begin (any more). The worker's mu need not be held. It goes by the clock alone that
// a process which is stopped does not lose and that is cheap to read.
func (f fence) barred() bool {
	until := f.worker.until.Load()
	return until == nil || time.Until(*until) <= 0 || f.lane.lost.Load()
}

// leave lets nothing begin in the shards that others are to have. They are given up as soon as nothing is under way there, at
// the latest with the next renewal.
func (w *worker) leave(s Shards) {
	if s == 0 && w.leaving == 0 {
		return
	}
	w.leaving, w.parting = s, 0
	for _, l := range w.lanes {
		if l.away = s.Has(l.shard); l.away {
			w.parting += len(l.flying)
		} else {
			w.ready(l)
		}
	}
	if s != 0 && w.parting == 0 {
		w.renewAt = w.now
	}
}

// part forgets what is known of shards. What is under way there comes to nothing here.
func (w *worker) part(s Shards) {
	for _, l := range w.lanes {
		if s.Has(l.shard) {
			w.abandon(l)
		}
	}
	w.lease.Shards, w.fresh = w.lease.Shards.Without(s), w.fresh.Without(s)
	w.leaving, w.parting, w.giving = w.leaving.Without(s), 0, w.giving.With(s)
	for _, g := range w.gains {
		g.shards = g.shards.Without(s)
	}
	w.gains = slices.DeleteFunc(w.gains, func(g *gain) bool { return g.shards == 0 })
}

// abandon forgets a lane that is another's.
func (w *worker) abandon(l *lane) {
	l.lost.Store(true)
	for _, e := range w.sweep(l, func(entry) bool { return true }) {
		w.drop(e)
	}
	w.works(l)
	w.leaveScan(l)
	w.remove(l)
}

// knows says whether a shard is this process's and the states of its hosts are known.
func (w *worker) knows(shard int) bool {
	return w.held && w.lease.Shards.Has(shard) &&
		!slices.ContainsFunc(w.gains, func(g *gain) bool { return !g.known && g.shards.Has(shard) })
}

// reset forgets everything that a lease allowed to know.
func (w *worker) reset() {
	w.term++
	for _, l := range w.lanes {
		l.lost.Store(true)
	}
	w.until.Store(nil)
	w.lease, w.held = Lease{}, false
	w.leaving, w.parting, w.giving, w.gains, w.fresh = 0, 0, 0, nil, 0
	w.after, w.more, w.scan = 0, true, nil
	w.records, w.keys, w.boxes, w.lanes = make(map[int64]*record), make(map[string][]*record), make(boxes), make(map[string]*lane)
	w.wants, w.progress = make(map[*lane]struct{}), make(map[*record]struct{})
	w.rings, w.slowRings = [classes]ring{}, [classes]ring{}
	w.alarms, w.expiries, w.idle = nil, nil, nil
	w.loaded, w.loadedBytes = nil, 0
	w.graves, w.dying = nil, 0
	w.idleLanes = 0
	w.out = unflushed{}
}

// lost stops delivering because someone else does. What is under way comes to nothing
// here; the other will send it again, if it arrived or not.
func (w *worker) lost() {
	w.q.Logger.Warn("delivery: lease lost", "owner", w.q.Owner, "epoch", w.lease.Epoch, "in_flight", w.flying)
	w.reset()
	w.ceased()
	w.renewAt = w.now.Add(min(w.q.LeaseTTL/3, w.q.Poll))
}

// end records what is left to record and gives the lease back.
func (w *worker) end() error {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if !held {
		return nil
	}
	err := w.flush()
	w.mu.Lock()
	held, epoch := w.held, w.lease.Epoch
	w.held = false
	w.ceased()
	w.mu.Unlock()
	if held {
		ctx, cancel := context.WithTimeout(w.ctx, storeTime)
		defer cancel()
		if e := w.q.Store.Release(ctx, epoch); e != nil {
			// It runs out by itself.
			w.q.Logger.Warn("delivery: lease not given back", "owner", w.q.Owner, "error", e)
		}
	}
	return err
}

// step's deadline for one call of the store.
const storeTime = 30 * time.Second
