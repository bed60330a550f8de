package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// Each of these was a hole in another server or library.

// Fedify: an activity was processed before it was checked that the key is its actor's.
func TestCVE_2025_54888TheKeysOwnerIsTheActorBeforeAnythingHappens(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Filter = func(context.Context, *inbox.Message) (inbox.Verdict, error) {
			t.Error("the filter saw it")
			return inbox.Verdict{}, nil
		}
	})
	if got := b.post(mallory, act("Follow", "https://evil.example/f", bob, alice)); got != http.StatusForbidden {
		t.Errorf("status %d", got)
	}
	if !b.empty(t.Context()) || len(b.peers.trusted) != 0 {
		t.Error("something was kept")
	}
}

// Fedify, Mastodon: what an LD signature covered was read differently than it was signed.
func TestCVE_2026_42462WhatIsReadIsWhatWasSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.LDSignature = func(context.Context, []byte) (inbox.LDSigned, error) {
			return inbox.LDSigned{Owner: bob, ID: there + "/a/1", Type: "Announce", Object: there + "/n/1", Whole: true}, nil
		}
	})
	if got := b.post(mallory, act("Delete", there+"/a/1", bob, there+"/n/1")); got != http.StatusForbidden {
		t.Errorf("status %d", got)
	}
}

// Mastodon: a Create that names somebody's existing post extended whom that post is for.
func TestCVE_2024_37903ACreateOfAnExistingPostOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Owner = func(context.Context, string) (string, error) { return eve, nil }
	})
	if got := b.post(bob, act("Create", there+"/a/1", bob, object{"id": there + "/n/1", "type": "Note", "to": alice})); got != http.StatusForbidden {
		t.Errorf("status %d", got)
	}
}

// Mastodon: what was posted by a suspended author came in by the shares and edits of others.
func TestCVE_2026_23961ASuspendedAuthorIsNotHeardThroughOthers(t *testing.T) {
	t.Parallel()
	reports := 0
	b := newBench(t, func(c *inbox.Config) {
		c.Policy = refusing("evil.example")
		c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
			if !m.Activity.Is("Flag") {
				t.Errorf("a hook ran for %s", m.Activity.Type)
			}
			reports++
			return nil
		})
	})
	b.post(bob, act("Flag", there+"/a/0", bob, []string{"https://evil.example/n/1", here + "/ap/objects/1"}))
	for _, body := range []string{
		act("Announce", there+"/a/1", bob, "https://evil.example/n/1", "to", activity.Public),
		act("Like", there+"/a/2", bob, []string{here + "/ap/objects/1", "https://evil.example/n/1"}),
	} {
		if got := b.post(bob, body); got != http.StatusAccepted {
			t.Errorf("status %d", got)
		}
	}
	if got := b.post(bob, act("Announce", there+"/a/3", mallory, there+"/n/1")); got != http.StatusForbidden {
		t.Errorf("in its name: status %d", got)
	}
	b.run()
	if reports != 1 {
		t.Errorf("%d hooks ran, want that of the report alone", reports)
	}
}

// Mastodon: the answer to a request to quote was believed with a stamp from another server.
func TestCVE_2026_33869WhatIsGrantedStandsOnTheServerOfWhoGrants(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	asked := object{"id": here + "/ap/activities/q", "type": "QuoteRequest", "actor": alice, "object": there + "/n/1"}
	if got := b.post(bob, act("Accept", there+"/a/1", bob, asked, "result", "https://evil.example/stamp")); got != http.StatusForbidden {
		t.Errorf("status %d", got)
	}
	if got := b.post(bob, act("Accept", there+"/a/2", bob, asked, "result", there+"/stamp")); got != http.StatusAccepted {
		t.Errorf("its own: status %d", got)
	}
}

// Mastodon: bodies were parsed before anything limited them.
func TestCVE_2026_23962TheBodyIsLimitedBeforeItIsParsed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if got := b.post("", `{"type":"`+strings.Repeat("x", 1<<20)+`"}`); got != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", got)
	}
}

// Mastodon: addresses of clients were taken from headers that clients write.
func TestCVE_2023_49952TheClientsAddressIsNotTheClientsToSay(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) { c.MaxStrangers, c.Verifier = 1, trusting{} })
	last := 0
	for i := range 2 {
		r := request("/ap/inbox", act("Like", fmt.Sprintf("%s/l/%d", there, i), bob, here+"/ap/objects/1"))
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		r.Header.Set("X-Real-IP", fmt.Sprintf("203.0.113.%d", i))
		last = b.serveTo(r)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("status %d", last)
	}
}

// Pixelfed: who asked to follow was treated as a follower before the answer.
func TestCVE_2025_30741AFollowIsNotInForceBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		choosy(c)
		c.Hooks.Create = func(context.Context, *inbox.Message) error {
			t.Error("a post came to the followers of somebody who never accepted one")
			return nil
		}
	})
	b.book.follows[alice+" "+stranger] = inbox.Follow{ID: here + "/ap/activities/1", Follower: alice, Followed: stranger}
	b.post(stranger, act("Create", "https://else.example/a/1", stranger, object{"id": "https://else.example/n/1"}, "to", stranger+"/followers"))
	b.post(bob, act("Follow", there+"/f/1", bob, locky))
	b.run()
	if f := b.book.follows[bob+" "+locky]; f.Accepted {
		t.Error("bob follows who approves by hand")
	}
}
