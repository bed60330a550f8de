package delivery

import (
	"errors"
	"slices"
	"time"
)

// take does what came of a post.
func (w *worker) take(f *flight, v verdict) {
	w.flying--
	if f.slow {
		w.slowFlying--
	}
	w.landed(f.rec)
	defer w.follow(v)
	if f.term != w.term {
		return // of a lease that is lost
	}
	l, e := f.lane, f.entry
	if i := slices.Index(l.flying, f); i >= 0 {
		l.flying = slices.Delete(l.flying, i, i+1)
	}
	if l.lost.Load() { // its shard is another's
		w.drop(e)
		return
	}
	if l.away {
		if w.parting--; w.parting == 0 {
			w.renewAt = w.now
			w.nudge()
		}
	}
	if v.alive {
		l.took(w.now.Sub(f.began))
		w.alive(l, v)
	}
	if v.kind == paused && e.rec.expired {
		v.kind, v.err = dropped, ErrExpired
	}
	switch v.kind {
	case delivered, gone, dropped, dead:
		e.attempts++
		w.settle(e, v)
	case vanished:
		w.cancelled([]int64{e.rec.Seq})
		w.drop(e)
	case deferred:
		e.attempts++
		if e.rec.over(w.now) {
			w.expired(e)
			break
		}
		w.tried(&e)
		next := w.now.Add(v.wait)
		w.deferral(e, next, v)
		w.keep(l, e, next)
	case paused:
		if e.rec.cancelled {
			w.drop(e)
		} else {
			if !v.local {
				w.tried(&e)
			}
			w.keep(l, e, time.Time{})
		}
		w.pause(l, f, v)
	case aborted: // Run ends, or the lease may have run out
		if e.rec.cancelled {
			w.drop(e)
		} else {
			w.keep(l, e, time.Time{})
		}
	}
	w.refill(l)
	w.ready(l)
	w.tidy(l)
}

// follow makes run look after a post, unless that was like most: what it is to flush, run learns as it is noted.
func (w *worker) follow(v verdict) {
	if v.kind != delivered || w.flying == 0 || w.ending || len(w.wants) > 0 {
		w.nudge()
	}
}

// settle notes the end of an entry.
func (w *worker) settle(e entry, v verdict) {
	if e.tried {
		e.rec.tried = slices.DeleteFunc(e.rec.tried, func(id int64) bool { return id == e.box.id })
	}
	if !e.rec.cancelled {
		w.ack(e, v.kind != delivered)
		if v.kind == dead {
			w.letter(e, v)
		}
	}
	w.drop(e)
}

// expired settles an entry whose record expired while a post of it was under way; expire has left it out.
func (w *worker) expired(e entry) {
	if e.rec.cancelled {
		w.drop(e)
		return
	}
	w.bury([]entry{e}, verdict{kind: dropped, err: ErrExpired})
}

// tried remembers that a post was begun, for a Delete to come.
func (w *worker) tried(e *entry) {
	if !e.tried && e.rec.Key != "" {
		e.tried = true
		e.rec.tried = append(e.rec.tried, e.box.id)
	}
}

// keep puts an entry back into its lane, to be sent from next on.
func (w *worker) keep(l *lane, e entry, next time.Time) {
	if !l.parked.zero() && l.parked.before(e.place()) {
		// The lane was parked in front of it: it will be read again.
		w.drop(e)
		l.behind++
		return
	}
	w.place(l, e, next)
}

// place puts an entry into the line, or lets it rest until next.
func (w *worker) place(l *lane, e entry, next time.Time) {
	if next.After(w.now) {
		l.resting = append(l.resting, rest{e, next})
		if l.due.IsZero() || next.Before(l.due) {
			w.alarms.set(l, l.alarm())
		}
		return
	}
	l.push(e)
}

// ring does what an alarm was set for.
func (w *worker) ring(l *lane) {
	l.due = time.Time{}
	if !l.until.IsZero() && !l.until.After(w.now) {
		l.until = time.Time{}
	}
	for i := len(l.resting) - 1; i >= 0; i-- {
		if !l.resting[i].next.After(w.now) {
			l.push(l.wakeEntry(i))
		}
	}
	w.alarms.set(l, l.alarm())
	w.refill(l)
	w.ready(l)
	w.tidy(l)
}

// alive ends a lane's row of failures.
func (w *worker) alive(l *lane, v verdict) {
	switch {
	case !v.refused:
		l.grew(w.q.MaxWindow)
		if l.Refusals > 0 {
			l.Refusals = 0
			w.host(l)
		}
	case v.kind == dead:
		w.refused(l, v)
	}
	if l.Failures == 0 || l.Asked && !l.until.IsZero() {
		return
	}
	w.q.Logger.Info("delivery: host is back", "host", l.Origin, "failures", l.Failures)
	l.HostState = HostState{Origin: l.Origin, Held: l.Held, Refusals: l.Refusals}
	l.until = time.Time{}
	w.alarms.set(l, l.alarm())
	w.host(l)
}

// refused counts an activity that a host did not accept from us, and leaves the host alone
// after many.
func (w *worker) refused(l *lane, v verdict) {
	l.Refusals++
	if l.Refusals >= w.q.Policy.RefusedAfter {
		l.Last, l.Next, l.Status, l.Err = w.now, w.now.Add(w.q.Policy.RefusedDelay), v.status, v.text()
		w.rest(l, l.Next)
	}
	w.host(l)
	if l.Refusals != w.q.Policy.RefusedAfter {
		return
	}
	w.q.Logger.Warn("delivery: host refuses us", "host", l.Origin, "activities", l.Refusals, "status", v.status)
	if hook, host, ctx := w.q.OnRefused, l.authority, w.sending; hook != nil {
		w.flying++
		w.posters.Go(func() {
			if err := hook(ctx, host); err != nil {
				w.q.Logger.Warn("delivery: hook failed", "host", host, "error", err)
			}
			w.mu.Lock()
			w.flying--
			w.mu.Unlock()
			w.nudge()
		})
	}
}

// pause leaves a host alone after a failure, or gives it up.
func (w *worker) pause(l *lane, f *flight, v verdict) {
	if v.local {
		w.rest(l, w.now.Add(w.q.Policy.LocalWait))
		w.q.Logger.Warn("delivery: could not begin to post", "host", l.Origin, "error", v.err, "retry_in", w.q.Policy.LocalWait)
		return
	}
	// Posts that were under way together fail together: that is one failure.
	if l.Failures > 0 && f.began.Before(l.Last) {
		return
	}
	if v.busy {
		l.busy()
	} else {
		l.fell()
	}
	l.Failures++
	l.Last, l.Asked, l.Status, l.Err = w.now, v.asked, v.status, v.text()
	if v.counts && l.Since.IsZero() {
		l.Since = w.now
	}
	given := v.counts && w.now.Sub(l.Since) >= w.q.Policy.GiveUp
	wait := v.wait
	switch {
	case wait > 0:
	case given:
		wait = w.q.Policy.DeadDelay
	default:
		wait = w.q.Policy.HostDelay(l.Failures)
	}
	l.Next = w.now.Add(wait)
	w.rest(l, l.Next)
	w.host(l)
	w.q.Logger.Info("delivery: host fails", "host", l.Origin, "failures", l.Failures, v.cause(), "retry_in", wait)
	w.q.Logger.Debug("delivery: host fails", "host", l.Origin, "error", v.err)
	if given {
		n := l.line.len() + len(l.resting) + l.behind
		w.q.Logger.Warn("delivery: host given up", "host", l.Origin, "since", l.Since, "targets", n)
		w.condemn(l, verdict{kind: dead, status: v.status, err: errors.Join(ErrGivenUp, v.err)})
		return
	}
	w.park(l)
}

// rest leaves a lane alone until a time.
func (w *worker) rest(l *lane, until time.Time) {
	l.until = until
	w.alarms.set(l, l.alarm())
}
