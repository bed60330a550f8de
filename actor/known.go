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

	handle string    // that was proved, "" if none was
	proved time.Time // when

	etag, modified string
}

func (k known) remote() Remote {
	return Remote{
		ID: k.actor.ID, Document: k.raw, KeyIDs: keyIDs(k.actor), Fetched: k.fetched, ETag: k.etag, LastModified: k.modified,
		Handle: k.handle, Proved: k.proved,
	}
}

// recall looks in memory and in the store.
func (s *state) recall(ctx context.Context, id string) (known, bool, error) {
	if k, ok := s.actors.get(id); ok {
		return k, true, nil
	}
	if s.config.Store == nil {
		return known{}, false, nil
	}
	stored, err := s.config.Store.Remote(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return known{}, false, nil
	case err != nil:
		return known{}, false, fmt.Errorf("actor: stored actor %s: %w", id, err)
	}
	s.meet(id)
	k, ok := revive(stored)
	if ok {
		if k.actor != nil {
			s.abilities.learn(k.actor)
		}
		s.actors.put(id, k, cost(k))
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
	return known{
		actor: a, raw: stored.Document, fetched: stored.Fetched, kept: true, etag: stored.ETag, modified: stored.LastModified,
		handle: stored.Handle, proved: stored.Proved,
	}, true
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

// remember puts k in memory. The keys that the actor had before and has no more are dropped, the others are as young
// as k. It returns k with the handle that was proved before, if the actor goes on calling itself so.
func (s *state) remember(k known) known {
	listed := keyIDs(k.actor)
	if old, ok := s.actors.get(k.actor.ID); ok && old.actor != nil {
		listed = append(listed, keyIDs(old.actor)...)
		if claim(old.actor) == claim(k.actor) {
			k.handle, k.proved = old.handle, old.proved
		}
	}
	for _, id := range listed {
		s.misses.delete(id)
		s.requests.renew(id, k)
		s.proofs.renew(id, k)
	}
	s.misses.delete(k.actor.ID)
	s.actors.put(k.actor.ID, k, cost(k))
	s.abilities.learn(k.actor)
	return k
}

// cost is about what k takes in memory, as measured with documents of Mastodon's size: the text twice, where everything stands
// in it, and what was read from it.
func cost(k known) int { return 4*len(k.raw) + 1536 }

// keep stores k unless it is there already.
func (r *Resolver) keep(ctx context.Context, k known) error {
	if k.kept || r.config.Store == nil {
		return nil
	}
	if err := r.config.Store.PutRemote(ctx, k.remote()); err != nil {
		return fmt.Errorf("actor: store actor %s: %w", k.actor.ID, err)
	}
	k.kept = true
	if now, ok := r.actors.get(k.actor.ID); ok && now.fetched.Equal(k.fetched) && now.handle == k.handle {
		r.actors.put(k.actor.ID, k, cost(k))
	}
	for _, id := range keyIDs(k.actor) {
		r.requests.keep(id)
		r.proofs.keep(id)
	}
	return nil
}

// forget replaces what memory has of an actor by a tombstone.
func (s *state) forget(id string, old known) {
	if old.actor != nil {
		s.drop(keyIDs(old.actor))
	}
	gone := known{gone: time.Now()}
	s.actors.put(id, gone, cost(gone))
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
	r.drop(stored.KeyIDs)
	err = r.config.Store.PutRemote(ctx, Remote{ID: id, KeyIDs: stored.KeyIDs, Fetched: stored.Fetched, Gone: time.Now()})
	if err != nil {
		return fmt.Errorf("actor: store tombstone of %s: %w", id, err)
	}
	return nil
}

func (s *state) drop(keyIDs []string) {
	for _, id := range keyIDs {
		s.requests.cache.delete(id)
		s.proofs.cache.delete(id)
	}
}

func shallow(a *activity.Actor) *activity.Actor {
	c := *a
	return &c
}
