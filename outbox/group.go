package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// What stands here is what a group of this site does with what its members send. FEP-1b12

// What Record.Object ends with where the record is about an object as a group sees it: the author's own records of it are
// found without these.
const (
	announced = " announced"
	removed   = " removed"
)

// maxWrapped bounds how many records are read to find which groups have announced an object.
const maxWrapped = 100

// Wrap announces an activity, whose bytes are body, in the name of a group here, to everyone and to the group's followers. The
// bytes stay as they are, so that what its author signed can be verified. What is announced about one object is said in the order
// of the calls. The id derives from the activity's, which must have one: to wrap it twice within 30 days says it once. After a day nothing but the
// ids of what was done to what is left of it, unless it is one of the group's newest 100; after 30 days nothing, of a Create for a year. FEP-1b12
func (o *Outbox) Wrap(ctx context.Context, group string, a *activity.Activity, body []byte) (id string, err error) {
	if a.ID == "" {
		return "", fmt.Errorf("outbox: announce a %s of %s: no id: %w", a.Type, a.Actor.ID, ErrIncomplete)
	}
	ref, err := activity.Exact(body)
	if err != nil {
		return "", fmt.Errorf("outbox: announce %s: %w", a.ID, err)
	}
	return o.announce(ctx, group, o.wrapID(group, a.ID), ref)
}

// Share announces an object by its id alone, for servers that don't read what [Outbox.Wrap] says: Mastodon, Pleroma, Misskey.
func (o *Outbox) Share(ctx context.Context, group, objectID string) (id string, err error) {
	return o.announce(ctx, group, o.wrapID(group, objectID), activity.IRI(objectID))
}

// isShare tells whether a is what Share says.
func (o *Outbox) isShare(group string, a *activity.Activity) bool {
	return a.Type.String() == "Announce" && len(a.Object) == 1 && a.Object[0].Raw == nil && a.ID == o.wrapID(group, a.Object[0].ID)
}

// Unshare takes back what Share said, if it did.
func (o *Outbox) Unshare(ctx context.Context, group, objectID string) error {
	id := o.wrapID(group, objectID)
	if err := o.Said(ctx, id); err != nil {
		return ignoreUnknown(err)
	}
	_, err := o.Say(ctx, nil, group, &activity.Activity{Type: activity.Types{"Undo"}, Object: activity.Refs{activity.IRI(id)}})
	return err
}

func (o *Outbox) wrapID(group, id string) string {
	return o.NewID(group, false, derive("Announce", group+"\n"+id))
}

func (o *Outbox) announce(ctx context.Context, group, id string, object activity.Ref) (string, error) {
	return o.Say(ctx, nil, group, &activity.Activity{
		ID: id, Type: activity.Types{"Announce"}, Object: activity.Refs{object},
		To: activity.To(activity.Public), CC: activity.To(activity.Followers),
	})
}

// Wrapped tells which groups here have announced what was done to an object, by the ids that they were called, and who made it: ""
// if no Create of it was announced.
func (o *Outbox) Wrapped(ctx context.Context, objectID string) (groups []string, author string, err error) {
	if _, err := o.take(ctx); err != nil { // what was said a moment ago may still be an intent
		return nil, "", err
	}
	records, err := o.Log.ObjectRecords(ctx, objectID+announced, maxWrapped)
	if err != nil {
		return nil, "", err
	}
	for _, r := range records {
		if !slices.Contains(groups, r.Author) {
			groups = append(groups, r.Author)
		}
		if author == "" {
			author = createdBy(r)
		}
	}
	return groups, author, nil
}

// Creator tells who made an object, as far as a group here has announced the Create of it, which is the first that is announced of
// an object: "" if none has. What was said a moment ago it may not know yet. It reads four records at most, so it can be asked of all that comes
// in.
func (o *Outbox) Creator(ctx context.Context, objectID string) (author string, err error) {
	records, err := o.Log.ObjectRecords(ctx, objectID+announced, 4) // what Share says comes after it, what a moderator did perhaps before
	for _, r := range records {
		if author = createdBy(r); author != "" {
			break
		}
	}
	return author, err
}

func createdBy(r Record) string {
	if a, err := activityOf(r); err == nil {
		if inner := embeddedActivity(a); inner != nil && inner.Is("Create") {
			return inner.Actor.ID
		}
	}
	return ""
}

// HasWrapped tells whether a group has announced the activity of this id.
func (o *Outbox) HasWrapped(ctx context.Context, group, activityID string) (bool, error) {
	err := o.Said(ctx, o.wrapID(group, activityID))
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	return err == nil, err
}

// wrapped is the activity that a embeds, if a announces one, else nil.
func wrapped(a *activity.Activity) *activity.Activity {
	if a.Type.String() != "Announce" {
		return nil
	}
	return embeddedActivity(a)
}

// wrappedAbout is what an announced activity is about in the end.
func wrappedAbout(inner *activity.Activity) string {
	if inner.Is("Undo") {
		if undone := embeddedActivity(inner); undone != nil {
			inner = undone
		}
	}
	return inner.Object.First() + announced
}

// exactly makes a's embedded activity go on the wire as it came in.
func exactly(a *activity.Activity) error {
	if wrapped(a) == nil {
		return nil
	}
	ref, err := activity.Exact(a.Object[0].Raw)
	if err == nil {
		a.Object[0] = ref
	}
	return err
}

// lifeType is the type by which it is known how long r is worth sending: an announced Delete as long as any.
func lifeType(r *Record) string {
	if r.Type == "Announce" && strings.HasSuffix(r.Object, announced) {
		if a, err := activityOf(*r); err == nil {
			if inner := wrapped(a); inner != nil {
				return inner.Type.String()
			}
		}
	}
	return r.Type
}

// isRemoval tells whether a is what a moderator does to somebody's post, which has a reason, rather than what its author
// does. FEP-1b12
func isRemoval(a *activity.Activity) bool { return a.Type.String() == "Delete" && a.Summary != "" }

// placeInGroup addresses what is said in groups, and does not say to whom else: to them and everyone. FEP-1b12
func placeInGroup(a *activity.Activity, object *activity.Object) {
	groups := object.Audience.IDs()
	if len(groups) == 0 {
		return
	}
	if len(a.Audience) == 0 {
		a.Audience = object.Audience
	}
	named := len(a.To) + len(a.CC) + len(a.BTo) + len(a.BCC) + len(object.To) + len(object.CC) + len(object.BTo) + len(object.BCC)
	if named == 0 {
		object.To, object.CC = activity.To(append(groups, activity.Public)...), activity.To(activity.Followers)
	}
}
