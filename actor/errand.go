package actor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	maxErrands    = 1024
	errandWorkers = 4
	maxProofs     = maxErrands / 2 // so that a crowd of strangers leaves room for what somebody here asked for
	pruneEvery    = time.Hour
	pruneAtOnce   = 500
)

// errand is something to do that nobody waits for.
type errand struct {
	what string
	id   string // of an actor
}

// What there is to do.
const (
	toRefresh  = "refresh"
	toComplete = "complete"
	toProve    = "find the handle of"
)

// errands are what is waiting to be done, each of them once.
type errands struct {
	running atomic.Int32
	queue   chan errand

	mu      sync.Mutex
	waiting map[errand]bool
}

func newErrands() errands {
	return errands{queue: make(chan errand, maxErrands), waiting: map[errand]bool{}}
}

// add reports false if there is no room.
func (e *errands) add(one errand) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting[one] {
		return true
	}
	select {
	case e.queue <- one:
		e.waiting[one] = true
		return true
	default:
		return false
	}
}

func (e *errands) taken(one errand) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, one)
}

// later has an actor of this age refreshed in the background, and reports whether what is known of it will do until then.
func (s *state) later(id string, age time.Duration) bool {
	return s.errands.running.Load() > 0 && age < maxStale*s.config.MaxAge && s.missed(id) == nil && s.errands.add(errand{toRefresh, id})
}

// proveLater has an actor's handle proved in the background, if there is room: otherwise it is when somebody asks for it.
func (s *state) proveLater(k known) {
	if s.errands.running.Load() > 0 && len(s.errands.queue) < maxProofs && s.unprovable(k.actor) == nil {
		s.errands.add(errand{toProve, k.actor.ID})
	}
}

// Run fetches actors that have grown old, proves the handles of those that are new, completes what [Resolver.Complete] asked
// for and prunes the store, until ctx ends; then it returns nil when what it was at has ended too. Up to 1024 such errands wait
// in memory, half of them for handles. Those that are there when the process ends are lost: an old actor is noticed again when
// it is next needed, a handle is proved when it is asked for, what was to be completed has to be asked for again. Without Run
// old actors are fetched, and handles proved, while who needs them waits. A second Run shares the work.
func (r *Resolver) Run(ctx context.Context) error {
	r.errands.running.Add(1)
	defer r.errands.running.Add(-1)
	whole := r.whole()
	g, ctx := errgroup.WithContext(ctx)
	for range errandWorkers {
		g.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case one := <-r.errands.queue:
					r.errands.taken(one)
					whole.run(ctx, one)
				}
			}
		})
	}
	g.Go(func() error {
		tick := time.NewTicker(pruneEvery)
		defer tick.Stop()
		for {
			whole.prune(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}

func (r *Resolver) run(ctx context.Context, one errand) {
	var err error
	switch one.what {
	case toRefresh:
		err = r.refresh(ctx, one.id)
	case toComplete:
		err = r.complete(ctx, one.id)
	case toProve:
		_, err = r.HandleOf(ctx, one.id)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	level := slog.LevelWarn
	if e := (*Error)(nil); errors.As(err, &e) {
		level = slog.LevelDebug // theirs, and every day's
	}
	r.config.Logger.Log(ctx, level, "actor: "+one.what, "actor", one.id, "error", err)
}

// prune deletes from the store who was not asked for in a long time. A batch at a time: others want to write too.
func (r *Resolver) prune(ctx context.Context) {
	if r.config.Store == nil || r.config.Forget < 0 {
		return
	}
	for ctx.Err() == nil {
		n, err := r.config.Store.PruneRemotes(ctx, time.Now().Add(-r.config.Forget), pruneAtOnce)
		if err != nil && ctx.Err() == nil {
			r.config.Logger.WarnContext(ctx, "actor: prune stored actors", "error", err)
		}
		if err != nil || n < pruneAtOnce {
			return
		}
	}
}
