package main

import (
	"errors"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func (w *world) comeBack() error {
	w.begin("bob's server is stopped, alice posts, it comes back")
	if err := w.b.shut(); err != nil {
		return err
	}
	missed, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>while you were away</p>"}, false)
	if err != nil {
		return err
	}
	// Her server has tried and now leaves bob's alone for a while.
	waiting := w.until(func() bool {
		for lane, err := range w.a.f.Queue().Lanes(w.ctx) {
			// Without retries it is given up instead, and nothing is left to send.
			if err == nil && lane.Failures > 0 && (time.Until(lane.Next) > time.Second || lane.Pending == 0) {
				return true
			}
		}
		return false
	})
	if err := w.b.restart(w.ctx); err != nil {
		return err
	}
	w.check(w.b.timeline(w.ctx, missed) == nil, "what was sent meanwhile is not there yet")
	f, err := w.b.storage.Followers.Follow(w.ctx, w.bob, w.alice)
	w.check(err == nil && f.State == actor.Accepted, "bob's server still knows whom he follows", err)
	// A signed request of bob's tells alice's server that his is back.
	if _, err := w.b.f.Like(w.ctx, "bob", w.secret); err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.a.reactions(w.ctx, "Like", w.secret) == 1 }), "its own signed request arrives at alice's")
	w.check(waiting && w.until(func() bool { return w.b.timeline(w.ctx, missed) != nil }), "and pulls in what it missed")
	w.check(w.b.count(w.ctx, `SELECT COUNT(*) FROM heard WHERE type = 'Create' AND id IN (SELECT id FROM heard GROUP BY id HAVING COUNT(*) > 1)`) == 0,
		"its app heard of no post twice")
	return nil
}

func (w *world) rollBack() error {
	w.begin("a transaction that rolls back publishes nothing")
	phantom, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>never was</p>"}, true)
	if err != nil {
		return err
	}
	real, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>was</p>"}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, real) != nil }), "the post that was committed after it arrives")
	w.check(w.b.timeline(w.ctx, phantom) == nil, "the one that was rolled back does not")
	got := w.get(w.a, path(phantom), activity.ContentType, "")
	w.check(got.status == 404, "its id is 404", got.status)
	return nil
}

func (w *world) unfollow() error {
	w.begin("bob unfollows, and deliveries stop")
	if _, err := w.b.f.Undo(w.ctx, "bob", w.follow); err != nil {
		return err
	}
	w.check(w.until(func() bool {
		_, err := w.a.storage.Followers.Follow(w.ctx, w.bob, w.alice)
		return errors.Is(err, actor.ErrNotFound)
	}), "alice's server has forgotten him")
	_, err := w.b.storage.Followers.Follow(w.ctx, w.bob, w.alice)
	w.check(errors.Is(err, actor.ErrNotFound), "his own server too", err)
	followers := w.get(w.a, "/ap/users/alice/followers", activity.ContentType, "")
	w.check(followers.number("totalItems") == 0, "her collection of followers counts none", followers.body)

	before := w.b.posts.Load()
	unread, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>nobody listens</p>"}, false)
	if err != nil {
		return err
	}
	// A post that names bob is behind the other in the same lane.
	named, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{
		Content: "<p>bye bob</p>", To: activity.To(activity.Public), CC: activity.To(w.bob),
		Tag: activity.List{activity.Embed(activity.Mention(w.bob, "@bob@b.test"))},
	}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, named) != nil }), "a post that names him still arrives")
	w.check(w.b.timeline(w.ctx, unread) == nil && w.b.posts.Load() == before+1, "one that doesn't is not sent", w.b.posts.Load()-before)
	return nil
}
