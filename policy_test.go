package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/internal/gtslike"
)

// about is a policy with one rule for all that GoToSocial speaks of.
func policyOf(automatic, manual activity.Audience) activity.Policy {
	r := &activity.Rule{Automatic: automatic, Manual: manual}
	return activity.Policy{CanLike: r, CanReply: r, CanAnnounce: r}
}

func TestWhatAPolicyDoesNotAllowReachesNoHook(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		closed := v.post(t, policyOf(activity.To(alice), nil))
		open := v.post(t, policyOf(activity.To(activity.Public), nil))
		silent := v.post(t, activity.Policy{})
		for _, post := range []string{closed, open, silent} {
			v.bob.Like(post)
			v.bob.React(post, "🎉")
			v.bob.Announce(post)
			v.bob.Create(v.bob.Reply(post, "<p>well</p>"))
		}
		v.settle()
		for _, c := range []struct {
			post string
			want int
		}{{closed, 0}, {open, 1}, {silent, 1}} {
			if n := v.times("Like", c.post); n != 2*c.want { // one is a reaction
				t.Errorf("%d Likes of %s", n, c.post)
			}
			if n := v.times("Announce", c.post); n != c.want {
				t.Errorf("%d Announces of %s", n, c.post)
			}
		}
		if got := v.there.Received("Reject"); len(got) != 4 {
			t.Fatalf("%d were refused", len(got))
		} else if r := got[0].Activity; r.Object[0].Raw != nil || r.Target.ID != closed {
			t.Errorf("refused with %s", got[0].Body)
		}
		replies := 0
		for _, m := range v.heard {
			if m.Activity.Is("Create") {
				replies++
			}
		}
		if replies != 2 || len(v.told) != 0 {
			t.Errorf("%d replies came, told %+v", replies, v.told)
		}
	})
}

func TestWhoMayAnswerAfterAskingIsLetInWhenTheAppSaysSo(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		post := v.post(t, policyOf(nil, activity.To(activity.Public)))
		reply := v.bob.Reply(post, "<p>well</p>")
		v.bob.Create(reply)
		v.bob.Like(post)
		v.settle()
		if n := v.times("Like", post) + v.times("Create", reply.ID); n != 0 || len(v.told) != 2 {
			t.Fatalf("%d hooks ran, told %d", n, len(v.told))
		}
		for _, m := range v.told {
			if m.Stamp.State != consent.Requested || m.Stamp.Actor != v.bob.ID() || m.Stamp.Request != "" {
				t.Errorf("told %+v", m.Stamp)
			}
		}
		id, err := v.Grant(t.Context(), "alice", reply.ID)
		if err != nil {
			t.Fatal(err)
		}
		accept := v.there.Wait("Accept").Activity
		if accept.Object.First() != reply.ID || accept.Object[0].Raw != nil || accept.Result.ID != id {
			t.Errorf("Accept %+v", accept)
		}
		if status, doc := v.doc(t, id); status != http.StatusOK || !doc.Is("ReplyApproval") {
			t.Errorf("the stamp: %d %+v", status, doc)
		}
		reply.ApprovedBy = activity.IRI(id)
		v.bob.Update(reply)
		v.settle()
		if v.times("Update", reply.ID) != 1 {
			t.Error("what was allowed is still kept out")
		}
		if _, err := v.Revoke(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		v.bob.Update(reply)
		v.settle()
		if v.times("Update", reply.ID) != 1 {
			t.Error("what was taken back is still let in")
		}
		carol := v.there.Actor("carol")
		note := carol.Reply(post, "<p>I am bob</p>")
		note.ApprovedBy = activity.IRI(id)
		carol.Create(note)
		v.settle()
		if v.times("Create", note.ID) != 0 {
			t.Error("leave for one was taken for another's")
		}
		v.bob.Undo("Like", post)
		v.settle()
		for st, err := range v.Asked(t.Context(), "alice") {
			if err != nil || st.Kind == consent.Like {
				t.Errorf("still asked for: %+v, %v", st, err)
			}
		}
	})
}

func TestFollowersAreLetInWithAProofForOthers(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		post := v.post(t, policyOf(activity.To(activity.Followers), nil))
		reply := v.bob.Reply(post, "<p>well</p>")
		v.bob.Create(reply)
		v.settle()
		accepts := v.there.Received("Accept")
		if v.times("Create", reply.ID) != 1 || accepts[len(accepts)-1].Activity.Object.First() != reply.ID {
			t.Errorf("%d ran, answered %s", v.times("Create", reply.ID), accepts[len(accepts)-1].Body)
		}
		v.there.Actor("carol").Like(post)
		v.settle()
		if v.times("Like", post) != 0 {
			t.Error("who does not follow was let in")
		}
	})
}

// Who was answered may answer, mentioned or not.
func TestWhoWasAnsweredMayAnswerWhateverThePolicySays(t *testing.T) {
	t.Parallel()
	const bobs = "https://there.example/notes/1"
	owner := func(_ context.Context, id string) (string, error) {
		if id == bobs {
			return "https://there.example/users/bob", nil
		}
		return "", nil
	}
	inFediverseWith(t, func(c *fedihook.Config) { c.Owner = owner }, func(t *testing.T, v *fediverse) {
		post, err := v.Publish(t.Context(), "alice", &activity.Object{
			Content: "<p>no</p>", To: activity.To(activity.Public), InReplyTo: activity.IRI(bobs), InteractionPolicy: policyOf(activity.To(alice), nil).Ref(),
		})
		if err != nil {
			t.Fatal(err)
		}
		v.settle()
		well, me := v.bob.Reply(post, "<p>well</p>"), v.there.Actor("carol").Reply(post, "<p>me too</p>")
		v.bob.Create(well)
		v.there.Actor("carol").Create(me)
		v.settle()
		if bob, carol := v.times("Create", well.ID), v.times("Create", me.ID); bob != 1 || carol != 0 {
			t.Errorf("%d replies of who was answered, %d of another", bob, carol)
		}
	})
}

// An activity without an id can be given no leave, which is no way around being denied it.
func TestAPolicyHoldsForWhatHasNoID(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		denied := v.post(t, policyOf(activity.To(alice), nil))
		asked := v.post(t, policyOf(nil, activity.To(activity.Public)))
		open := v.post(t, policyOf(activity.To(activity.Public), nil))
		for _, post := range []string{denied, asked, open} {
			for _, typ := range []string{"Like", "Announce"} {
				body := `{"@context":"https://www.w3.org/ns/activitystreams","type":"` + typ + `","actor":"` + v.bob.ID() + `","object":"` + post + `"}`
				if got := v.bob.Post(alice+"/inbox", []byte(body)); got != http.StatusAccepted {
					t.Fatalf("%s: %d", typ, got)
				}
			}
		}
		v.settle()
		for post, want := range map[string]int{denied: 0, asked: 0, open: 1} {
			if likes, shares := v.times("Like", post), v.times("Announce", post); likes != want || shares != want {
				t.Errorf("%d likes and %d shares of %s, want %d", likes, shares, post, want)
			}
		}
	})
}

// Leave that is given without being asked for is bounded like leave that is: each is kept and said.
func TestOneFollowerIsGivenLeaveOnlySoOften(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		post := v.post(t, policyOf(activity.To(activity.Followers), nil))
		const n = 105
		for range n {
			v.bob.React(post, "🎉")
		}
		v.settle()
		kept := 0
		for _, err := range v.Stamps(t.Context(), consent.Query{}) {
			if kept++; err != nil {
				t.Fatal(err)
			}
		}
		if kept != 100 || v.times("Like", post) != n {
			t.Errorf("%d stamps are kept for %d reactions", kept, v.times("Like", post))
		}
	})
}

func TestPoliciesHoldForWhatHooksTakeInGroups(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var liked []string
	take := func(c *fedihook.Config) {
		c.Hooks.Likes = func(_ context.Context, _ string, ms []*inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range ms {
				liked = append(liked, m.Sender+" "+m.ObjectID)
			}
			return nil
		}
	}
	inFediverseWith(t, take, func(t *testing.T, v *fediverse) {
		carol := v.there.Actor("carol")
		post := v.post(t, policyOf(activity.To(alice, carol.ID()), nil))
		silent := v.post(t, activity.Policy{})
		for _, by := range []*inboxtest.Actor{v.bob, carol, v.there.Actor("dan")} {
			by.Like(post)
			by.Like(silent)
		}
		v.settle()
		slices.Sort(liked)
		want := []string{v.bob.ID() + " " + silent, carol.ID() + " " + silent, carol.ID() + " " + post, v.there.Actor("dan").ID() + " " + silent}
		slices.Sort(want)
		if !slices.Equal(liked, want) {
			t.Errorf("liked\n%q, want\n%q", liked, want)
		}
	})
}

// zorks is the fediverse with a GoToSocial in it.
func zorks(t *testing.T, v *fediverse, old bool) *gtslike.Server {
	t.Helper()
	gts, err := gtslike.New(gtslike.Config{Origin: "https://gts.example", Client: v.net.Client(), Old: old})
	if err != nil {
		t.Fatal(err)
	}
	v.net.Serve("gts.example", gts)
	return gts
}

func TestGoToSocialAsksAndIsAnswered(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"0.19": true, "0.20": false} {
		for _, kind := range []string{"Like", "Reply", "Announce"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				inFediverse(t, func(t *testing.T, v *fediverse) {
					gts := zorks(t, v, old)
					post := v.post(t, policyOf(activity.To(alice), activity.To(activity.Public)))
					for _, yes := range []bool{true, false} {
						id, err := gts.Interact(t.Context(), kind, post)
						if err != nil {
							t.Fatal(err)
						}
						v.settle()
						if len(v.told) == 0 || v.told[len(v.told)-1].Stamp.Interaction != id {
							t.Fatalf("told %+v", v.told)
						}
						if yes {
							_, err = v.Grant(t.Context(), "alice", id)
						} else {
							err = v.Refuse(t.Context(), "alice", id)
						}
						if err != nil {
							t.Fatal(err)
						}
						v.settle()
						done := gts.Interactions(kind)
						last := done[len(done)-1]
						if last.ID != id || last.Rejected == yes || (last.Approval != "") != yes {
							t.Fatalf("there it is %+v", last)
						}
						about := map[string]string{"Like": post, "Announce": post, "Reply": id}[kind]
						typ := map[string]string{"Like": "Like", "Announce": "Announce", "Reply": "Create"}[kind]
						// What was done without asking was seen before, and is not sent again under its id.
						if n := v.times(typ, about); yes && !old && kind != "Like" && n != 1 {
							t.Errorf("%d times %s after it was allowed", n, typ)
						} else if !yes && n > 1 {
							t.Errorf("%d times %s after another was refused", n, typ)
						}
					}
					closed := v.post(t, policyOf(activity.To(alice), nil))
					if _, err := gts.Interact(t.Context(), kind, closed); !errors.Is(err, gtslike.ErrForbidden) {
						t.Errorf("a closed post: %v", err)
					}
				})
			})
		}
	}
}

func TestLeaveOfGoToSocialIsAskedForBeforeAnythingIsSaid(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"0.19": true, "0.20": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				gts := zorks(t, v, old)
				ask := struct{ Always, Ask []string }{Ask: []string{gtslike.Public}}
				post := gts.Post("<p>ask me</p>", gtslike.Policy{"Like": ask, "Reply": ask, "Announce": ask})
				do := map[string]func() (string, error){
					"Like":     func() (string, error) { return v.Like(t.Context(), "alice", post) },
					"Announce": func() (string, error) { return v.Announce(t.Context(), "alice", post) },
					"Reply": func() (string, error) {
						return v.Publish(t.Context(), "alice", &activity.Object{
							Content: "<p>well</p>", InReplyTo: activity.IRI(post), To: activity.To(activity.Public, gts.ID()),
						})
					},
				}
				for kind, say := range do {
					for _, yes := range []bool{true, false} {
						before := len(gts.Interactions(kind))
						id, err := say()
						if err != nil {
							t.Fatal(err)
						}
						v.settle()
						waiting := gts.Pending()
						if len(waiting) != 1 || waiting[0].ID != id || waiting[0].Request == "" || len(gts.Interactions(kind)) != before {
							t.Fatalf("%s: waiting %+v", kind, waiting)
						}
						if kind == "Like" && yes && !old {
							time.Sleep(25 * time.Hour) // people sleep; a Like that is said goes stale after a day
						}
						if err := gts.Answer(t.Context(), id, yes); err != nil {
							t.Fatal(err)
						}
						v.settle()
						done := gts.Interactions(kind)
						if yes && (len(done) <= before || done[len(done)-1].ID != id || done[len(done)-1].Approval == "") || !yes && len(done) > before {
							t.Fatalf("%s: done %+v", kind, done)
						}
						if yes && v.told[len(v.told)-1].Stamp.State != consent.Granted {
							t.Errorf("told %+v", v.told[len(v.told)-1].Stamp)
						}
						if !yes && (len(v.ended) == 0 || !errors.Is(v.ended[len(v.ended)-1].Err, fedihook.ErrNotAllowed)) {
							t.Errorf("ended %+v", v.ended)
						}
					}
				}

				v.ended = nil
				closed := struct{ Always, Ask []string }{}
				post = gts.Post("<p>leave me</p>", gtslike.Policy{"Like": closed, "Reply": closed, "Announce": closed})
				for _, say := range do {
					if _, err := say(); err != nil {
						t.Fatal(err)
					}
				}
				v.settle()
				if len(v.ended) != 3 || !errors.Is(v.ended[0].Err, fedihook.ErrNotAllowed) || len(gts.Pending()) != 0 {
					t.Errorf("ended %+v", v.ended)
				}
				post = gts.Post("<p>come in</p>", nil)
				if _, err := v.Like(t.Context(), "alice", post); err != nil {
					t.Fatal(err)
				}
				v.settle()
				if done := gts.Interactions("Like"); done[len(done)-1].Target != post || done[len(done)-1].Approval != "" {
					t.Errorf("done %+v", done)
				}
			})
		})
	}
}

func TestWhatWaitsForLeaveCanBeTakenBack(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		gts := zorks(t, v, false)
		post := gts.Post("<p>ask me</p>", gtslike.Policy{"Like": {Ask: []string{gtslike.Public}}})
		id, err := v.Like(t.Context(), "alice", post)
		if err != nil {
			t.Fatal(err)
		}
		v.settle()
		if _, err := v.Undo(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if err := gts.Answer(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if n := len(gts.Received("Like")); n != 0 {
			t.Errorf("%d Likes went out after it was undone", n)
		}
		// Another's Like of the same post is not held up by the one that waits.
		if _, err := v.Like(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if len(gts.Pending()) != 1 {
			t.Errorf("pending %+v", gts.Pending())
		}
	})
}
