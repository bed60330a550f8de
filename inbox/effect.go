package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// apply runs the hook for m and the built-in effect. An error other than [ErrDrop] means try again.
func (in *Inbox) apply(ctx context.Context, m *Message) error {
	switch m.Activity.Type.String() {
	case "Follow":
		return in.follow(ctx, m)
	case "Accept", "Reject":
		return in.answered(ctx, m)
	}
	hook, effect := in.choose(m)
	if err := run(ctx, hook, m); err != nil {
		return err
	}
	return run(ctx, effect, m)
}

func run(ctx context.Context, h Hook, m *Message) (err error) {
	if h == nil {
		return nil
	}
	// One activity that an app can't take must not stop all others.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("inbox: hook for %s panicked: %v", m.Activity.Type, v)
		}
	}()
	return h(ctx, m)
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
	err = run(ctx, in.Hooks.Follow, m)
	pending := errors.Is(err, ErrPending) || (in.Hooks.Follow == nil && approves)
	switch {
	case errors.Is(err, ErrRefuse):
		if err := in.Relations.Unfollowed(ctx, m.Sender, m.ObjectID); err != nil {
			return err
		}
		return in.Sender.Answer(ctx, m.ObjectID, "Reject", m.Activity)
	case err != nil && !pending:
		return err
	}
	if err := in.Relations.Followed(ctx, m.Sender, m.ObjectID, m.Activity.ID, pending); err != nil {
		return err
	}
	if pending {
		return nil
	}
	return in.Sender.Answer(ctx, m.ObjectID, "Accept", m.Activity)
}

func (in *Inbox) unfollow(ctx context.Context, m *Message) error {
	follow, ok := m.Object.(*activity.Activity)
	if !ok {
		return nil
	}
	return in.Relations.Unfollowed(ctx, m.Sender, follow.Object.First())
}

// answered handles the answer to a Follow of ours, which some servers embed and some name by its id. Nothing
// counts as an answer that nobody here asked for. ActivityPub §7.5, §7.7
func (in *Inbox) answered(ctx context.Context, m *Message) error {
	accepted := m.Activity.Is("Accept")
	hook := in.Hooks.Rejected
	if accepted {
		hook = in.Hooks.Accepted
	}
	local := ""
	if follow, ok := m.Object.(*activity.Activity); ok {
		if !follow.Is("Follow") {
			return run(ctx, in.Hooks.Other, m)
		}
		local = follow.Actor.ID
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

func (in *Inbox) updateActor(ctx context.Context, m *Message) error {
	a, ok := m.Object.(*activity.Actor)
	if !ok {
		return nil
	}
	return in.Peers.Update(ctx, a)
}

func (in *Inbox) deleteActor(ctx context.Context, m *Message) error {
	if m.ObjectID != m.Sender {
		return nil
	}
	if err := in.Relations.Forget(ctx, m.Sender); err != nil {
		return err
	}
	return in.Peers.Gone(ctx, m.Sender)
}

// block ends both directions. ActivityPub §6.9
func (in *Inbox) block(ctx context.Context, m *Message) error {
	local, _, err := in.Local(ctx, m.ObjectID)
	if err != nil || !local {
		return err
	}
	if err := in.Relations.Unfollowed(ctx, m.Sender, m.ObjectID); err != nil {
		return err
	}
	_, err = in.Relations.Answered(ctx, m.ObjectID, m.Sender, "", false)
	return err
}
