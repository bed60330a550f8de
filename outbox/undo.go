package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// composeDelete sends the Delete to all who were sent the object, and stops looking for those who were not yet.
// ActivityPub §6.4
func (o *Outbox) composeDelete(ctx context.Context, r *Record, a *activity.Activity) error {
	before, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return err
	}
	var except []string
	formerType, told, followers := "", false, false
	for _, old := range before {
		if old.Seq >= r.Seq || old.Actor == "" || old.Type != "Create" && old.Type != "Update" {
			continue
		}
		if old.Actor != a.Actor.ID {
			return fmt.Errorf("%w: %s is %s's", ErrGone, r.Object, old.Actor)
		}
		told = true
		if was, err := objectOf(old); err == nil {
			formerType = was.Type.String()
		}
		except, followers = leftOut(except, old, followers)
		if err := o.inheritFrom(ctx, r, a, old); err != nil {
			return err
		}
	}
	if len(r.Except) == 0 {
		r.Except = except
	}
	if !told && len(a.Recipients()) == 0 { // published before we were here
		a.To, a.CC = activity.To(activity.Public), activity.To(activity.Followers)
	}
	if a.Object[0].Raw == nil && r.Object != a.Actor.ID { // who is gone leaves no Tombstone
		a.Object[0] = activity.Embed(activity.Tombstone(r.Object, formerType, r.At.Truncate(time.Second)))
	}
	return nil
}

// composeUndo embeds what is undone, which Threads and Mastodon need, and sends it to the same. An Undo that names an
// actor takes back the follow of that. ActivityPub §6.10
func (o *Outbox) composeUndo(ctx context.Context, r *Record, a *activity.Activity) error {
	old, err := o.Log.Record(ctx, a.Object.First())
	if errors.Is(err, ErrUnknown) {
		id, failed := o.FollowID(ctx, a.Actor.ID, a.Object.First())
		if errors.Is(failed, ErrGone) {
			return fmt.Errorf("%w: %w", errNothing, err)
		}
		if failed != nil {
			return failed
		}
		old, err = o.Log.Record(ctx, id)
	}
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
	if len(r.Except) == 0 {
		r.Except = old.Except
	}
	return o.inheritFrom(ctx, r, a, old)
}

// undone is the record of what r, a composed Undo, takes back.
func (o *Outbox) undone(ctx context.Context, r *Record) (Record, error) {
	a, err := activityOf(*r)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return o.Log.Record(ctx, a.Object.First())
}

// inheritFrom addresses a to all who were sent old, blindly to those to whom that was. Who was not reached yet need
// not be any more. The lock of what both are about is held, so that nobody is just being reached.
func (o *Outbox) inheritFrom(ctx context.Context, r *Record, a *activity.Activity, old Record) error {
	if len(old.Targets) > 0 { // handed over half by another process, or by one that died: it comes first
		return errNotYet
	}
	reached := slices.DeleteFunc(slices.Clone(old.To), func(id string) bool { return slices.Contains(old.Waiting, id) })
	was, err := activityOf(old)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if len(a.Audience) == 0 {
		a.Audience = was.Audience
	}
	visible, named := was.Recipients(), a.Recipients()
	for _, id := range reached {
		switch {
		case slices.Contains(named, id):
		case slices.Contains(visible, id):
			a.To = append(a.To, activity.IRI(id))
		default:
			a.BTo = append(a.BTo, activity.IRI(id))
		}
		named = append(named, id)
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
	return o.save(ctx, &old)
}
