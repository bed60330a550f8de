package inbox

import (
	"fmt"

	"github.com/fedihook/fedihook/activity"
)

// authorise decides, from the activity alone, whether its verified actor may say this. What can be
// known only by looking elsewhere is decided before the hook runs, in message.go.
func authorise(a *activity.Activity) error {
	sender := a.Actor.ID
	deny := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrAuthority}, args...)...)
	}
	// An id is under the control of the server that it names. FEP-fe34
	if a.ID != "" && !activity.SameAuthority(a.ID, sender) {
		return deny("%s is no id of %s", a.ID, sender)
	}
	object := activity.Ref{}
	if len(a.Object) > 0 {
		object = a.Object[0]
	}
	switch a.Type.String() {
	case "Create", "Update":
		return authoriseObject(object, sender)
	case "Delete":
		// ActivityPub §7.4
		if !activity.SameAuthority(object.ID, sender) {
			return deny("%s is not for %s to delete", object.ID, sender)
		}
	case "Undo":
		// ActivityPub §7.6: the actor of both must be the same.
		if !activity.SameAuthority(object.ID, sender) && object.Raw == nil {
			return deny("%s is not for %s to undo", object.ID, sender)
		}
		inner := embedded(object)
		if inner == nil {
			break
		}
		if inner.Actor.ID != "" && inner.Actor.ID != sender {
			return deny("%s was done by %s", inner.ID, inner.Actor.ID)
		}
		if inner.ID != "" && !activity.SameAuthority(inner.ID, sender) {
			return deny("%s is not for %s to undo", inner.ID, sender)
		}
	case "Accept", "Reject":
		// ActivityPub §7.5, §7.7: only who was asked can answer.
		if inner := embedded(object); inner != nil && inner.Is("Follow") && inner.Object.First() != sender {
			return deny("%s asked %s", inner.ID, inner.Object.First())
		}
	case "Add", "Remove":
		// ActivityPub §7.8, §7.9
		if !activity.SameAuthority(a.Target.ID, sender) {
			return deny("%s is no collection of %s", a.Target.ID, sender)
		}
	case "Move":
		if object.ID != sender {
			return deny("%s can't move %s", sender, object.ID)
		}
	}
	return nil
}

// authoriseObject checks what a Create or an Update carries. ActivityPub §7.2, §7.3.
func authoriseObject(object activity.Ref, sender string) error {
	if !activity.SameAuthority(object.ID, sender) {
		return fmt.Errorf("%w: %s is no object of %s", ErrAuthority, object.ID, sender)
	}
	if object.Raw == nil {
		return nil // fetched from its own server before the hook runs
	}
	doc, err := object.Document()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAuthority, err)
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

// orderKey names what an activity is about: the hooks of activities with one key run in the order of arrival.
func orderKey(a *activity.Activity) string {
	object := a.Object.First()
	switch a.Type.String() {
	case "Follow", "Block":
		return a.Actor.ID + " " + object
	case "Accept", "Reject":
		if inner := embedded(firstRef(a.Object)); inner != nil {
			return inner.Actor.ID + " " + a.Actor.ID
		}
		return object
	case "Undo":
		if inner := embedded(firstRef(a.Object)); inner != nil {
			inner.Actor = a.Actor
			return orderKey(inner)
		}
		return object
	case "Like", "EmojiReact", "Announce":
		return a.Actor.ID + " " + object
	}
	return object
}

func firstRef(refs activity.Refs) activity.Ref {
	if len(refs) == 0 {
		return activity.Ref{}
	}
	return refs[0]
}
