package fedihook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

// Block ends the follows between handle and an actor in both directions, tells that actor's server so, and returns the id of
// the Block, which [Server.Undo] takes. It also makes a rule of handle's own about the actor, as [Server.Moderate] does with
// Rule.Local, in the place of one that there is: later follows are answered with a Reject, what the actor says reaches hooks for others
// only, and to its signed requests handle's posts are not shown. It holds as soon as Run has taken the Block up, and is lifted
// by the Undo of any Block of that actor.
//
// A Config.Policy without Rules keeps none: then all but the rule is done. If handle has as many rules of its own as the Policy takes,
// nothing is, and Config.Ended is told. ActivityPub §6.9 would keep a Block at home; Mastodon sends it, and servers hide posts
// from who is blocked when they know.
func (s *Server) Block(ctx context.Context, handle, actorID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Block", actorID)
}

// block keeps what a Block changes: the rule first, so that no follow comes between. Neither is to hear of the other. ActivityPub §6.9
func (r *relations) block(ctx context.Context, c outbox.Relation) error {
	if err := r.blockRule(ctx, c); err != nil {
		return err
	}
	return errors.Join(r.delete(ctx, c.Follower, c.Followed), r.delete(ctx, c.Followed, c.Follower))
}

func (r *relations) blockRule(ctx context.Context, c outbox.Relation) error {
	r.blocking.Lock()
	defer r.blocking.Unlock()
	key, at := moderation.Key{Local: c.Follower, About: c.Followed}, c.At.Truncate(time.Microsecond) // as rules have it
	have, ok, err := r.policy.Find(ctx, key)
	if err == nil && (!ok || have.Severity != moderation.Suspend || have.At.Before(at)) { // else it was done before a crash
		err = r.policy.Put(ctx, moderation.Rule{Key: key, Severity: moderation.Suspend, Private: "Block", By: c.Follower, At: at})
	}
	switch {
	case errors.Is(err, moderation.ErrNoRules):
		return nil
	case errors.Is(err, moderation.ErrTooMany), errors.Is(err, moderation.ErrBadDomain), errors.Is(err, moderation.ErrBadRule):
		return fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	return err
}

// unblock lifts the rule, but not one that was made after the Undo was said, by another Block for instance.
func (r *relations) unblock(ctx context.Context, c outbox.Relation) error {
	r.blocking.Lock()
	defer r.blocking.Unlock()
	key := moderation.Key{Local: c.Follower, About: c.Followed}
	have, ok, err := r.policy.Find(ctx, key)
	if errors.Is(err, moderation.ErrBadDomain) || err == nil && (!ok || have.At.After(c.At)) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.policy.Lift(ctx, c.Follower, "Undo of a Block", key)
}
