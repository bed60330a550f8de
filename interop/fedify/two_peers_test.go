//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The tests of this file set Fedify against Fedify: when one of ours fails in the same place, the
// fault is not the peer's.

func TestTwoPeersTalkInEveryVerb(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b := startPeer(t, ca), startPeer(t, ca)

	found := a.lookup(t, b.Handle)
	if found.ID != b.Actor || found.Type != "Person" || found.Inbox != b.Actor+"/inbox" || found.SharedInbox != b.Origin+"/inbox" {
		t.Fatalf("%s finds %+v at %s", a.Origin, found, b.Handle)
	}
	if len(found.Keys) != 1 || found.Keys[0].ID != b.Actor+"#main-key" || found.Keys[0].Owner != b.Actor || len(found.AssertionMethods) != 2 {
		t.Fatalf("the keys of %s are %+v and %+v", b.Actor, found.Keys, found.AssertionMethods)
	}

	follow := a.do(t, "follow", b.Handle)
	if e := b.wait(t, "Follow", a.Actor, 0); e.ID != follow.ID || e.ObjectID != b.Actor || e.Inbox != "fred" {
		t.Errorf("the Follow came as %+v", e)
	}
	if e := a.wait(t, "Accept", b.Actor, 0); e.ObjectID != follow.ID {
		t.Errorf("the Accept is of %s, not of %s", e.ObjectID, follow.ID)
	}
	a.drain(t)
	if followers, following := b.state(t).Followers, a.state(t).Following; !slices.Equal(followers, []string{a.Actor}) || !slices.Equal(following, []string{b.Actor}) {
		t.Errorf("after the Follow: followers %v, following %v", followers, following)
	}

	b.answerFollows(t, "wait")
	_ = b.do(t, "follow", a.Actor)
	b.drain(t)
	a.drain(t)
	posted := b.post(t, post{Content: "Hello <you>", Mention: []string{a.Actor}, Hashtag: []string{"Interop"}, Summary: "careful", Image: "one pixel"})
	created := a.wait(t, "Create", b.Actor, 0)
	n := created.Understood
	if created.ID != posted.ID || created.Inbox != "" || n == nil || n.ID != posted.Note || n.AttributedTo != b.Actor {
		t.Fatalf("the post came as %+v", created)
	}
	if !strings.Contains(n.Content, "Hello &lt;you&gt;") || n.Summary != "careful" || !n.Sensitive || !slices.Equal(n.To, []string{"https://www.w3.org/ns/activitystreams#Public"}) {
		t.Errorf("the post was understood as %+v", n)
	}
	if len(n.Mentions) != 1 || n.Mentions[0].Href != a.Actor || len(n.Hashtags) != 1 || n.Hashtags[0].Name != "#Interop" {
		t.Errorf("the tags were understood as %+v and %+v", n.Mentions, n.Hashtags)
	}
	if len(n.Attachments) != 1 || n.Attachments[0].Name != "one pixel" || n.Attachments[0].MediaType != "image/png" {
		t.Errorf("the picture was understood as %+v", n.Attachments)
	}

	reply := a.post(t, post{ID: posted.Note, Content: "Hello yourself"})
	if e := b.wait(t, "Create", a.Actor, 0); e.Understood == nil || e.Understood.ID != reply.Note || e.Understood.InReplyTo != posted.Note {
		t.Errorf("the reply came as %+v", e)
	}
	like := a.do(t, "like", posted.Note)
	if e := b.wait(t, "Like", a.Actor, 0); e.ID != like.ID || e.ObjectID != posted.Note {
		t.Errorf("the Like came as %+v", e)
	}
	a.do(t, "announce", posted.Note)
	if e := b.wait(t, "Announce", a.Actor, 0); e.ObjectID != posted.Note {
		t.Errorf("the Announce came as %+v", e)
	}
	a.do(t, "undo", like.ID)
	if e := b.wait(t, "Undo", a.Actor, 0); e.ObjectID != like.ID {
		t.Errorf("the Undo came as %+v", e)
	}
	b.update(t, posted.Note, "Hello again")
	if e := a.wait(t, "Update", b.Actor, 0); e.Understood == nil || e.Understood.Content != "<p>Hello again</p>" || e.Understood.Updated == "" {
		t.Errorf("the Update came as %+v", e)
	}
	b.do(t, "delete", posted.Note)
	if e := a.wait(t, "Delete", b.Actor, 0); e.ObjectID != posted.Note {
		t.Errorf("the Delete came as %+v", e)
	}
	var tombstone struct{ Type string }
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, posted.Note, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, status, err := exchangeWith(ca.client(t), request)
	if err != nil || status != http.StatusGone || json.Unmarshal(body, &tombstone) != nil || tombstone.Type != "Tombstone" {
		t.Errorf("the deleted post: %d %s %v, want 410 and a tombstone", status, body, err)
	}

	a.do(t, "undo", follow.ID)
	b.wait(t, "Undo", a.Actor, b.wait(t, "Undo", a.Actor, 0).N)
	b.drain(t)
	if followers := b.state(t).Followers; len(followers) != 0 {
		t.Errorf("after the Undo %v still follow", followers)
	}
}

func TestThePeerKeepsFollowsWaiting(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b := startPeer(t, ca), startPeer(t, ca)

	b.answerFollows(t, "wait")
	follow := a.do(t, "follow", b.Actor)
	b.wait(t, "Follow", a.Actor, 0)
	b.drain(t)
	if requests := b.state(t).Requests; !slices.Equal(requests, []string{follow.ID}) {
		t.Fatalf("%v wait, not %s", requests, follow.ID)
	}
	a.drain(t)
	if events := a.events(t, 0); len(events) != 0 {
		t.Fatalf("an answer came before there was one: %+v", events)
	}
	b.do(t, "accept", follow.ID)
	accepted := a.wait(t, "Accept", b.Actor, 0)

	b.answerFollows(t, "reject")
	follow = a.do(t, "follow", b.Actor)
	if e := a.wait(t, "Reject", b.Actor, accepted.N); e.ObjectID != follow.ID {
		t.Errorf("the Reject is of %s, not of %s", e.ObjectID, follow.ID)
	}
	a.drain(t)
	if following := a.state(t).Following; len(following) != 0 {
		t.Errorf("after the Reject it still follows %v", following)
	}
}

func TestThePeerShowsFollowersOnlyPostsToThoseWhoGotThem(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b, stranger := startPeer(t, ca), startPeer(t, ca), startPeer(t, ca)

	a.do(t, "follow", b.Actor)
	a.wait(t, "Accept", b.Actor, 0)
	posted := b.post(t, post{Content: "For my followers", To: "followers"})
	a.wait(t, "Create", b.Actor, 0)
	if found, status := a.lookupSigned(t, posted.Note); status != http.StatusOK || found.ID != posted.Note {
		t.Errorf("the follower's signed GET: %d %+v", status, found)
	}
	if found, status := stranger.lookupSigned(t, posted.Note); status != http.StatusNotFound {
		t.Errorf("the stranger's signed GET: %d %+v", status, found)
	}
	direct := b.post(t, post{Content: "For you alone", To: "direct", Mention: []string{stranger.Actor}})
	if e := stranger.wait(t, "Create", b.Actor, 0); e.ID != direct.ID || e.Inbox != "fred" {
		t.Errorf("the direct post came as %+v", e)
	}
	a.drain(t)
	for _, e := range a.events(t, 0) {
		if e.ID == direct.ID {
			t.Errorf("the direct post came to a follower too")
		}
	}
}

func TestThePeerSignsAsToldAndRefusesWhatIsBroken(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b := startPeer(t, ca), startPeer(t, ca)
	posted := b.post(t, post{Content: "Like this"})

	last := 0
	for _, spec := range []string{cavage, rfc9421, cavage} {
		a.knockFirst(t, spec)
		like := a.do(t, "like", posted.Note)
		if e := b.wait(t, "Like", a.Actor, last); e.ID != like.ID {
			t.Fatalf("the Like %s came as %+v", like.ID, e)
		} else {
			last = e.N
		}
		a.drain(t) // until the answers to its requests are there, and so their status
		var schemes []string
		for _, e := range b.exchanges(t, 0) {
			if e.Direction == "in" && e.Activity == like.ID {
				schemes = append(schemes, e.Scheme)
				if e.Status != http.StatusAccepted {
					t.Errorf("the Like signed as %s got %d", e.Scheme, e.Status)
				}
			}
		}
		if !slices.Equal(schemes, []string{spec}) {
			t.Errorf("told to sign as %s first, the peer signed as %v", spec, schemes)
		}
	}

	for _, spec := range []string{rfc9421, cavage} {
		for broken, want := range map[string]int{
			"nothing": http.StatusAccepted,
			"body":    http.StatusUnauthorized,
			"both":    http.StatusUnauthorized,
			"path":    http.StatusUnauthorized,
			"actor":   http.StatusUnauthorized,
			"old":     http.StatusUnauthorized,
		} {
			status, id := a.forge(t, forgery{Inbox: b.Actor + "/inbox", Object: posted.Note, Spec: spec, Broken: broken, At: b.Origin + "/inbox", As: b.Actor})
			if status != want {
				t.Errorf("%s broken in %s: %d, want %d", spec, broken, status, want)
			}
			b.drain(t)
			heard := slices.ContainsFunc(b.events(t, last), func(e event) bool { return e.ID == id })
			if heard != (broken == "nothing") {
				t.Errorf("%s broken in %s: that its listener ran is %v", spec, broken, heard)
			}
		}
	}
}
