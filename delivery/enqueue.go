package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Enqueue adds a for all targets in to, folded so that no URL is posted to twice.
//
// With a nil into, the activity is durable when Enqueue returns nil or a *[TargetError],
// which names the malformed targets that were left out. Otherwise nothing was added:
// ErrInvalid says that a can't be queued, ErrBacklog that too much waits. Many targets
// are added in short transactions, of which the last makes them count.
//
// With an Appender, which writes in a transaction of the app, one row is written there and nothing
// else is done: targets are folded, asked about and counted when Run expands the
// row after the commit. Then a backlog makes it wait; what is malformed is logged.
func (q *Queue) Enqueue(ctx context.Context, into Appender, a Activity, to iter.Seq[Target]) (Receipt, error) {
	r, err := a.record(time.Now(), q.Policy.Lifetime, q.MaxBody)
	if err != nil {
		return Receipt{}, err
	}
	if into != nil {
		return Receipt{}, q.intend(ctx, into, a, to)
	}
	return q.add(ctx, r, a.Except, q.resolve(ctx, a.Sender, to))
}

// add folds targets and appends a record.
func (q *Queue) add(ctx context.Context, r Record, except []string, to iter.Seq2[Target, error]) (Receipt, error) {
	fail := func(err error) (Receipt, error) {
		return Receipt{}, fmt.Errorf("delivery: enqueue %s: %w", r.ID, err)
	}
	limit := Limit{Targets: q.MaxTargets, Bytes: q.MaxBytes}
	if r.Class == Interactive {
		limit.Targets += limit.Targets / 4
		limit.Bytes += limit.Bytes / 4
	}
	f := folding{q: q, ctx: ctx, limit: limit.Targets, taken: newIndex(), left: make(map[string]bool), asked: make(map[string]bool)}
	for _, host := range except {
		for _, scheme := range []string{"https", "http"} {
			if authority, ok := normalAuthority(scheme, host); ok {
				f.asked[authority] = false
			}
		}
	}
	for t, err := range to {
		if err == nil {
			err = f.add(t)
		}
		if err != nil {
			return fail(err)
		}
	}
	receipt := Receipt{Refused: f.refused}
	if len(f.inboxes) > 0 || r.Supersedes == SupersedeAll {
		if len(f.inboxes) > q.Policy.BulkAbove && r.Class == Normal {
			r.Class = Bulk
		}
		added, err := q.append(ctx, Addition{Record: r, Inboxes: f.inboxes, Max: limit})
		if err != nil {
			return fail(err)
		}
		receipt.Seq, receipt.Targets, receipt.Duplicate, receipt.Superseded = added.Seq, added.Targets, added.Duplicate, added.Superseded
	}
	if f.malformed.Count > 0 {
		return receipt, &f.malformed
	}
	return receipt, nil
}

// append adds a record to the store, and tells the worker if it is in this process.
func (q *Queue) append(ctx context.Context, a Addition) (Appended, error) {
	w := q.running()
	if w != nil && a.Supersedes == SupersedeAll {
		// Nothing of the key begins any more, so that what was tried is known when the
		// store decides where this goes.
		var thaw func()
		a.Tried, a.Sure, a.Epoch, thaw = w.freeze(a.Key)
		defer thaw()
		if w.flush() != nil {
			a.Tried = nil // what the store knows is not all
		}
	}
	added, err := q.Store.Append(ctx, a)
	if err != nil {
		return Appended{}, err
	}
	if w == nil {
		if w = q.running(); w == nil { // a Run that began meanwhile may have looked before
			return added, nil
		}
	}
	w.mu.Lock()
	w.cancelled(added.Cancelled)
	w.more = true
	w.mu.Unlock()
	w.nudge() // after the lock is free, so that run comes next and not whoever waits for it
	return added, nil
}

// freeze keeps posts of a key from beginning until thaw is called, and tells what of it
// was begun and is not settled, by Seq, and for which shards that is all.
func (w *worker) freeze(key string) (tried map[int64][]int64, sure Shards, epoch int64, thaw func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen[key]++
	tried = make(map[int64][]int64)
	sure = w.lease.Shards
	if w.held {
		flying := false
		for _, r := range w.keys[key] {
			if !r.cancelled && r.sure != 0 {
				tried[r.Seq] = append([]int64{}, r.tried...)
				sure = sure.Both(r.sure)
			}
			flying = flying || r.flying > 0
		}
		if flying {
			for _, l := range w.lanes {
				for _, f := range l.flying {
					if ids, named := tried[f.rec.Seq]; named && f.rec.Key == key {
						tried[f.rec.Seq] = append(ids, f.box.id)
					}
				}
			}
		}
	}
	return tried, sure, w.lease.Epoch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.frozen[key]--; w.frozen[key] == 0 {
			delete(w.frozen, key)
		}
		for _, l := range w.lanes {
			w.ready(l)
		}
	}
}

// resolve replaces audiences by their targets.
func (q *Queue) resolve(ctx context.Context, sender string, to iter.Seq[Target]) iter.Seq2[Target, error] {
	return func(yield func(Target, error) bool) {
		for t := range to {
			if t.Audience == "" {
				if !yield(t, nil) {
					return
				}
				continue
			}
			if q.Audience == nil || t.Inbox != "" || t.SharedInbox != "" || len(t.Audience) > maxName {
				yield(Target{}, fmt.Errorf("audience %.200q: %w", t.Audience, ErrInvalid))
				return
			}
			for t, err := range q.Audience(ctx, sender, t.Audience) {
				if !yield(t, err) || err != nil {
					return
				}
			}
		}
	}
}

// folding collects the URLs to post to, each once.
type folding struct {
	q         *Queue
	ctx       context.Context
	limit     int
	asked     map[string]bool // by host: whether it may be posted to
	inboxes   []string
	taken     index           // of inboxes
	left      map[string]bool // what is not among them, by URL as given: whether it could be posted to
	refused   int
	malformed TargetError
}

func (f *folding) add(t Target) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if t.SharedInbox != "" {
		if ok, err := f.url(t.SharedInbox); ok || err != nil {
			return err
		}
	}
	ok, err := f.url(t.Inbox)
	if !ok && err == nil {
		f.malformed.add(t.Inbox)
	}
	return err
}

// url takes a URL in, once. ok is false if it can't be posted to.
func (f *folding) url(raw string) (ok bool, err error) {
	if len(f.left) > 0 {
		if ok, twice := f.left[raw]; twice {
			return ok, nil
		}
	}
	hash, twice := f.taken.find(f.inboxes, raw)
	if twice {
		return true, nil
	}
	_, host, ok := originOf(raw)
	if !ok {
		if len(raw) <= maxName && len(f.inboxes)+len(f.left) < f.limit {
			f.left[raw] = false
		}
		return false, nil
	}
	if len(f.inboxes)+f.refused >= f.limit {
		return false, ErrBacklog
	}
	if f.q.Local == nil && f.q.Allow == nil && len(f.asked) == 0 {
		f.take(raw, hash)
		return true, nil
	}
	yes, asked := f.asked[host]
	if !asked {
		yes = (f.q.Local == nil || !f.q.Local(host)) && (f.q.Allow == nil || !errors.Is(f.q.Allow(f.ctx, host), ErrRefused))
		f.asked[host] = yes
	}
	if yes {
		f.take(raw, hash)
	} else {
		f.left[raw] = true
		f.refused++
	}
	return true, nil
}

func (f *folding) take(raw string, hash uint32) {
	f.inboxes = append(f.inboxes, raw)
	f.taken.put(hash, len(f.inboxes)-1)
}
