package fedihook_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
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
