package fedihook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

// relations fits the followers' store to inbox and outbox.
type relations struct {
	store    actor.Followers
	resolver *actor.Resolver
	names    actor.Names
	policy   *moderation.Policy
	followed recent[bool] // whether anybody here follows an actor
	blocking sync.Mutex   // one looks for a rule and changes it
}

func (r *relations) inboxes(ctx context.Context, id string) (outbox.Target, error) {
	if err := r.permit(ctx, id, ""); err != nil {
		return outbox.Target{}, err
	}
	inbox, shared, err := r.resolver.Inboxes(ctx, id)
	return outbox.Target{Inbox: inbox, SharedInbox: shared}, gone(err)
}

// targets walks followers' inboxes, of those that share one only that; one on this server has none.
func (r *relations) targets(ctx context.Context, id string) iter.Seq2[outbox.Target, error] {
	return func(yield func(outbox.Target, error) bool) {
		for url, err := range r.store.Inboxes(ctx, id) {
			if !yield(outbox.Target{Inbox: url}, err) || err != nil {
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
	return r.keep(ctx, f, remote)
}

// keep stores a follow, unless a rule is against it that was made since it was judged: who makes one looks afterwards for what it ends,
// and may have looked before this was there.
func (r *relations) keep(ctx context.Context, f actor.Follow, remote string) error {
	defer r.followed.forget()
	if err := r.store.PutFollow(ctx, f); err != nil {
		return err
	}
	local := f.Follower
	if remote == f.Follower {
		local = f.Followed
	}
	if err := r.policy.Renew(ctx); err != nil {
		return err // it will be done again
	}
	err := r.permit(ctx, remote, local)
	if errors.Is(err, moderation.ErrRefused) {
		err = errors.Join(err, r.store.DeleteFollow(ctx, f.Follower, f.Followed))
	}
	return err
}

func (r *relations) delete(ctx context.Context, follower, followed string) error {
	defer r.followed.forget()
	return r.store.DeleteFollow(ctx, follower, followed)
}

func (r *relations) Between(ctx context.Context, follower, followed string) (inbox.Follow, bool, error) {
	return kept(r.store.Follow(ctx, follower, followed))
}

func (r *relations) ByID(ctx context.Context, id string) (inbox.Follow, bool, error) {
	return kept(r.store.FollowByID(ctx, id))
}

func kept(f actor.Follow, err error) (inbox.Follow, bool, error) {
	if errors.Is(err, actor.ErrNotFound) {
		return inbox.Follow{}, false, nil
	}
	return inbox.Follow{ID: f.ID, Follower: f.Follower, Followed: f.Followed, Accepted: f.State == actor.Accepted}, err == nil, err
}

func (r *relations) FollowedHere(ctx context.Context, id string) (bool, error) {
	yes, ok, version := r.followed.get(id)
	if ok {
		return yes, nil
	}
	list, err := r.store.Follows(ctx, actor.FollowQuery{Followed: id, State: actor.Accepted, Limit: 1})
	if err == nil {
		r.followed.put(id, len(list) > 0, version)
	}
	return len(list) > 0, err
}

func (r *relations) Followed(ctx context.Context, follower, local, followID string, pending bool) error {
	f := actor.Follow{Follower: follower, Followed: local, ID: followID, State: actor.Accepted}
	if pending {
		f.State = actor.Pending
	}
	if err := r.put(ctx, f, follower); err != nil {
		return dropped(err)
	}
	return nil
}

// dropped makes err also inbox.ErrDrop where trying again is of no use.
func dropped(err error) error {
	if final(err) || errors.Is(err, moderation.ErrRefused) {
		return fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	return err
}

func (r *relations) Unfollowed(ctx context.Context, follower, local string) error {
	return r.delete(ctx, follower, local)
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
		return true, r.delete(ctx, f.Follower, f.Followed)
	}
	others, err := r.store.CountFollows(ctx, actor.FollowQuery{Followed: f.Followed, State: actor.Accepted})
	if err != nil {
		return true, err
	}
	f.State = actor.Accepted
	if err := r.keep(ctx, f, remote); err != nil {
		return true, dropped(err)
	}
	if others == 0 {
		r.resolver.Complete(f.Followed) // if there is no room, the app has what it would have without
	}
	return true, nil
}

func (r *relations) Forget(ctx context.Context, id string) error {
	for _, q := range []actor.FollowQuery{{Follower: id}, {Followed: id}} {
		for f, err := range actor.All(ctx, r.store, q) {
			if err != nil {
				return err
			}
			if err := r.delete(ctx, f.Follower, f.Followed); err != nil {
				return err
			}
		}
	}
	return nil
}

// relate keeps what something we say changes, before it goes out: after that the other side may answer at once.
func (r *relations) relate(ctx context.Context, c outbox.Relation) error {
	switch c.Type {
	case "Block":
		return r.block(ctx, c)
	case "Unblock":
		return r.unblock(ctx, c)
	}
	f, err := r.store.Follow(ctx, c.Follower, c.Followed)
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		return err
	}
	known := err == nil
	same := known && f.ID == c.FollowID
	switch c.Type {
	case "Follow":
		if same { // it was answered already
			return nil
		}
		if err := r.permit(ctx, c.Followed, c.Follower); err != nil {
			return err
		}
		state := actor.Pending
		if known {
			state = f.State // following anew what is followed already
		}
		return gone(r.put(ctx, actor.Follow{Follower: c.Follower, Followed: c.Followed, ID: c.FollowID, State: state}, c.Followed))
	case "Accept":
		if same && f.State != actor.Accepted {
			f.State = actor.Accepted
			return r.keep(ctx, f, c.Follower)
		}
	case "Undo", "Reject":
		if same { // else another follow has taken its place
			return r.delete(ctx, c.Follower, c.Followed)
		}
	}
	return nil
}

// followID finds by which activity one follows, or asked to follow, the other.
func (r *relations) followID(ctx context.Context, follower, followed string) (string, error) {
	f, err := r.store.Follow(ctx, follower, followed)
	if errors.Is(err, actor.ErrNotFound) {
		err = fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	return f.ID, err
}
