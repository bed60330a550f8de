package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Count counts the targets that wait for an inbox and for which yes is true, given the activity's ID and the inbox. It reads all that
// waits from the Store, in any process; what another process has settled in the last quarter of a second may still count.
func (q *Queue) Count(ctx context.Context, yes func(activity, inbox string) bool) (int, error) {
	if w := q.running(); w != nil {
		if err := w.flush(); err != nil {
			return 0, fmt.Errorf("delivery: count: %w", err)
		}
	}
	n, err := q.sift(ctx, yes, func([]Ack) error { return nil })
	if err != nil {
		return n, fmt.Errorf("delivery: count: %w", err)
	}
	return n, nil
}

// Drop settles, as failed, the targets that Count would count, and returns how many. Posts under way are not stopped; no
// hook is called and there are no dead letters. yes is called twice for what is in memory, the second time with a lock held: it must
// be quick then and must not call q.
//
// It may be called in any process: they are settled in the Store. What another process has in memory of them it drops within
// Config.Poll, if the Store keeps [Orders]. With any other Store it does not learn of it, unless no target of the
// activity is left, and may still send what it has: then nothing is dropped and the error wraps ErrNotRunning.
func (q *Queue) Drop(ctx context.Context, yes func(activity, inbox string) bool) (int, error) {
	w := q.running()
	ours := Shards(0)
	if w != nil {
		w.mu.Lock()
		ours = w.lease.Shards
		w.mu.Unlock()
	}
	st, ok := q.Store.(Orders)
	if !ok && ours != AllShards {
		return 0, fmt.Errorf("delivery: drop: %w", ErrNotRunning)
	}
	if w != nil {
		if err := w.flush(); err != nil && ours != 0 { // what was sent counts as sent
			return 0, fmt.Errorf("delivery: drop: %w", err)
		}
	}
	touched := Shards(0)
	n, err := q.sift(ctx, func(activity, inbox string) bool {
		if !yes(activity, inbox) {
			return false
		}
		touched = touched.With(Shard(ShardOf(inbox)))
		return true
	}, func(acks []Ack) error {
		_, err := q.Store.Flush(ctx, 0, Flush{Now: time.Now(), Acks: acks})
		return err
	})
	if w != nil {
		ours = w.dropped(yes)
	} else {
		ours = 0
	}
	if ok { // also after an error: some may be settled
		for shard := range touched.Without(ours).All() {
			err = errors.Join(err, st.Order(context.WithoutCancel(ctx), Order{Shard: shard, Do: OrderReread, At: time.Now()}))
		}
	}
	if err != nil {
		return n, fmt.Errorf("delivery: drop: %w", err)
	}
	return n, nil
}

// dropped drops from memory what was settled, and returns for which shards that is all.
func (w *worker) dropped(yes func(activity, inbox string) bool) Shards {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	for _, l := range w.lanes {
		swept := w.sweep(l, func(e entry) bool { return yes(e.rec.ID, e.box.url) })
		for _, e := range swept {
			if e.tried {
				e.rec.tried = slices.DeleteFunc(e.rec.tried, func(id int64) bool { return id == e.box.id })
			}
			e.rec.Left--
			w.drop(e)
		}
		if len(swept) == 0 {
			continue
		}
		if !l.parked.zero() { // to find how much is left of that
			w.wants[l] = struct{}{}
		}
		w.ready(l)
		w.tidy(l)
	}
	w.nudge()
	if !w.held {
		return 0
	}
	return w.reading()
}

// sift walks through all that waits and does what is to be done about the targets for which yes is true, page by page.
func (q *Queue) sift(ctx context.Context, yes func(activity, inbox string) bool, do func([]Ack) error) (n int, err error) {
	for query, more := (Query{Limit: pageSize}), true; more; {
		page, err := q.Store.Load(ctx, query)
		if err != nil {
			return n, err
		}
		query.After, more = page.Through, page.More
		urls, err := q.inboxes(ctx, page.Records)
		if err != nil {
			return n, err
		}
		var acks []Ack
		for _, p := range page.Records {
			a := Ack{Seq: p.Seq}
			for _, id := range p.Targets {
				if yes(p.ID, urls[id]) {
					a.Done = append(a.Done, id)
				}
			}
			if a.Failed = len(a.Done); a.Failed > 0 {
				acks = append(acks, a)
				n += a.Failed
			}
		}
		if len(acks) > 0 {
			if err := do(acks); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// inboxes are the URLs of all that records are for, by their numbers.
func (q *Queue) inboxes(ctx context.Context, records []Pending) (map[int64]string, error) {
	var ids []int64
	for _, p := range records {
		ids = append(ids, p.Targets...)
	}
	slices.Sort(ids)
	urls := make(map[int64]string)
	for some := range slices.Chunk(slices.Compact(ids), 1000) {
		list, err := q.Store.URLs(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, id := range some {
			urls[id] = list[i]
		}
	}
	return urls, nil
}
