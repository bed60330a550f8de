package inbox

import (
	"context"
	"errors"

	"github.com/fedihook/fedihook/activity"
)

// What a hook's error does, found with errors.Is. Any other error means: try again later.
var (
	// ErrRefuse answers a Follow, or who asks for leave, with a Reject and stores nothing. For other types it is [ErrDrop].
	ErrRefuse = errors.New("refused")
	// ErrPending keeps a Follow, or who asks for leave, as a request, for a later answer. For other types it is [ErrDrop].
	ErrPending = errors.New("pending")
	// ErrDrop is final: the activity has no effect and is not tried again.
	ErrDrop = errors.New("dropped")
)

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
	Update   Hook // of an actor, a post, or a poll with new counts; default for an actor: what is known of it is replaced
	Delete   Hook // the app deletes what Sender made and nobody else's; default for an actor: it is forgotten
	Like     Hook // a Dislike goes to Other
	React    Hook // EmojiReact, and a Like with content. FEP-c0e0
	Announce Hook
	Vote     Hook // a Create of a note with a name and no content, in reply to a local object
	Quote    Hook // QuoteRequest: see Message.Stamp for what follows if it returns nil. FEP-044f
	Request  Hook // LikeRequest, ReplyRequest, AnnounceRequest, and a like, a reply or a share that waits for leave
	Leave    Hook // leave was given for something of ours, was refused or was taken back, or taken back from others: see Message.Stamp
	Block    Hook // default: both stop following each other
	Add      Hook
	Remove   Hook
	Undo     Hook // of anything but a Follow or an Accept; Object is nil where only an id was said that is no follow here
	Move     Hook // Object is the actor that is moved to, which says so too; default: the sender's local followers follow it
	Flag     Hook // Activity.Object names what is reported; who said it may be a server rather than a person
	Other    Hook

	// Moderate is what a moderator says in a group, Message.Group: a Delete of somebody's post there, a Block of somebody from
	// it (its target), a Lock of a thread, an Add or a Remove of a moderator or of what is featured (its target is the
	// collection), an Update of the group, or an Undo of one of these, of which Object is what is undone. Such a post may be hidden
	// in the group; its author has not changed it, nor deleted it. Default for an Update: what is known of the group is
	// replaced. FEP-1b12
	Moderate Hook

	// Likes and Announces, if set, get what Like and Announce would: all that waits about one object, at most 500, in one
	// call, by their Turn. Its error is for all of them; after an error that means to try again each comes alone.
	Likes     func(ctx context.Context, objectID string, ms []*Message) error
	Announces func(ctx context.Context, objectID string, ms []*Message) error
}

// choose finds the hook for m, and the built-in effect that follows it if it returns nil.
func (in *Inbox) choose(m *Message) (hook Hook, effect Hook) {
	h, none := &in.Hooks, Hook(nil)
	if m.Moderates {
		return h.Moderate, in.updateGroup
	}
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
		if isReaction(m.Activity) {
			return h.React, none
		}
		return h.like(), none
	case "EmojiReact":
		return h.React, none
	case "Announce":
		return h.announce(), none
	case "QuoteRequest":
		return h.Quote, none
	case "LikeRequest", "ReplyRequest", "AnnounceRequest":
		return h.Request, none
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
		return h.Move, in.move
	case "Flag":
		return h.Flag, none
	}
	return h.Other, none
}

// isReaction: a Like with an emoji says as much as an EmojiReact. FEP-c0e0
func isReaction(a *activity.Activity) bool {
	return a.Type.String() == "EmojiReact" || a.Content != "" || a.MisskeyReaction != ""
}

func (in *Inbox) isVote(m *Message) bool {
	note, ok := m.Object.(*activity.Object)
	return ok && note.Name != "" && note.Text() == "" && in.Ours(note.InReplyTo.ID)
}
