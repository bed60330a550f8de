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

// Draft is something to be said.
type Draft struct {
	Author   string // a handle or an actor id
	Activity *activity.Activity

	// NotBefore is when to say it. Zero means at once. Until then a Delete or an Undo takes it back unsaid, and an Update
	// becomes part of it.
	NotBefore time.Time

	// Except lists hosts, with a port if it is not the default one, where no follower is to hear of it. Whoever is named
	// hears of it anywhere. Empty: an Update, a Delete or an Undo leaves out what all before it did.
	Except []string
}

// Say keeps a for author, a handle or an actor id, and returns its id: see [Outbox.Keep].
func (o *Outbox) Say(ctx context.Context, tx Execer, author string, a *activity.Activity) (id string, err error) {
	return o.Keep(ctx, tx, Draft{Author: author, Activity: a})
}

// Keep keeps d, and returns the id of its activity, which it sets there. What is missing is filled in
// after the commit: actor and attributedTo, the audience of activities that follow from others, and the id of
// the author's followers where [activity.Followers] stands. With a tx it writes one row through it and does
// nothing else; when the caller's commit fails nothing was said.
//
// Ids: one that is set stays. Create and Delete of an object, and Undo, get ids that derive from what they are
// about, so that saying them twice says them once; all others get new ones.
//
// An Undo may name an actor, to take back the follow of it whichever that is. An Accept or a Reject may embed a request
// of which it knows only the actor. A Move names only its target, and a vote (a Note with a name, in reply to a poll,
// without content and audience) not whom it is for.
func (o *Outbox) Keep(ctx context.Context, tx Execer, d Draft) (id string, err error) {
	trace, said := o.saying(ctx, d.Activity.Type.String())
	id, err = o.intend(ctx, tx, d, trace)
	said(id, err)
	return id, err
}

func (o *Outbox) intend(ctx context.Context, tx Execer, d Draft, trace string) (id string, err error) {
	a := d.Activity
	object := a.Object.First()
	if d.Author == "" || len(a.Type) == 0 {
		return "", fmt.Errorf("outbox: %s by %q about %q: %w", a.Type, d.Author, object, ErrIncomplete)
	}
	if err := checkObject(a, object); err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.Type, err)
	}
	except, err := authorities(d.Except)
	if err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.Type, err)
	}
	if a.ID == "" {
		switch a.Type.String() {
		case "Create", "Delete", "Undo":
			a.ID = o.NewID(d.Author, false, derive(a.Type.String(), object))
		default:
			a.ID = o.ActivityID(d.Author)
		}
	}
	raw, err := a.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.ID, err)
	}
	in := Intent{ID: a.ID, Author: d.Author, Activity: raw, At: time.Now().UTC(), Except: except, Trace: trace}
	if d.NotBefore.After(in.At) {
		in.NotBefore = d.NotBefore.UTC()
	}
	if err := o.Intents.AddIntent(ctx, tx, in); err != nil {
		return "", fmt.Errorf("outbox: %s: %w", a.ID, err)
	}
	if tx != nil {
		// Nobody tells us of the commit, so look often for a moment.
		o.hurry.Store(time.Now().Add(time.Second).UnixNano())
	}
	o.wake()
	return a.ID, nil
}

// checkObject refuses what can be seen at once never to be sayable.
func checkObject(a *activity.Activity, object string) error {
	switch a.Type.String() {
	case "Move":
		if object = a.Target.ID; object == "" {
			return fmt.Errorf("no target: %w", ErrIncomplete)
		}
	case "Accept", "Reject":
		if asked := embeddedActivity(a); object == "" && asked != nil {
			object = asked.Actor.ID
		}
	}
	if _, ok := activity.Authority(object); !ok {
		return fmt.Errorf("object %q is no http or https id: %w", object, ErrIncomplete)
	}
	return nil
}

// authorities are hosts as they stand in URLs.
func authorities(hosts []string) ([]string, error) {
	var out []string
	for _, host := range hosts {
		authority, ok := activity.Authority("https://" + host)
		if !ok || strings.ContainsAny(host, "/?#@") {
			return nil, fmt.Errorf("%q is no host to leave out: %w", host, ErrIncomplete)
		}
		out = append(out, authority)
	}
	return out, nil
}

// Answer says Accept or Reject to a, in the name of a local actor and to whoever did a. The id derives from
// a's, so that answering twice within 30 days sends once.
func (o *Outbox) Answer(ctx context.Context, local, typ string, a *activity.Activity) error {
	_, err := o.Respond(ctx, local, typ, a)
	return err
}

// Respond is Answer, and returns the id of the answer.
func (o *Outbox) Respond(ctx context.Context, local, typ string, a *activity.Activity) (id string, err error) {
	// Pixelfed reads these four of the embedded Follow, Threads nothing less. ActivityPub §7.5
	inner := &activity.Activity{ID: a.ID, Type: a.Type, Actor: activity.IRI(a.Actor.ID), Object: activity.Refs{activity.IRI(a.Object.First())}}
	what := a.ID
	if what == "" {
		what = a.Type.String() + " " + a.Actor.ID + " " + a.Object.First()
		// An answer is about something; nobody asks for the id of this, and it is not theirs.
		inner.ID = o.NewID(local, false, derive("Anonymous", what))
	}
	return o.Say(ctx, nil, local, &activity.Activity{
		ID: o.NewID(local, false, derive(typ, local+" "+what)), Type: activity.Types{typ},
		Object: activity.Refs{activity.Embed(inner)}, To: activity.To(a.Actor.ID),
	})
}

// ObjectID makes a new id for an object of author, a handle or an actor id.
func (o *Outbox) ObjectID(author string) string { return o.NewID(author, true, newKey()) }

// ActivityID makes a new id for an activity of author, a handle or an actor id.
func (o *Outbox) ActivityID(author string) string { return o.NewID(author, false, newKey()) }

// DerivedID makes an id for an object of author that is the same for the same words.
func (o *Outbox) DerivedID(author string, words ...string) string {
	return o.NewID(author, true, derive("Object", strings.Join(words, "\n")))
}

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
