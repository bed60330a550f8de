//go:build interop

package fedify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func fredFollowsAlice(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	follow := w.p.do(t, "follow", w.o.handle("alice"))
	h := w.oursHears(t, "Follow", follow.ID)
	if h.ObjectID != alice || h.Owner != alice || !slices.Equal(h.To, []string{alice}) {
		t.Errorf("the Follow is of %s, in the inbox of %q, for %v", h.ObjectID, h.Owner, h.To)
	}
	w.fedifyHears(t, "Accept", "alice", func(e event) bool { return e.ObjectID == follow.ID })
	w.p.drain(t)
	f := w.o.follow(t, w.p.Actor, alice)
	if f.State != actor.Accepted || f.ID != follow.ID || f.Inbox != w.p.Actor+"/inbox" || f.SharedInbox != w.p.Origin+"/inbox" {
		t.Errorf("ours keeps the follower as %+v", f)
	}
	if status, body := w.o.read(t, alice+"/followers", ""); status != 200 || !strings.Contains(body, `"totalItems":1`) {
		t.Errorf("her collection of followers is %d %s", status, body)
	}
}

func aliceFollowsFred(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	follow := must(t)(w.o.f.Follow(t.Context(), "alice", w.p.Actor))
	if e := w.fedifyHearsID(t, "Follow", "alice", follow); e.ObjectID != w.p.Actor || e.Inbox != "fred" {
		t.Errorf("the Follow came as %+v", e)
	}
	w.o.wait(t, "Accepted", func(h heard) bool { return h.ObjectID == follow })
	w.p.drain(t)
	if followers := w.p.state(t).Followers; !slices.Contains(followers, alice) {
		t.Errorf("Fedify keeps as followers %v", followers)
	}
}

func beaAcceptsFred(t *testing.T, w *world) {
	bea := w.o.actor("bea")
	follow := w.p.do(t, "follow", bea)
	e := w.fedifyHears(t, "Accept", "bea", func(e event) bool { return e.ObjectID == follow.ID })
	if e.Inbox != "fred" {
		t.Errorf("the Accept came to the inbox of %q", e.Inbox)
	}
	w.p.drain(t)
	if following := w.p.state(t).Following; !slices.Contains(following, bea) {
		t.Errorf("Fedify follows %v", following)
	}
}

func fredAcceptsBea(t *testing.T, w *world) {
	follow := must(t)(w.o.f.Follow(t.Context(), "bea", w.p.Actor))
	h := w.o.wait(t, "Accepted", func(h heard) bool { return h.ObjectID == follow })
	if h.Sender != w.p.Actor || h.Owner != w.o.actor("bea") {
		t.Errorf("the Accept is from %s, in the inbox of %q", h.Sender, h.Owner)
	}
	w.acceptedHere(t, "bea")
}

// acceptedHere checks that a user of ours follows fred, as the store and the app are told.
func (w *world) acceptedHere(t *testing.T, handle string) {
	t.Helper()
	if f := w.o.follow(t, w.o.actor(handle), w.p.Actor); f.State != actor.Accepted || f.SharedInbox != w.p.Origin+"/inbox" {
		t.Errorf("ours keeps that %s follows as %+v", handle, f)
	}
	for f, err := range w.o.f.LocalFollowers(t.Context(), w.p.Actor) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Follower == w.o.actor(handle) {
			return
		}
	}
	t.Errorf("%s is not among the local followers of %s", handle, w.p.Actor)
}

func fredWaits(t *testing.T, w *world) {
	id := w.o.actor(asks)
	follow := w.p.do(t, "follow", id)
	w.oursHears(t, "Follow", follow.ID)
	pending := eventually(t, func() bool { return w.o.follow(t, w.p.Actor, id).State == actor.Pending })
	if !pending {
		t.Fatalf("ours keeps the request as %+v", w.o.follow(t, w.p.Actor, id))
	}
	w.p.drain(t)
	if following := w.p.state(t).Following; slices.Contains(following, id) {
		t.Error("Fedify follows before it was let in")
	}
	if _, err := w.o.f.Accept(t.Context(), asks, w.p.Actor); err != nil {
		t.Fatal(err)
	}
	w.fedifyHears(t, "Accept", asks, func(e event) bool { return e.ObjectID == follow.ID })
	w.p.drain(t)
	if following := w.p.state(t).Following; !slices.Contains(following, id) {
		t.Errorf("Fedify was let in and follows %v", following)
	}
}

func carolWaits(t *testing.T, w *world) {
	w.p.answerFollows(t, "wait")
	defer w.p.answerFollows(t, "accept")
	follow := must(t)(w.o.f.Follow(t.Context(), "carol", w.p.Actor))
	w.fedifyHearsID(t, "Follow", "carol", follow)
	w.p.drain(t)
	if requests := w.p.state(t).Requests; !slices.Contains(requests, follow) {
		t.Fatalf("at Fedify %v wait, not %s", requests, follow)
	}
	if f := w.o.follow(t, w.o.actor("carol"), w.p.Actor); f.State != actor.Pending {
		t.Errorf("before the answer ours keeps the follow as %+v", f)
	}
	accept := w.p.do(t, "accept", follow)
	w.oursHears(t, "Accepted", accept.ID)
	w.acceptedHere(t, "carol")
}

func fredIsTurnedAway(t *testing.T, w *world) {
	id := w.o.actor(refuses)
	follow := w.p.do(t, "follow", id)
	w.fedifyHears(t, "Reject", refuses, func(e event) bool { return e.ObjectID == follow.ID && e.Inbox == "fred" })
	w.p.drain(t)
	if following := w.p.state(t).Following; slices.Contains(following, id) {
		t.Errorf("Fedify was turned away and follows %v", following)
	}
	if f := w.o.follow(t, w.p.Actor, id); f != (actor.Follow{}) {
		t.Errorf("ours keeps what it turned away: %+v", f)
	}
}

func doraIsTurnedAway(t *testing.T, w *world) {
	w.p.answerFollows(t, "reject")
	defer w.p.answerFollows(t, "accept")
	follow := must(t)(w.o.f.Follow(t.Context(), "dora", w.p.Actor))
	w.o.wait(t, "Rejected", func(h heard) bool { return h.ObjectID == follow && h.Sender == w.p.Actor })
	if f := w.o.follow(t, w.o.actor("dora"), w.p.Actor); f != (actor.Follow{}) {
		t.Errorf("ours keeps the follow that was turned away: %+v", f)
	}
}

func fredUnfollowsEmma(t *testing.T, w *world) {
	emma := w.o.actor("emma")
	follow := w.p.do(t, "follow", emma)
	w.fedifyHears(t, "Accept", "emma", func(e event) bool { return e.ObjectID == follow.ID })
	undo := w.p.do(t, "undo", follow.ID)
	h := w.oursHears(t, "Unfollow", undo.ID)
	if undone, ok := h.Object.(*activity.Activity); !ok || !undone.Is("Follow") || undone.Object.First() != emma || h.ObjectID != follow.ID {
		t.Errorf("what is undone is %+v", h.Object)
	}
	if !eventually(t, func() bool { return w.o.follow(t, w.p.Actor, emma) == (actor.Follow{}) }) {
		t.Errorf("ours still keeps %+v", w.o.follow(t, w.p.Actor, emma))
	}

	// One for nobody, and behind it in the same lane one that names fred.
	unread := must(t)(w.o.f.Publish(t.Context(), "emma", &activity.Object{Content: "<p>Is anybody there?</p>"}))
	named := must(t)(w.o.f.Publish(t.Context(), "emma", &activity.Object{
		Content: "<p>Bye, fred.</p>", To: activity.To(activity.Public), CC: activity.To(w.p.Actor),
		Tag: activity.List{activity.Embed(activity.Mention(w.p.Actor, w.p.Handle))},
	}))
	w.fedifyHears(t, "Create", "emma", func(e event) bool { return e.ObjectID == named })
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == "in" && e.Type == "Create" && strings.Contains(e.Body, unread) {
			t.Errorf("who follows no more was still sent %s", e.Activity)
		}
	}
}

func floUnfollowsFred(t *testing.T, w *world) {
	flo := w.o.actor("flo")
	follow := must(t)(w.o.f.Follow(t.Context(), "flo", w.p.Actor))
	w.o.wait(t, "Accepted", func(h heard) bool { return h.ObjectID == follow })
	w.p.drain(t)
	if followers := w.p.state(t).Followers; !slices.Contains(followers, flo) {
		t.Fatalf("Fedify keeps as followers %v", followers)
	}
	undo := must(t)(w.o.f.Undo(t.Context(), "flo", follow))
	e := w.fedifyHearsID(t, "Undo", "flo", undo)
	if undone := e.embedded(t); e.ObjectID != follow || undone.Type != "Follow" || undone.Actor != flo || undone.Object != w.p.Actor {
		t.Errorf("the Undo came as %s", e.Activity)
	}
	w.p.drain(t)
	if followers := w.p.state(t).Followers; slices.Contains(followers, flo) {
		t.Errorf("after the Undo Fedify still keeps as followers %v", followers)
	}
	if f := w.o.follow(t, flo, w.p.Actor); f != (actor.Follow{}) {
		t.Errorf("ours still keeps %+v", f)
	}
}
