package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// errNotYet says that what an activity is about must come first.
var errNotYet = errors.New("waits for what it is about")

// errNothing says that there is nothing to take back or to answer.
var errNothing = errors.New("there is nothing that it is about")

// maxRecords bounds how many records about one object are looked at.
const maxRecords = 1000

// compose fills in what r's intent left out: who speaks, to whom, and what is embedded, and saves it: from then on it can't
// be taken back unsaid.
func (o *Outbox) compose(ctx context.Context, r *Record) error {
	author, err := o.Author(ctx, r.Author)
	if err != nil {
		return err
	}
	a, err := activityOf(*r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	a.Actor = activity.IRI(author.ID)
	var owner string
	if about := ownedBy(a); about != "" {
		if owner, err = o.ownerOf(ctx, author.ID, about); err != nil {
			return err
		}
	}
	if err := o.leave(ctx, author, a); err != nil {
		return err
	}
	composed := *r
	defer o.locks.lock(r.Object)()
	if err := o.fill(ctx, &composed, a, author, owner); err != nil {
		return err
	}
	a.To, a.CC, a.BTo, a.BCC = place(a.To, author), place(a.CC, author), place(a.BTo, author), place(a.BCC, author)
	composed.Actor = author.ID
	composed.address(a.Recipients(), author)
	composed.Waiting = slices.Clone(composed.To)
	if err := exactly(a); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if composed.Activity, err = activity.Encode(a); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err := o.save(ctx, &composed); err != nil {
		return err
	}
	*r = composed
	return nil
}

// fill does what is particular to r's type. The object's lock is held.
func (o *Outbox) fill(ctx context.Context, r *Record, a *activity.Activity, author Author, owner string) error {
	switch r.Type {
	case "Create", "Update":
		return o.composeObject(ctx, r, a, author, owner)
	case "Delete":
		if isRemoval(a) {
			return nil
		}
		return o.composeDelete(ctx, r, a)
	case "Undo":
		return o.composeUndo(ctx, r, a)
	case "Accept", "Reject":
		return o.composeAnswer(ctx, r, a)
	case "Follow", "Block":
		a.To = orTo(a.To, r.Object) // Lemmy and others expect a recipient in every activity
	case "Flag":
		if len(a.Recipients()) == 0 { // blindly: no timeline may show it
			a.BTo = activity.To(r.Object)
		}
	case "Move":
		// FEP-7628
		a.Object, r.Object = activity.Refs{activity.IRI(author.ID)}, author.ID
		if len(a.Recipients()) == 0 {
			a.To = activity.To(activity.Followers)
		}
	case "Like", "Dislike", "EmojiReact", "Announce", "QuoteRequest":
		composeReaction(r, a, owner)
	}
	return nil
}

// address sorts recipients into everyone, followers, and the rest, without the author.
func (r *Record) address(recipients []string, author Author) {
	for _, id := range recipients {
		switch {
		case id == activity.Public:
			r.Public = true
		case id == author.Followers:
			r.Followers = true
		case id != author.ID && !slices.Contains(r.To, id):
			r.To = append(r.To, id)
		}
	}
}

// ownedBy is whose owner is to be told of a: what is liked or shared, or the poll that is voted in.
func ownedBy(a *activity.Activity) string {
	switch a.Type.String() {
	case "Like", "Dislike", "EmojiReact", "Announce":
		if len(a.Recipients()) > 0 { // nobody else is told
			return ""
		}
		return a.Object.First()
	case "QuoteRequest":
		if len(a.Recipients()) == 0 {
			return a.Object.First()
		}
	case "Create":
		if o, err := embeddedObject(a); err == nil && len(a.Recipients()) == 0 && isVote(o) {
			return o.InReplyTo.ID
		}
	}
	return ""
}

// isVote tells a vote in a poll, as peers do, that does not say to whom it goes.
func isVote(o *activity.Object) bool {
	return o.Is("Note") && o.Name != "" && o.Text() == "" && o.InReplyTo.ID != "" && len(o.Recipients()) == 0
}

// composeReaction addresses a Like or an Announce to whose the object is. ActivityPub §6.8, §7.11
func composeReaction(r *Record, a *activity.Activity, owner string) {
	if len(a.Recipients()) > 0 {
		return
	}
	if r.Type != "Announce" {
		a.To = activity.To(owner)
		return
	}
	a.To, a.CC = activity.To(activity.Public), activity.To(activity.Followers, owner)
	a.Published = r.At.Truncate(time.Second)
}

func (o *Outbox) ownerOf(ctx context.Context, asker, objectID string) (string, error) {
	if !o.Local(objectID) {
		ctx, stop := context.WithTimeout(ctx, lookTime)
		defer stop()
		leave, err := o.gate.enter(ctx, objectID)
		if err != nil {
			return "", err
		}
		defer leave()
		return o.Owner(ctx, asker, objectID)
	}
	actor, err := o.OwnerHere(ctx, objectID)
	if err == nil && actor == "" {
		return "", errNotYet
	}
	return actor, err
}

// OwnerHere is the id of the actor who published an object from here, "" if nobody did.
func (o *Outbox) OwnerHere(ctx context.Context, objectID string) (string, error) {
	records, err := o.Log.ObjectRecords(ctx, objectID, maxRecords)
	if err != nil {
		return "", err
	}
	for _, r := range records {
		if r.Type == "Create" {
			return r.Actor, nil
		}
	}
	return "", nil
}

// WasPublic tells whether an object was published from here for everyone, at any time.
func (o *Outbox) WasPublic(ctx context.Context, objectID string) (bool, error) {
	records, err := o.Log.ObjectRecords(ctx, objectID, maxRecords)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(records, func(r Record) bool { return r.Public && (r.Type == "Create" || r.Type == "Update") }), nil
}

// composeAnswer embeds the whole request, which Threads and Pixelfed need. ActivityPub §7.5, §7.7
func (o *Outbox) composeAnswer(ctx context.Context, r *Record, a *activity.Activity) error {
	asked := embeddedActivity(a)
	if asked == nil { // said by an app that knows what it does
		return nil
	}
	if asked.ID == "" {
		id, err := o.FollowID(ctx, asked.Actor.ID, a.Actor.ID)
		if errors.Is(err, ErrGone) {
			return fmt.Errorf("%w: %w", errNothing, err)
		}
		if err != nil {
			return err
		}
		asked.ID, asked.Type, asked.Object = id, activity.Types{"Follow"}, activity.Refs{activity.IRI(a.Actor.ID)}
		a.Object[0] = activity.Embed(asked)
	}
	a.To = orTo(a.To, asked.Actor.ID)
	return nil
}

// relate tells who follows whom from now on, before the other side can answer.
func (o *Outbox) relate(ctx context.Context, r *Record) error {
	change := Relation{Type: r.Type, Follower: r.Actor, Followed: r.Object, FollowID: r.ID, At: r.At}
	switch r.Type {
	case "Follow":
	case "Undo":
		old, err := o.undone(ctx, r)
		switch {
		case err != nil:
			return ignoreUnknown(err)
		case old.Type == "Follow":
			change.Followed, change.FollowID = old.Object, old.ID
		case old.Type == "Block" && !fromGroup(&old):
			change.Type, change.Followed, change.FollowID = "Unblock", old.Object, ""
		default:
			return nil
		}
	case "Accept", "Reject":
		a, err := activityOf(*r)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		asked := embeddedActivity(a)
		if asked == nil || !asked.Is("Follow") {
			return nil
		}
		change.Follower, change.Followed, change.FollowID = asked.Actor.ID, r.Actor, asked.ID
	case "Block":
		if fromGroup(r) {
			return nil
		}
		change.FollowID = ""
	default:
		return nil
	}
	if r.Type != "Follow" || o.Local(r.Object) {
		return o.Relate(ctx, change)
	}
	ctx, stop := context.WithTimeout(ctx, lookTime) // it may have to ask elsewhere
	defer stop()
	leave, err := o.gate.enter(ctx, r.Object)
	if err != nil {
		return err
	}
	defer leave()
	return o.Relate(ctx, change)
}

// fromGroup tells whether a Block bans from a group: the moderator who says it may go on following.
func fromGroup(r *Record) bool {
	a, err := activityOf(*r)
	return err == nil && a.Target.ID != ""
}

// embeddedActivity is the activity that a is about, nil if it embeds none.
func embeddedActivity(a *activity.Activity) *activity.Activity {
	if len(a.Object) == 0 {
		return nil
	}
	doc, err := a.Object[0].Document()
	if err != nil {
		return nil
	}
	inner, _ := doc.(*activity.Activity)
	return inner
}

// place puts the id of the author's followers where the audience says so.
func place(a activity.Audience, author Author) activity.Audience {
	out := slices.Clone(a)
	for i, ref := range out {
		if ref.ID == activity.Followers {
			out[i] = activity.IRI(author.Followers)
		}
	}
	return out
}

func orTo(a activity.Audience, id string) activity.Audience {
	if len(a) == 0 {
		return activity.To(id)
	}
	return a
}

func union(a, b []string) []string {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(a, id)
		}
	}
	return a
}
