package actor

import (
	"context"
	"errors"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	keepHandle   = 7 * 24 * time.Hour // a proof
	keepUnproved = time.Hour          // that there is none, for as long as the actor says the same of itself
	maxUnproved  = 20_000
)

// unproved is why an actor has no handle.
type unproved struct {
	claim string
	err   error
	until time.Time
}

// claim is what an actor says of its handle. A proof of it is none of another.
func claim(a *activity.Actor) string { return a.Webfinger + " " + a.PreferredUsername }

// HandleOf returns the handle of the actor with this id as user@host, and no other than one that was proved as
// [Resolver.Handle] proves it. A proof is kept with the actor, is good for seven days, and serves longer if the hosts that could
// renew it don't answer; that there is none is remembered for an hour, or two minutes if that may pass. An actor that an
// activity brought here for the first time is proved by [Resolver.Run] behind its user's back, so that this rarely asks
// anyone. If ctx ends before the answer comes, the asking goes on, and who comes later profits. The error is an [*Error], or
// the store's; whoever gets one must show the id, or nothing, where a handle would stand.
func (r *Resolver) HandleOf(ctx context.Context, id string) (acct string, err error) {
	if r.config.Names.Ours(id) {
		a, err := r.local(ctx, id)
		if err == nil && a.ID != id {
			err = &Error{ID: id, Err: ErrNotFound}
		}
		if err != nil {
			return "", err
		}
		return r.config.Names.Handle(r.config.Names.Beside(id, a.PreferredUsername)), nil
	}
	k, err := r.find(ctx, id, r.config.MaxAge)
	if err != nil {
		return "", err
	}
	if k.handle != "" && time.Since(k.proved) < keepHandle {
		return k.handle, nil
	}
	acct, err = r.prove(ctx, k)
	var e *Error
	if err != nil && k.handle != "" && errors.As(err, &e) && e.Passing {
		return k.handle, nil // it was proved, and nothing speaks against it
	}
	return acct, err
}

// unprovable returns why nobody is asked again yet for the handle of a, nil if that may be.
func (s *state) unprovable(a *activity.Actor) error {
	if u, ok := s.unproved.get(a.ID); ok && u.claim == claim(a) && time.Now().Before(u.until) {
		return u.err
	}
	return nil
}

// prove asks for the proof of an actor's handle, for all who ask at once.
func (r *Resolver) prove(ctx context.Context, k known) (string, error) {
	if err := r.unprovable(k.actor); err != nil {
		return "", err
	}
	if err := r.budget.spend(k.actor.ID); err != nil {
		return "", err
	}
	done := r.handleFlight.DoChan(k.actor.ID, func() (any, error) {
		ctx, r := context.WithoutCancel(ctx), r.whole()
		if err := r.unprovable(k.actor); err != nil {
			return "", err
		}
		handle, err := r.Handle(ctx, k.actor)
		if err != nil {
			return "", r.unprove(ctx, k, err)
		}
		_, err = r.name(ctx, k, handle)
		return handle, err
	})
	select {
	case res := <-done:
		handle, _ := res.Val.(string)
		return handle, res.Err
	case <-ctx.Done():
		return "", &Error{ID: k.actor.ID, Passing: true, Err: ctx.Err()}
	}
}

// unprove remembers that there is no proof, and forgets the one that there was if that is more than a bad day.
func (r *Resolver) unprove(ctx context.Context, k known, err error) error {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, ErrBlocked) || errors.Is(err, ErrThrottled) || errors.Is(err, ErrBudget) {
		return err // ours, and may change at any time
	}
	u := unproved{claim: claim(k.actor), err: err, until: time.Now().Add(keepUnproved)}
	if e.Passing {
		u.until = time.Now().Add(keepPassing)
	}
	if k.handle != "" && !e.Passing {
		if _, err := r.name(ctx, k, ""); err != nil {
			return err
		}
	}
	r.unproved.put(k.actor.ID, u, 1)
	return err
}

// name keeps a proved handle, or with "" that there is none any more, beside what is known of the actor now, and returns that. It
// is stored where the actor is.
func (r *Resolver) name(ctx context.Context, k known, handle string) (known, error) {
	if now, ok := r.actors.get(k.actor.ID); ok {
		if now.actor == nil || claim(now.actor) != claim(k.actor) {
			return k, nil // it has changed in the meantime, or gone
		}
		k = now
	}
	if age := time.Since(k.proved); handle != "" && handle == k.handle && age < time.Hour {
		return k, nil
	}
	stored := k.kept
	k.handle, k.proved, k.kept = handle, time.Time{}, false
	if handle != "" {
		k.proved = time.Now()
	}
	r.unproved.delete(k.actor.ID)
	r.actors.put(k.actor.ID, k, cost(k))
	if !stored {
		return k, nil
	}
	return k, r.keep(ctx, k)
}
