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

// olgaIsLetInBriefly is carolWaits with an Accept that does not embed the Follow.
func olgaIsLetInBriefly(t *testing.T, w *world) {
	w.p.answerFollows(t, "wait")
	defer w.p.answerFollows(t, "accept")
	follow := must(t)(w.o.f.Follow(t.Context(), "olga", w.p.Actor))
	w.fedifyHearsID(t, "Follow", "olga", follow)
	w.p.drain(t)
	accept := w.p.doWith(t, "accept", with{"id": follow, "bare": true})
	if h := w.oursHears(t, "Accepted", accept.ID); h.ObjectID != follow || h.Activity.Object[0].Raw != nil {
		t.Errorf("the Accept is of %+v", h.Activity.Object)
	}
	w.acceptedHere(t, "olga")
}

// fredIsFollower makes fred follow somebody who accepts, and returns the id of the Follow.
func (w *world) fredIsFollower(t *testing.T, handle string) (follow string) {
	t.Helper()
	follow = w.p.do(t, "follow", w.o.actor(handle)).ID
	w.fedifyHears(t, "Accept", handle, func(e event) bool { return e.ObjectID == follow })
	w.p.drain(t)
	if following := w.p.state(t).Following; !slices.Contains(following, w.o.actor(handle)) {
		t.Fatalf("Fedify follows %v", following)
	}
	return follow
}

// isFollower makes somebody follow fred, who accepts, and returns the ids of Follow and Accept.
func (w *world) isFollower(t *testing.T, handle string) (follow, accept string) {
	t.Helper()
	follow = must(t)(w.o.f.Follow(t.Context(), handle, w.p.Actor))
	h := w.o.wait(t, "Accepted", func(h heard) bool { return h.ObjectID == follow })
	w.acceptedHere(t, handle)
	w.p.drain(t)
	return follow, h.Activity.ID
}

// forgotten checks that nobody here follows whom any more.
func (w *world) forgotten(t *testing.T, follower, followed string) {
	t.Helper()
	if !eventually(t, func() bool { return w.o.follow(t, follower, followed) == (actor.Follow{}) }) {
		t.Errorf("ours still keeps %+v", w.o.follow(t, follower, followed))
	}
}

func fredIsDismissed(t *testing.T, w *world) {
	ivy := w.o.actor("ivy")
	follow := w.fredIsFollower(t, "ivy")
	if _, err := w.o.f.Reject(t.Context(), "ivy", w.p.Actor); err != nil {
		t.Fatal(err)
	}
	w.fedifyHears(t, "Reject", "ivy", func(e event) bool { return e.ObjectID == follow && e.Inbox == "fred" })
	w.p.drain(t)
	if following := w.p.state(t).Following; slices.Contains(following, ivy) {
		t.Errorf("Fedify was dismissed and follows %v", following)
	}
	w.forgotten(t, w.p.Actor, ivy)
}

func ivyIsDismissed(t *testing.T, w *world) {
	ivy := w.o.actor("ivy")
	follow, _ := w.isFollower(t, "ivy")
	reject := w.p.doWith(t, "dismiss", with{"id": ivy, "request": follow})
	if h := w.oursHears(t, "Rejected", reject.ID); h.ObjectID != follow {
		t.Errorf("the Reject is of %s, not of %s", h.ObjectID, follow)
	}
	w.forgotten(t, ivy, w.p.Actor)
}

func fredUnfollowsBriefly(t *testing.T, w *world) {
	follow := w.fredIsFollower(t, "ivy")
	undo := w.p.doWith(t, "undo", with{"id": follow, "bare": true})
	w.oursHears(t, "Unfollow", undo.ID)
	w.forgotten(t, w.p.Actor, w.o.actor("ivy"))
}

func fredTakesAcceptBack(t *testing.T, w *world) {
	_, accept := w.isFollower(t, "ivy")
	undo := w.p.do(t, "undo", accept)
	w.oursHears(t, "Rejected", undo.ID)
	w.forgotten(t, w.o.actor("ivy"), w.p.Actor)
}
