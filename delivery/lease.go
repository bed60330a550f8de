package delivery

import (
	"context"
	"errors"
)

// renew takes the lease or keeps it.
func (w *worker) renew(ending bool) {
	if ending && !w.held {
		w.renewAt = w.now.Add(w.q.LeaseTTL)
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	lease, err := w.q.Store.Lease(ctx, LeaseRequest{Owner: w.q.Owner, Epoch: w.lease.Epoch, Now: w.now, TTL: w.q.LeaseTTL})
	switch {
	case errors.Is(err, ErrLeaseLost):
		w.lost()
		return
	case errors.Is(err, ErrLeaseHeld):
		w.ok()
	case err != nil:
		w.fail("lease", err)
		return
	case w.held:
		w.ok()
		w.lease = lease
	default:
		w.lease = lease
		if w.begin() {
			w.ok()
			w.held = true
			w.q.Logger.Info("delivery: begins", "owner", w.q.Owner, "epoch", lease.Epoch)
		} else { // the store has failed; a new lease of the same owner is granted at once
			w.lease = Lease{}
			return
		}
	}
	w.renewAt = w.now.Add(w.q.LeaseTTL / 3)
}

// begin reads what is known of hosts that fail.
func (w *worker) begin() bool {
	for after := ""; ; {
		ctx, cancel := context.WithTimeout(w.ctx, storeTime)
		page, err := w.q.Store.Hosts(ctx, after, 1000)
		cancel()
		if err != nil {
			w.reset()
			w.fail("hosts", err)
			return false
		}
		if len(page) == 0 {
			return true
		}
		for _, h := range page {
			l := &lane{HostState: h}
			w.lanes[h.Origin] = l
			if h.Next.After(w.now) {
				l.alarm = w.alarms.set(h.Next, l, nil)
			}
			after = h.Origin
		}
	}
}

// reset forgets everything that a lease allowed to know.
func (w *worker) reset() {
	w.term++
	w.lease, w.held = Lease{}, false
	w.after, w.more = 0, true
	w.records, w.boxes, w.lanes = make(map[int64]*record), make(map[int64]*box), make(map[string]*lane)
	w.rings = [classes][]*lane{}
	w.alarms = nil
	w.out = unflushed{}
}

// lost stops delivering because someone else does. What is under way comes to nothing
// here; the other will send it again, if it arrived or not.
func (w *worker) lost() {
	w.q.Logger.Warn("delivery: lease lost", "owner", w.q.Owner, "epoch", w.lease.Epoch, "in_flight", w.flying)
	w.reset()
	w.renewAt = w.now.Add(w.q.LeaseTTL / 3)
}
