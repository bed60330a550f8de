package inbox

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
)

// Forwarder tells the followers of actors here what came in: those of whom nobody else tells them. Its methods may be called
// by many goroutines at once, and twice for one activity.
type Forwarder interface {
	// FollowersOf tells whose followers the collection with this id is, "" if it is no such collection of ours.
	FollowersOf(ctx context.Context, id string) (actorID string, err error)
	// Author tells who made an object of ours that everyone may see, "" if it is none.
	Author(ctx context.Context, objectID string) (actorID string, err error)
	// Forward posts m.Body byte for byte to the followers of local, signed with local's key, but not to servers with one of
	// these authorities. Doing it twice sends it once.
	Forward(ctx context.Context, local string, m *Message, except []string) error
}

const (
	rememberForwarded = 180 * 24 * time.Hour
	maxForwarded      = 500_000
	// maxForwardedFor bounds for how many actors here one activity is forwarded, each to all followers.
	maxForwardedFor = 10
)

// forward passes m on to the followers of somebody here. ActivityPub §7.1.2 has it for what is seen for the first time, is
// addressed to a collection of ours, and is about something of ours; we look at m and at the object that it embeds, no
// deeper. Mastodon (seen 4.6.5) does it also for what everyone may see and replies to a post here that everyone may see,
// whomever it is addressed to, and for what becomes of that.
//
// Nothing is forwarded that third parties can't verify: it must carry its actor's proof (FEP-8b32), or an LD signature over
// all of it as it stands. Each server forwards an activity once, so that what two forward to each other comes to an end. Nor is
// anything new forwarded of whom a rule limits, or in the name of who has blocked its author.
func (in *Inbox) forward(ctx context.Context, m *Message) error {
	if in.Forwarder == nil || m.Alone || m.Moderates || m.By == ByOrigin || m.By == ByUs {
		return nil
	}
	if m.By == ByRequest && len(m.Activity.Proof) == 0 && len(m.Activity.Signature) == 0 {
		return nil // most of all; what stands there is looked at by Convinces
	}
	locals, key, err := in.forwardTo(ctx, m)
	if err != nil || len(locals) == 0 || !in.Convinces(ctx, m) {
		return err
	}
	except := m.Have()
	for _, local := range locals {
		if key != "" && in.Forwards != nil {
			if err := in.Forwards.PutForwarded(ctx, Forwarded{Object: key, Author: m.Sender, Local: local, At: time.Now()}); err != nil {
				return err
			}
		}
		if err := in.Forwarder.Forward(ctx, local, m, except); err != nil {
			return err
		}
	}
	return nil
}

// forwardTo finds to whose followers m is to be forwarded, and what is to be remembered for that: the id by which it will be
// deleted or undone.
func (in *Inbox) forwardTo(ctx context.Context, m *Message) (locals []string, key string, err error) {
	switch m.Activity.Type.String() {
	case "Delete", "Undo":
		if in.Forwards == nil || m.ObjectID == "" {
			return nil, "", nil
		}
		locals, err = in.Forwards.ForwardedTo(ctx, m.ObjectID, m.Sender)
		return locals, "", err
	case "Create", "Update":
		key = m.ObjectID
	case "Like", "EmojiReact", "Announce", "Add", "Remove":
		key = m.Activity.ID
	default:
		return nil, "", nil // what goes on between two
	}
	if m.Limited || in.isVote(m) {
		return nil, "", nil
	}
	if locals, err = in.concerned(ctx, m); err != nil {
		return nil, "", err
	}
	locals, err = in.withoutBlockers(ctx, m, locals)
	return locals, key, err
}

// concerned finds the actors here to whose followers m, which is new, is to be forwarded.
func (in *Inbox) concerned(ctx context.Context, m *Message) (locals []string, err error) {
	o, _ := m.Object.(*activity.Object)
	if locals, err = in.collectionsOf(ctx, m, o); err != nil {
		return nil, err
	}
	if len(locals) > 0 {
		ours, err := in.isAboutOurs(ctx, m, o)
		if err != nil {
			return nil, err
		}
		if !ours {
			locals = nil
		}
	}
	if o == nil || !in.Ours(o.InReplyTo.ID) || !forEveryone(m.Activity.To, m.Activity.CC) || !forEveryone(o.To, o.CC) {
		return locals, nil
	}
	author, err := in.Forwarder.Author(ctx, o.InReplyTo.ID)
	if err == nil && author != "" && !slices.Contains(locals, author) {
		locals = append(locals, author)
	}
	return locals, err
}

// withoutBlockers leaves out whose own rules do not want to hear of m's sender, or of whom m shows.
func (in *Inbox) withoutBlockers(ctx context.Context, m *Message, locals []string) (kept []string, err error) {
	shown, _ := in.about(m.Activity, m.Object, m.Sender)
	for _, local := range locals {
		v, err := in.Policy.Judge(ctx, moderation.Question{
			Purpose: moderation.Receive, Actor: m.Sender, Objects: shown, Local: local, Type: m.Activity.Type.String(),
		})
		if err != nil {
			return nil, err
		}
		if !v.Own {
			kept = append(kept, local)
		}
	}
	return kept, nil
}

func forEveryone(to, cc activity.Audience) bool {
	return to.Has(activity.Public) || cc.Has(activity.Public)
}

// collectionsOf finds the actors here whose followers m, or the object that it embeds, is addressed to: the first ten.
func (in *Inbox) collectionsOf(ctx context.Context, m *Message, o *activity.Object) (locals []string, err error) {
	whom := m.Activity.Recipients()
	if o != nil {
		whom = append(whom, o.Recipients()...)
	}
	asked := 0
	for _, id := range whom {
		if !in.Ours(id) {
			continue
		}
		if asked++; asked > maxAsked || len(locals) == maxForwardedFor {
			break
		}
		local, err := in.Forwarder.FollowersOf(ctx, id)
		if err != nil {
			return nil, err
		}
		if local != "" && !slices.Contains(locals, local) {
			locals = append(locals, local)
		}
	}
	return locals, nil
}

// isAboutOurs tells whether what m is about, replies to, is added to or names in its tags is ours.
func (in *Inbox) isAboutOurs(ctx context.Context, m *Message, o *activity.Object) (bool, error) {
	about := append(m.Activity.Object.IDs(), m.Activity.Target.ID, m.Activity.InReplyTo.ID)
	if o != nil {
		about = append(append(about, o.InReplyTo.ID), o.Mentions()...)
	}
	var whom audience
	if err := in.localAmong(ctx, &whom, nil, about); err != nil {
		return false, err
	}
	return len(whom.To) > 0, nil
}

// Have are the authorities of the servers that have m already: its actor's, and that of who brought it. It is for forwarding.
func (m *Message) Have() (authorities []string) {
	for _, id := range []string{m.Sender, m.Via} {
		if authority, ok := activity.Authority(id); ok && !slices.Contains(authorities, authority) {
			authorities = append(authorities, authority)
		}
	}
	return authorities
}

// Convinces tells whether m carries what proves it to those who did not get it from its actor: the actor's proof (FEP-8b32), or an
// LD signature over all of it.
func (in *Inbox) Convinces(ctx context.Context, m *Message) bool {
	switch m.By {
	case ByDocument, ByLDSignature:
		return true
	case ByOrigin, ByUs: // its body is ours
		return false
	}
	c := &matter{a: m.Activity, body: m.Body, sender: m.Sender}
	owner, err := in.Proof(ctx, m.Body)
	if err == nil {
		return owner == m.Sender
	}
	signed, err := in.LDSignature(ctx, m.Body)
	return err == nil && signed.Whole && c.signedAs(signed) == nil
}

// signedAs refuses c if an LD signature is another's, or says something else.
func (c *matter) signedAs(signed LDSigned) error {
	if signed.ID != c.a.ID || signed.Type != c.a.Type.String() || signed.Object != c.a.Object.First() {
		return c.refuse(http.StatusForbidden, denied("not what was signed"))
	}
	return c.saidBy(signed.Owner)
}

// forgetForwarded drops what was forwarded too long ago.
func (in *Inbox) forgetForwarded(ctx context.Context) {
	if in.Forwards == nil {
		return
	}
	if err := in.Forwards.ForgetForwarded(ctx, time.Now().Add(-rememberForwarded), maxForwarded); err != nil {
		in.Logger.WarnContext(ctx, "inbox: what was forwarded is not forgotten", "error", err)
	}
}
