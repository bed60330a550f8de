package main

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
)

// about is a rule of a.test about b.test.
func about(severity moderation.Severity, reason string) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: "b.test"}, Severity: severity, Private: reason, By: "alice"}
}

// foretold makes a rule on alice's server and checks that it does what was foretold. What is being delivered at that moment could be
// delivered in between.
func (w *world) foretold(r moderation.Rule) (did moderation.Effect, err error) {
	w.until(func() bool {
		n, err := w.a.f.Queue().Count(w.ctx, func(string, string) bool { return true })
		return err == nil && n == 0
	})
	before, err := w.a.f.Foretell(w.ctx, r)
	if err != nil {
		return did, err
	}
	if did, err = w.a.f.Moderate(w.ctx, r); err != nil {
		return did, err
	}
	w.a.spread(w.ctx)
	w.check(reflect.DeepEqual(before, did), "what was foretold of the rule is what it does", fmt.Sprintf("%+v, %+v", before, did))
	return did, nil
}

func (w *world) limit() error {
	w.begin("a limited domain keeps its followers, and new ones wait")
	did, err := w.foretold(about(moderation.Limit, "noisy"))
	if err != nil {
		return err
	}
	w.check(did.Ended.Sum() == 0 && did.Kept.Followers == 1, "it costs no follower, and concerns one", fmt.Sprintf("%+v", did))
	carol := w.b.origin + "/ap/users/carol"
	if _, err = w.b.f.Follow(w.ctx, "carol", w.alice); err != nil {
		return err
	}
	state := func(want actor.FollowState) func() bool {
		return func() bool {
			f, err := w.a.storage.Followers.Follow(w.ctx, carol, w.alice)
			return err == nil && f.State == want
		}
	}
	w.check(w.until(state(actor.Pending)), "carol's follow waits for alice, who lets others in at once")
	post, err := w.b.publish(w.ctx, w.b.f, "bob", &activity.Object{
		Content: "<p>buy this</p>", To: activity.To(activity.Public), CC: activity.To(w.alice),
		Tag: activity.List{activity.Embed(activity.Mention(w.alice, "@alice@a.test"))},
	}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.a.timeline(w.ctx, post) != nil }), "what bob says still arrives")
	if got := w.a.timeline(w.ctx, post); got != nil {
		w.check(got.limited, "and is marked, so that it shows to those alone whom it is for", got.limited)
	}
	if _, err := w.a.f.Lift(w.ctx, "alice", "they have calmed down", about(0, "").Key); err != nil {
		return err
	}
	w.a.spread(w.ctx)
	if _, err := w.a.f.Reject(w.ctx, "alice", carol); err != nil {
		return err
	}
	w.check(w.until(func() bool {
		_, err := w.b.storage.Followers.Follow(w.ctx, carol, w.alice)
		return errors.Is(err, actor.ErrNotFound)
	}), "alice turns carol away")
	return nil
}

func (w *world) suspend() error {
	w.begin("a suspended domain is told goodbye, gets nothing and is refused")
	before := w.b.posts.Load()
	did, err := w.foretold(about(moderation.Suspend, "spam"))
	if err != nil {
		return err
	}
	w.check(did.Ended == moderation.Ties{Followers: 1}, "it costs alice one follower", fmt.Sprintf("%+v", did))
	w.check(w.until(func() bool {
		_, err := w.b.storage.Followers.Follow(w.ctx, w.bob, w.alice)
		return errors.Is(err, actor.ErrNotFound)
	}), "bob's server learns that he follows her no more")
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
	if _, err := w.a.f.Lift(w.ctx, "alice", "a mistake", about(0, "").Key); err != nil {
		return err
	}
	w.a.spread(w.ctx)
	if w.follow, err = w.b.f.Follow(w.ctx, "bob", w.alice); err != nil {
		return err
	}
	w.check(w.until(func() bool {
		f, err := w.b.storage.Followers.Follow(w.ctx, w.bob, w.alice)
		return err == nil && f.State == actor.Accepted
	}), "once the rule is lifted bob can follow her anew")
	after, err := w.a.publish(w.ctx, w.a.f, "alice", &activity.Object{Content: "<p>welcome back</p>"}, false)
	if err != nil {
		return err
	}
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, after) != nil }), "and gets what is posted after that")
	// Her Reject, her Accept and the post.
	w.check(w.b.timeline(w.ctx, kept) == nil && w.b.posts.Load() == before+3, "what was posted before never arrives", w.b.posts.Load()-before)
	w.check(w.a.timeline(w.ctx, w.bob+"/notes/spam") == nil, "alice's server kept nothing of the spam")
	trail, err := w.a.storage.Rules.Trail(w.ctx, 0, 10)
	w.check(err == nil && len(trail) == 4 && trail[2].Rule.Private == "spam" && trail[3].Reason == "a mistake", "the trail says who did what, and why", trail)
	return nil
}
