package inbox

import (
	"context"
	"net/http"
	"slices"

	"github.com/fedihook/fedihook/activity"
)

const (
	maxTo    = 100 // in Message.To
	maxAsked = 200 // how many ids of ours one activity may have us look up: they may all be made up
)

// audience is whom an activity concerns here.
type audience struct {
	To          []string
	More        bool
	ToFollowers bool
	blind       bool // from somebody who is followed here, and it says of nobody that it is for them: a blind copy
}

// concerns tells whether it is anybody's here.
func (a *audience) concerns() bool { return len(a.To) > 0 || a.ToFollowers || a.blind }

func (a *audience) add(actorID string) {
	switch {
	case slices.Contains(a.To, actorID):
	case len(a.To) == maxTo:
		a.More = true
	default:
		a.To = append(a.To, actorID)
	}
}

// concernsNobody finds out whom c is for, and tells whether that is nobody here and the app does not want it anyway. A
// Delete or an Undo of what is not embedded may be about anything that was kept, so it always concerns somebody.
func (in *Inbox) concernsNobody(ctx context.Context, c *matter) (bool, error) {
	if ref := firstRef(c.a.Object); ref.Raw != nil && c.a.Type.String() != "Announce" {
		c.object, _ = ref.Document()
	} else if ref.Raw != nil && in.Groups != nil {
		c.inner = in.inner(c, ref)
	}
	var err error
	if n := c.inner; n != nil {
		if n.audience, err = in.audienceOf(ctx, n.a, n.object, n.owner); err != nil {
			return false, c.refuse(http.StatusServiceUnavailable, err)
		}
	}
	if c.audience, err = in.audienceOf(ctx, c.a, c.object, c.owner); err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	c.relation = c.ToFollowers || isInteractive(c.a, &c.audience)
	switch {
	case c.concerns(), c.inner != nil && c.inner.concerns(), c.a.Type.String() == "Delete":
		return false, nil
	case c.a.Type.String() == "Undo" && embedded(firstRef(c.a.Object)) == nil:
		return false, nil
	case (c.a.Type.String() == "Accept" || c.a.Type.String() == "Reject") && in.Ours(c.a.Object.First()):
		return false, nil // the Follow of somebody here, by its id
	case c.a.Type.String() == "Update" && c.a.Object.First() == c.sender:
		// What is kept of an actor, and of its key, must stay true.
		known, err := in.Peers.Known(ctx, c.sender)
		if err != nil {
			return false, c.refuse(http.StatusServiceUnavailable, err)
		}
		if known {
			return false, nil
		}
	}
	wanted, err := in.Wants(ctx, c.a)
	if err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	return !wanted, nil
}

// isInteractive tells what people wait for: it is admitted while there is room for nothing else.
func isInteractive(a *activity.Activity, whom *audience) bool {
	switch a.Type.String() {
	case "Follow", "Accept", "Reject", "Undo", "Block", "Move", "QuoteRequest", "LikeRequest", "ReplyRequest", "AnnounceRequest":
		return true
	case "Create":
		return len(whom.To) > 0 // a reply, a mention, a direct note, a vote
	}
	return false
}

// audienceOf finds whom a concerns here: those addressed, mentioned, and whose object is replied to, quoted, liked,
// shared or reported; the owner of the inbox; and the local followers of its actor. ActivityPub §7.1.1
func (in *Inbox) audienceOf(ctx context.Context, a *activity.Activity, object activity.Document, owner string) (audience, error) {
	var out audience
	if owner != "" {
		out.add(owner)
	}
	whom, owned := a.Recipients(), a.Object.IDs()
	switch object := object.(type) {
	case *activity.Object:
		whom = append(append(whom, object.Recipients()...), object.Mentions()...)
		owned = append(owned, object.InReplyTo.ID, object.Quoted())
	case *activity.Activity: // of an Undo, an Accept, a Reject
		owned = append(owned, object.Actor.ID)
		owned = append(owned, object.Object.IDs()...)
		whom = append(whom, object.Audience.IDs()...) // a group that was told of what is undone
	}
	owned = append(owned, a.Target.ID, a.InReplyTo.ID)
	if err := in.localAmong(ctx, &out, whom, owned); err != nil {
		return out, err
	}
	if slices.ContainsFunc(whom, activity.IsPublic) {
		followed, err := in.Relations.FollowedHere(ctx, a.Actor.ID)
		out.ToFollowers = followed
		return out, err
	}
	// What an actor does to itself and to its own collections is for who follows it, addressed or not: Mastodon's Move, Add
	// and Remove (seen 4.6.5) say it to nobody.
	typ := a.Type.String()
	itself, post := typ == "Move" || typ == "Add" || typ == "Remove", typ == "Create" || typ == "Update"
	if len(whom) == 0 && !itself && !post {
		return out, nil // a Like, most of the time: it is for those who own what it is about
	}
	// Without knowing it, nobody can follow it.
	followed, err := in.Relations.FollowedHere(ctx, a.Actor.ID)
	if err != nil || !followed {
		return out, err
	}
	known, err := in.Peers.Collections(ctx, a.Actor.ID)
	if err != nil {
		return out, err
	}
	out.ToFollowers = known.Followers != "" && slices.Contains(whom, known.Followers)
	out.ToFollowers = out.ToFollowers || itself
	out.blind = post && len(whom) == 0
	return out, nil
}

// localAmong adds the local actors among whom, and those who own what is among owned.
func (in *Inbox) localAmong(ctx context.Context, out *audience, whom, owned []string) error {
	asked := make(map[string]bool)
	for i, id := range slices.Concat(whom, owned) {
		if asked[id] || !in.Ours(id) {
			continue
		}
		if len(asked) == maxAsked {
			out.More = true
			return nil
		}
		asked[id] = true
		local, _, err := in.Local(ctx, id)
		if err != nil {
			return err
		}
		if local {
			out.add(id)
			continue
		}
		if i < len(whom) && !slices.Contains(owned, id) {
			continue
		}
		owner, err := in.Owner(ctx, id)
		if err != nil {
			return err
		}
		if owner != "" {
			out.add(owner)
		}
	}
	return nil
}
