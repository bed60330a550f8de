package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	batch     = 64
	maxJobs   = 256 // records that are worked at, at once
	pollOften = 20 * time.Millisecond
	pollRare  = time.Second

	// Who waits longer for the storage asks anew: a connection may be dead without anybody having been told. Jobs may have to ask
	// many other servers, too.
	takeTime = time.Minute
	jobTime  = 5 * time.Minute
)

// ErrRunning is returned by Run when it runs already.
var ErrRunning = errors.New("outbox: Run is running already")

// Run hands what was said to the delivery queue until ctx ends. It may run in several processes over one storage: they share
// the work if the log is a [Sharing], and what two of them do at once is done once. What waits for an answer from elsewhere
// holds up nothing else.
func (o *Outbox) Run(ctx context.Context) error {
	if !o.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer o.running.Store(false)
	var jobs sync.WaitGroup
	defer o.unshare(ctx)
	defer jobs.Wait()
	jobs.Go(func() { o.watch(ctx) })
	var mine part
	poll := time.NewTimer(0)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.said:
		case <-poll.C:
		}
		more, err := false, o.renew(ctx, &mine)
		if err == nil {
			more, err = o.begin(ctx, mine.shards, &jobs, func(err error) {
				if err != nil && ctx.Err() == nil {
					o.Logger.WarnContext(ctx, "outbox: will try again", "error", err)
					return // at the next poll
				}
				o.wake() // what waited for this may be due
			})
		}
		if err != nil && ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "outbox: will try again", "error", err)
		}
		switch {
		case more && err == nil:
			o.wake()
		case time.Now().UnixNano() < o.hurry.Load():
			poll.Reset(pollOften)
		default:
			poll.Reset(pollRare)
		}
	}
}

// Work does once what Run does all the time, and all of it, whatever other processes do: it takes committed intents and hands over what is due, and returns when that
// is done or was put off. More is true if there may be more that is due. An error is the storage's.
func (o *Outbox) Work(ctx context.Context) (more bool, err error) {
	var jobs sync.WaitGroup
	var mu sync.Mutex
	var failed error
	more, err = o.begin(ctx, AllShards, &jobs, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
		}
	})
	jobs.Wait()
	if err == nil {
		err = failed
	}
	return more, err
}

// begin takes committed intents and begins with what is due in these shards and not being worked at. Each job's error goes to done.
func (o *Outbox) begin(ctx context.Context, shards Shards, jobs *sync.WaitGroup, done func(error)) (more bool, err error) {
	taken := 0
	if shards.Has(0) {
		taking, cancel := context.WithTimeout(ctx, takeTime)
		taken, err = o.take(taking)
		cancel()
		if err != nil {
			return false, err
		}
	}
	o.mu.Lock()
	busy := len(o.jobs)
	o.mu.Unlock()
	if busy >= maxJobs {
		return false, nil // the first of them that ends wakes Run
	}
	if o.forgetNow() {
		jobs.Go(func() { done(o.forget(ctx)) })
	}
	asking, cancel := context.WithTimeout(ctx, takeTime)
	due, err := o.due(asking, shards, batch+busy) // those that are being worked at may be among them
	cancel()
	if err != nil {
		return false, err
	}
	begun := 0
	for _, r := range due {
		if !o.claim(r.ID) {
			continue
		}
		begun++
		jobs.Go(func() { done(o.job(ctx, r.ID)) })
	}
	return taken == batch || begun > 0, nil
}

// claim tells whether the caller may work at a record.
func (o *Outbox) claim(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.jobs[id] || len(o.jobs) >= maxJobs {
		return false
	}
	o.jobs[id] = true
	return true
}

// job brings one record as far as it goes now. An error is the storage's.
func (o *Outbox) job(ctx context.Context, id string) (err error) {
	defer func() {
		o.mu.Lock()
		delete(o.jobs, id)
		o.mu.Unlock()
	}()
	// What an app's func can't take must not stop all others.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("outbox: %s: panic: %v", id, v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	r, err := o.Log.Record(ctx, id)
	if err == nil && r.Actor == "" && !r.NotBefore.IsZero() { // a crash may have come between its Delete and the settling
		if err = o.settle(ctx, r.Object); err == nil {
			r, err = o.Log.Record(ctx, id)
		}
	}
	if errors.Is(err, ErrUnknown) {
		return nil // taken back
	}
	if err != nil {
		return err
	}
	if r.State != Pending && r.State != Partly || r.NotBefore.After(time.Now()) {
		return nil // done since it was found to be due
	}
	return o.advance(ctx, r)
}

// advance brings r as far as it goes now and saves how far that was.
func (o *Outbox) advance(ctx context.Context, r Record) error {
	err := o.step(ctx, &r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	expired := !time.Now().Before(o.expires(&r))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNothing):
		o.Logger.InfoContext(ctx, "outbox: nothing to do", "activity", r.ID, "type", r.Type, "author", r.Author, "error", err)
		r.State, r.LastError = Failed, err.Error()
	case errors.Is(err, ErrHeld):
		return o.hold(ctx, r, err)
	case errors.Is(err, ErrStale), errors.Is(err, ErrUnknown) && !errors.Is(err, ErrGone):
		return nil // somebody else has changed or removed it; if it is due, it is found again
	case errors.Is(err, ErrGone), expired, time.Since(r.At) > o.GiveUp:
		o.giveUp(ctx, &r, err, expired)
	default:
		r.Attempts++
		r.LastError, r.NotBefore = err.Error(), time.Now().Add(o.Backoff(r.Attempts))
		o.Logger.InfoContext(ctx, "outbox: will try again", "activity", r.ID, "type", r.Type, "at", r.NotBefore, "error", err)
	}
	defer o.locks.lock(r.Object)()
	if err := o.save(ctx, &r); err != nil {
		return ignoreStale(err)
	}
	return o.release(ctx, &r)
}

// giveUp ends r with what was reached.
func (o *Outbox) giveUp(ctx context.Context, r *Record, err error, expired bool) {
	r.LastError = err.Error()
	if r.State = Failed; r.Pass > 0 {
		r.State = Sent
	}
	e := Ended{ID: r.ID, Type: r.Type, Actor: r.Actor, Expired: expired, Partly: r.Pass > 0, Err: err}
	r.Waiting, r.Targets = nil, nil
	if expired {
		o.count.expired.Add(1)
		o.ended("expired", 1)
	} else {
		o.count.givenUp.Add(1)
		o.ended("given up", 1)
	}
	o.Logger.ErrorContext(ctx, "outbox: given up", "activity", r.ID, "type", r.Type, "author", r.Author, "expired", expired, "partly", e.Partly, "error", err)
	if o.Ended != nil {
		o.Ended(ctx, e)
	}
}

// expires is when r is not worth sending any more.
func (o *Outbox) expires(r *Record) time.Time {
	return r.At.Add(o.Lifetime(lifeType(r), r.Type == "Update" && r.Actor != "" && r.Object == r.Actor))
}

// save keeps how far r is.
func (o *Outbox) save(ctx context.Context, r *Record) error {
	err := o.Log.SaveRecord(ctx, *r)
	if err == nil {
		r.Version++
	}
	return err
}

func ignoreStale(err error) error {
	if errors.Is(err, ErrStale) || errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}
