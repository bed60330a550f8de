package delivery

import (
	"context"
	"errors"
	"time"
)

// unflushed is what the store has not been told yet.
type unflushed struct {
	size    int  // of everything below
	settled int  // of acks
	told    bool // run was told that it is time
	since   time.Time
	acks    map[int64]*Ack
	defers  map[place]Deferral
	hosts   map[string]HostState
	dead    []DeadLetter
	obeyed  []int64
}

// note counts something that is to be flushed.
func (u *unflushed) note(w *worker) {
	if u.size == 0 {
		u.since = w.now
		u.acks, u.defers, u.hosts = make(map[int64]*Ack), make(map[place]Deferral), make(map[string]HostState)
		w.nudge()
	}
	if u.size++; !u.told && w.full() {
		u.told = true
		w.nudge()
	}
}

// full says whether it is time to tell the store. What goes again after a crash is bounded by MaxInFlight and
// flushAt together: while little is under way, more may be told at once, which costs the store less.
func (w *worker) full() bool {
	return w.out.size >= flushAt && w.flying+w.out.size >= (w.q.MaxInFlight+flushAt)/4*3
}

// flushDue is when the store is told of what there is, full or not. The more it is told at once the less it writes.
func (w *worker) flushDue() time.Time {
	if w.flying == 0 {
		return w.out.since.Add(flushIdle)
	}
	return w.out.since.Add(flushEvery)
}

// ack notes that an entry is settled.
func (w *worker) ack(e entry, failed bool) {
	w.out.note(w)
	w.out.settled++
	a := w.out.acks[e.rec.Seq]
	if a == nil {
		a = &Ack{Seq: e.rec.Seq}
		w.out.acks[e.rec.Seq] = a
	}
	a.Done = append(a.Done, e.box.id)
	if failed {
		a.Failed++
	}
	e.rec.Left--
	if e.rec.Total > w.q.Policy.BulkAbove && w.q.OnProgress != nil {
		w.progress[e.rec] = struct{}{}
	}
}

// deferral notes when an entry is to be tried again.
func (w *worker) deferral(e entry, next time.Time, v verdict) {
	w.out.note(w)
	w.out.defers[e.place()] = Deferral{
		Seq: e.rec.Seq, Inbox: e.box.id, Attempts: int(e.attempts), Next: next, Status: v.status, Err: v.text(),
	}
}

// host notes a lane's state.
func (w *worker) host(l *lane) {
	w.out.note(w)
	w.out.hosts[l.Origin] = l.HostState
}

// letter notes a dead letter. Only as many as will be kept are held.
func (w *worker) letter(e entry, v verdict) {
	w.out.note(w)
	w.stats.Dead++
	if extra := len(w.out.dead) - 2*w.q.Policy.MaxDead; extra > 0 {
		w.out.dead = append([]DeadLetter(nil), w.out.dead[len(w.out.dead)-w.q.Policy.MaxDead:]...)
	}
	w.out.dead = append(w.out.dead, DeadLetter{
		Seq: e.rec.Seq, Activity: e.rec.ID, Sender: e.rec.Sender, Key: e.rec.Key, Inbox: e.box.url,
		At: w.now, Attempts: int(e.attempts), Status: v.status, Err: v.text(),
	})
}

// settledAlready returns which inboxes of a record are settled and not flushed.
func (w *worker) settledAlready(seq int64) map[int64]bool {
	settled := make(map[int64]bool)
	if a := w.out.acks[seq]; a != nil {
		for _, id := range a.Done {
			settled[id] = true
		}
	}
	return settled
}

// flush tells the store. After an error everything is kept for the next time, unless
// the lease is lost. w.mu must not be held.
func (w *worker) flush() error {
	w.flushMu.Lock()
	defer w.flushMu.Unlock()
	w.mu.Lock()
	if w.out.size == 0 || !w.held {
		w.mu.Unlock()
		return nil
	}
	u, epoch, term := w.out, w.lease.Epoch, w.term
	w.out, w.flushing = unflushed{}, u.settled
	f := Flush{Now: time.Now(), Dead: u.dead, Obeyed: u.obeyed, MaxDead: w.q.Policy.MaxDead, MaxBodies: w.q.Policy.DeadBodies}
	for _, a := range u.acks {
		f.Acks = append(f.Acks, *a)
	}
	for _, d := range u.defers {
		f.Defers = append(f.Defers, d)
	}
	for _, h := range u.hosts {
		f.Hosts = append(f.Hosts, h)
	}
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	gone, err := w.q.Store.Flush(ctx, epoch, f)
	cancel()

	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	w.flushing = 0
	if w.q.Observer != nil {
		w.q.Observer.Flushed(u.settled, w.now.Sub(f.Now), err)
	}
	switch {
	case term != w.term:
		return ErrLeaseLost
	case errors.Is(err, ErrLeaseLost):
		w.lost()
		return err
	case err != nil:
		w.takeBack(u)
		w.fail("flush", err)
		return err
	}
	w.trouble = 0
	w.cancelled(gone)
	w.kick()
	return nil
}

// takeBack puts together what could not be flushed and what came meanwhile.
func (w *worker) takeBack(u unflushed) {
	late := w.out
	w.out = u
	w.out.size += late.size
	w.out.settled += late.settled
	for seq, a := range late.acks {
		if first := w.out.acks[seq]; first != nil {
			first.Done = append(first.Done, a.Done...)
			first.Failed += a.Failed
		} else {
			w.out.acks[seq] = a
		}
	}
	for p, d := range late.defers {
		w.out.defers[p] = d
	}
	for o, h := range late.hosts {
		w.out.hosts[o] = h
	}
	w.out.dead = append(w.out.dead, late.dead...)
	w.out.obeyed = append(w.out.obeyed, late.obeyed...)
}

// cancelled marks records that the store no longer holds. Their entries are dropped
// when they are come across.
func (w *worker) cancelled(seqs []int64) {
	for _, seq := range seqs {
		if rec := w.records[seq]; rec != nil {
			rec.cancelled = true
		}
		delete(w.out.acks, seq)
	}
}
