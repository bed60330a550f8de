package inbox

import (
	"context"
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// apply runs the hook for m and the built-in effect. An error other than [ErrDrop] means try again.
func (in *Inbox) apply(ctx context.Context, m *Message) error {
	if taken, err := in.take(ctx, m); err != nil || taken {
		return err
	}
	if in.Consent == nil || m.Moderates {
		return in.do(ctx, m)
	}
	return run(ctx, func(ctx context.Context, m *Message) error { return in.Consent(ctx, m, in.do) }, m)
}

func (in *Inbox) do(ctx context.Context, m *Message) error {
	typ := m.Activity.Type.String()
	if m.Moderates {
		typ = "" // nothing that is done to one's own
	}
	switch typ {
	case "Follow":
		return in.follow(ctx, m)
	case "Accept", "Reject":
		return in.answered(ctx, m, m.Activity.Is("Accept"))
	case "Undo":
		// Misskey (seen 2026-08) removes a follower by the Undo of its Accept.
		if inner, ok := m.Object.(*activity.Activity); ok && inner.Is("Accept") {
			return in.unaccepted(ctx, m, inner)
		}
	}
	hook, effect := in.choose(m)
	if err := run(ctx, hook, m); err != nil {
		return err
	}
	if err := run(ctx, effect, m); err != nil {
		return err
	}
	if err := in.forward(ctx, m); err != nil {
		return err
	}
	return in.share(ctx, m)
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
