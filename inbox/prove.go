package inbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// Proof is how it is known that an activity was said by its actor. The zero Proof is ByRequest.
type Proof uint8

const (
	// ByRequest: the actor signed the request that brought it.
	ByRequest Proof = iota
	// ByDocument: the activity carries the actor's proof. FEP-8b32
	ByDocument
	// ByLDSignature: the activity carries the actor's LD signature.
	ByLDSignature
	// ByOrigin: the actor's own server says so. Only what that server shows was believed.
	ByOrigin
	// ByUs: a local actor said it, through this server's outbox.
	ByUs
	// ByGroup: a group announced it that lives on the actor's own server, which could have said anything in the actor's name; or
	// it is what a moderator does in that group, which is the group's to say.
	ByGroup
)

// String names the proof, for logs.
func (p Proof) String() string {
	switch p {
	case ByDocument:
		return "proof"
	case ByLDSignature:
		return "LD signature"
	case ByOrigin:
		return "origin"
	case ByUs:
		return "ours"
	case ByGroup:
		return "group"
	}
	return "request"
}

// LDSigned is what an LD signature is worth.
type LDSigned struct {
	// Owner is the actor who signed; ID, Type and Object are the activity's, as signed.
	Owner, ID, Type, Object string
	// Whole says that all of the document was signed as it stands. If not, only what the origin shows is believed.
	Whole bool
}

// prove finds out whether c was said by its actor, where signer brought it: by its own proof, by an LD
// signature, or later by what the actor's server shows. ActivityPub §7.1.2
func (in *Inbox) prove(ctx context.Context, c *matter, signer string) error {
	if signer == c.sender {
		c.by = ByRequest
		return nil
	}
	c.via = signer
	// Only the strict keep their word: a document that has a proof is worth what that is, however it came. FEP-8b32
	owner, err := in.Proof(ctx, c.body)
	if err == nil {
		c.by = ByDocument
		return c.saidBy(owner)
	}
	if !errors.Is(err, signature.ErrUnsigned) {
		return c.refuse(statusOf(err), err)
	}
	signed, err := in.LDSignature(ctx, c.body)
	switch {
	case err == nil && signed.Whole:
		c.by = ByLDSignature
		return c.signedAs(signed)
	case errors.Is(err, signature.ErrKeyUnavailable):
		return c.refuse(http.StatusServiceUnavailable, err)
	}
	// A worthless LD signature makes it no worse than it is without: hearsay.
	if !provable(c.a) {
		return c.refuse(http.StatusForbidden, fmt.Errorf("%w: brought by %q, said by %s", ErrAuthority, signer, c.sender))
	}
	c.by = ByOrigin
	return nil
}

func (c *matter) saidBy(owner string) error {
	if owner != c.sender {
		return c.refuse(http.StatusForbidden, fmt.Errorf("%w: proved by %s, said by %s", ErrAuthority, owner, c.sender))
	}
	return nil
}

// provable tells whether an origin can show that a was said.
func provable(a *activity.Activity) bool {
	sender, object := a.Actor.ID, a.Object.First()
	switch a.Type.String() {
	case "Create", "Update", "Delete":
		return activity.SameAuthority(object, sender)
	}
	return activity.SameAuthority(a.ID, sender)
}

// proveAtOrigin replaces what m says by what the actor's server says. An error that wraps [ErrDrop] is final.
func (in *Inbox) proveAtOrigin(ctx context.Context, m *Message) error {
	claimed, typ := m.Activity, m.Activity.Type.String()
	object := claimed.Object.First()
	switch typ {
	case "Create", "Update":
		doc, err := in.fetch(ctx, object)
		if err != nil {
			return err
		}
		if err := attributed(doc, object, m.Sender); err != nil {
			return fmt.Errorf("%w: %w", ErrDrop, err)
		}
		// Neither the activity's id nor whom it was said to be for is proved.
		proved := &activity.Activity{Type: activity.Types{typ}, Actor: activity.IRI(m.Sender), Object: activity.Refs{activity.Embed(doc)}}
		if o, ok := doc.(*activity.Object); ok {
			proved.To, proved.CC = o.To, o.CC
		}
		return m.become(proved)
	case "Delete":
		switch doc, err := in.fetch(ctx, object); {
		case errors.Is(err, ErrGone), err == nil && doc.Is("Tombstone"):
			return m.become(&activity.Activity{Type: activity.Types{typ}, Actor: activity.IRI(m.Sender), Object: activity.Refs{activity.IRI(object)}})
		case err != nil:
			return err
		}
		return fmt.Errorf("%w: %s is still there", ErrDrop, object)
	}
	doc, err := in.fetch(ctx, claimed.ID)
	if err != nil {
		return err
	}
	shown, ok := doc.(*activity.Activity)
	if !ok || shown.ID != claimed.ID || shown.Actor.ID != m.Sender || shown.Type.String() != typ {
		return fmt.Errorf("%w: its server shows something else at %s", ErrDrop, claimed.ID)
	}
	if err := authorise(shown, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrDrop, err)
	}
	return m.become(shown)
}

// become makes a what m says, in Body too: nobody shall read there what was not proved.
func (m *Message) become(a *activity.Activity) (err error) {
	if m.Body, err = activity.Encode(a); err != nil {
		return fmt.Errorf("%w: %w", ErrDrop, err)
	}
	m.Activity, m.ObjectID = a, a.Object.First()
	return nil
}
