package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fedihook/fedihook/activity"
)

const (
	leaseTTL  = 30 * time.Second
	pollEvery = time.Second
)

// ErrRunning is returned by Run when it runs already.
var ErrRunning = errors.New("inbox: Run is running already")

// Run works the journal until ctx ends, and returns when its goroutines are gone. Where several processes
// share a journal, one of them works it at a time.
func (in *Inbox) Run(ctx context.Context) error {
	if !in.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer in.running.Store(false)
	owner := rand.Text()
	for ctx.Err() == nil {
		epoch, ok, err := in.Journal.Lease(ctx, owner, time.Now(), leaseTTL)
		switch {
		case err != nil && ctx.Err() == nil:
			in.Logger.WarnContext(ctx, "inbox: no lease on the journal", "error", err)
		case ok:
			in.work(ctx, owner, epoch)
			// What ran to its end was recorded; another process may go on at once.
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if err := in.Journal.Release(release, epoch); err != nil {
				in.Logger.WarnContext(ctx, "inbox: lease not released", "error", err)
			}
			cancel()
		}
		sleep(ctx, pollEvery)
	}
	return nil
}

// work runs due entries until ctx ends or the lease is lost.
func (in *Inbox) work(ctx context.Context, owner string, epoch int64) {
	var workers errgroup.Group
	workers.SetLimit(in.Workers)
	defer workers.Wait()
	done := make(chan int64, in.Workers)
	inFlight := make(map[int64]bool)
	renew := time.NewTicker(leaseTTL / 3)
	defer renew.Stop()
	forget := time.NewTicker(time.Hour)
	defer forget.Stop()
	poll := time.NewTimer(0)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case seq := <-done:
			delete(inFlight, seq)
		case <-in.arrived:
		case <-poll.C:
		case <-renew.C:
			if now, ok, err := in.Journal.Lease(ctx, owner, time.Now(), leaseTTL); err != nil || !ok || now != epoch {
				in.Logger.WarnContext(ctx, "inbox: lease on the journal lost", "error", err)
				return
			}
		case <-forget.C:
			if err := in.Journal.Forget(ctx, time.Now().Add(-in.Remember)); err != nil {
				in.Logger.WarnContext(ctx, "inbox: old marks not forgotten", "error", err)
			}
		}
		poll.Reset(pollEvery)
		if len(inFlight) >= in.Workers {
			continue
		}
		// Those in flight are still due, so ask for as many more.
		entries, err := in.Journal.Due(ctx, epoch, time.Now(), 2*in.Workers)
		if err != nil {
			if errors.Is(err, ErrLeaseLost) {
				return
			}
			if ctx.Err() == nil {
				in.Logger.WarnContext(ctx, "inbox: can't read the journal", "error", err)
			}
			continue
		}
		for _, e := range entries {
			if inFlight[e.Seq] || len(inFlight) >= in.Workers {
				continue
			}
			inFlight[e.Seq] = true
			workers.Go(func() error {
				in.one(ctx, epoch, e)
				done <- e.Seq
				return nil
			})
		}
	}
}

// one runs an entry and records what became of it.
func (in *Inbox) one(ctx context.Context, epoch int64, e Entry) {
	m, err := in.message(ctx, e)
	if err == nil {
		err = in.apply(ctx, m)
	}
	if ctx.Err() != nil && err != nil {
		return // stopped, not failed: it runs again at the next start
	}
	out := Outcome{Seq: e.Seq, State: Done, Attempts: e.Attempts + 1}
	switch now := time.Now(); {
	case err == nil:
		out.Forget = repeatable(m, e.Mark)
	case errors.Is(err, ErrDrop), errors.Is(err, ErrRefuse), errors.Is(err, ErrPending):
		in.Logger.InfoContext(ctx, "inbox: dropped", "actor", e.Sender, "entry", e.Seq, "error", err)
	case now.Sub(e.Received) > in.GiveUp:
		out.State, out.Err = Dead, err.Error()
		in.Logger.ErrorContext(ctx, "inbox: given up", "actor", e.Sender, "entry", e.Seq, "attempts", out.Attempts, "error", err)
	default:
		out.State, out.Err = Again, err.Error()
		out.NotBefore = now.Add(in.Backoff(out.Attempts))
		in.Logger.WarnContext(ctx, "inbox: will try again", "actor", e.Sender, "entry", e.Seq, "at", out.NotBefore, "error", err)
	}
	// Recorded even while stopping, so that it does not run twice.
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := in.Journal.Finish(record, epoch, []Outcome{out}); err != nil {
		in.Logger.WarnContext(ctx, "inbox: outcome not recorded, it will run again", "entry", e.Seq, "error", err)
	}
}

// repeatable lists the marks that must not stop a Follow that comes again after its Undo under the same id, and
// the next Undo of that. Misskey (seen 2026-08) makes these ids of the two actors.
func repeatable(m *Message, undo Mark) []Mark {
	follow, ok := m.Object.(*activity.Activity)
	if !ok || !m.Activity.Is("Undo") || !follow.Is("Follow") {
		return nil
	}
	return []Mark{undo, MarkOf(m.Sender, follow.Type.String(), follow.ID, nil)}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
