package delivery

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// Appender writes an [Intent] in a transaction of the app, which it is bound to. Package
// storage/queue has one for database/sql.
type Appender interface {
	AppendIntent(ctx context.Context, i Intent) error
}

// Intents is where an Appender writes. Its methods may be called from many processes at once.
type Intents interface {
	// Intents returns at most limit of those that are committed, oldest first.
	Intents(ctx context.Context, limit int) ([]Intent, error)
	// Expanded says that the oldest are not to be returned again. It is called in their order.
	Expanded(ctx context.Context, ids []int64) error
}

// Intent is an Activity with its targets as Enqueue was given them. Nothing of it was looked up.
type Intent struct {
	ID int64 // given by Intents, rising
	Activity
	Targets []Target // audiences are not resolved
}

const (
	intentSoon  = 20 * time.Millisecond // how often intents are looked for after an Enqueue here
	intentWatch = time.Second           // and for how long; they may be committed late
	intentPage  = 100
)

// intend writes an intent.
func (q *Queue) intend(ctx context.Context, into Appender, a Activity, to iter.Seq[Target]) error {
	targets := slices.Collect(to)
	if len(targets) > q.MaxTargets {
		return ErrBacklog
	}
	if err := into.AppendIntent(ctx, Intent{Activity: a, Targets: targets}); err != nil {
		return err
	}
	select {
	case q.asked <- struct{}{}:
	default:
	}
	return nil
}

// expandAll turns intents into records until ctx ends or stop is closed. Whoever runs may do that: to do it twice does nothing.
func (q *Queue) expandAll(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch time.Time
	var trouble time.Duration
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-q.asked:
			watch = time.Now().Add(intentWatch)
		case <-timer.C:
		}
		n, err := q.expandSome(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := min(q.Poll, time.Second)
		switch {
		case err != nil:
			trouble = min(max(2*trouble, time.Second), maxTrouble)
			wait = trouble
			q.Logger.Error("delivery: intents not expanded", "error", err, "retry_in", wait)
		case n == intentPage:
			wait, trouble = 0, 0
		default:
			trouble = 0
			if time.Now().Before(watch) {
				wait = intentSoon
			}
		}
		timer.Reset(wait)
	}
}

// expandSome expands the oldest intents, in order.
func (q *Queue) expandSome(ctx context.Context) (int, error) {
	page, err := q.Intents.Intents(ctx, intentPage)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	var done []int64
	for _, i := range page {
		if err = q.expand(ctx, i); err != nil {
			break
		}
		done = append(done, i.ID)
	}
	if len(done) > 0 {
		if e := q.Intents.Expanded(ctx, done); e != nil {
			return 0, e // to expand them again adds nothing
		}
	}
	return len(done), err
}

// expand queues one intent. The error is nil also if it never can be queued.
func (q *Queue) expand(ctx context.Context, i Intent) error {
	r, err := i.record(time.Now(), q.Policy.Lifetime, q.MaxBody)
	if err == nil {
		_, err = q.add(ctx, r, i.Except, q.resolve(ctx, i.Sender, slices.Values(i.Targets)))
	}
	left := (*TargetError)(nil)
	switch {
	case errors.As(err, &left):
		q.Logger.Warn("delivery: recipients left out", "activity", i.Activity.ID, "error", err)
	case errors.Is(err, ErrInvalid):
		q.Logger.Error("delivery: intent dropped", "activity", i.Activity.ID, "error", err)
	default:
		return err
	}
	return nil
}
