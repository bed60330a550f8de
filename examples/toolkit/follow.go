package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// The wiring is the inbox's Relations: it keeps who follows whom in the store that the outbox reads inboxes from.
var _ inbox.Relations = (*wiring)(nil)

// local tells whether somebody is an author here. They take every follower.
func (w *wiring) local(ctx context.Context, id string) (ok, approves bool, err error) {
	_, ok, err = w.handler.Local(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return false, false, nil
	}
	return ok && id != w.names.Instance(), false, err // the site's own actor signs, and has nothing to follow
}

// Followed implements inbox.Relations. Where a follower takes their post is looked up now, once, and not for each post.
func (w *wiring) Followed(ctx context.Context, follower, local, followID string, pending bool) error {
	f := actor.Follow{Follower: follower, Followed: local, ID: followID, State: actor.Accepted, At: time.Now()}
	if pending {
		f.State = actor.Pending
	}
	var err error
	if f.Inbox, f.SharedInbox, err = w.resolver.Inboxes(ctx, follower); err != nil {
		return dropped(err)
	}
	return w.store.Followers.PutFollow(ctx, f)
}

// Unfollowed implements inbox.Relations.
func (w *wiring) Unfollowed(ctx context.Context, follower, local string) error {
	return w.store.Followers.DeleteFollow(ctx, follower, local)
}

// Answered implements inbox.Relations: authors follow nobody, so that nobody has anything to answer.
func (w *wiring) Answered(context.Context, string, string, string, bool) (bool, error) {
	return false, nil
}

// FollowedHere implements inbox.Relations.
func (w *wiring) FollowedHere(context.Context, string) (bool, error) { return false, nil }

// Between implements inbox.Relations.
func (w *wiring) Between(ctx context.Context, follower, followed string) (inbox.Follow, bool, error) {
	return kept(w.store.Followers.Follow(ctx, follower, followed))
}

// ByID implements inbox.Relations.
func (w *wiring) ByID(ctx context.Context, id string) (inbox.Follow, bool, error) {
	return kept(w.store.Followers.FollowByID(ctx, id))
}

func kept(f actor.Follow, err error) (inbox.Follow, bool, error) {
	if errors.Is(err, actor.ErrNotFound) {
		return inbox.Follow{}, false, nil
	}
	return inbox.Follow{ID: f.ID, Follower: f.Follower, Followed: f.Followed, Accepted: f.State == actor.Accepted}, err == nil, err
}

// Forget implements inbox.Relations, for who has deleted their account.
func (w *wiring) Forget(ctx context.Context, id string) error {
	for f, err := range actor.All(ctx, w.store.Followers, actor.FollowQuery{Follower: id}) {
		if err != nil {
			return err
		}
		if err := w.store.Followers.DeleteFollow(ctx, f.Follower, f.Followed); err != nil {
			return err
		}
	}
	return nil
}

// dropped tells the inbox what it need not try again.
func dropped(err error) error {
	switch {
	case err == nil || !final(err):
		return err
	case errors.Is(err, actor.ErrGone), errors.Is(err, actor.ErrNotFound):
		return fmt.Errorf("%w: %w: %w", inbox.ErrDrop, inbox.ErrGone, err)
	}
	return fmt.Errorf("%w: %w", inbox.ErrDrop, err)
}
