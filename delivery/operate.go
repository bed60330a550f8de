package delivery

import (
	"context"
	"fmt"
	"time"
)

// running returns this process's worker; nil if none runs.
func (q *Queue) running() *worker {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.worker
}

// Cancel drops what was not sent yet of the activities with this ordering key and
// returns how many targets that were. It may be called in any process. Posts under way are not stopped; a worker
// in another process learns of it within a quarter of a second, and what it has sent in its last moments is counted as not sent.
func (q *Queue) Cancel(ctx context.Context, key string) (int, error) {
	if key == "" {
		return 0, fmt.Errorf("delivery: cancel: the key is empty: %w", ErrInvalid)
	}
	w := q.running()
	if w != nil {
		w.flush() // what was sent counts as sent
	}
	c, err := q.Store.Cancel(ctx, key, time.Now())
	if err != nil {
		return 0, fmt.Errorf("delivery: cancel %.200s: %w", key, err)
	}
	if w != nil {
		w.mu.Lock()
		w.cancelled(c.Seqs)
		w.mu.Unlock()
	}
	return c.Targets, nil
}

// Pause stops posting to a host, an authority as in URLs, until Resume: also after a restart. Posts under way
// are not stopped.
//
// Like Resume, RetryNow and Forget it may be called in any process. If Run delivers to the host in this one, it is
// done when the call returns. If the Store keeps [OrderBook], whoever delivers to the host does it
// within Config.Poll, or when someone begins to; until then, what it is doing to the host goes on.
// With any other Store the error wraps ErrNotRunning and nothing is done.
func (q *Queue) Pause(ctx context.Context, host string) error {
	return q.order(ctx, OrderPause, host)
}

// Resume ends Pause.
func (q *Queue) Resume(ctx context.Context, host string) error {
	return q.order(ctx, OrderResume, host)
}

// RetryNow tries a host that is left alone at once, whatever it has asked for, and also what was put off for it.
func (q *Queue) RetryNow(ctx context.Context, host string) error {
	return q.order(ctx, OrderRetry, host)
}

// Forget drops all that waits for a host, without dead letters, and what is remembered of it. OnDead is
// called for each target with ErrForgotten, in the process that delivers to the host.
func (q *Queue) Forget(ctx context.Context, host string) error {
	return q.order(ctx, OrderForget, host)
}

// Redrive queues dead letters for which yes is true anew, for Policy.Lifetime, as far as their
// bodies are kept (see Policy.DeadBodies), and returns how many. Their records get new IDs.
func (q *Queue) Redrive(ctx context.Context, yes func(DeadLetter) bool) (int, error) {
	r := Redrive{Now: time.Now()}
	r.Expires = r.Now.Add(q.Policy.Lifetime)
	n := 0
	send := func() error {
		if len(r.IDs) == 0 {
			return nil
		}
		m, err := q.Store.Redrive(ctx, r)
		n += m
		r.IDs = nil
		return err
	}
	if w := q.running(); w != nil {
		w.flush()
		defer func() {
			w.mu.Lock()
			w.more = true
			w.mu.Unlock()
			w.nudge()
		}()
	}
	for d, err := range q.DeadLetters(ctx) {
		if err != nil {
			return n, err
		}
		if yes(d) {
			r.IDs = append(r.IDs, d.ID)
		}
		if len(r.IDs) == 500 {
			if err := send(); err != nil {
				return n, fmt.Errorf("delivery: redrive: %w", err)
			}
		}
	}
	if err := send(); err != nil {
		return n, fmt.Errorf("delivery: redrive: %w", err)
	}
	return n, nil
}

// Drain makes Run start nothing more, wait for posts under way, record them, hand the lease to
// whoever waits for it and return, as if its context had ended: for the old process of an
// upgrade, which may still take requests and Enqueue. It returns when Run has, or ctx ends.
func (q *Queue) Drain(ctx context.Context) error {
	q.mu.Lock()
	w, done := q.worker, q.done
	q.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	select {
	case <-w.drain:
	default:
		close(w.drain)
	}
	w.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("delivery: drain: %w", ctx.Err())
	}
}
