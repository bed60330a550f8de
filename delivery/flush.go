package delivery

import (
	"context"
	"errors"
	"time"
)

// unflushed is what the store has not been told yet.
type unflushed struct {
	size   int       // of everything below
	since  time.Time // when the first of it came
	acks   map[int64]*Ack
	defers map[target]Deferral
	hosts  map[string]HostState
	dead   []DeadLetter
}

type target struct{ seq, inbox int64 }

// note counts something that is to be flushed.
func (u *unflushed) note(now time.Time) {
	if u.size == 0 {
		u.since = now
		u.acks, u.defers, u.hosts = make(map[int64]*Ack), make(map[target]Deferral), make(map[string]HostState)
	}
	u.size++
}

// ack notes that an item is settled.
func (w *worker) ack(it *item, failed bool) {
	w.out.note(w.now)
	a := w.out.acks[it.rec.Seq]
	if a == nil {
		a = &Ack{Seq: it.rec.Seq}
		w.out.acks[it.rec.Seq] = a
	}
	a.Done = append(a.Done, it.box.id)
	if failed {
		a.Failed++
	}
}

// deferral notes when an item is to be tried again.
func (w *worker) deferral(it *item, next time.Time, v verdict) {
	w.out.note(w.now)
	w.out.defers[target{it.rec.Seq, it.box.id}] = Deferral{
		Seq: it.rec.Seq, Inbox: it.box.id, Attempts: it.attempts, Next: next, Status: v.status, Err: v.text(),
	}
}

// host notes a lane's state.
func (w *worker) host(l *lane) {
	w.out.note(w.now)
	w.out.hosts[l.Origin] = l.HostState
}

// letter notes a dead letter. Only as many as will be kept are held.
func (w *worker) letter(it *item, v verdict) {
	w.out.note(w.now)
	if extra := len(w.out.dead) - 2*w.q.Policy.MaxDead; extra > 0 {
		w.out.dead = append([]DeadLetter(nil), w.out.dead[len(w.out.dead)-w.q.Policy.MaxDead:]...)
	}
	w.out.dead = append(w.out.dead, DeadLetter{
		Activity: it.rec.ID, Sender: it.rec.Sender, Key: it.rec.Key, Inbox: it.box.url,
		At: w.now, Attempts: it.attempts, Status: v.status, Err: v.text(),
	})
}

// flush tells the store. After an error everything is kept for the next time, unless
// the lease is lost.
func (w *worker) flush() error {
	if w.out.size == 0 || !w.held {
		return nil
	}
	f := Flush{Now: w.now, Dead: w.out.dead, MaxDead: w.q.Policy.MaxDead}
	for _, a := range w.out.acks {
		f.Acks = append(f.Acks, *a)
	}
	for _, d := range w.out.defers {
		f.Defers = append(f.Defers, d)
	}
	for _, h := range w.out.hosts {
		f.Hosts = append(f.Hosts, h)
	}
	ctx, cancel := context.WithTimeout(w.ctx, storeTime)
	defer cancel()
	gone, err := w.q.Store.Flush(ctx, w.lease.Epoch, f)
	switch {
	case errors.Is(err, ErrLeaseLost):
		w.lost()
		return err
	case err != nil:
		w.fail("flush", err)
		return err
	}
	w.ok()
	w.out = unflushed{}
	w.cancel(gone)
	return nil
}
