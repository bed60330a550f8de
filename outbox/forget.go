package outbox

import (
	"context"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// What stands here forgets what strangers bring about, of which there is no end: what groups announce, and answers. What the app says is
// kept for ever.

const (
	forgetEvery = time.Hour

	keepWords  = day       // how long a group keeps, after it has announced them, what others said
	keepRecord = 30 * day  // how long it is known that something was announced or answered
	keepPost   = 365 * day // and what a group has announced of a post, so that what becomes of it goes where the post went

	// keepNewest is how many of a group's announces are kept as they are for its outbox, however old.
	keepNewest = 100

	// Of what was posted in a group on one day so many posts are kept for keepPost, and so many of one server's: who floods a group today does
	// not make it forget what others said yesterday.
	keepPosts     = 5_000
	keepPostsFrom = 1_000
)

// keptUntil is how long a new record is kept, or kept as it is; zero: for ever.
func keptUntil(r *Record) time.Time {
	switch {
	case inName(r) && r.Type == "Announce":
		return r.At.Add(keepWords)
	case inName(r), r.Type == "Accept", r.Type == "Reject":
		return r.At.Add(keepRecord)
	}
	return time.Time{}
}

// inName tells whether r is what a group said of others' objects.
func inName(r *Record) bool { return strings.HasSuffix(r.Object, announced) }

// forget forgets what is past, a page at a time.
func (o *Outbox) forget(ctx context.Context) error {
	defer o.forgetting.Store(false)
	now := time.Now()
	newest := map[string]int64{} // by actor: the first of those that are kept as they are
	for {
		past, err := o.Log.PastRecords(ctx, now, batch)
		if err != nil {
			return err
		}
		var gone []string
		for _, r := range past {
			keep, err := o.keep(ctx, &r, now, newest)
			if err != nil {
				return err
			}
			if !keep {
				gone = append(gone, r.ID)
			} else if err := ignoreStale(o.save(ctx, &r)); err != nil {
				return err
			}
		}
		if err := o.Log.ForgetRecords(ctx, gone, now); err != nil {
			return err
		}
		if len(past) < batch {
			return nil
		}
	}
}

// keep decides whether r, which is past, is kept on, sets how long, and takes away what is not.
func (o *Outbox) keep(ctx context.Context, r *Record, now time.Time, newest map[string]int64) (bool, error) {
	age := now.Sub(r.At)
	if !inName(r) || r.Type != "Announce" {
		r.Until = r.At.Add(keepRecord) // of what was answered before this was kept count of
		return age < keepRecord, nil
	}
	if r.State == Held {
		r.Until = r.At.Add(keepRecord)
		return age < keepRecord, nil
	}
	shown, err := o.isNewest(ctx, r, newest)
	switch {
	case err != nil:
		return false, err
	case shown:
		r.Until = now.Add(keepWords)
		return true, nil
	}
	shorten(r)
	switch {
	case age < keepRecord:
		r.Until = r.At.Add(keepRecord)
		return true, nil
	case !isPost(r):
		return false, nil
	case age < keepPost:
		r.Until = r.At.Add(keepPost)
		return o.posts.keep(r), nil
	}
	// Of what is still voted on it must be known whose it is.
	r.Until = now.Add(keepRecord)
	lately, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	for _, other := range lately {
		if now.Sub(other.At) < keepRecord {
			return true, err
		}
	}
	return false, err
}

// isNewest tells whether r is one of the announces that its actor's outbox goes on showing whole.
func (o *Outbox) isNewest(ctx context.Context, r *Record, newest map[string]int64) (bool, error) {
	first, known := newest[r.Actor]
	if !known {
		list, _, err := o.Log.PublicRecords(ctx, r.Actor, 0, keepNewest)
		if err != nil {
			return false, err
		}
		if len(list) == keepNewest {
			first = list[keepNewest-1].Seq
		}
		newest[r.Actor] = first
	}
	return r.Actor != "" && r.Seq >= first, nil
}

// shorten leaves of an activity that r announces who did what to which object, so that its words are gone.
func shorten(r *Record) (changed bool) {
	a, err := activityOf(*r)
	if err != nil {
		return false
	}
	inner := wrapped(a)
	if inner == nil {
		return false
	}
	short := &activity.Activity{ID: inner.ID, Type: inner.Type, Actor: activity.IRI(inner.Actor.ID), Object: activity.Refs{activity.IRI(inner.Object.First())}}
	a.Object = activity.Refs{activity.Embed(short)}
	text, err := activity.Encode(a)
	if err != nil || len(text) >= len(r.Activity) {
		return false
	}
	r.Activity = text
	return true
}

// withdraw takes away what was said of an object whose deletion r has announced: the group's outbox must not go on showing it. The object's
// lock is held.
func (o *Outbox) withdraw(ctx context.Context, r *Record) error {
	if !inName(r) || lifeType(r) != "Delete" {
		return nil
	}
	records, err := o.Log.ObjectRecords(ctx, r.Object, maxRecords)
	if err != nil {
		return err
	}
	for _, old := range records {
		if old.Seq < r.Seq && old.Author == r.Author && (old.State == Sent || old.State == Failed) && shorten(&old) {
			if err := ignoreStale(o.save(ctx, &old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isPost tells whether r announces a new object, or says its id.
func isPost(r *Record) bool {
	a, err := activityOf(*r)
	if err != nil {
		return false
	}
	inner := wrapped(a)
	return inner == nil || inner.Is("Create")
}

// posts counts what is kept for long of one day. Records come to it in the order of their days.
type posts struct {
	day  int64
	kept map[string]int // by author of the record and, for those of one server, its authority
}

func (p *posts) keep(r *Record) bool {
	if today := r.At.Unix() / int64(day/time.Second); p.kept == nil || today != p.day {
		p.day, p.kept = today, make(map[string]int)
	}
	about := strings.TrimSuffix(r.Object, announced)
	kind := r.Author
	if a, err := activityOf(*r); err == nil && wrapped(a) == nil {
		kind += " " // a post is announced by its id too
	}
	from, _ := activity.Authority(about)
	if p.kept[kind] >= keepPosts || p.kept[kind+"\n"+from] >= keepPostsFrom {
		return false
	}
	p.kept[kind]++
	p.kept[kind+"\n"+from]++
	return true
}

// forgetNow begins to forget if it is time to.
func (o *Outbox) forgetNow() bool {
	now, last := time.Now(), o.forgot.Load()
	return now.UnixNano()-last >= int64(forgetEvery) && o.forgetting.CompareAndSwap(false, true) && o.forgot.CompareAndSwap(last, now.UnixNano())
}
