package delivery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Lane tells what waits for one host and why.
type Lane struct {
	HostState           // what is remembered of its failures; Origin names it
	Pending   int       // targets that wait, the one being posted included
	Deferred  int       // of them, put off until their own time
	Sending   bool      // a post is under way, as far as this process knows
	Oldest    time.Time // when the oldest of them was enqueued; zero if none waits
}

// Status tells how far the activity with this ID is. It wraps ErrUnknown if the ID was
// never enqueued, or was settled more than seven days ago. What was settled in the last
// tenth of a second may still count as pending.
func (q *Queue) Status(ctx context.Context, id string) (Status, error) {
	s, err := q.Store.Status(ctx, id)
	if err != nil {
		return Status{}, fmt.Errorf("delivery: status of %.200s: %w", id, err)
	}
	return s, nil
}

// Lanes lists the hosts for which something waits, or which fail, by origin. In the
// process that delivers it tells what is in memory; elsewhere it reads all that waits
// from the Store. The loop's body may call any method of q.
func (q *Queue) Lanes(ctx context.Context) iter.Seq2[Lane, error] {
	return func(yield func(Lane, error) bool) {
		var lanes []Lane
		held := false
		_, err := q.do(ctx, func(w *worker) {
			if held = w.held && !w.more; held {
				lanes = w.view()
			}
		})
		if err == nil && !held {
			lanes, err = q.stored(ctx)
		}
		if err != nil {
			yield(Lane{}, err)
			return
		}
		slices.SortFunc(lanes, func(a, b Lane) int { return strings.Compare(a.Origin, b.Origin) })
		for _, l := range lanes {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// view copies what the worker knows.
func (w *worker) view() []Lane {
	lanes := make([]Lane, 0, len(w.lanes))
	for _, l := range w.lanes {
		view := Lane{HostState: l.HostState, Pending: l.size, Deferred: len(l.resting), Sending: l.sending != nil}
		l.each(func(it *item) { view.older(it.rec.Created) })
		if l.sending != nil {
			view.older(l.sending.rec.Created)
		}
		lanes = append(lanes, view)
	}
	return lanes
}

func (l *Lane) older(t time.Time) {
	if l.Oldest.IsZero() || t.Before(l.Oldest) {
		l.Oldest = t
	}
}

// stored puts the lanes together from the store.
func (q *Queue) stored(ctx context.Context) ([]Lane, error) {
	lanes := make(map[string]*Lane)
	for after := ""; ; {
		page, err := q.Store.Hosts(ctx, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("delivery: lanes: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, h := range page {
			lanes[h.Origin] = &Lane{HostState: h}
			after = h.Origin
		}
	}
	now := time.Now()
	for after := int64(0); ; {
		page, err := q.Store.Load(ctx, 0, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("delivery: lanes: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			after = p.Seq
			for _, t := range p.Targets {
				origin, _, _ := originOf(t.URL)
				l := lanes[origin]
				if l == nil {
					l = &Lane{HostState: HostState{Origin: origin}}
					lanes[origin] = l
				}
				l.Pending++
				if t.Next.After(now) || p.NotBefore.After(now) {
					l.Deferred++
				}
				l.older(p.Created)
			}
		}
	}
	out := make([]Lane, 0, len(lanes))
	for _, l := range lanes {
		out = append(out, *l)
	}
	return out, nil
}

// DeadLetters lists the targets that were given up, oldest first. The loop's body may
// call any method of q.
func (q *Queue) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		for after := int64(0); ; {
			page, err := q.Store.Dead(ctx, after, 500)
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("delivery: dead letters: %w", err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
				after = d.ID
			}
		}
	}
}
