package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// errNotYet says that what an activity is about is not composed itself yet.
var errNotYet = errors.New("waits for what it is about")

// maxRecords bounds how many records about one object are looked at.
const maxRecords = 1000

// compose fills in what r's intent left out: who speaks, to whom, and what is embedded. It changes only r.
func (o *Outbox) compose(ctx context.Context, r *Record) error {
	author, err := o.Author(ctx, r.Author)
	if err != nil {
		return err
	}
	doc, err := activity.Decode(r.Activity)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	a, ok := doc.(*activity.Activity)
	if !ok {
		return fmt.Errorf("%w: %s is no activity", ErrGone, r.ID)
	}
	a.Actor = activity.IRI(author.ID)
	switch r.Type {
	case "Create", "Update":
		err = o.composeObject(ctx, r, a, author)
	case "Delete":
		err = o.composeDelete(ctx, r, a)
	case "Undo":
		err = o.composeUndo(ctx, r, a)
	case "Follow":
		a.To = orTo(a.To, r.Object) // Lemmy and others expect a recipient in every activity
	case "Like", "Announce":
		err = o.composeReaction(ctx, r, a, author)
	}
	if err != nil {
		return err
	}
	a.To, a.CC, a.BTo, a.BCC = place(a.To, author), place(a.CC, author), place(a.BTo, author), place(a.BCC, author)
	r.Actor = author.ID
	r.address(a.Recipients(), author)
	r.Waiting = slices.Clone(r.To)
	r.Activity, err = activity.Encode(a)
	return err
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

// composeObject completes what a Create or an Update carries and addresses the activity as the object is.
// ActivityPub §6.2, §6.3
func (o *Outbox) composeObject(ctx context.Context, r *Record, a *activity.Activity, author Author) error {
	doc, err := a.Object[0].Document()
	if errors.Is(err, activity.ErrNotEmbedded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	object, ok := doc.(*activity.Object)
	if !ok { // an actor that changed: its followers want to know
		if len(a.Recipients()) == 0 {
			a.To, a.CC = activity.To(activity.Public), activity.To(activity.Followers)
		}
		return nil
	}
	if len(object.AttributedTo) == 0 {
		object.AttributedTo = activity.Refs{activity.IRI(author.ID)}
	}
	if r.Type == "Update" {
		if object.Updated.IsZero() {
			object.Updated = r.At.Truncate(time.Second)
		}
		if err := o.inherit(ctx, r, a, object); err != nil {
			return err
		}
	}
	if object.Published.IsZero() {
		object.Published = r.At.Truncate(time.Second)
	}
	if len(object.Recipients()) == 0 && len(a.Recipients()) == 0 {
		object.To, object.CC = activity.To(activity.Public), activity.To(activity.Followers)
	}
	if !object.Sensitive {
		if err := object.Extra.Set("sensitive", false); err != nil { // Pixelfed and others expect the word either way
			return err
		}
	}
	object.To, object.CC = place(object.To, author), place(object.CC, author)
	if len(a.To)+len(a.CC) == 0 { // blind copies stand in the activity alone
		a.To, a.CC = object.To, object.CC
	}
	a.Object[0] = activity.Embed(object)
	if r.Type == "Create" {
		a.Published = object.Published
	}
	return nil
}

// inherit gives an edited object what it does not say itself: when it was published, and for whom. It also
// reaches everyone who has the old version.
func (o *Outbox) inherit(ctx context.Context, r *Record, a *activity.Activity, object *activity.Object) error {
	before, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return err
	}
	for _, old := range before {
		if old.ID == r.ID || old.Actor == "" || old.Type != "Create" && old.Type != "Update" {
			continue
		}
		was, err := objectOf(old)
		if err != nil {
			continue
		}
		if object.Published.IsZero() {
			object.Published = was.Published
		}
		if len(object.Recipients()) == 0 && len(a.Recipients()) == 0 {
			object.To, object.CC = was.To, was.CC
		}
		r.To = union(r.To, old.To)
		r.Followers = r.Followers || old.Followers
	}
	return nil
}

func objectOf(r Record) (*activity.Object, error) {
	doc, err := activity.Decode(r.Activity)
	if err != nil {
		return nil, err
	}
	a, ok := doc.(*activity.Activity)
	if !ok || len(a.Object) == 0 {
		return nil, ErrUnknown
	}
	inner, err := a.Object[0].Document()
	if err != nil {
		return nil, err
	}
	object, ok := inner.(*activity.Object)
	if !ok {
		return nil, ErrUnknown
	}
	return object, nil
}

// composeDelete sends the Delete to all who were sent the object, and stops looking for those who were not yet.
// ActivityPub §6.4
func (o *Outbox) composeDelete(ctx context.Context, r *Record, a *activity.Activity) error {
	before, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return err
	}
	formerType, told := "", false
	for _, old := range before {
		if old.ID == r.ID || old.Type != "Create" && old.Type != "Update" {
			continue
		}
		told = true
		if was, err := objectOf(old); err == nil {
			formerType = was.Type.String()
		}
		if err := o.inheritFrom(ctx, r, a, old); err != nil {
			return err
		}
	}
	if !told && len(a.Recipients()) == 0 { // published before we were here
		a.To, a.CC = activity.To(activity.Public), activity.To(activity.Followers)
	}
	if a.Object[0].Raw == nil {
		a.Object[0] = activity.Embed(activity.Tombstone(r.Object, formerType, r.At.Truncate(time.Second)))
	}
	return nil
}

// composeUndo embeds what is undone, which Threads and Mastodon need, and sends it to the same. ActivityPub §6.10
func (o *Outbox) composeUndo(ctx context.Context, r *Record, a *activity.Activity) error {
	old, err := o.Log.Record(ctx, r.Object)
	if errors.Is(err, ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return err
	}
	if old.State == Failed {
		return fmt.Errorf("%w: %s never went out", ErrGone, old.ID)
	}
	if old.Actor == "" || old.State == Pending {
		return errNotYet
	}
	if old.Actor != a.Actor.ID {
		return fmt.Errorf("%w: %s is %s's", ErrGone, old.ID, old.Actor)
	}
	doc, err := activity.Decode(old.Activity)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	a.Object[0] = activity.Embed(doc)
	return o.inheritFrom(ctx, r, a, old)
}

// inheritFrom addresses a to all who were sent old, blindly to those to whom that was. Who was not reached yet need
// not be any more.
func (o *Outbox) inheritFrom(ctx context.Context, r *Record, a *activity.Activity, old Record) error {
	reached := slices.DeleteFunc(slices.Clone(old.To), func(id string) bool { return slices.Contains(old.Waiting, id) })
	var visible []string
	if old.Actor != "" {
		was, err := activity.Decode(old.Activity)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		if was, ok := was.(*activity.Activity); ok {
			visible = was.Recipients()
		}
	}
	for _, id := range reached {
		switch {
		case slices.Contains(a.Recipients(), id):
		case slices.Contains(visible, id):
			a.To = append(a.To, activity.IRI(id))
		default:
			a.BTo = append(a.BTo, activity.IRI(id))
		}
	}
	r.Followers = r.Followers || old.Followers
	if old.Public && !a.To.Has(activity.Public) {
		a.To = append(a.To, activity.IRI(activity.Public))
	}
	if old.Followers && !a.CC.Has(activity.Followers) {
		a.CC = append(a.CC, activity.IRI(activity.Followers))
	}
	if len(old.Waiting) == 0 {
		return nil
	}
	old.State, old.To, old.Waiting = Sent, reached, nil
	return o.Log.SaveRecord(ctx, old)
}

// composeReaction addresses a Like or an Announce to whose the object is. ActivityPub §6.8, §7.11
func (o *Outbox) composeReaction(ctx context.Context, r *Record, a *activity.Activity, author Author) error {
	owner, err := o.ownerOf(ctx, author.ID, r.Object)
	if err != nil {
		return err
	}
	if len(a.Recipients()) > 0 {
		return nil
	}
	if r.Type == "Like" {
		a.To = activity.To(owner)
		return nil
	}
	a.To, a.CC = activity.To(activity.Public), activity.To(activity.Followers, owner)
	a.Published = r.At.Truncate(time.Second)
	return nil
}

func (o *Outbox) ownerOf(ctx context.Context, asker, objectID string) (string, error) {
	if !o.Local(objectID) {
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
