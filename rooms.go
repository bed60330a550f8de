package fedihook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// What stands here fits one room to what another declares. Nothing in it decides.

// as makes err also the error by which the room that asked knows a refusal.
func as(refusal, err error) error {
	if errors.Is(err, moderation.ErrRefused) {
		return fmt.Errorf("%w: %w", refusal, err)
	}
	return err
}

func (s *Server) allowDelivery(ctx context.Context, host string) error {
	return as(delivery.ErrRefused, s.config.Policy.Allow(ctx, host))
}

func (s *Server) allowSigner(ctx context.Context, host string) error {
	return as(signature.ErrRefused, s.config.Policy.Allow(ctx, host))
}

// gone makes err also outbox.ErrGone where looking again is of no use.
func gone(err error) error {
	if final(err) {
		return fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	return err
}

// final tells whether another server's answer, or ours, will not change by asking again soon.
func final(err error) bool {
	if passing := (*actor.Error)(nil); errors.As(err, &passing) {
		return !passing.Passing
	}
	return errors.Is(err, actor.ErrNotFound) || errors.Is(err, actor.ErrGone)
}

func (s *Server) newID(object bool, key string) string {
	if object {
		return s.names.Object(key)
	}
	return s.names.Activity(key)
}

// profile finds a user by handle or by actor id.
func (s *Server) profile(ctx context.Context, who string) (actor.Profile, error) {
	id := who
	if !strings.Contains(who, "://") {
		p, err := s.config.Profile(ctx, who)
		if err == nil && p.ID == "" {
			p.ID = s.names.Actor(p.Handle)
		}
		if err == nil || !errors.Is(err, actor.ErrNotFound) {
			return p, err
		}
		id = s.names.Actor(who)
	}
	p, ok, err := s.handler.Local(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("fedihook: %s: %w", who, actor.ErrNotFound)
	}
	return p, err
}

func (s *Server) author(ctx context.Context, who string) (outbox.Author, error) {
	p, err := s.profile(ctx, who)
	if err != nil {
		return outbox.Author{}, gone(err)
	}
	return outbox.Author{ID: p.ID, Followers: s.names.Followers(p.ID, p.Handle)}, nil
}

func (s *Server) local(ctx context.Context, id string) (ok, approves bool, err error) {
	p, ok, err := s.handler.Local(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return false, false, nil
	}
	// The instance actor signs; it has no posts to follow.
	return ok && id != s.names.Instance(), p.ManuallyApprovesFollowers, err
}

func (s *Server) ownerElsewhere(ctx context.Context, asker, objectID string) (string, error) {
	doc, _, err := s.resolver.FetchAs(ctx, s.keyOf(asker), objectID)
	if err != nil {
		return "", gone(err)
	}
	switch doc := doc.(type) {
	case *activity.Object:
		if id := doc.AttributedTo.First(); activity.SameAuthority(id, objectID) {
			return id, nil
		}
	case *activity.Actor:
		return doc.ID, nil
	}
	return "", fmt.Errorf("fedihook: %s does not say whose it is: %w", objectID, outbox.ErrGone)
}

// heard tells those who send that a server is up, and how it signs: what it uses itself it understands.
func (s *Server) heard(ctx context.Context, authority string, v signature.Verified) {
	s.queue.Wake(authority)
	(&signature.Transport{Memory: s.suites}).Heard(ctx, authority, v)
}

func (s *Server) loop(ctx context.Context, sender string, body []byte) error {
	return s.inbox.Deliver(ctx, sender, body)
}

func (s *Server) enqueue(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
	class := delivery.Interactive
	switch d.Type {
	case "Create", "Update", "Delete":
		class = delivery.Normal
	case "Announce":
		class = delivery.Bulk
	}
	receipt, err := s.queue.Enqueue(ctx, nil, delivery.Activity{
		ID: d.ID, Sender: d.Sender, Key: d.Key, Class: class, Body: d.Body, Expires: d.Expires,
	}, func(yield func(delivery.Target) bool) {
		for t := range to {
			if !yield(delivery.Target{Inbox: t.Inbox, SharedInbox: t.SharedInbox}) {
				return
			}
		}
	})
	if left := (*delivery.TargetError)(nil); errors.As(err, &left) {
		s.config.Logger.WarnContext(ctx, "fedihook: recipients left out", "activity", d.ID, "error", err)
		err = nil
	}
	if err == nil {
		s.config.Logger.DebugContext(ctx, "fedihook: enqueued", "activity", d.ID, "targets", receipt.Targets)
	}
	return err
}

// peers fits the resolver to the inbox.
type peers struct {
	store    actor.Remotes
	resolver *actor.Resolver
}

func (p *peers) Known(ctx context.Context, id string) (bool, error) {
	r, err := p.store.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Gone.IsZero(), err
}

func (p *peers) Trust(ctx context.Context, id string) error { return p.resolver.Trust(ctx, id) }

func (p *peers) Fetch(ctx context.Context, id string) (activity.Document, error) {
	doc, _, err := p.resolver.Fetch(ctx, id)
	if final(err) {
		err = fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	return doc, err
}

func (p *peers) Followers(ctx context.Context, id string) (string, error) {
	r, err := p.store.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) || err == nil && len(r.Document) == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	doc, err := activity.Decode(r.Document)
	if err != nil {
		return "", err
	}
	if a, ok := doc.(*activity.Actor); ok {
		return a.Followers.ID, nil
	}
	return "", nil
}

func (p *peers) Update(ctx context.Context, a *activity.Actor) error {
	raw, err := a.MarshalJSON()
	if err != nil {
		return err
	}
	return p.resolver.Update(ctx, a, raw)
}

func (p *peers) Gone(ctx context.Context, id string) error { return p.resolver.Gone(ctx, id) }

// relations fits the followers' store to inbox and outbox.
type relations struct {
	store    actor.Followers
	resolver *actor.Resolver
	names    actor.Names
}

func (r *relations) inboxes(ctx context.Context, id string) (outbox.Target, error) {
	inbox, shared, err := r.resolver.Inboxes(ctx, id)
	return outbox.Target{Inbox: inbox, SharedInbox: shared}, gone(err)
}

// targets walks followers' inboxes; one on this server has none.
func (r *relations) targets(ctx context.Context, id string) iter.Seq2[outbox.Target, error] {
	return func(yield func(outbox.Target, error) bool) {
		for f, err := range actor.All(ctx, r.store, actor.FollowQuery{Followed: id, State: actor.Accepted, Limit: 1000}) {
			if !yield(outbox.Target{Inbox: f.Inbox, SharedInbox: f.SharedInbox}, err) || err != nil {
				return
			}
		}
	}
}

// put keeps a follow with the inboxes of the remote one of the two.
func (r *relations) put(ctx context.Context, f actor.Follow, remote string) error {
	if !r.names.Ours(remote) {
		inbox, shared, err := r.resolver.Inboxes(ctx, remote)
		if err != nil {
			return err
		}
		f.Inbox, f.SharedInbox = inbox, shared
	}
	f.At = time.Now()
	return r.store.PutFollow(ctx, f)
}

func (r *relations) Followed(ctx context.Context, follower, local, followID string, pending bool) error {
	f := actor.Follow{Follower: follower, Followed: local, ID: followID, State: actor.Accepted}
	if pending {
		f.State = actor.Pending
	}
	if err := r.put(ctx, f, follower); err != nil {
		if final(err) {
			return fmt.Errorf("%w: %w", inbox.ErrDrop, err)
		}
		return err
	}
	return nil
}

func (r *relations) Unfollowed(ctx context.Context, follower, local string) error {
	return r.store.DeleteFollow(ctx, follower, local)
}

func (r *relations) Answered(ctx context.Context, local, remote, followID string, accepted bool) (bool, error) {
	f, err := r.store.FollowByID(ctx, followID)
	if local != "" {
		f, err = r.store.Follow(ctx, local, remote)
	}
	if errors.Is(err, actor.ErrNotFound) || err == nil && f.Followed != remote {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !accepted {
		return true, r.store.DeleteFollow(ctx, f.Follower, f.Followed)
	}
	f.State = actor.Accepted
	return true, r.store.PutFollow(ctx, f)
}

func (r *relations) Forget(ctx context.Context, id string) error {
	for _, q := range []actor.FollowQuery{{Follower: id}, {Followed: id}} {
		for f, err := range actor.All(ctx, r.store, q) {
			if err != nil {
				return err
			}
			if err := r.store.DeleteFollow(ctx, f.Follower, f.Followed); err != nil {
				return err
			}
		}
	}
	return nil
}

// following keeps a follow of ours before its request goes out, or forgets it before its Undo does: after that the
// other side's posts are no longer wanted.
func (r *relations) following(ctx context.Context, follower, followed, followID string, undone bool) error {
	f, err := r.store.Follow(ctx, follower, followed)
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		return err
	}
	same := err == nil && f.ID == followID
	switch {
	case undone && same:
		return r.store.DeleteFollow(ctx, follower, followed)
	case undone, same: // another follow has taken its place; or this one was answered already
		return nil
	}
	state := actor.Pending
	if err == nil {
		state = f.State // following anew what is followed already
	}
	return gone(r.put(ctx, actor.Follow{Follower: follower, Followed: followed, ID: followID, State: state}, followed))
}
