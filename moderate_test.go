package fedihook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

const erin = "https://blog.example/ap/users/erin"

// moderated is an app at blog.example with the users alice and erin, in a network where bob and carol are at there.example.
type moderated struct {
	*fedihook.Server
	net        *inboxtest.Net
	there      *inboxtest.Server
	bob, carol *inboxtest.Actor
	store      storage.Storage

	mu    sync.Mutex
	heard []*inbox.Message
}

// inModerated runs f in a bubble; change may alter the app.
func inModerated(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, w *moderated)) {
	t.Helper()
	keys := madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		w := &moderated{net: n, there: n.Server("there.example"), store: storage.Memory()}
		w.bob, w.carol = w.there.Actor("bob"), w.there.Actor("carol")
		w.store.Keys = keys
		h := w.hear
		c := fedihook.Config{
			Origin: "https://blog.example", Storage: w.store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				if handle != "alice" && handle != "erin" {
					return actor.Profile{}, actor.ErrNotFound
				}
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{
				Follow: h, Unfollow: h, Accepted: h, Rejected: h, Create: h, Update: h, Delete: h, Like: h, React: h, Announce: h, Vote: h,
				Block: h, Add: h, Remove: h, Undo: h, Move: h, Flag: h, Other: h,
			},
		}
		if change != nil {
			change(&c)
		}
		w.store = c.Storage
		var err error
		if w.Server, err = fedihook.New(c); err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", w.Handler())
		stop := w.run(t)
		t.Cleanup(stop)
		f(t, w)
	})
}

// run runs the server until the returned func is called.
func (w *moderated) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := w.Server
	go func() { done <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func (w *moderated) hear(_ context.Context, m *inbox.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, m)
	return nil
}

// of lists the messages of a type by somebody.
func (w *moderated) of(typ, sender string) (out []*inbox.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.heard {
		if m.Activity.Is(typ) && m.Sender == sender {
			out = append(out, m)
		}
	}
	return out
}

// settle lets all that is under way come to its end.
func settle() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// follow makes somebody a follower.
func follow(t *testing.T, a *inboxtest.Actor, followed string) {
	t.Helper()
	if got := a.Follow(followed); got != http.StatusAccepted {
		t.Fatalf("the Follow was answered %d", got)
	}
	settle()
	if !slices.Contains(a.Following(), followed) {
		t.Fatalf("%s does not follow %s", a.ID(), followed)
	}
}

// followBack makes a user of the app follow somebody.
func (w *moderated) followBack(t *testing.T, handle string, a *inboxtest.Actor) {
	t.Helper()
	if _, err := w.Follow(t.Context(), handle, a.ID()); err != nil {
		t.Fatal(err)
	}
	settle()
	if got := a.Accept("https://blog.example/ap/users/" + handle); got != http.StatusAccepted {
		t.Fatalf("the Accept was answered %d", got)
	}
	settle()
}

func (w *moderated) state(follower, followed string) actor.FollowState {
	f, err := w.store.Followers.Follow(context.Background(), follower, followed)
	if err != nil {
		return 0
	}
	return f.State
}

func (w *moderated) moderate(t *testing.T, rules ...moderation.Rule) moderation.Effect {
	t.Helper()
	foretold, err := w.Foretell(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	did, err := w.Moderate(t.Context(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	sameEffect(t, foretold, did)
	return did
}

func sameEffect(t *testing.T, foretold, did moderation.Effect) {
	t.Helper()
	if foretold.Actors != did.Actors || foretold.Kept != did.Kept || foretold.Ended != did.Ended || foretold.Deliveries != did.Deliveries || len(foretold.Users) != len(did.Users) {
		t.Errorf("foretold was %+v, done %+v", foretold, did)
	}
	for user, ties := range foretold.Users {
		if did.Users[user] != ties {
			t.Errorf("to %s foretold was %+v, done %+v", user, ties, did.Users[user])
		}
	}
}

func (w *moderated) lift(t *testing.T, local, about string) {
	t.Helper()
	if _, err := w.Lift(t.Context(), "mod", "", moderation.Key{Local: local, About: about}); err != nil {
		t.Fatal(err)
	}
}

func about(what string, s moderation.Severity) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: what}, Severity: s, Private: "because", By: "mod"}
}

func suspend(what string) moderation.Rule { return about(what, moderation.Suspend) }

func noteOf(a *inboxtest.Actor, name string, to ...string) *activity.Object {
	return &activity.Object{
		ID: a.ID() + "/notes/" + name, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(a.ID())}, Content: "<p>hello</p>",
		To: activity.To(append([]string{activity.Public}, to...)...),
	}
}

func (w *moderated) publish(t *testing.T, to ...string) string {
	t.Helper()
	o := &activity.Object{Content: "<p>hello</p>"}
	if len(to) > 0 {
		o.To = activity.To(append(to, activity.Public, activity.Followers)...)
	}
	id, err := w.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	settle()
	return id
}

// gets lists what was asked of bob's server.
func (w *moderated) gets() (n int) {
	for _, r := range w.there.Requests() {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

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
		time.Sleep(24 * time.Hour)
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
		time.Sleep(24 * time.Hour)
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
				time.Sleep(48 * time.Hour) // the key that is known is old by now, and may not be fetched again
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
		time.Sleep(8 * 24 * time.Hour)
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
		time.Sleep(24 * time.Hour)
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

func TestAUsersBlockIsForThatUserAlone(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{"of a domain": "there.example", "of an actor": "https://there.example/users/bob"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inModerated(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSigned }, func(t *testing.T, w *moderated) {
				follow(t, w.bob, alice)
				follow(t, w.bob, erin)
				w.followBack(t, "alice", w.bob)
				post := w.publish(t)
				if status := bobGets(w, post); status != http.StatusOK {
					t.Fatalf("before the block bob gets %d", status)
				}
				r := suspend(what)
				r.Local = "alice"
				did := w.moderate(t, r)
				if did.Ended != (moderation.Ties{Followers: 1, Following: 1}) || len(did.Users) != 1 || did.Deliveries != 0 || did.Actors != 1 {
					t.Errorf("it did %+v", did)
				}
				settle()
				if rejects, undos := len(w.there.Received("Reject")), len(w.there.Received("Undo")); rejects != 1 || undos != 1 {
					t.Errorf("%d Rejects, %d Undos", rejects, undos)
				}
				if got := w.bob.Follow(alice); got != http.StatusAccepted {
					t.Errorf("a later Follow is %d", got)
				}
				settle()
				if n := len(w.there.Received("Reject")); n != 2 || w.state(w.bob.ID(), alice) != 0 {
					t.Errorf("a later Follow had %d Rejects, and is %v", n-1, w.state(w.bob.ID(), alice))
				}
				if got := w.state(w.bob.ID(), erin); got != actor.Accepted {
					t.Errorf("erin's follower is %v", got)
				}
				w.bob.Create(noteOf(w.bob, "1", alice))
				w.bob.Create(noteOf(w.bob, "2", alice, erin))
				settle()
				if got := w.of("Create", w.bob.ID()); len(got) != 1 || !slices.Equal(got[0].To, []string{erin}) {
					t.Errorf("hooks got %+v", got)
				}
				if status := bobGets(w, post); status != http.StatusNotFound {
					t.Errorf("bob gets her post: %d", status)
				}
				if status, page := w.bob.Get(alice + "/outbox?page=true"); status != http.StatusOK || strings.Contains(string(page), post) {
					t.Errorf("bob gets her outbox: %d %s", status, page)
				}
				if status, page := w.carol.Get(alice + "/outbox?page=true"); what == w.bob.ID() && (status != http.StatusOK || !strings.Contains(string(page), post)) {
					t.Errorf("carol gets her outbox: %d %s", status, page)
				}
				if _, err := w.Follow(t.Context(), "alice", w.bob.ID()); err != nil {
					t.Fatal(err)
				}
				settle()
				if got := w.state(alice, w.bob.ID()); got != 0 {
					t.Errorf("she asks to follow whom she blocks: %v", got)
				}
				w.lift(t, "alice", what)
				follow(t, w.bob, alice)
				if status := bobGets(w, post); status != http.StatusOK {
					t.Errorf("after it was lifted bob gets %d", status)
				}
			})
		})
	}
}

// bobGets asks for a document, signed by bob, and returns the status.
func bobGets(w *moderated, id string) int {
	status, _ := w.bob.Get(id)
	return status
}

// storeThatFails fails when it is told to.
type storeThatFails struct {
	moderation.Rules
	mu  sync.Mutex
	err error
}

func (s *storeThatFails) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *storeThatFails) RulesHead(ctx context.Context) (moderation.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return moderation.Head{}, s.err
	}
	return s.Rules.RulesHead(ctx)
}

func TestAStoreOfRulesThatFailsMeansNotNow(t *testing.T) {
	t.Parallel()
	rules := &storeThatFails{}
	inModerated(t, func(c *fedihook.Config) {
		rules.Rules = c.Storage.Rules
		c.Storage.Rules = rules
		c.AuthorizedFetch = actor.FetchSigned
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		post := w.publish(t)
		rules.set(errors.New("disk on fire"))
		time.Sleep(2 * time.Second)
		for what, do := range map[string]func() int{
			"Follow": func() int { return w.bob.Follow(erin) }, "Create": func() int { return w.bob.Create(noteOf(w.bob, "1", alice)) },
			"Undo":       func() int { return w.bob.Undo("Follow", alice) },
			"Flag":       func() int { return w.bob.Flag(alice, "spam", alice) },
			"a post":     func() int { return bobGets(w, post) },
			"the outbox": func() int { return bobGets(w, alice+"/outbox?page=true") },
		} {
			if got := do(); got != http.StatusServiceUnavailable {
				t.Errorf("%s: %d", what, got)
			}
		}
		before := len(w.there.Received("Create"))
		if _, err := w.Publish(t.Context(), "alice", &activity.Object{Content: "<p>later</p>"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(w.there.Received("Create")); n != before {
			t.Error("it was sent where nobody could say whether it may")
		}
		var passing *actor.LookupError
		if _, err := w.Lookup(t.Context(), "@carol@there.example"); !errors.As(err, &passing) || passing.Reason == actor.Unknown {
			t.Errorf("Lookup = %v", err)
		}
		if _, err := w.Moderate(t.Context(), suspend("there.example")); err == nil {
			t.Error("Moderate says that it has")
		}
		if _, err := w.Foretell(t.Context(), suspend("there.example")); err == nil {
			t.Error("Foretell says that it knows")
		}
		rules.set(nil)
		time.Sleep(time.Hour)
		if n := len(w.there.Received("Create")); n != before+1 {
			t.Errorf("when the store is back %d Creates come", n-before)
		}
		if got := w.state(w.bob.ID(), alice); got != actor.Accepted {
			t.Errorf("bob's follow is %v", got)
		}
	})
}

func TestAnAllowListClosesTheSite(t *testing.T) {
	t.Parallel()
	inModerated(t, func(c *fedihook.Config) {
		c.Policy = &moderation.Policy{Rules: c.Storage.Rules, AllowList: true}
		err := c.Policy.Put(context.Background(), moderation.Rule{Key: moderation.Key{About: "there.example"}, Allow: true})
		if err != nil {
			panic(err)
		}
	}, func(t *testing.T, w *moderated) {
		follow(t, w.bob, alice)
		post := w.publish(t)
		eve := w.net.Server("sub.there.example").Actor("eve")
		if got := eve.Follow(alice); got != http.StatusForbidden {
			t.Errorf("who is not on the list: %d", got)
		}
		client := w.net.Client()
		defer client.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, post, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", activity.ContentType)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a stranger gets a post: %d", resp.StatusCode)
		}
		if status := bobGets(w, post); status != http.StatusOK {
			t.Errorf("who is on the list gets %d", status)
		}
		foretold, err := w.ForetellLift(t.Context(), moderation.Key{About: "there.example"})
		if err != nil {
			t.Fatal(err)
		}
		did, err := w.Lift(t.Context(), "mod", "", moderation.Key{About: "there.example"})
		if err != nil {
			t.Fatal(err)
		}
		sameEffect(t, foretold, did)
		if did.Ended.Followers != 1 {
			t.Errorf("it did %+v", did)
		}
		settle()
		if n := len(w.there.Received("Reject")); n != 1 {
			t.Errorf("%d Rejects", n)
		}
		if got := w.bob.Create(noteOf(w.bob, "1", alice)); got != http.StatusForbidden {
			t.Errorf("who is not on it any more: %d", got)
		}
	})
}
