package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
)

// Moved says that one actor has become another.
type Moved struct {
	ID       string // of the Move; of one that has none a name that is made of what it says
	From, To string
	At       time.Time // when it came here or was said here
}

// Moves is who has moved where. Its methods may be called by many goroutines at once, and twice for one activity.
type Moves interface {
	// LastMove is the last move of an actor that is known here. Ok is false if there is none or it was taken back; At says
	// when it was also then, for the cooldown.
	LastMove(ctx context.Context, actorID string) (m Moved, ok bool, err error)
	// Moved is called with a Move on which both sides agree, after its hook: it keeps what must be known of it and has the
	// local followers of From follow To. An error that wraps [ErrDrop] means that another move came first.
	Moved(ctx context.Context, m Moved) error
}

// moveCooldown is how long Mastodon (seen 4.6) takes no second Move of one account.
const moveCooldown = 7 * 24 * time.Hour

// readMove looks whether the actor that is moved to agrees, as its server shows it now, and whether the one that moves has not
// done so just before. FEP-7628
func (in *Inbox) readMove(ctx context.Context, m *Message) error {
	target := m.Activity.Target.ID
	if target == "" || target == m.Sender {
		return fmt.Errorf("%w: a Move to nowhere", ErrDrop)
	}
	if err := in.movedLately(ctx, m); err != nil {
		return err
	}
	verdict, err := in.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Receive, Actor: target, Here: in.Ours(target), Type: "Move"})
	if err != nil {
		return err
	}
	if verdict.Refuse {
		return fmt.Errorf("%w: %s may not talk to us: %w", ErrDrop, target, moderation.ErrRefused)
	}
	doc, err := in.fetch(ctx, target)
	if err != nil {
		return err
	}
	a, ok := doc.(*activity.Actor)
	if !ok || a.ID != target {
		return fmt.Errorf("%w: %s is no actor", ErrDrop, target)
	}
	if err := Agrees(a, m.Sender); err != nil {
		return fmt.Errorf("%w: %w", ErrDrop, err)
	}
	m.Object = a
	return nil
}

// Agrees tells whether an actor, as its server shows it, takes the place of the one with this id: it says that it is also
// known by that id, has not moved away itself and is not suspended. The error says what is missing. FEP-7628
func Agrees(target *activity.Actor, from string) error {
	switch {
	case target.Suspended:
		return fmt.Errorf("%s is suspended", target.ID)
	case target.MovedTo.ID != "" && target.MovedTo.ID != target.ID:
		return fmt.Errorf("%s has itself moved, to %.200s", target.ID, target.MovedTo.ID)
	}
	for _, ref := range target.AlsoKnownAs {
		if ref.ID == from {
			return nil
		}
	}
	return fmt.Errorf("%s does not say that it is also known as %s", target.ID, from)
}

func (in *Inbox) movedLately(ctx context.Context, m *Message) error {
	if in.Moves == nil {
		return nil
	}
	last, _, err := in.Moves.LastMove(ctx, m.Sender)
	if err != nil || last.At.IsZero() || last.ID == moveID(m) {
		return err
	}
	if until := last.At.Add(in.MoveCooldown); in.MoveCooldown > 0 && m.Received.Before(until) {
		return fmt.Errorf("%w: %s has moved before, and may again after %s", ErrDrop, m.Sender, until.UTC().Format(time.RFC3339))
	}
	return nil
}

func moveID(m *Message) string {
	if m.Activity.ID != "" {
		return m.Activity.ID
	}
	sum := sha256.Sum256(m.Body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// move is what follows from a Move. FEP-7628
func (in *Inbox) move(ctx context.Context, m *Message) error {
	if in.Moves == nil {
		return nil
	}
	return in.Moves.Moved(ctx, Moved{ID: moveID(m), From: m.Sender, To: m.Activity.Target.ID, At: m.Received})
}

// hasMoved tells whether a local actor has moved away and takes no followers any more.
func (in *Inbox) hasMoved(ctx context.Context, local string) (bool, error) {
	if in.Moves == nil {
		return false, nil
	}
	_, moved, err := in.Moves.LastMove(ctx, local)
	return moved, err
}
