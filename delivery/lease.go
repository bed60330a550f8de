package delivery

import (
	"context"
	"errors"
	"time"
)

// renew takes the lease or keeps it.
func (w *worker) renew() {
	w.mu.Lock()
	held, epoch, now := w.held, w.lease.Epoch, w.now
	if w.ending && !held {
		w.renewAt = now.Add(w.q.LeaseTTL)
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	lease, err := w.q.Store.Lease(ctx, LeaseRequest{Owner: w.q.Owner, Epoch: epoch, Now: now, TTL: w.q.LeaseTTL})
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
	w.lease = lease
	w.mu.Unlock()
	if !held && !w.begin() {
		return // the store has failed; a new lease of the same owner is granted at once
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !held {
		w.held = true
		w.q.Logger.Info("delivery: begins", "owner", w.q.Owner, "epoch", lease.Epoch)
	}
	w.renewAt = w.now.Add(w.q.LeaseTTL / 3)
	w.kick()
}

// begin reads what is known of hosts.
func (w *worker) begin() bool {
	for after := ""; ; {
		ctx, cancel := context.WithTimeout(w.ctx, storeTime)
		page, err := w.q.Store.Hosts(ctx, after, 1000)
		cancel()
		if err != nil {
			w.mu.Lock()
			w.reset()
			w.mu.Unlock()
			return w.check("hosts", err)
		}
		if len(page) == 0 {
			return true
		}
		w.mu.Lock()
		for _, h := range page {
			l := w.lane(h.Origin)
			l.HostState = h
			if h.Next.After(w.now) {
				l.until = h.Next
				w.alarms.set(l, l.alarm())
			}
			after = h.Origin
		}
		w.mu.Unlock()
	}
}

// reset forgets everything that a lease allowed to know.
func (w *worker) reset() {
	w.term++
	w.lease, w.held = Lease{}, false
	w.after, w.begun, w.more, w.scan = 0, 0, true, nil
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
	w.mu.Unlock()
	if held {
		ctx, cancel := context.WithTimeout(w.ctx, storeTime)
		defer cancel()
		if e := w.q.Store.Release(ctx, epoch); e != nil {
			// It runs out by itself.
			w.q.Logger.Warn("delivery: lease not given back", "owner", w.q.Owner, "err", e)
		}
	}
	return err
}

// step's deadline for one call of the store.
const storeTime = 30 * time.Second
