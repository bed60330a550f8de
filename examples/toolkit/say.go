package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/outbox"
)

// say says what became of a post, in the transaction in which it was saved: if that fails, nothing was said. ActivityPub §6.2 to §6.4
func (w *wiring) say(ctx context.Context, tx *sql.Tx, author string, before, after *activity.Object) error {
	a := &activity.Activity{Type: activity.Types{activity.TypeUpdate}} // the outbox fills in the rest
	switch {
	case before == nil && after == nil: // a draft
		return nil
	case after == nil:
		a.Type, a.Object = activity.Types{activity.TypeDelete}, activity.Refs{activity.IRI(before.ID)}
	case before == nil:
		a.Type = activity.Types{activity.TypeCreate}
		fallthrough
	default:
		a.Object = activity.Refs{activity.Embed(after)}
	}
	_, err := w.outbox.Say(ctx, tx, author, a)
	return err
}

func (w *wiring) newID(_ string, object bool, key string) string {
	if object {
		return w.names.Object(key)
	}
	return w.names.Activity(key)
}

// author finds who speaks, by handle or by id.
func (w *wiring) author(ctx context.Context, who string) (outbox.Author, error) {
	id := who
	if !w.names.Ours(who) {
		id = w.names.Actor(who)
	}
	p, ok, err := w.handler.Local(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w", who, actor.ErrNotFound)
	}
	return outbox.Author{ID: id, Followers: w.names.Followers(id, p.Handle)}, gone(err)
}

// gone tells the outbox whom it need not look for again.
func gone(err error) error {
	if err != nil && final(err) {
		return fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	return err
}

// inboxes finds where somebody elsewhere takes their post.
func (w *wiring) inboxes(ctx context.Context, actorID string) (outbox.Target, error) {
	inbox, shared, err := w.resolver.Inboxes(ctx, actorID)
	return outbox.Target{Inbox: inbox, SharedInbox: shared}, gone(err)
}

// followers walks the inboxes of an author's followers, of those that share one only that.
func (w *wiring) followers(ctx context.Context, actorID string) iter.Seq2[outbox.Target, error] {
	return func(yield func(outbox.Target, error) bool) {
		for url, err := range w.store.Followers.Inboxes(ctx, actorID) {
			if !yield(outbox.Target{Inbox: url}, err) {
				return
			}
		}
	}
}

// ownerElsewhere is asked whose a post of another server is, which this blog never speaks about.
func (w *wiring) ownerElsewhere(_ context.Context, _, objectID string) (string, error) {
	return "", fmt.Errorf("%w: %s", outbox.ErrGone, objectID)
}

var classes = map[outbox.Class]delivery.Class{
	outbox.Interactive: delivery.Interactive, outbox.Normal: delivery.Normal, outbox.Bulk: delivery.Bulk,
}

// enqueue hands an activity over to the queue.
func (w *wiring) enqueue(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
	a := delivery.Activity{ID: d.ID, Sender: d.Sender, Key: d.Key, Body: d.Body, Expires: d.Expires, Class: classes[d.Class]}
	for _, v := range d.Variants { // the same for Threads: see outbox.Plain
		a.Other = append(a.Other, delivery.Body{Name: v.Form, Bytes: v.Body})
	}
	switch { // who has not heard of an edit yet needs the last one alone, and of what was deleted nothing
	case d.Type == activity.TypeUpdate:
		a.Supersedes = delivery.SupersedeUpdates
	case d.Type == activity.TypeDelete && d.First:
		a.Supersedes = delivery.SupersedeAll
	}
	_, err := w.queue.Enqueue(ctx, nil, a, func(yield func(delivery.Target) bool) {
		for t := range to {
			if !yield(delivery.Target{Inbox: t.Inbox, SharedInbox: t.SharedInbox}) {
				return
			}
		}
	})
	if left := (*delivery.TargetError)(nil); errors.As(err, &left) { // all others have it
		slog.Warn("blog: recipients left out", "activity", d.ID, "err", err)
		return nil
	}
	return err
}

// relate is told of what our answers change before they go out. The inbox has noted the follower by then; what is left to do is a
// courtesy, which fails alone.
func (w *wiring) relate(ctx context.Context, change outbox.Relation) error {
	if change.Type != activity.TypeAccept {
		return nil
	}
	if err := w.offer(ctx, change.Followed, change.Follower); err != nil {
		slog.Info("blog: no posts offered", "to", change.Follower, "err", err)
	}
	return nil
}

// offer sends a new follower the author's latest posts, half a minute after the Accept.
func (w *wiring) offer(ctx context.Context, author, follower string) error {
	inbox, _, err := w.resolver.Inboxes(ctx, follower)
	if err != nil {
		return err
	}
	list, _, err := w.store.Log.PublicRecords(ctx, author, 0, 10)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, r := range slices.Backward(list) {
		a, err := w.current(ctx, r)
		if err != nil || a == nil {
			return err
		}
		body, err := activity.Encode(a)
		if err != nil {
			return err
		}
		// The same id twice within a week is delivered once; the same Create in another id's name is another delivery.
		if _, err := w.queue.Enqueue(ctx, nil, delivery.Activity{
			ID: fmt.Sprintf("%s offered to %x", a.ID, sha256.Sum256([]byte(follower))), Sender: author, Key: a.Object.First(), Body: body,
			Class: delivery.Bulk, NotBefore: now.Add(30 * time.Second), Expires: now.Add(24 * time.Hour),
		}, slices.Values([]delivery.Target{{Inbox: inbox}})); err != nil {
			return err
		}
	}
	return nil
}
