package outbox

import (
	"context"
	"errors"
	"slices"

	"github.com/fedihook/fedihook/activity"
)

// take moves committed intents into the log. One that dies in between is moved again, and the log ignores it.
func (o *Outbox) take(ctx context.Context) (int, error) {
	o.taking.Lock()
	defer o.taking.Unlock()
	intents, err := o.Intents.NextIntents(ctx, batch)
	if err != nil || len(intents) == 0 {
		return 0, err
	}
	var changed []string // objects of which something may be taken back
	for _, in := range intents {
		r, err := o.record(ctx, in)
		if err != nil {
			return 0, err
		}
		if err := o.Log.AddRecord(ctx, r); err != nil {
			return 0, err
		}
		if takesBack(r) && !slices.Contains(changed, r.Object) {
			changed = append(changed, r.Object)
		}
	}
	if err := o.Intents.DropIntents(ctx, intents[len(intents)-1].Seq); err != nil {
		return 0, err
	}
	for _, object := range changed {
		if err := o.settle(ctx, object); err != nil {
			return 0, err
		}
	}
	return len(intents), nil
}

// record is what an intent begins as.
func (o *Outbox) record(ctx context.Context, in Intent) (Record, error) {
	r := Record{
		ID: in.ID, Author: in.Author, Activity: in.Activity, At: in.At, Intent: in.Seq, Except: in.Except, NotBefore: in.NotBefore, Trace: in.Trace,
	}
	if in.NotBefore.After(in.At) {
		r.At = in.NotBefore // its life begins then
	}
	a, err := activityOf(r)
	if err != nil {
		r.State, r.LastError = Failed, err.Error()
		return r, nil
	}
	r.Type = a.Type.String()
	if r.Object, err = o.about(ctx, a); o.isShare(in.Author, a) {
		r.Object += announced // after what says more
	}
	r.Until = keptUntil(&r)
	return r, err
}

// about is whom or what an activity is about in the end. What is about one thing is said in order, an Undo therefore
// between what it undoes and what may be done anew.
func (o *Outbox) about(ctx context.Context, a *activity.Activity) (string, error) {
	switch a.Type.String() {
	case "Undo":
		old, err := o.Log.Record(ctx, a.Object.First())
		if err == nil {
			return old.Object, nil
		}
		if !errors.Is(err, ErrUnknown) {
			return "", err
		}
	case "Accept", "Reject":
		if doc, err := a.Object[0].Document(); err == nil {
			if asked, ok := doc.(*activity.Activity); ok && asked.Actor.ID != "" {
				return asked.Actor.ID, nil
			}
		}
	case "Announce":
		if inner := wrapped(a); inner != nil {
			return wrappedAbout(inner), nil
		}
	case "Delete":
		if isRemoval(a) {
			return a.Object.First() + removed, nil
		}
	}
	return a.Object.First(), nil
}

// activityOf reads a record's activity.
func activityOf(r Record) (*activity.Activity, error) {
	doc, err := activity.Decode(r.Activity)
	if err != nil {
		return nil, err
	}
	if a, ok := doc.(*activity.Activity); ok {
		return a, nil
	}
	return nil, errors.New("no activity")
}

// takesBack tells whether r changes what may not have been said yet.
func takesBack(r Record) bool { return r.Type == "Update" || r.Type == "Delete" || r.Type == "Undo" }

// unsaid tells that nobody has been told of r: whoever composes it saves that before anything else.
func unsaid(r Record) bool { return r.State == Pending && r.Actor == "" }

// settle deals with what was changed before it was said to anybody: what a Delete or an Undo takes back is removed,
// and the Delete or Undo with it; an Update becomes part of what it updates.
func (o *Outbox) settle(ctx context.Context, object string) error {
	defer o.locks.lock(object)()
	records, err := o.Log.ObjectRecords(ctx, object, maxRecords)
	if err != nil {
		return err
	}
	for i, r := range records {
		if !takesBack(r) || !unsaid(r) {
			continue
		}
		// What was removed or became part of another by an earlier round is not there any more.
		now, err := o.Log.Record(ctx, r.ID)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		if err := o.settleOne(ctx, now, records[:i]); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrUnknown) {
			return err
		}
	}
	return nil
}

// settleOne settles r, which comes after before, all about one object.
func (o *Outbox) settleOne(ctx context.Context, r Record, before []Record) error {
	a, err := activityOf(r)
	if err != nil {
		return nil // it is given up when its turn comes
	}
	var olds []Record // what r changes, none of it said
	for _, b := range before {
		if r.Type == "Undo" && b.ID != a.Object.First() || r.Type != "Undo" && b.Type != "Create" && b.Type != "Update" {
			continue
		}
		old, err := o.Log.Record(ctx, b.ID)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		if old.State == Failed && old.Actor == "" {
			continue
		}
		if old.State == Held { // nobody heard of it either
			old.State = Pending
			if err := o.save(ctx, &old); err != nil {
				return err
			}
		}
		if !unsaid(old) {
			return nil
		}
		same, err := o.sameAuthor(ctx, old.Author, r.Author)
		if err != nil || !same {
			return ignoreGone(err)
		}
		olds = append(olds, old)
	}
	if len(olds) == 0 {
		return nil
	}
	if r.Type == "Update" {
		return o.merge(ctx, olds[len(olds)-1], r, a)
	}
	var ids []string
	for _, old := range olds {
		ids = append(ids, old.ID)
	}
	if len(a.Recipients()) == 0 { // else it is for some who may know the object from elsewhere
		ids = append(ids, r.ID)
	}
	removed, err := o.Log.RemoveRecords(ctx, ids)
	if removed {
		o.count.withdrawn.Add(int64(len(olds)))
		o.ended("withdrawn", len(olds))
		o.Logger.InfoContext(ctx, "outbox: taken back before it was said", "activity", olds[0].ID, "by", r.Type)
	}
	return err
}

func (o *Outbox) sameAuthor(ctx context.Context, one, other string) (bool, error) {
	if one == other {
		return true, nil
	}
	a, err := o.Author(ctx, one)
	if err != nil {
		return false, err
	}
	b, err := o.Author(ctx, other)
	return a.ID == b.ID, err
}

// merge makes an Update part of the unsaid Create or Update before it.
func (o *Outbox) merge(ctx context.Context, old, r Record, a *activity.Activity) error {
	was, err := activityOf(old)
	if err != nil {
		return nil
	}
	before, err := objectOf(old)
	if err != nil {
		return nil // an actor, or only an id
	}
	after, err := objectOf(r)
	if err != nil {
		return nil
	}
	if len(after.Recipients()) == 0 && len(a.Recipients()) == 0 {
		after.To, after.CC, after.Audience = before.To, before.CC, before.Audience
	} else {
		was.To, was.CC, was.BTo, was.BCC = a.To, a.CC, a.BTo, a.BCC
	}
	if after.Published.IsZero() {
		after.Published = before.Published
	}
	was.Object[0] = activity.Embed(after)
	if old.Activity, err = was.MarshalJSON(); err != nil {
		return nil
	}
	if err := o.Log.SaveRecord(ctx, old); err != nil {
		return err
	}
	_, err = o.Log.RemoveRecords(ctx, []string{r.ID})
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
