package inbox

import (
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// authorise decides, from the activity alone, whether its verified actor may say this. What can be
// known only by looking elsewhere is decided before the hook runs, in message.go. With several types it must be allowed as
// each of them, for a hook may ask for any. Doc is what it embeds, nil if that was not read.
func authorise(a *activity.Activity, doc activity.Document) error {
	// An id is under the control of the server that it names. FEP-fe34
	if a.ID != "" && !activity.SameAuthority(a.ID, a.Actor.ID) {
		return denied("%s is no id of %s", a.ID, a.Actor.ID)
	}
	for _, typ := range a.Type {
		if err := authoriseAs(typ, a, doc); err != nil {
			return err
		}
	}
	return nil
}

func denied(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrAuthority}, args...)...)
}

func authoriseAs(typ string, a *activity.Activity, doc activity.Document) error {
	sender, object := a.Actor.ID, firstRef(a.Object)
	switch typ {
	case "Create", "Update", "Delete", "Undo", "Accept", "Reject", "Add", "Remove", "Move", "Follow", "Block":
		if len(a.Object) > 1 { // only the first would be judged
			return denied("%s of %d objects at once", typ, len(a.Object))
		}
	}
	switch typ {
	case "Create", "Update":
		return authoriseObject(object, doc, sender)
	case "Delete":
		// ActivityPub §7.4
		if !activity.SameAuthority(object.ID, sender) {
			return denied("%s is not for %s to delete", object.ID, sender)
		}
	case "Undo":
		return authoriseUndo(object, sender)
	case "Accept", "Reject":
		// ActivityPub §7.5, §7.7: only who was asked can answer.
		if inner := embedded(object); inner != nil && inner.Is("Follow") && inner.Object.First() != sender &&
			!activity.IsPublic(inner.Object.First()) { // of everyone a relay is asked, which is known by the id of the Follow alone. FEP-ae0c
			return denied("%s asked %s", inner.ID, inner.Object.First())
		}
		// What is granted stands on the server of who grants it. FEP-044f
		if a.Result.ID != "" && !activity.SameAuthority(a.Result.ID, sender) {
			return denied("%s is not for %s to grant", a.Result.ID, sender)
		}
	case "Add", "Remove":
		// ActivityPub §7.8, §7.9
		if !activity.SameAuthority(a.Target.ID, sender) {
			return denied("%s is no collection of %s", a.Target.ID, sender)
		}
	case "Move":
		if object.ID != sender {
			return denied("%s can't move %s", sender, object.ID)
		}
	case "QuoteRequest", "LikeRequest", "ReplyRequest", "AnnounceRequest":
		// Who asks for leave does so for something of its own. FEP-044f
		if a.Instrument.ID != "" && !activity.SameAuthority(a.Instrument.ID, sender) {
			return denied("%s is not %s's to ask for", a.Instrument.ID, sender)
		}
	}
	return nil
}

// authoriseUndo: the actor of both must be the same. ActivityPub §7.6
func authoriseUndo(object activity.Ref, sender string) error {
	inner := embedded(object)
	if inner == nil || object.ID != "" {
		if !activity.SameAuthority(object.ID, sender) {
			return denied("%s is not for %s to undo", object.ID, sender)
		}
	}
	if inner != nil && inner.Actor.ID != "" && inner.Actor.ID != sender {
		return denied("%s was done by %s", inner.ID, inner.Actor.ID)
	}
	return nil
}

// authoriseObject checks what a Create or an Update carries. ActivityPub §7.2, §7.3.
func authoriseObject(object activity.Ref, doc activity.Document, sender string) error {
	if !activity.SameAuthority(object.ID, sender) {
		return fmt.Errorf("%w: %s is no object of %s", ErrAuthority, object.ID, sender)
	}
	if object.Raw == nil {
		return nil // fetched from its own server before the hook runs
	}
	if doc == nil {
		var err error
		if doc, err = object.Document(); err != nil {
			return fmt.Errorf("%w: %w", ErrAuthority, err)
		}
	}
	return belongs(doc, sender)
}

// belongs reports whether doc is sender's: the actor itself, or attributed to it alone or to nobody.
func belongs(doc activity.Document, sender string) error {
	if !activity.SameAuthority(doc.DocumentID(), sender) {
		return fmt.Errorf("%w: %s is no object of %s", ErrAuthority, doc.DocumentID(), sender)
	}
	var author string
	switch doc := doc.(type) {
	case *activity.Actor:
		author = doc.ID
	case *activity.Object:
		if len(doc.AttributedTo) == 0 || doc.AttributedTo.Has(sender) {
			return nil
		}
		author = doc.AttributedTo.First()
	case *activity.Collection:
		if len(doc.AttributedTo) == 0 || doc.AttributedTo.Has(sender) {
			return nil
		}
		author = doc.AttributedTo.First()
	case *activity.Activity:
		author = doc.Actor.ID
	case *activity.Link:
		return fmt.Errorf("%w: a link is no object", ErrAuthority)
	}
	if author != sender {
		return fmt.Errorf("%w: %s is %s's", ErrAuthority, doc.DocumentID(), author)
	}
	return nil
}

// embedded is the activity that r holds, nil if it holds none.
func embedded(r activity.Ref) *activity.Activity {
	doc, err := r.Document()
	if err != nil {
		return nil
	}
	a, _ := doc.(*activity.Activity)
	return a
}

func firstRef(refs activity.Refs) activity.Ref {
	if len(refs) == 0 {
		return activity.Ref{}
	}
	return refs[0]
}

// attributed reports whether doc, fetched from where id points, says itself that it is sender's.
func attributed(doc activity.Document, id, sender string) error {
	if doc.DocumentID() != id {
		return denied("%s is %s", id, doc.DocumentID())
	}
	if o, ok := doc.(*activity.Object); ok && len(o.AttributedTo) == 0 {
		return denied("%s is nobody's", id)
	}
	return belongs(doc, sender)
}
