package fedihook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/outbox"
)

const (
	maxOffered = 40               // posts: as many as two pages of an outbox
	offerAfter = 30 * time.Second // so that the Accept of whoever asked to follow comes first
	offerFor   = 24 * time.Hour
)

// Offer sends one actor elsewhere, such as a new follower, what handle has published before: of the latest n things said to
// everyone and the followers, at most 40, the posts, as they are now, each in its Create, of which the oldest is begun first. It
// returns how many those are. They leave half a minute later, so that it may be called in [inbox.Hooks.Follow], and are worth
// sending for a day. Other servers show them on the profile and in no timeline; to offer a post twice within a week does nothing.
//
// What is said later of a post, its Delete too, reaches who follows then. It does not work in a transaction.
func (s *Server) Offer(ctx context.Context, handle, actorID string, n int) (offered int, err error) {
	fail := func(err error) (int, error) {
		return offered, fmt.Errorf("fedihook: offer %s's posts to %s: %w", handle, actorID, err)
	}
	if s.tx != nil || !s.at.IsZero() {
		return fail(ErrOutsideOnly)
	}
	if n < 1 {
		return fail(errors.New("n is not positive"))
	}
	author, err := s.author(ctx, handle)
	if err != nil {
		return fail(err)
	}
	if s.names.Ours(actorID) { // who is here reads them where they are
		return 0, nil
	}
	target, err := s.relations.inboxes(ctx, actorID)
	if err != nil {
		return fail(err)
	}
	page, err := s.Collection(ctx, actor.Query{Name: "outbox", Owner: author.ID, Limit: min(n, maxOffered)})
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256([]byte(actorID))
	to, now := " offered to "+hex.EncodeToString(sum[:]), time.Now()
	for _, ref := range slices.Backward(page.Items) {
		d, err := ref.Document()
		if errors.Is(err, activity.ErrNotEmbedded) {
			continue
		} else if err != nil {
			return fail(err)
		}
		a, ok := d.(*activity.Activity)
		if !ok || !a.Is(activity.TypeCreate) || !slices.Contains(a.Recipients(), author.Followers) {
			continue // of what was not for followers they would not hear again
		}
		o, err := s.object(ctx, a.Object.First(), "")
		if errors.Is(err, actor.ErrNotFound) || errors.Is(err, actor.ErrHidden) || errors.Is(err, actor.ErrGone) || o != nil && o.Is("Tombstone") {
			continue
		} else if err != nil && !errors.Is(err, actor.ErrPartial) {
			return fail(err)
		}
		a.Object = activity.Refs{activity.Embed(o)}
		body, err := activity.Encode(a)
		if err != nil {
			return fail(err)
		}
		body, err = s.endorse(ctx, outbox.Delivery{
			ID: a.ID, Type: activity.TypeCreate, Sender: author.ID, Body: body, Public: slices.ContainsFunc(o.Recipients(), activity.IsPublic),
		}, author.ID)
		if err != nil {
			return fail(err)
		}
		if _, err := s.queue.Enqueue(ctx, nil, delivery.Activity{
			ID: a.ID + to, Sender: author.ID, Key: a.Object.First(), Body: body, Class: delivery.Bulk,
			NotBefore: now.Add(offerAfter), Expires: now.Add(offerFor),
		}, slices.Values([]delivery.Target{{Inbox: target.Inbox}})); err != nil {
			return fail(err)
		}
		offered++
	}
	return offered, nil
}

// relate keeps a change of who follows whom, and offers posts to whom an Accept lets in. That is a courtesy: it fails alone.
func (s *Server) relate(ctx context.Context, change outbox.Relation) error {
	if err := s.relations.relate(ctx, change); err != nil {
		return err
	}
	if change.Type != activity.TypeAccept || s.config.OfferPosts == 0 {
		return nil
	}
	if _, err := s.Offer(ctx, change.Followed, change.Follower, s.config.OfferPosts); err != nil {
		s.config.Logger.InfoContext(ctx, "fedihook: no posts offered", "to", change.Follower, "error", err)
	}
	return nil
}
