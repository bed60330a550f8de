package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// composeObject completes what is created or edited, and addresses the activity as the object is.
// ActivityPub §6.2, §6.3
func (o *Outbox) composeObject(ctx context.Context, r *Record, a *activity.Activity, author Author, owner string) error {
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
		r.Object = a.Object.First() // its id, which Leave may have found out
		return nil
	}
	if len(object.AttributedTo) == 0 {
		object.AttributedTo = activity.Refs{activity.IRI(author.ID)}
	}
	var was *activity.Object
	if r.Type == "Update" {
		if was, err = o.inherit(ctx, r, a, object); err != nil {
			return err
		}
	}
	if object.Published.IsZero() {
		object.Published = r.At.Truncate(time.Second)
	}
	placeInGroup(a, object)
	switch {
	case owner != "": // a vote is for who asks alone
		object.To = activity.To(owner)
	case len(object.Recipients()) == 0 && len(a.Recipients()) == 0:
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
	if r.Type == "Update" && object.Updated.IsZero() {
		if object.Updated = r.At.Truncate(time.Second); was != nil && (tallied(was, object) || restamped(was, object)) {
			object.Updated = was.Updated // Mastodon (4.6) shows everything else as edited, and tells who voted
		}
	}
	a.Object[0] = activity.Embed(object)
	if r.Type == "Create" {
		a.Published = object.Published
	}
	return nil
}

// inherit gives an edited object what it does not say itself: when it was published, and for whom. It also
// reaches everyone who has the old version, and leaves out where no version went.
func (o *Outbox) inherit(ctx context.Context, r *Record, a *activity.Activity, object *activity.Object) (last *activity.Object, err error) {
	before, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return nil, err
	}
	var except []string
	told := false
	for _, old := range before {
		if old.Seq >= r.Seq || old.Actor == "" || old.Type != "Create" && old.Type != "Update" {
			continue
		}
		if old.Actor != a.Actor.ID {
			return nil, fmt.Errorf("%w: %s is %s's", ErrGone, r.Object, old.Actor)
		}
		was, err := objectOf(old)
		if err != nil {
			continue
		}
		last = was
		if object.Published.IsZero() {
			object.Published = was.Published
		}
		if len(object.Recipients()) == 0 && len(a.Recipients()) == 0 {
			object.To, object.CC, object.Audience = was.To, was.CC, was.Audience
		}
		r.To = union(r.To, old.To)
		r.Followers = r.Followers || old.Followers
		except, told = leftOut(except, old, told)
	}
	if len(r.Except) == 0 {
		r.Except = except
	}
	return last, nil
}

// tallied tells whether of a question nothing changed but how many voted, and whether one still may.
func tallied(was, now *activity.Object) bool {
	if !was.Is("Question") || !now.Is("Question") {
		return false
	}
	before, err := asked(was)
	if err != nil {
		return false
	}
	after, err := asked(now)
	return err == nil && before == after
}

// asked is a question without its counts, its dates and whom it is for, to be compared.
func asked(o *activity.Object) (string, error) {
	q := *o
	q.AtContext, q.To, q.CC, q.VotersCount, q.Closed = nil, nil, nil, 0, nil
	q.Published, q.Updated, q.EndTime = time.Time{}, time.Time{}, time.Time{}
	q.Extra = maps.Clone(q.Extra)
	delete(q.Extra, "votersCount") // where a count that was read as 0 stands
	for _, options := range []*activity.List{&q.OneOf, &q.AnyOf} {
		names := make(activity.List, 0, len(*options))
		for _, ref := range *options {
			doc, err := ref.Document()
			if err != nil {
				return "", err
			}
			option, ok := doc.(*activity.Object)
			if !ok {
				return "", fmt.Errorf("an option that is a %T", doc)
			}
			names = append(names, activity.Embed(&activity.Object{Name: option.Name, NameMap: option.NameMap}))
		}
		*options = names
	}
	text, err := activity.Encode(&q)
	return string(text), err
}

// leftOut are the hosts where no follower was told of any of several records: those of the ones so far, if any was for
// followers, that old leaves out too.
func leftOut(except []string, old Record, told bool) ([]string, bool) {
	switch {
	case !old.Followers:
		return except, told
	case !told:
		return old.Except, true
	}
	return slices.DeleteFunc(slices.Clone(except), func(host string) bool { return !slices.Contains(old.Except, host) }), true
}

// objectOf is the object that a record's activity embeds.
func objectOf(r Record) (*activity.Object, error) {
	a, err := activityOf(r)
	if err != nil {
		return nil, err
	}
	return embeddedObject(a)
}

func embeddedObject(a *activity.Activity) (*activity.Object, error) {
	if len(a.Object) == 0 {
		return nil, activity.ErrNotEmbedded
	}
	doc, err := a.Object[0].Document()
	if err != nil {
		return nil, err
	}
	object, ok := doc.(*activity.Object)
	if !ok {
		return nil, fmt.Errorf("outbox: %s is no object", a.Object.First())
	}
	return object, nil
}
