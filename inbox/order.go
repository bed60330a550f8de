package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// What stands here says what an activity has to do with those before and after it.

// undoable are the types that an Undo without a type may mean.
var undoable = []string{"Follow", "Like", "Announce", "Block", "EmojiReact", "Dislike", "Accept", "Add", "Flag", "Join"}

// over is the type in the marks of what was deleted or undone before it came.
const over = "over"

// marksOf makes the mark of a and the rules by which a Delete or an Undo that comes first wins.
func marksOf(a *activity.Activity, body []byte) (Mark, Rules) {
	sender, typ, object := a.Actor.ID, a.Type.String(), a.Object.First()
	at := func(typ, id string) Mark { return MarkOf(sender, typ, id, nil) }
	mark, r := MarkOf(sender, typ, a.ID, body), Rules{}
	if a.ID != "" && typ != "Undo" && typ != "Delete" {
		r.Unless = append(r.Unless, at(over, a.ID))
	}
	switch typ {
	case "Create", "Update":
		if object != "" && object != a.ID {
			r.Unless = append(r.Unless, at(over, object))
		}
	case "Delete":
		if object != "" {
			r.Over = at(over, object)
		}
	case "Follow":
		// Misskey (seen 2026-08) and Pixelfed make the ids of their follows of the two actors, so one may come again
		// after its Undo, and then its Undo again.
		r.Once = true
		if a.ID != "" {
			r.Drop = []Mark{at("Undo", a.ID)}
		}
	case "Undo":
		if object == "" {
			break
		}
		mark = at("Undo", object) // known by what it undoes
		types := undoable
		if inner := embedded(firstRef(a.Object)); inner != nil && len(inner.Type) > 0 {
			types = []string{inner.Type.String()}
		}
		for _, t := range types {
			r.Undoes = append(r.Undoes, at(t, object))
		}
		r.Over = at(over, object)
		if slices.Contains(types, "Follow") {
			r.Drop = []Mark{at("Follow", object)}
		}
	}
	return mark, r
}

// hearsayMark is the mark of an activity that its actor has not been proved to have said: it must not
// stand in the way of the one that is.
func hearsayMark(a *activity.Activity, body []byte) Mark {
	return MarkOf(a.Actor.ID, "hearsay "+a.Type.String(), a.ID, body)
}

// orderKey names what an activity is about: the hooks of activities with one key run in the order of arrival.
func orderKey(a *activity.Activity) string {
	object := a.Object.First()
	switch a.Type.String() {
	case "Follow", "Block":
		return pairKey(a.Actor.ID, object)
	case "Move":
		return short(a.Actor.ID) // after the Update that tells it, and one after the other
	case "Accept", "Reject":
		if inner := embedded(firstRef(a.Object)); inner != nil && inner.Actor.ID != "" {
			return pairKey(inner.Actor.ID, a.Actor.ID)
		}
	case "Undo":
		if inner := embedded(firstRef(a.Object)); inner != nil {
			inner.Actor = a.Actor
			return orderKey(inner)
		}
	case "Like", "EmojiReact", "Dislike", "Announce":
		return short(a.Actor.ID + " " + object)
	}
	return short(object)
}

// pairKey is the same whoever of the two does something to the other.
func pairKey(one, other string) string {
	if one > other {
		one, other = other, one
	}
	return short(one + " " + other)
}

// short bounds what strangers can make of a key.
func short(key string) string {
	if len(key) <= 512 {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:64], "") + hex.EncodeToString(sum[:])
}
