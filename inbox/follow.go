package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// What stands here is the life of a follow: asked, pending or accepted, answered anew, taken back, turned away, and ended
// by a block from either side.

// Follow is a relation as it is kept.
type Follow struct {
	ID       string // of the activity
	Follower string
	Followed string
	Accepted bool // false: pending
}

// activity is the Follow as it was said.
func (f Follow) activity() *activity.Activity {
	return &activity.Activity{
		ID: f.ID, Type: activity.Types{"Follow"}, Actor: activity.IRI(f.Follower), Object: activity.Refs{activity.IRI(f.Followed)},
	}
}

// Relations is who follows whom. Its methods may be called by many goroutines at once, and twice for
// one activity.
type Relations interface {
	// Between returns the follow of this pair; ok is false if there is none.
	Between(ctx context.Context, follower, followed string) (f Follow, ok bool, err error)
	// ByID returns a follow whose activity has this id. Strangers choose ids: whoever names one must still be of the pair.
	ByID(ctx context.Context, followID string) (f Follow, ok bool, err error)
	// FollowedHere reports whether anybody here follows this actor, and was accepted.
	FollowedHere(ctx context.Context, actorID string) (bool, error)
	// Followed keeps that a remote actor follows a local one, or asks to if pending.
	Followed(ctx context.Context, follower, local, followID string, pending bool) error
	// Unfollowed forgets it.
	Unfollowed(ctx context.Context, follower, local string) error
	// Answered keeps or forgets that a local actor follows a remote one, by the pair or, where local is "",
	// by the id of the Follow. Ok is false if the local one never asked.
	Answered(ctx context.Context, local, remote, followID string, accepted bool) (ok bool, err error)
	// Forget drops everything about a remote actor that is gone.
	Forget(ctx context.Context, actorID string) error
}

// follow asks the hook, keeps the relation and answers. ActivityPub §7.5
func (in *Inbox) follow(ctx context.Context, m *Message) error {
	local, approves, err := in.Local(ctx, m.ObjectID)
	if err != nil {
		return err
	}
	if !local {
		return fmt.Errorf("%w: %s is not an actor here", ErrDrop, m.ObjectID)
	}
	old, had, err := in.Relations.Between(ctx, m.Sender, m.ObjectID)
	if err != nil {
		return err
	}
	if moved, err := in.hasMoved(ctx, m.ObjectID); err != nil {
		return err
	} else if moved && !(had && old.Accepted) { // as Mastodon (seen 4.6) does; who was let in before may have lost our answer
		if err := in.Relations.Unfollowed(ctx, m.Sender, m.ObjectID); err != nil {
			return err
		}
		return in.Sender.Answer(ctx, m.ObjectID, "Reject", m.Activity)
	}
	blocked, err := in.blockedBy(ctx, m, m.ObjectID)
	if err != nil {
		return err
	}
	if err = ErrRefuse; !blocked {
		err = run(ctx, in.Hooks.Follow, m)
	}
	pending := errors.Is(err, ErrPending) || err == nil && (m.Limited || in.Hooks.Follow == nil && approves)
	switch {
	case errors.Is(err, ErrRefuse):
		if err := in.Relations.Unfollowed(ctx, m.Sender, m.ObjectID); err != nil {
			return err
		}
		return in.Sender.Answer(ctx, m.ObjectID, "Reject", m.Activity)
	case err != nil && !errors.Is(err, ErrPending):
		return err
	case had && old.Accepted:
		pending = false // who asks again was let in before: the other side lost our answer
	}
	if err := in.Relations.Followed(ctx, m.Sender, m.ObjectID, m.Activity.ID, pending); err != nil {
		return err
	}
	if pending {
		return nil
	}
	return in.Sender.Answer(ctx, m.ObjectID, "Accept", m.Activity)
}

// unfollow ends the follow of the pair that was embedded, or was found by its id.
func (in *Inbox) unfollow(ctx context.Context, m *Message) error {
	follow, ok := m.Object.(*activity.Activity)
	if !ok {
		return nil
	}
	followed := follow.Object.First()
	if followed == "" { // an embedded Follow that says little more than its id
		f, ok, err := in.Relations.ByID(ctx, follow.ID)
		if err != nil || !ok || f.Follower != m.Sender {
			return err
		}
		followed = f.Followed
	}
	return in.Relations.Unfollowed(ctx, m.Sender, followed)
}

// answered handles the answer to a Follow of ours, which some servers embed and some name by its id. Nothing
// counts as an answer that nobody here asked for. ActivityPub §7.5, §7.7
func (in *Inbox) answered(ctx context.Context, m *Message, accepted bool) error {
	hook := in.Hooks.Rejected
	if accepted {
		hook = in.Hooks.Accepted
	}
	local := ""
	if asked, ok := m.Object.(*activity.Activity); ok {
		if !asked.Is("Follow") {
			return run(ctx, in.Hooks.Other, m)
		}
		local = asked.Actor.ID
	}
	ok, err := in.Relations.Answered(ctx, local, m.Sender, m.ObjectID, accepted)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: nobody here asked to follow %s", ErrDrop, m.Sender)
	}
	return run(ctx, hook, m)
}

// unaccepted is a Rejected in other words.
func (in *Inbox) unaccepted(ctx context.Context, m *Message, accept *activity.Activity) error {
	follow := embedded(firstRef(accept.Object))
	local := ""
	if follow != nil {
		local = follow.Actor.ID
	}
	ok, err := in.Relations.Answered(ctx, local, m.Sender, accept.Object.First(), false)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: nobody here follows %s", ErrDrop, m.Sender)
	}
	return run(ctx, in.Hooks.Rejected, m)
}

// block ends both directions. ActivityPub §6.9
func (in *Inbox) block(ctx context.Context, m *Message) error {
	local, _, err := in.Local(ctx, m.ObjectID)
	if err != nil || !local || m.Activity.Target.ID != "" { // from a group, say: not from the sender
		return err
	}
	if err := in.Relations.Unfollowed(ctx, m.Sender, m.ObjectID); err != nil {
		return err
	}
	_, err = in.Relations.Answered(ctx, m.ObjectID, m.Sender, "", false)
	return err
}
