package fedihook_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
)

func TestASuspendedDomainIsToldGoodbyeAndThenNothing(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		follow(t, w.carol, erin)
		w.followBack(t, "alice", w.bob)
		if _, err := w.Follow(t.Context(), "alice", w.carol.ID()); err != nil { // and is not answered
			t.Fatal(err)
		}
		settle()
		w.there.Down()
		w.publish(t)
		w.publish(t, w.carol.ID())

		did := w.moderate(t, suspend("there.example"))
		want := moderation.Ties{Followers: 2, Following: 1, Asked: 1}
		if did.Ended != want || did.Kept.Sum() != 0 || did.Actors != 2 || did.Deliveries == 0 {
			t.Errorf("it did %+v", did)
		}
		if got := did.Users[alice]; got != (moderation.Ties{Followers: 1, Following: 1, Asked: 1}) {
			t.Errorf("alice loses %+v", got)
		}
		for _, pair := range [][2]string{{w.bob.ID(), alice}, {alice, w.bob.ID()}, {w.carol.ID(), erin}, {alice, w.carol.ID()}} {
			if got := w.state(pair[0], pair[1]); got != 0 {
				t.Errorf("%s still follows %s: %v", pair[0], pair[1], got)
			}
		}
		w.there.Behave()
		gets := w.gets()
		w.passes(t, 24*time.Hour)
		if n := len(w.there.Received("Create")); n != 0 {
			t.Errorf("%d Creates came after all", n)
		}
		if r, u := len(w.there.Received("Reject")), len(w.there.Received("Undo")); r != 2 || u != 2 {
			t.Fatalf("%d Rejects and %d Undos came: %v", r, u, w.there.Requests())
		}
		for _, d := range w.there.Received("Reject") {
			inner, _ := d.Activity.Object[0].Document()
			if f, ok := inner.(*activity.Activity); !ok || !f.Is("Follow") || f.Object.First() != d.Activity.Actor.ID || f.ID == "" {
				t.Errorf("rejected is %+v", inner)
			}
		}
		before := len(w.there.Received(""))
		w.publish(t, w.bob.ID())
		if _, err := w.Follow(t.Context(), "erin", w.bob.ID()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Like(t.Context(), "erin", w.bob.ID()+"/notes/1"); err != nil {
			t.Fatal(err)
		}
		w.passes(t, 24*time.Hour)
		if n := len(w.there.Received("")); n != before {
			t.Errorf("%d more came", n-before)
		}
		if n := w.gets(); n != gets {
			t.Errorf("it was asked for %d documents", n-gets)
		}
		var blocked *actor.LookupError
		if _, err := w.Lookup(t.Context(), "@bob@there.example"); !errors.As(err, &blocked) || blocked.Reason != actor.Blocked {
			t.Errorf("Lookup = %v", err)
		}
		entries, err := w.store.Rules.Trail(t.Context(), 0, 10)
		if err != nil || len(entries) != 1 || entries[0].By != "mod" || entries[0].Rule.Private != "because" || entries[0].At.IsZero() {
			t.Errorf("the trail is %+v, %v", entries, err)
		}
	})
}

func TestTheSuspendedMayOnlyEndWhatWas(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]string{"the domain": "there.example", "the actor": "https://there.example/users/bob"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModerated(t, nil, func(t *testing.T, w *moderated) {
				follow(t, w.bob, alice)
				post := noteOf(w.bob, "1", alice)
				w.bob.Create(post)
				like := w.publish(t)
				w.bob.Like(like)
				settle()
				if _, err := w.Moderate(t.Context(), suspend(r)); err != nil {
					t.Fatal(err)
				}
				settle()
				gets := w.gets()
				for what, do := range map[string]func() int{
					"Follow": func() int { return w.bob.Follow(erin) }, "Create": func() int { return w.bob.Create(noteOf(w.bob, "2", alice)) },
					"Update": func() int { post.Content = "more"; return w.bob.Update(post) }, "Announce": func() int { return w.bob.Announce(like) },
					"UpdateSelf": func() int { return w.bob.UpdateSelf(nil) },
				} {
					if got := do(); got != http.StatusForbidden {
						t.Errorf("%s: %d", what, got)
					}
				}
				for what, do := range map[string]func() int{
					"Delete": func() int { return w.bob.Delete(post.ID) }, "Undo": func() int { return w.bob.Undo("Like", like) },
					"Reject": func() int {
						return w.bob.Send(activity.Reject("", w.bob.ID(), activity.Follow("https://blog.example/ap/activities/x", alice, w.bob.ID())), alice)
					},
				} {
					if got := do(); got != http.StatusAccepted {
						t.Errorf("%s: %d", what, got)
					}
				}
				settle()
				if d, u := len(w.of("Delete", w.bob.ID())), len(w.of("Undo", w.bob.ID())); d != 1 || u != 1 {
					t.Errorf("hooks ran for %d Deletes and %d Undos", d, u)
				}
				if n := w.gets(); n != gets {
					t.Errorf("%d documents were asked for", n-gets)
				}
				w.passes(t, 48*time.Hour) // the key that is known is old by now, and may not be fetched again: see package actor
				if got := w.bob.Delete(post.ID); name == "the domain" && got != http.StatusAccepted {
					t.Errorf("two days later: %d", got)
				}
				// dave was never heard from: his key would have to be asked for.
				dave := w.there.Actor("dave")
				if got := dave.Send(activity.Undo("", activity.Follow(dave.ID()+"#f", dave.ID(), alice)), alice); name == "the domain" && got != http.StatusForbidden {
					t.Errorf("an Undo by who is not known: %d", got)
				}
			})
		})
	}
}

func TestWhatWasKeptBeforeTheRuleIsJudgedByIt(t *testing.T) {
	t.Parallel()
	inModerated(t, func(c *fedihook.Config) {
		c.Hooks.Create = func(context.Context, *inbox.Message) error { return errors.New("not now") }
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		if got := w.bob.Create(noteOf(w.bob, "1", alice)); got != http.StatusAccepted {
			t.Fatal(got)
		}
		settle()
		if _, err := w.Moderate(t.Context(), suspend("there.example")); err != nil {
			t.Fatal(err)
		}
		w.passes(t, 8*24*time.Hour)
		if dead, err := w.Inbox().Shelved(t.Context(), inbox.DeadLetters, 0, 10); err != nil || len(dead) != 0 {
			t.Errorf("%d dead letters, %v: it was tried on", len(dead), err)
		}
	})
}

func TestALimitedDomainsFollowsNeedApproval(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		did := w.moderate(t, about("there.example", moderation.Limit))
		if did.Ended.Sum() != 0 || did.Kept.Followers != 1 || did.Actors != 1 || did.Deliveries != 0 {
			t.Errorf("it did %+v", did)
		}
		w.carol.Follow(alice)
		w.bob.Follow(alice) // again
		settle()
		if got := w.state(w.carol.ID(), alice); got != actor.Pending {
			t.Errorf("carol's follow is %v", got)
		}
		if got := w.state(w.bob.ID(), alice); got != actor.Accepted {
			t.Errorf("bob's follow is %v", got)
		}
		w.bob.Create(noteOf(w.bob, "1", alice))
		settle()
		if got := w.of("Create", w.bob.ID()); len(got) != 1 || !got[0].Limited || got[0].NoMedia {
			t.Errorf("bob's post came as %+v", got)
		}
		dan := w.net.Server("fine.example").Actor("dan")
		follow(t, dan, alice)
		share := noteOf(dan, "1", alice)
		share.Quote = activity.IRI(w.bob.ID() + "/notes/1")
		dan.Create(share)
		plain := noteOf(dan, "2", alice)
		dan.Create(plain)
		settle()
		if got := w.of("Create", dan.ID()); len(got) != 2 || !got[0].Limited || got[1].Limited {
			t.Errorf("dan's posts came as %+v", got)
		}
		w.publish(t)
		if n := len(w.there.Received("Create")); n == 0 {
			t.Error("the followers who are left get nothing")
		}
		if _, err := w.Accept(t.Context(), "alice", w.carol.ID()); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := w.state(w.carol.ID(), alice); got != actor.Accepted {
			t.Errorf("once approved carol's follow is %v", got)
		}
	})
}

func TestMediaAndReportsAreRejectedByTheirFlags(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		r := about("there.example", moderation.Noop)
		r.RejectMedia = true
		w.moderate(t, r)
		post := noteOf(w.bob, "1", alice)
		post.Attachment = activity.List{activity.Embed(activity.Image("https://there.example/cat.png", "image/png", "a cat"))}
		post.Icon = activity.Refs(post.Attachment)
		post.Tag = activity.List{
			activity.Embed(activity.Mention(alice, "@alice@blog.example")), activity.Embed(activity.Hashtag("https://there.example/tags/x", "#x")),
			activity.Embed(activity.Emoji("cat", "https://there.example/cat.png", "image/png")),
		}
		w.bob.Create(post)
		w.bob.UpdateSelf(func(a *activity.Actor) {
			a.Icon = activity.Refs{activity.Embed(activity.Image("https://there.example/bob.png", "image/png", ""))}
		})
		w.bob.Flag(alice, "spam", alice)
		settle()
		got := w.of("Create", w.bob.ID())
		if len(got) != 1 || !got[0].NoMedia || got[0].Limited {
			t.Fatalf("it came as %+v", got)
		}
		o := got[0].Object.(*activity.Object)
		if len(o.Attachment) != 0 || len(o.Icon) != 0 || len(o.Tag) != 2 || !strings.Contains(string(got[0].Body), "cat.png") {
			t.Errorf("with %v, %v, %v", o.Attachment, o.Icon, o.Tag)
		}
		if raw, err := activity.Encode(got[0].Activity); err != nil || strings.Contains(string(raw), ".png") {
			t.Errorf("the activity still says %s, %v", raw, err)
		}
		remote, err := w.store.Remotes.Remote(t.Context(), w.bob.ID())
		if err != nil || strings.Contains(string(remote.Document), "bob.png") {
			t.Errorf("of bob is kept %s, %v", remote.Document, err)
		}
		if n := len(w.of("Flag", w.bob.ID())); n != 1 {
			t.Errorf("%d reports", n)
		}
		r.RejectReports = true
		w.moderate(t, r)
		if got := w.bob.Flag(alice, "spam", alice); got != http.StatusAccepted {
			t.Errorf("a report that nobody wants is %d", got)
		}
		settle()
		if n := len(w.of("Flag", w.bob.ID())); n != 1 {
			t.Errorf("%d reports", n)
		}
	})
}

func TestASuspendedActorsServerGoesOn(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		follow(t, w.carol, alice)
		w.there.Down()
		if _, err := w.Publish(t.Context(), "alice", &activity.Object{Content: "x", To: activity.To(w.bob.ID())}); err != nil { // to his own inbox
			t.Fatal(err)
		}
		if _, err := w.Block(t.Context(), "erin", w.bob.ID()); err != nil {
			t.Fatal(err)
		}
		settle()
		did := w.moderate(t, suspend(w.bob.ID()))
		if did.Actors != 1 || did.Ended != (moderation.Ties{Followers: 1}) || did.Deliveries != 1 {
			t.Errorf("it did %+v", did)
		}
		w.there.Behave()
		w.passes(t, 24*time.Hour)
		if n := len(w.there.Received("Reject")); n != 1 {
			t.Errorf("%d Rejects", n)
		}
		if n := len(w.there.Received("Block")); n != 0 {
			t.Errorf("what waited for him was delivered")
		}
		before := len(w.there.Received("Create"))
		w.publish(t)
		if n := len(w.there.Received("Create")); n != before+1 {
			t.Errorf("carol got %d posts", n-before)
		}
		if got := w.bob.Create(noteOf(w.bob, "1", alice)); got != http.StatusForbidden {
			t.Errorf("bob is answered %d", got)
		}
		if got := w.carol.Create(noteOf(w.carol, "1", alice)); got != http.StatusAccepted {
			t.Errorf("carol is answered %d", got)
		}
		if _, err := w.Lookup(t.Context(), w.bob.ID()); err == nil {
			t.Error("he can be looked up")
		}
		if _, err := w.Lookup(t.Context(), w.carol.ID()); err != nil {
			t.Error(err)
		}
	})
}

func TestASuspendedObjectIsNotShownByAnybody(t *testing.T) {
	t.Parallel()
	inModerated(t, nil, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		dan := w.net.Server("fine.example").Actor("dan")
		follow(t, dan, alice)
		bad, fine := noteOf(w.bob, "bad", alice), noteOf(w.bob, "fine", alice)
		w.there.Put(bad)
		w.moderate(t, suspend(bad.ID))
		for what, do := range map[string]func(*activity.Object) int{
			"Announce": func(o *activity.Object) int {
				return dan.Send(&activity.Activity{Type: activity.Types{"Announce"}, Object: activity.Refs{activity.IRI(o.ID)}, To: activity.To(activity.Public, alice)})
			},
			"Create": w.bob.Create, "Update": w.bob.Update,
			"Like": func(o *activity.Object) int {
				return dan.Send(&activity.Activity{Type: activity.Types{"Like"}, Object: activity.Refs{activity.IRI(o.ID)}, To: activity.To(alice)})
			},
			"quote": func(o *activity.Object) int {
				q := noteOf(dan, "quote-"+o.ID[len(o.ID)-3:], alice)
				q.Quote = activity.IRI(o.ID)
				return dan.Create(q)
			},
		} {
			w.mu.Lock()
			before := len(w.heard)
			w.mu.Unlock()
			if got := do(bad); got != http.StatusAccepted {
				t.Errorf("%s: %d", what, got)
			}
			settle()
			w.mu.Lock()
			n := len(w.heard)
			w.mu.Unlock()
			if n != before {
				t.Errorf("%s reached a hook", what)
			}
			do(fine)
			settle()
			w.mu.Lock()
			n = len(w.heard)
			w.mu.Unlock()
			if n != before+1 {
				t.Errorf("%s of another reached %d hooks", what, n-before)
			}
		}
		reply := noteOf(dan, "reply", alice)
		reply.InReplyTo = activity.IRI(bad.ID)
		dan.Create(reply)
		settle()
		got := w.of("Create", dan.ID())
		if last := got[len(got)-1]; last.Object.DocumentID() != reply.ID || !last.Limited {
			t.Errorf("a reply to it came as %+v", last)
		}
		if _, err := w.LookupURL(t.Context(), "", bad.ID); err == nil {
			t.Error("it can be looked up")
		}
		if _, err := w.LookupURL(t.Context(), "", fine.ID); err != nil {
			t.Error(err)
		}
	})
}
