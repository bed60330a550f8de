//go:build interop

package fedify_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// The directions of a cell: who has to understand the other.
const (
	toOurs   = "Fedify → ours"
	toFedify = "ours → Fedify"
)

// cell is one thing that one side does and what the other side has of it, which is where the test looks.
type cell struct {
	kind, direction, effect string
	test                    func(t *testing.T, w *world)
}

// cells run in this order on the same two servers. The first two Follows make fred and alice follow each
// other, which many of the others need; apart from that each brings what it is about.
var cells = []cell{
	{"WebFinger", toFedify, "Fedify finds alice by her handle, with her key, inboxes and followers", fedifyFindsAlice},
	{"WebFinger", toOurs, "ours finds fred by his handle, with his key and inboxes", oursFindsFred},

	{"Follow", toOurs, "fred is a follower of alice's", fredFollowsAlice},
	{"Follow", toFedify, "alice is a follower of fred's", aliceFollowsFred},
	{"Accept", toFedify, "fred follows bea once she has accepted", beaAcceptsFred},
	{"Accept", toOurs, "bea follows fred once he has accepted", fredAcceptsBea},
	{"Accept", toFedify, "fred waits until he is let in by hand", fredWaits},
	{"Accept", toOurs, "carol waits until she is let in by hand", carolWaits},
	{"Reject", toFedify, "fred is turned away and follows nobody for it", fredIsTurnedAway},
	{"Reject", toOurs, "dora is turned away and follows nobody for it", doraIsTurnedAway},
	{"Undo", toOurs, "of a Follow: emma loses her follower, and what she posts goes there no more", fredUnfollowsEmma},
	{"Undo", toFedify, "of a Follow: fred loses his follower", floUnfollowsFred},

	{"Create", toOurs, "a public post has its text, mention, hashtag, content warning and described image", fredPostsPublicly},
	{"Create", toFedify, "a public post has its text, mention, hashtag, content warning and described image", alicePostsPublicly},
	{"Create", toOurs, "a reply answers alice's post, and is for her", fredReplies},
	{"Create", toFedify, "a reply answers fred's post", beaReplies},
	{"Create", toOurs, "a direct post is in its recipient's inbox", fredWritesToGina},
	{"Create", toFedify, "a direct post is in its recipient's inbox", ginaWritesToFred},
	{"Create", toOurs, "a followers-only post reaches alice, who alone can fetch it", fredPostsToFollowers},
	{"Create", toFedify, "a followers-only post reaches fred, who can fetch it, and no stranger can", alicePostsToFollowers},
	{"Update", toOurs, "the text is replaced", fredEdits},
	{"Update", toFedify, "the text is replaced", aliceEdits},
	{"Delete", toOurs, "the post is gone", fredDeletes},
	{"Delete", toFedify, "a tombstone is in the Delete, and 410 where the post was", aliceDeletes},
	{"Like", toOurs, "alice's post is liked", fredLikes},
	{"Like", toFedify, "fred's post is liked", aliceLikes},
	{"Undo", toOurs, "of a Like: it is taken back", fredUnlikes},
	{"Undo", toFedify, "of a Like: it is taken back", aliceUnlikes},
	{"Announce", toOurs, "alice's post is shared", fredShares},
	{"Announce", toFedify, "fred's post is shared", aliceShares},
	{"Undo", toOurs, "of an Announce: it is taken back", fredUnshares},
	{"Undo", toFedify, "of an Announce: it is taken back", aliceUnshares},

	{"signature", toOurs, "by RFC 9421 first: 202 at once", fredKnocksByRFC9421},
	{"signature", toOurs, "by draft-cavage first: 202 at once", fredKnocksByCavage},
	{"signature", toOurs, "what was tampered with is refused, by either scheme", oursRefusesForgeries},
	{"signature", toFedify, "by RFC 9421 once Fedify was heard to use it: 202 at once", aliceSignsAsFredDoes},
	{"signature", toFedify, "what was tampered with is refused, by either scheme", fedifyRefusesForgeries},
	{"replay", toOurs, "the same bytes again: 202, and no hook runs", replayIsTakenOnce},
	{"replay", toOurs, "sent again because the answer was lost: 202, and no hook runs", lostAnswerIsTakenOnce},

	{"restart", toFedify, "alice has the key and the followers that she had", aliceComesBack},
	{"restart", toOurs, "what was seen before is not taken again, what is new is", oursRemembers},
}

func TestOursAndFedifyFederate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p := startPeer(t, ca)
	w := &world{ca: ca, p: p, o: startOurs(t, ca, p)}
	done := 0
	for _, c := range cells {
		t.Run(c.kind+" "+c.direction+": "+c.effect, func(t *testing.T) {
			w.begin(t)
			c.test(t, w)
			if !t.Failed() {
				done++
			}
		})
	}
	t.Logf("%d of %d cells hold", done, len(cells))
}

func TestTheTableHoldsEveryTypeBothWays(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"WebFinger", "Follow", "Accept", "Reject", "Create", "Update", "Delete", "Like", "Announce", "Undo", "signature", "restart"} {
		for _, direction := range []string{toOurs, toFedify} {
			if !slices.ContainsFunc(cells, func(c cell) bool { return c.kind == kind && c.direction == direction }) {
				t.Errorf("no cell tests %s %s", kind, direction)
			}
		}
	}
	seen := make(map[[3]string]bool)
	for _, c := range cells {
		name := [3]string{c.kind, c.direction, c.effect}
		if seen[name] {
			t.Errorf("two cells are %s %s: %s", c.kind, c.direction, c.effect)
		}
		seen[name] = true
	}
}

// world is both servers, and where their journals were when the cell began.
type world struct {
	ca *authority
	p  *peer
	o  *ours

	event, exchange int
}

func (w *world) begin(t *testing.T) {
	t.Helper()
	if events := w.p.events(t, w.event); len(events) > 0 {
		w.event = events[len(events)-1].N
	}
	if exchanges := w.p.exchanges(t, w.exchange); len(exchanges) > 0 {
		w.exchange = exchanges[len(exchanges)-1].N
	}
}

// eventually asks until something holds, and reports false when patience is over.
func eventually(t *testing.T, holds func() bool) bool {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if holds() {
			return true
		}
		select {
		case <-again.C:
		case <-limit.C:
			return holds()
		}
	}
}

// fedifyHears returns the first activity since the cell began that is of this type and this actor of ours.
func (w *world) fedifyHears(t *testing.T, kind, handle string, is func(event) bool) event {
	t.Helper()
	var found event
	var events []event
	ok := eventually(t, func() bool {
		events = w.p.events(t, w.event)
		for _, e := range events {
			if e.Type == kind && e.Actor == w.o.actor(handle) && is(e) {
				found = e
				return true
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("Fedify's listener had no such %s from %s within %v, but %+v", kind, handle, patience, events)
	}
	w.fedifyTookOnce(t, found.ID)
	return found
}

// fedifyHearsID is fedifyHears for an activity by its id.
func (w *world) fedifyHearsID(t *testing.T, kind, handle, id string) event {
	t.Helper()
	return w.fedifyHears(t, kind, handle, func(e event) bool { return e.ID == id })
}

// fedifyTookOnce checks that an activity of ours was verified the first time it came, and came no second time.
func (w *world) fedifyTookOnce(t *testing.T, id string) {
	t.Helper()
	if !eventually(t, func() bool { return w.o.waiting(t) == 0 }) {
		t.Fatalf("ours has not delivered everything within %v", patience)
	}
	knocks := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "in" || e.Activity != id })
	var came []string
	for _, e := range knocks {
		came = append(came, fmt.Sprintf("to %s by %s: %d", e.URL, e.Scheme, e.Status))
	}
	if len(knocks) != 1 || knocks[0].Status != http.StatusAccepted || knocks[0].Scheme != cavage && knocks[0].Scheme != rfc9421 {
		t.Errorf("%s came to Fedify as %q, not once and with 202", id, came)
	}
}

// oursHears returns the call of a hook for an activity of fred's. It checks that each inbox took it the first time
// that it came there, and that no hook heard of it more than once.
func (w *world) oursHears(t *testing.T, hook, id string) heard {
	t.Helper()
	h := w.o.waitID(t, hook, id)
	if h.Sender != w.p.Actor || h.Activity.Actor.ID != w.p.Actor {
		t.Errorf("%s is said to be from %s, not from %s", id, h.Sender, w.p.Actor)
	}
	w.p.drain(t)
	targets := make(map[string]bool)
	for _, p := range w.o.waitPosts(t, id, 1) {
		if p.status != http.StatusAccepted || targets[p.target] {
			t.Errorf("%s came to %s, again: %v, and was answered %d; want 202 and no second time", id, p.target, targets[p.target], p.status)
		}
		targets[p.target] = true
	}
	if n := w.o.times(id); n != 1 {
		t.Errorf("hooks heard %d times of %s", n, id)
	}
	return h
}

// must is for what a verb of ours returns.
func must(t *testing.T) func(id string, err error) string {
	t.Helper()
	return func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}

// alicePosts makes a public post that fred, who follows her, has.
func (w *world) alicePosts(t *testing.T, text string) (id string) {
	t.Helper()
	id = must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>" + text + "</p>"}))
	w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
	return id
}

// fredPosts makes a public post that alice, who follows him, has.
func (w *world) fredPosts(t *testing.T, text string) (id string) {
	t.Helper()
	s := w.p.post(t, post{Content: text})
	w.oursHears(t, "Create", s.ID)
	return s.Note
}

func fedifyFindsAlice(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	found := w.p.lookup(t, w.o.handle("alice"))
	if found.ID != alice || found.Type != "Person" || found.PreferredUsername != "alice" || found.Name != "Name of alice" || found.Summary != "<p>I am alice.</p>" {
		t.Errorf("Fedify finds %+v at %s", found, w.o.handle("alice"))
	}
	if found.Inbox != alice+"/inbox" || found.SharedInbox != w.o.Origin+"/ap/inbox" || found.Followers != alice+"/followers" {
		t.Errorf("Fedify takes for her inboxes and followers %s, %s, %s", found.Inbox, found.SharedInbox, found.Followers)
	}
	if len(found.Keys) != 1 || found.Keys[0].ID != alice+"#main-key" || found.Keys[0].Owner != alice || found.Keys[0].Algorithm != "RSASSA-PKCS1-v1_5" {
		t.Errorf("Fedify takes for her keys %+v", found.Keys)
	}
	if status, _ := w.p.call(t, http.MethodPost, "/lookup", map[string]string{"id": w.o.handle("nobody")}, nil); status != http.StatusNotFound {
		t.Errorf("Fedify's lookup of nobody: %d, want 404", status)
	}
}

func oursFindsFred(t *testing.T, w *world) {
	found, err := w.o.f.Lookup(t.Context(), w.p.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if found.ID != w.p.Actor || !found.Is("Person") || found.PreferredUsername != "fred" || found.Name != "Fred of Fedify" {
		t.Errorf("ours finds %+v at %s", found, w.p.Handle)
	}
	if found.Inbox.ID != w.p.Actor+"/inbox" || found.SharedInbox() != w.p.Origin+"/inbox" || found.Followers.ID != w.p.Actor+"/followers" {
		t.Errorf("ours takes for his inboxes and followers %s, %s, %s", found.Inbox.ID, found.SharedInbox(), found.Followers.ID)
	}
	if keys := found.Keys(); len(keys) != 1 || keys[0].ID != w.p.Actor+"#main-key" || keys[0].Owner != w.p.Actor {
		t.Errorf("ours takes for his keys %+v", keys)
	}
	if nobody, err := w.o.f.Lookup(t.Context(), strings.Replace(w.p.Handle, "fred", "nobody", 1)); err == nil {
		t.Errorf("ours finds %s where there is nobody", nobody.ID)
	}
}
