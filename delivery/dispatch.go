package delivery

import (
	"context"
	"errors"
	"time"
)

// turns shares slots between the classes where several have something to send.
var turns = [...]Class{
	Interactive, Normal, Interactive, Interactive, Normal, Interactive,
	Bulk, Interactive, Interactive, Normal, Interactive, Interactive,
}

// ready puts a lane into the rings of the classes of which it has something to send.
func (w *worker) ready(l *lane) {
	if l.sending != nil || l.rests() {
		return
	}
	for c := range l.lines {
		if l.lines[c].len() > 0 && !l.queued[c] {
			l.queued[c] = true
			w.rings[c] = append(w.rings[c], l)
		}
	}
}

// dispatch starts posts while there are slots.
func (w *worker) dispatch() {
	if w.retryAt.After(w.now) {
		return
	}
	// Whose lease has run out, perhaps while a call of the store took long, may not be
	// the only one to send. The next step renews it.
	if !time.Now().Before(w.lease.Until) {
		return
	}
	limit, reserve := w.q.MaxInFlight, w.q.MaxInFlight/10
	for w.flying < limit {
		first := turns[w.turn%len(turns)]
		order := [...]Class{first, Interactive, Normal, Bulk}
		tries := order[:]
		if w.flying >= limit-reserve {
			tries = order[1:2]
		}
		started := false
		for _, c := range tries {
			if l := w.takeLane(c); l != nil {
				w.next(l, c)
				started = true
				break
			}
		}
		if !started {
			return
		}
		w.turn++
	}
}

// takeLane returns the lane that has waited longest in a class, or nil.
func (w *worker) takeLane(c Class) *lane {
	for len(w.rings[c]) > 0 {
		l := w.rings[c][0]
		w.rings[c][0] = nil
		w.rings[c] = w.rings[c][1:]
		l.queued[c] = false
		if l.sending == nil && !l.rests() && l.lines[c].len() > 0 {
			return l
		}
	}
	w.rings[c] = nil
	return nil
}

// next sends the first item of a lane.
func (w *worker) next(l *lane, c Class) {
	it := l.lines[c].pop()
	if !it.rec.Expires.After(w.now) {
		l.lines[c].putBack(it)
		old := w.sweep(l, func(it *item) bool { return !it.rec.Expires.After(w.now) })
		w.bury(old, verdict{kind: dropped, err: ErrExpired})
		w.ready(l)
		return
	}
	l.sending, it.state = it, flying
	it.attempts++
	it.rec.flying++
	w.flying++
	p := post{q: w.q, rec: it.rec, url: it.box.url, attempts: it.attempts}
	term, ctx := w.term, w.sending
	go func() {
		v := p.send(ctx)
		w.results <- outcome{term: term, item: it, verdict: v}
	}()
}

// outcome is what a goroutine sends back: of one post, or of items that were buried.
type outcome struct {
	term int
	item *item
	verdict
	buried []*item
}

// take does what an outcome says.
func (w *worker) take(out outcome) {
	w.flying--
	if out.item != nil {
		if out.item.rec.flying--; out.item.rec.flying == 0 {
			out.item.rec.unload()
		}
	}
	if out.term != w.term {
		return // of a lease that is lost
	}
	if out.item == nil {
		for _, it := range out.buried {
			if it.rec.cancelled {
				continue
			}
			w.ack(it, true)
			if out.kind == dead {
				w.letter(it, out.verdict)
			}
		}
		return
	}
	it, l, v := out.item, out.item.box.lane, out.verdict
	l.sending = nil
	if v.alive {
		w.alive(l)
	}
	switch v.kind {
	case delivered, gone, dropped, dead:
		w.settle(l, it)
		if !it.rec.cancelled {
			w.ack(it, v.kind != delivered)
			if v.kind == dead {
				w.letter(it, v)
			}
		}
	case vanished:
		w.settle(l, it)
		w.cancel([]int64{it.rec.Seq})
	case deferred:
		if it.rec.cancelled {
			w.settle(l, it)
			break
		}
		next := w.now.Add(v.wait)
		w.deferral(it, next, v)
		w.place(l, it, next)
	case paused:
		it.attempts-- // it was the host's failure
		w.putBack(l, it)
		w.pause(l, v)
	case aborted: // Run ends
		w.putBack(l, it)
	}
	w.ready(l)
	w.tidy(l)
}

// putBack makes an item that was not sent the first of its line again.
func (w *worker) putBack(l *lane, it *item) {
	if it.rec.cancelled {
		w.settle(l, it)
		return
	}
	it.state = waiting
	l.lines[it.rec.Class].putBack(it)
}

// alive ends a lane's row of failures.
func (w *worker) alive(l *lane) {
	if l.Failures == 0 {
		return
	}
	w.q.Logger.Info("delivery: host is back", "host", l.Origin, "failures", l.Failures)
	l.HostState = HostState{Origin: l.Origin}
	w.host(l)
}

// pause leaves a host alone after a failure, or gives it up.
func (w *worker) pause(l *lane, v verdict) {
	if v.local {
		l.alarm = w.alarms.set(w.now.Add(localWait), l, nil)
		w.q.Logger.Warn("delivery: could not begin to post", "host", l.Origin, "err", v.err, "retry_in", localWait)
		return
	}
	l.Failures++
	l.Last, l.Asked, l.Status, l.Err = w.now, v.asked, v.status, v.text()
	if v.counts && l.Since.IsZero() {
		l.Since = w.now
	}
	wait := v.wait
	if wait <= 0 {
		wait = w.q.Policy.HostDelay(l.Failures)
	}
	l.Next = w.now.Add(wait)
	l.alarm = w.alarms.set(l.Next, l, nil)
	w.host(l)
	w.q.Logger.Info("delivery: host fails", "host", l.Origin, "failures", l.Failures, "status", v.status, "err", v.err, "retry_in", wait)

	// What nobody will read any more need not wait for the host to come back.
	w.bury(w.sweep(l, func(it *item) bool { return !it.rec.Expires.After(w.now) }), verdict{kind: dropped, err: ErrExpired})
	if v.counts && w.now.Sub(l.Since) >= w.q.Policy.GiveUp {
		all := w.sweep(l, func(*item) bool { return true })
		w.q.Logger.Warn("delivery: host given up", "host", l.Origin, "since", l.Since, "targets", len(all))
		w.bury(all, verdict{kind: dead, status: v.status, err: errors.Join(ErrGivenUp, v.err)})
	}
}

// bury tells OnDead of items that were swept out of a lane, then notes them.
func (w *worker) bury(items []*item, v verdict) {
	if len(items) == 0 {
		return
	}
	w.flying++
	term, ctx := w.term, w.sending
	go func() {
		n := 0
		for _, it := range items {
			if ctx.Err() != nil {
				break // the store has them still; the next Run buries the rest
			}
			p := post{q: w.q, rec: it.rec, url: it.box.url, attempts: it.attempts}
			p.tell(ctx, v, 0)
			n++
		}
		w.results <- outcome{term: term, verdict: v, buried: items[:n]}
	}()
}

// age is for how long a record has waited.
func (r *record) age(now time.Time) time.Duration {
	from := r.Created
	if r.NotBefore.After(from) {
		from = r.NotBefore
	}
	return now.Sub(from)
}

// tell calls the hook that a verdict is for.
func (p post) tell(ctx context.Context, v verdict, took time.Duration) {
	var hook func(context.Context, *Event) error
	switch v.kind {
	case delivered:
		hook = p.q.OnDelivered
	case gone:
		hook = p.q.OnGone
	case dead, dropped:
		hook = p.q.OnDead
	}
	if v.kind != delivered && v.kind != deferred && v.kind != paused {
		p.q.Logger.Info("delivery: gave up", "activity", p.rec.ID, "inbox", p.url, "status", v.status, "err", v.err)
	}
	if hook == nil {
		return
	}
	_, host, _ := originOf(p.url)
	err := hook(ctx, &Event{
		Activity: p.rec.ID, Sender: p.rec.Sender, Key: p.rec.Key, Inbox: p.url, Host: host,
		Attempts: p.attempts, Status: v.status, Err: v.error(p.url), Took: took,
	})
	if err != nil {
		p.q.Logger.Warn("delivery: hook failed", "activity", p.rec.ID, "inbox", p.url, "err", err)
	}
}
