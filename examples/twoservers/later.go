package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
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

func (w *world) suspend() error {
	w.begin("a suspended domain gets nothing and is refused")
	if err := w.a.policy.Suspend(w.ctx, "b.test", "spam"); err != nil {
		return err
	}
	before := w.b.posts.Load()
	kept, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>not for b.test</p>"}, false)
	if err != nil {
		return err
	}
	outbox := func() bool {
		records, err := w.a.storage.Log.ObjectRecords(w.ctx, kept, 1)
		return err == nil && len(records) == 1 && records[0].State != 0
	}
	w.until(outbox)
	body := note(w.bob, w.bob+"/notes/spam", "<p>buy this</p>")
	r := w.request(w.a, http.MethodPost, "/ap/users/alice/inbox", body)
	if err := w.sign(r, body, w.bob); err != nil {
		return err
	}
	got := w.do(r)
	w.check(got.status == 403, "what bob sends is 403", got.status)
	_, err = w.a.f.Lookup(w.ctx, "@bob@b.test")
	var blocked *actor.LookupError
	w.check(errors.As(err, &blocked) && blocked.Reason == actor.Blocked, "bob can't be looked up", err)
	if err := w.a.policy.Lift(w.ctx, "", "", moderation.Key{About: "b.test"}); err != nil {
		return err
	}
	after, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>welcome back</p>"}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, after) != nil }), "what is posted after the rule was lifted arrives")
	w.check(w.b.timeline(w.ctx, kept) == nil && w.b.posts.Load() == before+1, "what was posted before never does", w.b.posts.Load()-before)
	w.check(w.a.timeline(w.ctx, w.bob+"/notes/spam") == nil, "alice's server kept nothing of the spam")
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
