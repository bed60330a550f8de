package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// What stands here keeps what is to be said until others, whom it is about, have given leave.

// leave asks whether author may say a.
func (o *Outbox) leave(ctx context.Context, author Author, a *activity.Activity) error {
	if o.Leave == nil {
		return nil
	}
	switch a.Type.String() {
	case "Create", "Update", "Like", "EmojiReact", "Announce":
	default:
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, lookTime) // it may have to ask elsewhere
	defer stop()
	if about := o.elsewhere(a); about != "" {
		leave, err := o.gate.enter(ctx, about)
		if err != nil {
			return err
		}
		defer leave()
	}
	return o.Leave(ctx, author, a)
}

// elsewhere is what a likes, shares, answers or quotes of another server, "" if nothing.
func (o *Outbox) elsewhere(a *activity.Activity) string {
	about := []string{a.Object.First()}
	if object, err := embeddedObject(a); err == nil {
		about = []string{object.InReplyTo.ID, object.Quoted()}
	}
	for _, id := range about {
		if id != "" && !o.Local(id) {
			return id
		}
	}
	return ""
}

// leaving tells what is about to go out.
func (o *Outbox) leaving(ctx context.Context, r *Record) error {
	if o.Leaving == nil || r.Object == r.Actor {
		return nil
	}
	switch r.Type {
	case "Create", "Update", "Delete":
	default:
		return nil
	}
	a, err := activityOf(*r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return o.Leaving(ctx, r.Actor, a)
}

// hold sets r aside. It holds up nothing.
func (o *Outbox) hold(ctx context.Context, r Record, reason error) error {
	o.Logger.InfoContext(ctx, "outbox: waits for leave", "activity", r.ID, "type", r.Type, "author", r.Author)
	r.State, r.LastError, r.Attempts, r.NotBefore = Held, reason.Error(), 0, time.Time{}
	unlock := o.locks.lock(r.Object)
	err := o.save(ctx, &r)
	unlock()
	if err != nil {
		return ignoreStale(err)
	}
	// The answer may have come before it was held, when there was nothing to resume.
	author, err := o.Author(ctx, r.Author)
	if err != nil {
		return ignoreGone(err)
	}
	a, err := activityOf(r)
	if err != nil {
		return nil
	}
	if err := o.leave(ctx, author, a); !errors.Is(err, ErrHeld) {
		return o.Resume(ctx, r.ID)
	}
	return nil
}

// Resume says what waits for leave, an activity or an object by its id, as if it was said now: Leave is asked again. What
// does not wait, or was taken back, is left alone.
func (o *Outbox) Resume(ctx context.Context, id string) error {
	r, err := o.Log.Record(ctx, id)
	if errors.Is(err, ErrUnknown) {
		list, err := o.Log.ObjectRecords(ctx, id, maxRecords)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.State == Held {
				return o.again(ctx, r)
			}
		}
		return nil
	}
	if err != nil || r.State != Held {
		return err
	}
	return o.again(ctx, r)
}

// again puts a new record in the place of r, so that its life begins now. Who dies before r is removed leaves it held, or due as it
// is, and after that the intent: whoever takes that finds the record, or adds it.
func (o *Outbox) again(ctx context.Context, r Record) error {
	defer o.wake()
	o.taking.Lock()
	defer o.taking.Unlock()
	in := Intent{ID: r.ID, Author: r.Author, Activity: r.Activity, At: time.Now().UTC(), Except: r.Except}
	if err := o.Intents.AddIntent(ctx, nil, in); err != nil {
		return fmt.Errorf("outbox: resume %s: %w", r.ID, err)
	}
	r.State = Pending
	if err := o.save(ctx, &r); err != nil {
		return ignoreStale(err)
	}
	removed, err := o.Log.RemoveRecords(ctx, []string{r.ID})
	if err != nil || !removed {
		return err
	}
	// Another process may have taken the intent while r was there, and dropped it.
	anew, err := o.record(ctx, in)
	if err != nil {
		return err
	}
	return o.Log.AddRecord(ctx, anew)
}

// restamped tells whether nothing changed but who gave leave for it.
func restamped(was, now *activity.Object) bool {
	if was.QuoteAuthorization.ID == now.QuoteAuthorization.ID && was.ReplyAuthorization.ID == now.ReplyAuthorization.ID &&
		was.ApprovedBy.ID == now.ApprovedBy.ID {
		return false
	}
	before, err := unstamped(was)
	if err != nil {
		return false
	}
	after, err := unstamped(now)
	return err == nil && before == after
}

// unstamped is an object without the leave that it was given, its dates and whom it is for, to be compared.
func unstamped(o *activity.Object) (string, error) {
	q := *o
	q.AtContext, q.To, q.CC, q.Published, q.Updated = nil, nil, nil, time.Time{}, time.Time{}
	none := activity.Ref{}
	q.QuoteAuthorization, q.ReplyAuthorization, q.ApprovedBy = none, none, none
	text, err := activity.Encode(&q)
	return string(text), err
}
