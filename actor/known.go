package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// known is an actor as it was received, or that it is gone.
type known struct {
	actor   *activity.Actor
	raw     []byte
	fetched time.Time
	gone    time.Time
	kept    bool // in the store as it stands here
}

func (k known) remote() Remote {
	return Remote{ID: k.actor.ID, Document: k.raw, KeyIDs: keyIDs(k.actor), Fetched: k.fetched}
}

// missed is why something is not asked for again yet.
type missed struct {
	err   *Error
	until time.Time
}

// recall looks in memory and in the store.
func (r *Resolver) recall(ctx context.Context, id string) (known, bool, error) {
	if k, ok := r.actors.get(id); ok {
		return k, true, nil
	}
	if r.config.Store == nil {
		return known{}, false, nil
	}
	stored, err := r.config.Store.Remote(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return known{}, false, nil
	case err != nil:
		return known{}, false, fmt.Errorf("actor: stored actor %s: %w", id, err)
	}
	k, ok := revive(stored)
	if ok {
		r.actors.put(id, k, cost(k))
	}
	return k, ok, nil
}

// revive reads what was stored. It reports false for a document that this version can't read.
func revive(stored Remote) (known, bool) {
	if !stored.Gone.IsZero() {
		return known{gone: stored.Gone, kept: true}, true
	}
	doc, err := activity.Decode(stored.Document)
	if err != nil {
		return known{}, false
	}
	a, ok := doc.(*activity.Actor)
	if !ok || a.ID != stored.ID || checkActor(a) != nil {
		return known{}, false
	}
	return known{actor: a, raw: stored.Document, fetched: stored.Fetched, kept: true}, true
}

// checkActor checks that a is all that an actor must be, which a document that only shows a key is not,
// and clears addresses that nobody could use.
func checkActor(a *activity.Actor) error {
	if _, err := parseID(a.ID); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	actorType := false
	for _, t := range a.Type {
		actorType = actorType || activity.IsActorType(t)
	}
	if !actorType {
		return fmt.Errorf("%w: type %q", ErrNotActor, a.Type)
	}
	if !validURL(a.Inbox.ID) {
		return fmt.Errorf("%w: actor without an inbox", ErrMalformed)
	}
	for _, ref := range []*activity.Ref{&a.Outbox, &a.Followers, &a.Following, &a.Liked, &a.Featured, &a.FeaturedTags} {
		if ref.ID != "" && !validURL(ref.ID) {
			*ref = activity.Ref{}
		}
	}
	var usable activity.Refs // not in place: the caller's a may share the list
	for _, ref := range a.URL {
		if validURL(ref.ID) {
			usable = append(usable, ref)
		}
	}
	a.URL = usable
	return nil
}

// remember puts k in memory and drops the keys that the actor had before and has no more.
func (r *Resolver) remember(k known) {
	listed := keyIDs(k.actor)
	for _, id := range listed {
		r.misses.delete(id)
	}
	if old, ok := r.actors.get(k.actor.ID); ok && old.actor != nil {
		listed = append(listed, keyIDs(old.actor)...)
	}
	for _, id := range listed {
		if key, ok := r.keys.get(id); ok && !k.lists(key.key) {
			r.keys.delete(id)
		}
	}
	r.misses.delete(k.actor.ID)
	r.actors.put(k.actor.ID, k, cost(k))
}

// cost is about what k takes in memory: the text, and what was read from it.
func cost(k known) int { return 3*len(k.raw) + 1024 }

// keep stores k unless it is there already.
func (r *Resolver) keep(ctx context.Context, k known) error {
	if k.kept || r.config.Store == nil {
		return nil
	}
	if err := r.config.Store.PutRemote(ctx, k.remote()); err != nil {
		return fmt.Errorf("actor: store actor %s: %w", k.actor.ID, err)
	}
	k.kept = true
	if now, ok := r.actors.get(k.actor.ID); ok && now.fetched.Equal(k.fetched) {
		r.actors.put(k.actor.ID, k, cost(k))
	}
	return nil
}

// forget replaces what memory has of an actor by a tombstone.
func (r *Resolver) forget(id string, old known) {
	if old.actor != nil {
		for _, key := range keyIDs(old.actor) {
			r.keys.delete(key)
		}
	}
	gone := known{gone: time.Now()}
	r.actors.put(id, gone, cost(gone))
}

// bury replaces what the store has of an actor, if anything, by a tombstone that its keys still lead to.
func (r *Resolver) bury(ctx context.Context, id string) error {
	if r.config.Store == nil {
		return nil
	}
	stored, err := r.config.Store.Remote(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("actor: stored actor %s: %w", id, err)
	case !stored.Gone.IsZero():
		return nil
	}
	for _, key := range stored.KeyIDs {
		r.keys.delete(key)
	}
	err = r.config.Store.PutRemote(ctx, Remote{ID: id, KeyIDs: stored.KeyIDs, Fetched: stored.Fetched, Gone: time.Now()})
	if err != nil {
		return fmt.Errorf("actor: store tombstone of %s: %w", id, err)
	}
	return nil
}

func shallow(a *activity.Actor) *activity.Actor {
	c := *a
	return &c
}

// missed returns why id is not asked for again yet, nil if it may be.
func (r *Resolver) missed(id string) error {
	m, ok := r.misses.get(id)
	if !ok || time.Now().After(m.until) {
		return nil
	}
	return m.err
}

// miss remembers a failure for as long as its cause tends to last, and returns it.
func (r *Resolver) miss(id string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	var wait time.Duration
	var own *ownError
	switch {
	case errors.As(err, &own), errors.Is(err, ErrBlocked), errors.Is(err, errBudget), errors.Is(err, context.Canceled):
		return err // ours, and may change at any time
	case errors.Is(err, ErrGone):
		wait = keepGone
	case e.Passing:
		wait = keepPassing
	default:
		wait = keepMissing // never longer: a single 404 may be a fault of theirs
	}
	r.misses.put(id, missed{e, time.Now().Add(wait)}, 1)
	return err
}
