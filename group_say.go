package fedihook

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// InGroup returns the same verbs, said in a group, here or elsewhere, by the id of its actor (see [Server.Lookup], which also takes
// !group@host). Publish begins a thread there or, with InReplyTo, comments: it is addressed to the group and, if the object says
// nothing else, to everyone and the author's followers; where it has a Name and no type it is a Page, of which Lemmy and its kin take no
// more than 200 characters of Name. Like, Dislike and their Undo are votes, said to the group alone, which tells the
// others. Block is what a moderator does to somebody who may not speak in the group any more; see also [Server.RemovePost]. With
// [Server.Send] a moderator locks, features, and names others. FEP-1b12
func (s *Server) InGroup(groupID string) *Server {
	in := *s
	in.group = groupID
	return &in
}

// Dislike tells whoever made the object, or the group (see [Server.InGroup]), that handle votes against it, and returns the id of the
// Dislike. Lemmy, PieFed and Mbin count it; Mastodon ignores it. ActivityStreams Vocabulary §3.1
func (s *Server) Dislike(ctx context.Context, handle, objectID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Dislike", objectID)
}

// RemovePost says, as a moderator of the group that [Server.InGroup] names, that a post is not to be seen there any more, and returns the
// id of the Delete, which [Server.Undo] takes. The post itself, also one of this site, stays its author's. An empty reason is
// told as "Removed by a moderator". FEP-1b12
func (s *Server) RemovePost(ctx context.Context, handle, objectID, reason string) (id string, err error) {
	if s.group == "" {
		return "", fmt.Errorf("fedihook: remove %s: from no group: %w", objectID, outbox.ErrIncomplete)
	}
	if reason == "" {
		reason = "Removed by a moderator"
	}
	return s.say(ctx, handle, &activity.Activity{
		// A new id: that which derives from the object is its author's to delete it by.
		ID: s.outbox.ActivityID(handle), Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(objectID)}, Summary: reason,
	})
}

// usualType is what an object is that does not say.
func (s *Server) usualType(o *activity.Object) string {
	if s.group != "" && o.Name != "" && o.InReplyTo.IsZero() {
		return "Page"
	}
	return "Note"
}

// inGroup makes o one of a group's.
func inGroup(o *activity.Object, group string) {
	if !o.Audience.Has(group) {
		o.Audience = append(slices.Clone(o.Audience), activity.IRI(group))
	}
	if len(o.To)+len(o.CC) > 0 && !o.To.Has(group) && !o.CC.Has(group) {
		o.To = append(slices.Clone(o.To), activity.IRI(group)) // Lemmy (0.19) looks for it here
	}
}

// sayInGroup addresses what is said of something in the group.
func (s *Server) sayInGroup(a *activity.Activity) {
	typ := a.Type.String()
	switch typ {
	case "Create", "Update", "Follow", "Accept", "Reject", "Move":
		return
	case "Block":
		a.Target = activity.IRI(s.group)
	}
	if !a.Audience.Has(s.group) {
		a.Audience = append(slices.Clone(a.Audience), activity.IRI(s.group))
	}
	if a.To.Has(s.group) {
		return
	}
	to := []string{s.group}
	switch typ {
	case "Like", "Dislike", "EmojiReact", "Flag", "Undo": // the group's to tell
	default:
		to = append(to, activity.Public)
	}
	a.To = append(slices.Clone(a.To), activity.To(to...)...)
}
