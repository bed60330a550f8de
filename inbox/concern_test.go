package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

const stranger = "https://else.example/users/stranger" // followed by nobody here

// choosy takes only what concerns somebody here.
func choosy(c *inbox.Config) { c.Wants = nil }

func TestTenThousandPostsThatConcernNobodyLeaveNoTrace(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		choosy(c)
		c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
			t.Errorf("a hook ran for %s", m.Activity.ID)
			return nil
		})
	})
	for i := range 10_000 {
		id := fmt.Sprintf("https://else.example/n/%d", i)
		body := act("Create", id+"/activity", stranger, object{"id": id, "type": "Note", "attributedTo": stranger, "to": activity.Public, "inReplyTo": there + "/n/1"}, "to", activity.Public)
		if status := b.post("", body); status != http.StatusAccepted { // not even signed: nobody looks
			t.Fatalf("status %d", status)
		}
	}
	if !b.empty(t.Context()) || len(b.peers.keysAsked)+len(b.peers.fetched)+len(b.peers.trusted) != 0 {
		t.Errorf("something was kept; keys asked %d, fetched %d", len(b.peers.keysAsked), len(b.peers.fetched))
	}
}

func TestTenThousandDeletesOfUnknownActorsMakeNoFetch(t *testing.T) {
	t.Parallel()
	b := newBench(t, choosy)
	for i := range 10_000 {
		id := fmt.Sprintf("https://host%d.example/users/%d", i%100, i)
		if status := b.post("", act("Delete", id+"#delete", id, id, "to", activity.Public)); status != http.StatusAccepted {
			t.Fatalf("status %d", status)
		}
	}
	if !b.empty(t.Context()) || len(b.peers.keysAsked)+len(b.peers.fetched) != 0 {
		t.Errorf("keys asked %d, fetched %d", len(b.peers.keysAsked), len(b.peers.fetched))
	}
}

func TestWhatConcernsSomebodyHereIsTaken(t *testing.T) {
	t.Parallel()
	mine := here + "/ap/objects/1"
	note := func(more ...any) object {
		o := object{"id": "https://else.example/n/1", "type": "Note", "attributedTo": stranger}
		for i := 0; i+1 < len(more); i += 2 {
			o[more[i].(string)] = more[i+1]
		}
		return o
	}
	id := "https://else.example/a/1"
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"a public post of a stranger", act("Create", id, stranger, note(), "to", activity.Public), false},
		{"a post to strangers", act("Create", id, stranger, note("to", []string{mallory}), "to", mallory), false},
		{"a post to somebody who is not here", act("Create", id, stranger, note("to", here+"/ap/users/nobody")), false},
		{"a post to somebody here", act("Create", id, stranger, note("cc", alice)), true},
		{"a mention", act("Create", id, stranger, note("tag", object{"type": "Mention", "href": alice})), true},
		{"a reply", act("Create", id, stranger, note("inReplyTo", mine)), true},
		{"a reply to what is not here", act("Create", id, stranger, note("inReplyTo", here+"/ap/objects/2")), false},
		{"a quote", act("Create", id, stranger, note("quoteUrl", mine)), true},
		{"a public post of somebody who is followed", act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}, "to", activity.Public), true},
		{"a direct post to strangers of somebody who is followed", act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}, "to", mallory), false},
		{"a blind copy of somebody who is followed", act("Create", there+"/a/1", bob, object{"id": there + "/n/1"}), true},
		{"a Like", act("Like", id, stranger, mine), true},
		{"a Like of a stranger's", act("Like", id, stranger, there+"/n/1"), false},
		{"an Undo of a Like", act("Undo", id+"/undo", stranger, object{"id": id, "type": "Like", "actor": stranger, "object": mine}), true},
		{"an Undo of a Like of a stranger's", act("Undo", id+"/undo", stranger, object{"id": id, "type": "Like", "actor": stranger, "object": there + "/n/1"}), false},
		{"an Undo of what may be known", act("Undo", id+"/undo", stranger, id), true},
		{"a Delete of what may be known", act("Delete", id+"/delete", stranger, "https://else.example/n/1"), true},
		{"a Follow of somebody here", act("Follow", id, stranger, alice), true},
		{"a Follow of a stranger", act("Follow", id, stranger, mallory), false},
		{"an Accept by the id of a Follow", act("Accept", id, stranger, here+"/ap/activities/1"), true},
		{"a report", act("Flag", id, stranger, []string{there + "/n/1", mine}), true},
		{"a report of strangers", act("Flag", id, stranger, []string{there + "/n/1", bob}), false},
		{"an unknown type", act("Sneeze", id, stranger, there+"/n/1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, choosy)
			as := stranger
			if slices.Contains([]string{"a public post of somebody who is followed", "a direct post to strangers of somebody who is followed", "a blind copy of somebody who is followed"}, c.name) {
				as = bob
			}
			if got := b.post(as, c.body); got != http.StatusAccepted {
				t.Fatalf("status %d", got)
			}
			if kept := !b.empty(t.Context()); kept != c.want {
				t.Errorf("kept: %v, want %v", kept, c.want)
			}
			if asked := len(b.peers.keysAsked) > 0; asked != c.want {
				t.Errorf("a key was asked for: %v", asked)
			}
		})
	}
}

func TestThePersonalInboxConcernsItsOwnerWhateverItSays(t *testing.T) {
	t.Parallel()
	b := newBench(t, choosy)
	b.postTo("/ap/users/alice/inbox", stranger, act("Create", "https://else.example/a/1", stranger, object{"id": "https://else.example/n/1"}), b.Personal(alice))
	if b.empty(t.Context()) {
		t.Error("it was not kept")
	}
}

func TestTheAppIsAskedOnlyAboutWhatConcernsNobody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	b := newBench(t, func(c *inbox.Config) {
		c.Wants = func(_ context.Context, a *activity.Activity) (bool, error) {
			asked.Add(1)
			return a.Is("Update"), nil
		}
	})
	note := object{"id": "https://else.example/n/1", "type": "Note"}
	b.post(stranger, act("Follow", "https://else.example/f/1", stranger, alice))
	if asked.Load() != 0 {
		t.Error("asked about a Follow of somebody here")
	}
	b.post(stranger, act("Create", "https://else.example/a/1", stranger, note))
	if n := len(b.peers.keysAsked); asked.Load() != 1 || n != 1 {
		t.Errorf("asked %d times, %d keys", asked.Load(), n)
	}
	b.post(stranger, act("Update", "https://else.example/a/2", stranger, note))
	if n := len(b.peers.keysAsked); asked.Load() != 2 || n != 2 {
		t.Errorf("asked %d times, %d keys", asked.Load(), n)
	}
}

func TestOneActivityHasUsLookUpFewOfOurIDs(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int32
	b := newBench(t, func(c *inbox.Config) {
		local := c.Local
		c.Local = func(ctx context.Context, id string) (bool, bool, error) {
			lookups.Add(1)
			return local(ctx, id)
		}
	})
	to := []string{alice}
	for i := range 5000 {
		to = append(to, fmt.Sprintf("%s/ap/users/made-up-%d", here, i))
	}
	b.post(bob, act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "to": to}))
	if n := lookups.Load(); n > 250 {
		t.Errorf("%d lookups", n)
	}
	if b.empty(t.Context()) {
		t.Error("it was not kept for alice")
	}
}
