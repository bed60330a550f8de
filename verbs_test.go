package fedihook_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

// listeners makes each site hear of everything, by the name of the hook.
func listeners(calls chan<- call) func(string, *fedihook.Config) {
	return func(host string, c *fedihook.Config) {
		on := func(hook string) inbox.Hook {
			return func(_ context.Context, m *inbox.Message) error {
				calls <- call{host, hook, m}
				return nil
			}
		}
		profile := c.Profile
		c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
			p, err := profile(ctx, handle)
			if handle == "carol" { // to whom alice moves
				p.AlsoKnownAs = []string{"http://a.test/ap/users/alice"}
			}
			return p, err
		}
		h := &c.Hooks
		h.React, h.Vote, h.Block, h.Move, h.Flag, h.Other, h.Unfollow = on("React"), on("Vote"), on("Block"), on("Move"), on("Flag"), on("Other"), on("Unfollow")
	}
}

type call struct {
	host, hook string
	*inbox.Message
}

func next(t *testing.T, calls <-chan call, hook string) call {
	t.Helper()
	select {
	case c := <-calls:
		if c.hook != hook {
			t.Fatalf("%s was called, want %s: %s", c.hook, hook, c.Body)
		}
		return c
	case <-time.After(20 * time.Second):
		t.Fatalf("%s was not called", hook)
		return call{}
	}
}

func TestEveryVerbReachesTheHookThatIsForIt(t *testing.T) {
	t.Parallel()
	calls := make(chan call, 100)
	s := newSites(t, listeners(calls), "a.test", "b.test", "c.test")
	a, b := s[0], s[1]
	ctx := t.Context()
	b.follow("bob", a, "alice")
	alice, bob := a.id("alice"), b.id("bob")
	post, err := b.Publish(ctx, "bob", note(activity.Public, alice))
	if err != nil {
		t.Fatal(err)
	}
	a.waitFor("Create", post)

	if _, err := a.React(ctx, "alice", post, "🍞", nil); err != nil {
		t.Fatal(err)
	}
	if m := next(t, calls, "React"); m.host != "b.test" || m.Activity.Content != "🍞" || m.ObjectID != post || m.Sender != alice {
		t.Errorf("React: %s", m.Body)
	}

	poll := note(activity.Public, alice)
	poll.SetPoll(activity.Poll{Options: []activity.Option{{Name: "rye"}, {Name: "wheat"}}})
	question, err := b.Publish(ctx, "bob", poll)
	if err != nil {
		t.Fatal(err)
	}
	a.waitFor("Create", question)
	vote, err := a.Vote(ctx, "alice", question, "rye")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Vote(ctx, "alice", question, "rye"); err != nil || again != vote {
		t.Errorf("the same vote again: %s, %v", again, err)
	}
	m := next(t, calls, "Vote")
	o, ok := m.Object.(*activity.Object)
	if !ok || o.ID != vote || o.Name != "rye" || o.Content != "" || !slices.Equal(m.Activity.Recipients(), []string{bob}) {
		t.Errorf("Vote: %s", m.Body)
	}
	if status, body, _ := a.get(vote, activity.ContentType, nil, ""); status != 404 {
		t.Errorf("everyone can see the vote: %d %s", status, body)
	}

	for _, who := range []string{"alice", ""} {
		if _, err := a.Flag(ctx, who, bob, "spam", post); err != nil {
			t.Fatal(err)
		}
		m := next(t, calls, "Flag")
		if want := map[string]string{"alice": alice, "": a.origin + "/ap/actor"}[who]; m.Sender != want || m.Activity.Content != "spam" ||
			!slices.Equal(m.Activity.Object.IDs(), []string{bob, post}) || len(m.Activity.Recipients()) != 0 {
			t.Errorf("Flag by %q: %s", who, m.Body)
		}
	}

	if _, err := a.Move(ctx, "alice", "http://c.test/ap/users/carol"); err != nil {
		t.Fatal(err)
	}
	if m := next(t, calls, "Move"); m.ObjectID != alice || m.Activity.Target.ID != "http://c.test/ap/users/carol" {
		t.Errorf("Move: %s", m.Body)
	}
	next(t, calls, "Unfollow") // by bob, who follows carol now

	if _, err := a.Send(ctx, "alice", &activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(post)}, To: activity.To(bob)}); err != nil {
		t.Fatal(err)
	}
	if m := next(t, calls, "Other"); !m.Activity.Is("Travel") || m.Sender != alice {
		t.Errorf("Send: %s", m.Body)
	}

	a.follow("alice", b, "bob")
	block, err := b.Block(ctx, "bob", alice)
	if err != nil {
		t.Fatal(err)
	}
	if m := next(t, calls, "Block"); m.ObjectID != alice || m.Activity.ID != block {
		t.Errorf("Block: %s", m.Body)
	}
	for _, of := range []*site{a, b} {
		of.until("no follows", func() bool { return of.state(alice, bob) == 0 && of.state(bob, alice) == 0 })
	}
	undo, err := b.Undo(ctx, "bob", block)
	if err != nil {
		t.Fatal(err)
	}
	a.waitFor("Undo", block)
	if undo == block {
		t.Error("the Undo has the Block's id")
	}
}

func TestWhoUnfollowsCanFollowAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newSites(t, nil, "a.test", "b.test")
	a, b := s[0], s[1]
	for range 3 {
		b.follow("bob", a, "alice")
		if _, err := b.Unfollow(t.Context(), "bob", a.id("alice")); err != nil {
			t.Fatal(err)
		}
		for _, of := range s {
			of.until("unfollowed", func() bool { return of.state(b.id("bob"), a.id("alice")) == 0 })
		}
	}
	// Said in one breath they end as the last one says.
	for range 2 {
		var last string
		for _, do := range []func(context.Context, string, string) (string, error){b.Follow, b.Unfollow, b.Follow} {
			var err error
			if last, err = do(t.Context(), "bob", a.id("alice")); err != nil {
				t.Fatal(err)
			}
		}
		for _, of := range s {
			of.until("following by the last", func() bool {
				f, err := of.store.Followers.Follow(t.Context(), b.id("bob"), a.id("alice"))
				return err == nil && f.ID == last && f.State == actor.Accepted
			})
		}
		if _, err := a.RemoveFollower(t.Context(), "alice", b.id("bob")); err != nil {
			t.Fatal(err)
		}
		b.until("removed", func() bool { return b.state(b.id("bob"), a.id("alice")) == 0 })
	}
	if _, err := a.RemoveFollower(t.Context(), "alice", b.id("bob")); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("removing nobody: %v", err)
	}
}

func TestAPostCanBeTakenBackBeforeItsTime(t *testing.T) {
	t.Parallel()
	s := newSites(t, func(_ string, c *fedihook.Config) { c.PublishDelay = time.Hour }, "a.test", "b.test")
	a, b := s[0], s[1]
	b.follow("bob", a, "alice")
	ctx := t.Context()
	regretted, err := a.Publish(ctx, "alice", note(activity.Public, activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := a.get(regretted, activity.ContentType, nil, ""); status != 404 {
		t.Errorf("it is shown before its time: %d", status)
	}
	if _, err := a.Delete(ctx, "alice", regretted); err != nil {
		t.Fatal(err)
	}
	soon := note(activity.Public, activity.Followers)
	later, err := a.At(time.Now().Add(time.Second)).Publish(ctx, "alice", soon)
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", later)
	if records, err := a.store.Log.ObjectRecords(ctx, regretted, 10); err != nil || len(records) != 0 {
		t.Errorf("records %+v, %v", records, err)
	}
	if status, _, _ := a.get(regretted, activity.ContentType, nil, ""); status != 404 {
		t.Errorf("something of it is shown: %d", status)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.heard, func(what string) bool { return strings.HasSuffix(what, regretted) }) {
		t.Errorf("b heard %q", b.heard)
	}
	if got := a.Counts(); got.Withdrawn != 1 {
		t.Errorf("counts %+v", got)
	}
}

func TestFollowersOfAHostCanBeLeftOut(t *testing.T) {
	t.Parallel()
	s := newSites(t, nil, "a.test", "b.test", "c.test")
	a, b, c := s[0], s[1], s[2]
	b.follow("bob", a, "alice")
	c.follow("carol", a, "alice")
	private, err := a.Except("b.test").Publish(t.Context(), "alice", note(activity.Public, activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	open, err := a.Publish(t.Context(), "alice", note(activity.Public, activity.Followers))
	if err != nil {
		t.Fatal(err)
	}
	c.waitFor("Create", private)
	b.waitFor("Create", open)
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.heard, "Create "+private) {
		t.Error("b.test was left out and heard of it")
	}
}

func TestWhatCanNotBeSaidIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	ctx, elsewhere := t.Context(), "http://b.test/ap/users/bob"
	for name, do := range map[string]func() (string, error){
		"React without emoji":  func() (string, error) { return a.React(ctx, "alice", elsewhere, "", nil) },
		"Vote for nothing":     func() (string, error) { return a.Vote(ctx, "alice", "http://b.test/poll", "") },
		"Vote in nothing":      func() (string, error) { return a.Vote(ctx, "alice", "", "rye") },
		"Flag of nobody":       func() (string, error) { return a.Flag(ctx, "alice", "", "spam") },
		"Move to nowhere":      func() (string, error) { return a.Move(ctx, "alice", "") },
		"Block of a handle":    func() (string, error) { return a.Block(ctx, "alice", "@bob@b.test") },
		"Unfollow of a handle": func() (string, error) { return a.Unfollow(ctx, "alice", "@bob@b.test") },
		"Accept of nobody":     func() (string, error) { return a.At(time.Now().Add(time.Hour)).Accept(ctx, "alice", "") },
		"Send to nobody": func() (string, error) {
			return a.Send(ctx, "alice", &activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(elsewhere)}})
		},
		"Send without a type": func() (string, error) {
			return a.Send(ctx, "alice", &activity.Activity{Object: activity.Refs{activity.IRI(elsewhere)}})
		},
		"leaving out no host": func() (string, error) { return a.Except("http://b.test").Follow(ctx, "alice", elsewhere) },
	} {
		if _, err := do(); !errors.Is(err, outbox.ErrIncomplete) {
			t.Errorf("%s: %v, want ErrIncomplete", name, err)
		}
	}
	for name, own := range map[string]*activity.Activity{
		"id":     {ID: "http://b.test/1", Type: activity.Types{"Travel"}, To: activity.To(elsewhere), Object: activity.Refs{activity.IRI(elsewhere)}},
		"object": {Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI("http://b.test/1")}},
	} {
		if _, err := a.Send(ctx, "alice", own); !errors.Is(err, fedihook.ErrNotOurs) {
			t.Errorf("Send with an %s of others: %v", name, err)
		}
	}
	if left, err := a.store.Intents.NextIntents(ctx, 10); err != nil || len(left) != 0 {
		body, _ := json.Marshal(left)
		t.Errorf("something was said: %s, %v", body, err)
	}
}
