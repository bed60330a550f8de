package delivery

import (
	"context"
	"fmt"
	"time"
)

// order does something with the lanes of a host, or has it done by whoever delivers to it.
func (q *Queue) order(ctx context.Context, do, host string) error {
	w := q.running()
	var elsewhere []Order
	now, found := time.Now(), false
	for _, scheme := range []string{"http", "https"} {
		authority, ok := normalAuthority(scheme, host)
		if !ok {
			return fmt.Errorf("delivery: %s: host %.200q: %w", do, host, ErrInvalid)
		}
		o := Order{Shard: shardOf(authority), Do: do, Origin: scheme + "://" + authority, At: now}
		here, done := false, false
		if w != nil {
			here, done = w.order(o, scheme == "https" && !found)
		}
		found = found || done
		if !here {
			elsewhere = append(elsewhere, o)
		}
	}
	if len(elsewhere) == 0 {
		return nil
	}
	st, ok := q.Store.(OrderBook)
	if !ok {
		return fmt.Errorf("delivery: %s %.200s: %w", do, host, ErrNotRunning)
	}
	for _, o := range elsewhere {
		if err := st.Order(ctx, o); err != nil {
			return fmt.Errorf("delivery: %s %.200s: %w", do, host, err)
		}
	}
	return nil
}

// order carries out what an operator has ordered here, if the shard is this process's.
func (w *worker) order(o Order, create bool) (here, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.knows(o.Shard) {
		return false, false
	}
	w.now = time.Now()
	done = w.carryOut(o, create)
	w.nudge()
	return true, done
}

// carryOut returns whether there is a lane, which for a pause may be made.
func (w *worker) carryOut(o Order, create bool) bool {
	if o.Do == OrderReread {
		w.reread(o.Shard)
		return true
	}
	l := w.lanes[o.Origin]
	if l == nil && create && o.Do == OrderPause {
		l = w.lane(o.Origin)
	}
	if l == nil {
		return false
	}
	switch o.Do {
	case OrderPause:
		l.Held = true
		w.alarms.set(l, time.Time{})
		w.park(l)
		w.host(l)
	case OrderResume:
		l.Held = false
		w.host(l)
		w.alarms.set(l, l.alarm())
		w.refill(l)
		w.ready(l)
		w.tidy(l)
	case OrderWake:
		w.wake(l)
	case OrderRetry:
		for i := len(l.resting) - 1; i >= 0; i-- {
			if !l.resting[i].rec.NotBefore.After(w.now) {
				l.push(l.wakeEntry(i))
			}
		}
		w.tryNow(l)
	case OrderForget:
		l.HostState = HostState{Origin: l.Origin}
		l.until, l.latency, l.window = time.Time{}, 0, 1
		w.host(l)
		w.condemn(l, verdict{kind: dropped, err: ErrForgotten})
		w.alarms.set(l, l.alarm())
		w.tidy(l)
	}
	return true
}

// reread has what waits in a shard read again, because targets of it were dropped elsewhere.
func (w *worker) reread(shard int) {
	for _, l := range w.lanes {
		if l.shard != shard {
			continue
		}
		all := w.sweep(l, func(entry) bool { return true })
		if len(all) > 0 {
			if from := all[0].place(); l.parked.zero() || from.before(l.parked) {
				l.parked = from
			}
			l.behind += len(all)
		}
		for _, e := range all {
			w.drop(e)
		}
		if !l.parked.zero() {
			w.leaveScan(l)
			w.wants[l] = struct{}{}
		}
	}
	w.nudge()
}

// obey carries out what was ordered by processes that do not have the shard. What is carried out is recorded together with what came of it.
func (w *worker) obey() {
	w.mu.Lock()
	w.orderly = false
	var shards Shards
	for s := range w.lease.Shards.All() {
		if w.knows(s) {
			shards |= Shard(s)
		}
	}
	w.mu.Unlock()
	st, ok := w.q.Store.(OrderBook)
	if !ok || shards == 0 || w.is(func() bool { return len(w.out.obeyed) > 0 }) && w.flush() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	orders, err := st.Orders(ctx, shards, 0, 1000)
	cancel()
	if !w.check("orders", err) || len(orders) == 0 {
		return
	}
	w.mu.Lock()
	for _, o := range orders {
		if w.knows(o.Shard) {
			w.carryOut(o, true)
			w.out.note(w)
			w.out.obeyed = append(w.out.obeyed, o.ID)
		}
	}
	w.orderly = len(orders) == 1000
	w.mu.Unlock()
	w.flush()
}
