package inbox

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Readers make [Hooks] for an app whose users publish and whose readers answer: what others say of its posts, and
// nothing else. Each func may be nil. They are called as a [Hook] is, and their errors mean the same: they may run twice for one
// thing, and what is about one post or comment comes in order.
type Readers struct {
	// Posts is what the ids of the app's posts begin with, like "https://blog.example/posts/": what is about others is left
	// out, and a post is named by the rest. Empty: all ids, whole.
	Posts string

	// Comment is told of a public reply to a post, and again when it was edited. By never changes: whoever else says to have
	// edited it, on the same server perhaps, is not its author.
	Comment func(ctx context.Context, c Comment) error
	// Remove is told of what By has deleted, or does not say to everyone any more; it need not be a comment.
	Remove func(ctx context.Context, id, by string) error
	// React is told that somebody likes a post, if with an emoji or not, or shares it: kind is "like" or "share". If yes is
	// false, they do so no more.
	React func(ctx context.Context, post, kind, by string, yes bool) error

	// Who tells more of who wrote a comment. Nil: only the id is known.
	Who func(ctx context.Context, actorID string) Person
}

// Person is how somebody elsewhere is shown. What is not known is "".
type Person struct {
	Handle string // user@host, proved
	Avatar string // an address that a reader's browser may ask for
}

// Comment is what somebody elsewhere says of a post.
type Comment struct {
	ID        string
	Post      string // that it answers, as Readers.Posts says
	By        string // the author's actor id
	Name      string // their handle, user@host, or By where that is not proved: what they call themselves may be anybody's name
	Avatar    string // see Person
	Content   string // a stranger's HTML: see package activity/html
	Published time.Time
}

// Hooks returns h with these hooks added: where h has one already, they run after it if it returns nil.
func (r Readers) Hooks(h Hooks) Hooks {
	if r.Comment != nil || r.Remove != nil {
		h.Create, h.Update = after(h.Create, r.comment), after(h.Update, r.comment)
	}
	if r.Remove != nil {
		h.Delete = after(h.Delete, func(ctx context.Context, m *Message) error { return r.Remove(ctx, m.ObjectID, m.Sender) })
	}
	if r.React != nil {
		h.Like, h.React = after(h.Like, r.react), after(h.React, r.react)
		h.Announce, h.Undo = after(h.Announce, r.react), after(h.Undo, r.react)
	}
	return h
}

func after(first, second Hook) Hook {
	if first == nil {
		return second
	}
	return func(ctx context.Context, m *Message) error {
		if err := first(ctx, m); err != nil {
			return err
		}
		return second(ctx, m)
	}
}

func (r Readers) comment(ctx context.Context, m *Message) error {
	o, ok := m.Object.(*activity.Object)
	if !ok || o.ID == "" {
		return nil
	}
	open := o.Visibility("") == activity.VisibilityPublic || o.Visibility("") == activity.VisibilityUnlisted
	post, ours := r.post(o.InReplyTo.ID)
	if !open || !ours {
		if r.Remove == nil || !m.Activity.Is("Update") {
			return nil
		}
		return r.Remove(ctx, o.ID, m.Sender)
	}
	if r.Comment == nil {
		return nil
	}
	at := o.Published
	if at.IsZero() || at.After(m.Received) { // nobody comments in the future
		at = m.Received
	}
	c := Comment{ID: o.ID, Post: post, By: m.Sender, Name: m.Sender, Content: o.Text(), Published: at}
	if r.Who != nil {
		who := r.Who(ctx, m.Sender)
		c.Name = cmp.Or(who.Handle, m.Sender)
		if !m.NoMedia {
			c.Avatar = who.Avatar
		}
	}
	return r.Comment(ctx, c)
}

func (r Readers) react(ctx context.Context, m *Message) error {
	a, yes := m.Activity, true
	if a.Is("Undo") {
		yes = false
		if a, _ = m.Object.(*activity.Activity); a == nil || !a.Is("Like") && !a.Is("EmojiReact") && !a.Is("Announce") {
			return nil
		}
	}
	for _, object := range a.Object {
		if post, ours := r.post(object.ID); ours {
			kind := "like"
			if a.Is(activity.TypeAnnounce) {
				kind = "share"
			}
			return r.React(ctx, post, kind, m.Sender, yes)
		}
	}
	return nil
}

// post names a post by its id.
func (r Readers) post(id string) (string, bool) {
	post, ours := strings.CutPrefix(id, r.Posts)
	return post, ours && post != ""
}
