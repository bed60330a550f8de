package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// What a hook's error does, found with errors.Is. Any other error means: try again later.
var (
	// ErrRefuse answers a Follow with a Reject and stores nothing. For other types it is [ErrDrop].
	ErrRefuse = errors.New("refused")
	// ErrPending keeps a Follow as a request, for a later Accept or Reject. For other types it is [ErrDrop].
	ErrPending = errors.New("pending")
	// ErrDrop is final: the activity has no effect and is not tried again.
	ErrDrop = errors.New("dropped")
)

// Message is one activity for a hook. Everything in it was verified, or was read from what was.
// A hook must not change what it points to.
type Message struct {
	Activity *activity.Activity
	Body     json.RawMessage // verbatim: for forwarding and for proofs
	// Sender is the id of the activity's actor, who was verified. Of its handle this says nothing: that is for who keeps the
	// actors to prove, as actor.Resolver does.
	Sender   string
	Received time.Time

	// Object is what a Create or an Update carries, from the sender's own server and not attributed to
	// anybody else; the sender's own activity in an Undo that embeds it; else nil.
	Object activity.Document
	// ObjectID is the id of the first object, whoever's it is.
	ObjectID string

	// Owner is the local actor in whose personal inbox it was, "" for the shared inbox.
	Owner string
	// To lists the local actors addressed, mentioned, replied to or owning the object: at most 100, More says if cut.
	To   []string
	More bool
	// ToFollowers says that it is also for the sender's local followers.
	ToFollowers bool
}

// Hook is called with one activity. See [Hooks].
type Hook func(context.Context, *Message) error

// Hooks are what an app does about activities. Each may be nil, which leaves the default; a hook adds to
// its default. They run after the sender was answered 202, those about one object in the order of arrival
// and others at the same time, and may be slow. A hook that returns an error that this package does not name
// runs again later, and one may run twice for one activity when the process dies in between: they must
// be idempotent. A type that has a field never reaches Other.
type Hooks struct {
	Follow   Hook // default: kept and accepted, or kept pending for an actor that approves its followers by hand
	Unfollow Hook // an Undo of a Follow; default: forgotten
	Accepted Hook // an Accept of a Follow of ours; default: kept
	Rejected Hook // a Reject of a Follow of ours, now or long after; default: forgotten

	Create   Hook
	Update   Hook // default for an actor: what is known of it is replaced
	Delete   Hook // the app deletes what Sender made and nobody else's; default for an actor: it is forgotten
	Like     Hook
	React    Hook // EmojiReact, and a Like with content. FEP-c0e0
	Announce Hook
	Vote     Hook // a Create of a note with a name and no content, in reply to a local object
	Quote    Hook // QuoteRequest. FEP-044f
	Block    Hook // default: both stop following each other
	Add      Hook
	Remove   Hook
	Undo     Hook // of anything but a Follow
	Move     Hook
	Flag     Hook
	Other    Hook
}

// choose finds the hook for m, and the built-in effect that follows it if it returns nil.
func (in *Inbox) choose(m *Message) (hook Hook, effect Hook) {
	h, none := &in.Hooks, Hook(nil)
	switch m.Activity.Type.String() {
	case "Create":
		if in.isVote(m) {
			return h.Vote, none
		}
		return h.Create, none
	case "Update":
		return h.Update, in.updateActor
	case "Delete":
		return h.Delete, in.deleteActor
	case "Like":
		if m.Activity.Content != "" {
			return h.React, none
		}
		return h.Like, none
	case "EmojiReact":
		return h.React, none
	case "Announce":
		return h.Announce, none
	case "QuoteRequest":
		return h.Quote, none
	case "Block":
		return h.Block, in.block
	case "Add":
		return h.Add, none
	case "Remove":
		return h.Remove, none
	case "Undo":
		if m.Object != nil && m.Object.Is("Follow") {
			return h.Unfollow, in.unfollow
		}
		return h.Undo, none
	case "Move":
		return h.Move, none
	case "Flag":
		return h.Flag, none
	}
	return h.Other, none
}

func (in *Inbox) isVote(m *Message) bool {
	note, ok := m.Object.(*activity.Object)
	return ok && note.Name != "" && note.Text() == "" && activity.SameAuthority(note.InReplyTo.ID, in.Origin)
}
