package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

func TestTheFirstFollowBringsWhatTheActorDidBefore(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []*actor.Completion
	sites := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Completed = func(_ context.Context, one *actor.Completion) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, one)
				return nil
			}
		}
	}, "a.test", "b.test")
	a, b := sites[0], sites[1]
	a.follow("alice", b, "bob")
	a.follow("carol", b, "bob") // the second brings nothing
	a.follow("carol", b, "alice")
	completed := func() (ids []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range got {
			ids = append(ids, c.Actor.ID)
		}
		return ids
	}
	a.until("both completed", func() bool { return len(completed()) == 2 })
	if ids := completed(); !slices.Contains(ids, b.id("bob")) || !slices.Contains(ids, b.id("alice")) {
		t.Errorf("completed %q", ids)
	}
}

func TestAPostElsewhereIsFoundAsItsReaderMaySeeIt(t *testing.T) {
	t.Parallel()
	sites := newSites(t, nil, "a.test", "b.test")
	a, b := sites[0], sites[1]
	public, err := b.Publish(t.Context(), "bob", note(activity.Public))
	if err != nil {
		t.Fatal(err)
	}
	private, err := b.Publish(t.Context(), "bob", note(a.id("alice")))
	if err != nil {
		t.Fatal(err)
	}
	find := func(handle, id string) error {
		doc, err := a.LookupURL(t.Context(), handle, id)
		if err == nil && doc.DocumentID() != id {
			t.Errorf("%s as %q: found %s", id, handle, doc.DocumentID())
		}
		return err
	}
	a.until("the public post is shown", func() bool { return find("", public) == nil })
	a.until("the private post is shown to whom it is for", func() bool { return find("alice", private) == nil })
	for _, handle := range []string{"", "carol"} {
		var l *actor.LookupError
		if err := find(handle, private); !errors.As(err, &l) || l.Reason != actor.Unknown {
			t.Errorf("as %q: %v", handle, err)
		}
	}
	if err := find("nobody", public); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("as nobody: %v", err)
	}
	n := 0
	for o, err := range a.Thread(t.Context(), "alice", private) {
		if err != nil || o.ID != private {
			t.Errorf("%v, %v", o, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d posts in the thread", n)
	}
	for range a.Thread(t.Context(), "nobody", public) {
		n++
	}
	if n != 2 {
		t.Error("a thread seen by nobody did not fail")
	}
}

func TestAnAppLearnsWhoIsWhoFromBothSides(t *testing.T) {
	t.Parallel()
	type told struct {
		acct string
		err  error
	}
	heard := make(chan told, 10)
	var sites []*site
	sites = newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Hooks.Follow = func(ctx context.Context, m *inbox.Message) error {
				acct, err := sites[0].Handle(ctx, m.Sender)
				heard <- told{acct, err}
				return nil
			}
		}
	}, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice")
	if got := <-heard; got.acct != "bob@b.test" || got.err != nil {
		t.Errorf("a follower's handle is %q, %v", got.acct, got.err)
	}
	if acct, err := a.Handle(t.Context(), a.id("alice")); acct != "alice@a.test" || err != nil {
		t.Errorf("alice is %q, %v", acct, err)
	}
	for _, id := range []string{b.id("nobody"), a.id("nobody"), "javascript:alert(1)"} {
		if acct, err := a.Handle(t.Context(), id); acct != "" || err == nil {
			t.Errorf("%s is %q, %v", id, acct, err)
		}
	}
	id, err := a.ActorID(t.Context(), "alice")
	if id != a.id("alice") || err != nil {
		t.Errorf("alice has the id %q, %v", id, err)
	}
	if id, err := a.ActorID(t.Context(), "nobody"); id != "" || !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("nobody has the id %q, %v", id, err)
	}
	for iri, want := range map[string]string{
		id: "1 alice true", id + "#main-key": "13 alice true", id + "/followers": "6 alice true", a.origin + "/ap/objects/1": "8  true",
		a.id("nobody"): "0  false", b.id("bob"): "0  false", a.origin + "/about": "0  false", a.id("gone"): "1  true gone",
	} {
		kind, handle, ok, err := a.Local(t.Context(), iri)
		got := fmt.Sprintf("%d %s %v", kind, handle, ok)
		if errors.Is(err, actor.ErrGone) {
			got += " gone"
		} else if err != nil {
			t.Errorf("%s: %v", iri, err)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", iri, got, want)
		}
	}
}
