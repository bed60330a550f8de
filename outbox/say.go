package outbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// ErrIncomplete is wrapped by errors about something that can't be said because a part is missing.
var ErrIncomplete = errors.New("incomplete")

// Say keeps a for author, a handle or an actor id, and returns its id. What is missing is filled in
// after the commit: actor and attributedTo, the audience of activities that follow from others, and the id of
// the author's followers where [activity.Followers] stands. With a tx it writes one row through it and does
// nothing else; when the caller's commit fails nothing was said.
//
// Ids: an a.ID that is set stays. Create and Delete of an object, and Undo, get ids that derive from what they are
// about, so that saying them twice says them once; all others get new ones.
func (o *Outbox) Say(ctx context.Context, tx Execer, author string, a *activity.Activity) (id string, err error) {
	object := a.Object.First()
	if author == "" || len(a.Type) == 0 || object == "" {
		return "", fmt.Errorf("outbox: %s by %q about %q: %w", a.Type, author, object, ErrIncomplete)
	}
	if _, ok := activity.Authority(object); !ok {
		return "", fmt.Errorf("outbox: %s: object %q is no http or https id: %w", a.Type, object, ErrIncomplete)
	}
	if a.ID == "" {
		switch a.Type.String() {
		case "Create", "Delete", "Undo":
			a.ID = o.NewID(false, derive(a.Type.String(), object))
		default:
			a.ID = o.NewID(false, newKey())
		}
	}
	raw, err := a.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.ID, err)
	}
	if err := o.Intents.AddIntent(ctx, tx, Intent{ID: a.ID, Author: author, Activity: raw, At: time.Now().UTC()}); err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.ID, err)
	}
	if tx != nil {
		// Nobody tells us of the commit, so look often for a moment.
		o.hurry.Store(time.Now().Add(time.Second).UnixNano())
	}
	o.wake()
	return a.ID, nil
}

// Answer says Accept or Reject to a, in the name of a local actor and to whoever did a. The id derives from
// a's, so that answering twice sends once.
func (o *Outbox) Answer(ctx context.Context, local, typ string, a *activity.Activity) error {
	// Pixelfed reads these four of the embedded Follow, Threads nothing less. ActivityPub §7.5
	inner := &activity.Activity{ID: a.ID, Type: a.Type, Actor: activity.IRI(a.Actor.ID), Object: activity.Refs{activity.IRI(a.Object.First())}}
	what := a.ID
	if what == "" {
		what = a.Type.String() + " " + a.Actor.ID + " " + a.Object.First()
		// An answer is about something; nobody asks for the id of this, and it is not theirs.
		inner.ID = o.NewID(false, derive("Anonymous", what))
	}
	answer := &activity.Activity{
		ID: o.NewID(false, derive(typ, local+" "+what)), Type: activity.Types{typ},
		Object: activity.Refs{activity.Embed(inner)}, To: activity.To(a.Actor.ID),
	}
	_, err := o.Say(ctx, nil, local, answer)
	return err
}

// ObjectID makes a new id for an object.
func (o *Outbox) ObjectID() string { return o.NewID(true, newKey()) }

var lowerBase32 = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newKey makes a key that sorts by time to the millisecond and can't be guessed: 48 bits of time, 80 of chance.
func newKey() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:])
	return lowerBase32.EncodeToString(b[:])
}

// derive makes a key from what an activity is about.
func derive(typ, about string) string {
	sum := sha256.Sum256([]byte(typ + "\n" + about))
	return strings.ToLower(typ) + "-" + lowerBase32.EncodeToString(sum[:16])
}

func (o *Outbox) wake() {
	select {
	case o.said <- struct{}{}:
	default:
	}
}

// Said returns [ErrUnknown] if no activity of this id was ever said here.
func (o *Outbox) Said(ctx context.Context, id string) error {
	if _, err := o.take(ctx); err != nil { // what was said a moment ago may still be an intent
		return err
	}
	_, err := o.Log.Record(ctx, id)
	return err
}
