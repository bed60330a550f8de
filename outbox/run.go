package outbox

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	batch     = 64
	pollOften = 20 * time.Millisecond
	pollRare  = time.Second
)

// ErrRunning is returned by Run when it runs already.
var ErrRunning = errors.New("outbox: Run is running already")

// Run hands what was said to the delivery queue until ctx ends. It may run in several processes over one storage:
// what two of them do at once is done once.
func (o *Outbox) Run(ctx context.Context) error {
	if !o.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer o.running.Store(false)
	poll := time.NewTimer(0)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.said:
		case <-poll.C:
		}
		more, err := o.Work(ctx)
		if err != nil && ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "outbox: will try again", "error", err)
		}
		switch {
		case more && err == nil:
			o.wake()
		case time.Now().UnixNano() < o.hurry.Load():
			poll.Reset(pollOften)
		default:
			poll.Reset(pollRare)
		}
	}
}

// Work does once what Run does all the time: it takes committed intents and hands over what is due. More is true if it
// stopped at a batch. An error is the storage's.
func (o *Outbox) Work(ctx context.Context) (more bool, err error) {
	taken, err := o.take(ctx)
	if err != nil {
		return false, err
	}
	due, err := o.Log.DueRecords(ctx, time.Now(), batch)
	if err != nil {
		return false, err
	}
	for _, r := range due {
		if err := o.advance(ctx, r); err != nil {
			return false, err
		}
	}
	return taken == batch || len(due) > 0, nil
}

// take moves committed intents into the log. One that dies in between is moved again, and the log ignores it.
func (o *Outbox) take(ctx context.Context) (int, error) {
	intents, err := o.Intents.NextIntents(ctx, batch)
	if err != nil || len(intents) == 0 {
		return 0, err
	}
	for _, in := range intents {
		r := Record{ID: in.ID, Author: in.Author, Activity: in.Activity, At: in.At}
		if doc, err := activity.Decode(in.Activity); err != nil {
			r.State, r.LastError = Failed, err.Error()
		} else if a, ok := doc.(*activity.Activity); ok {
			r.Type, r.Object = a.Type.String(), a.Object.First()
		}
		if err := o.Log.AddRecord(ctx, r); err != nil {
			return 0, err
		}
	}
	return len(intents), o.Intents.DropIntents(ctx, intents[len(intents)-1].Seq)
}

// advance brings one record as far as it goes now and saves how far that was. An error is the storage's.
func (o *Outbox) advance(ctx context.Context, r Record) error {
	err := o.step(ctx, &r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrGone), time.Since(r.At) > o.GiveUp:
		o.Logger.ErrorContext(ctx, "outbox: given up", "activity", r.ID, "type", r.Type, "author", r.Author, "error", err)
		r.LastError = err.Error()
		if r.State = Failed; r.Pass > 0 {
			r.State, r.Waiting = Sent, nil
		}
	default:
		r.Attempts++
		r.LastError, r.NotBefore = err.Error(), time.Now().Add(o.Backoff(r.Attempts))
		o.Logger.InfoContext(ctx, "outbox: will try again", "activity", r.ID, "type", r.Type, "at", r.NotBefore, "error", err)
	}
	return o.Log.SaveRecord(ctx, r)
}

// step composes r if that was not done, finds inboxes and hands over. What it found in this pass is saved before
// it is handed over: the queue knows a pass by its number, and after a crash gets the same one again.
func (o *Outbox) step(ctx context.Context, r *Record) error {
	if r.Actor == "" {
		composed := *r
		if err := o.compose(ctx, &composed); err != nil {
			return err
		}
		*r = composed
		if err := o.Log.SaveRecord(ctx, *r); err != nil {
			return err
		}
	}
	if r.Type == "Follow" || r.Type == "Undo" {
		if err := o.relate(ctx, r); err != nil {
			return err
		}
	}
	var unknown error
	if len(r.Targets) == 0 && len(r.Waiting) > 0 {
		unknown = o.find(ctx, r)
		if len(r.Targets) > 0 {
			if err := o.Log.SaveRecord(ctx, *r); err != nil {
				return err
			}
		}
	}
	if err := o.handOver(ctx, r); err != nil {
		return err
	}
	r.Targets, r.State = nil, Sent
	r.Pass++
	if len(r.Waiting) > 0 {
		r.State = Partly
		return unknown
	}
	r.LastError = ""
	return nil
}

// find looks up the inboxes of those who wait. It returns an error if some could not be found now.
func (o *Outbox) find(ctx context.Context, r *Record) (unknown error) {
	typ := r.Type
	if typ == "Undo" { // to where that went which it undoes, or the two could not be folded alike
		old, err := o.Log.Record(ctx, r.Object)
		if ignoreUnknown(err) != nil {
			return err
		}
		typ = old.Type
	}
	var waiting []string
	for _, id := range r.Waiting {
		if o.Local(id) {
			continue // see handOver
		}
		t, err := o.Inboxes(ctx, id)
		switch {
		case errors.Is(err, ErrGone):
			o.Logger.InfoContext(ctx, "outbox: recipient left out", "activity", r.ID, "actor", id, "error", err)
		case err != nil:
			waiting, unknown = append(waiting, id), err
		default:
			r.Targets = append(r.Targets, personal(typ, t))
		}
	}
	r.Waiting = waiting
	return unknown
}

// personal keeps what concerns one actor out of shared inboxes, as Mastodon does.
func personal(typ string, t Target) Target {
	switch typ {
	case "Create", "Update", "Delete", "Announce":
		return t
	}
	return Target{Inbox: t.Inbox}
}

// handOver gives one pass to the delivery queue, and on the first one tells our own inbox.
func (o *Outbox) handOver(ctx context.Context, r *Record) error {
	targets := slices.Clone(r.Targets)
	here := slices.ContainsFunc(r.To, o.Local)
	if r.Followers && r.Pass == 0 {
		for t, err := range o.Followers(ctx, r.Actor) {
			if err != nil {
				return err
			}
			if t == (Target{}) {
				here = true
				continue
			}
			targets = append(targets, t)
		}
	}
	if len(targets) > 0 {
		key, err := o.keyOf(ctx, r)
		if err != nil {
			return err
		}
		d := Delivery{
			ID: r.ID + " " + strconv.Itoa(r.Pass), Sender: r.Actor, Key: key, Type: r.Type,
			Body: r.Activity, Expires: r.At.Add(lifetime(r.Type)),
		}
		if err := o.Enqueue(ctx, d, slices.Values(targets)); err != nil {
			return err
		}
	}
	if here && r.Pass == 0 {
		return o.Loop(ctx, r.Actor, r.Activity)
	}
	return nil
}

// relate tells who follows whom from now on, before the other side can answer.
func (o *Outbox) relate(ctx context.Context, r *Record) error {
	if r.Pass > 0 {
		return nil
	}
	follow := *r
	if r.Type == "Undo" {
		old, err := o.Log.Record(ctx, r.Object)
		if err != nil || old.Type != "Follow" {
			return ignoreUnknown(err)
		}
		follow = old
	}
	return o.Following(ctx, r.Actor, follow.Object, follow.ID, r.Type == "Undo")
}

// keyOf names what must arrive in order: an object's life, or a pair's.
func (o *Outbox) keyOf(ctx context.Context, r *Record) (string, error) {
	switch r.Type {
	case "Create", "Update", "Delete":
		return r.Object, nil
	case "Undo":
		old, err := o.Log.Record(ctx, r.Object)
		if err != nil {
			return r.Object, ignoreUnknown(err)
		}
		return o.keyOf(ctx, &old)
	case "Accept", "Reject":
		if len(r.To) == 1 {
			return r.To[0] + " " + r.Actor, nil
		}
	}
	return r.Actor + " " + r.Object, nil
}

func ignoreUnknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// lifetime is how long an activity is worth sending. What ends something must arrive; what is only news need
// not arrive late.
func lifetime(typ string) time.Duration {
	switch typ {
	case "Create", "Update":
		return 3 * 24 * time.Hour
	case "Like", "EmojiReact", "Announce":
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}
