package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// subscribed makes the site a subscriber of a relay.
func (v *storedFediverse) subscribed(t *testing.T, style outbox.RelayStyle, wanted bool) *inboxtest.Relay {
	t.Helper()
	r := v.net.Server("relay.example").Relay()
	address := r.Inbox()
	if style == outbox.LitePubRelay {
		address = r.ID()
	}
	if _, err := v.FollowRelay(t.Context(), address, style, wanted); err != nil {
		t.Fatal(err)
	}
	r.Server().Wait("Follow")
	accepted(t, "the Accept", r.Accept(ourActor))
	v.net.Until("the subscription is in force", func() bool { return v.relay(t).State == outbox.RelayAccepted })
	time.Sleep(2 * time.Second) // what was known of a moment ago is forgotten
	return r
}

// relay is the only one.
func (v *storedFediverse) relay(t *testing.T) outbox.Relay {
	t.Helper()
	list, err := v.Relays(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("relays: %+v, %v", list, err)
	}
	return list[0]
}

func (v *storedFediverse) hears(typ string) (list []*inbox.Message) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.heard {
		if m.Activity.Is(typ) {
			list = append(list, m)
		}
	}
	return list
}

func withLD(c *fedihook.Config) { c.NoProofs = true }

func TestARelayGetsWhatIsForEveryoneOnceItHasAccepted(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, withLD, func(t *testing.T, v *storedFediverse) {
		r := v.net.Server("relay.example").Relay()
		id, err := v.FollowRelay(t.Context(), r.Inbox(), outbox.MastodonRelay, false)
		if err != nil {
			t.Fatal(err)
		}
		again, err := v.FollowRelay(t.Context(), r.Inbox(), outbox.MastodonRelay, false)
		if err != nil || again != id {
			t.Errorf("again: %s, %v", again, err)
		}
		follow := r.Server().Wait("Follow")
		if a := follow.Activity; a.ID != id || a.Actor.ID != ourActor || a.Object.First() != activity.Public || follow.Signed.Owner != ourActor {
			t.Errorf("asked with %s, signed by %s", follow.Body, follow.Signed.Owner)
		}
		v.say(t, &activity.Object{Content: "<p>too early</p>"})
		if n := count(r.Server(), "Create", ""); n != 0 || v.relay(t).State != outbox.RelayPending {
			t.Errorf("%d posts before the answer; %+v", n, v.relay(t))
		}
		accepted(t, "the Accept", r.Accept(ourActor))
		settle()
		if got := v.relay(t); got.State != outbox.RelayAccepted || got.Actor != r.ID() {
			t.Errorf("after the answer: %+v", got)
		}
		if n := count(r.Server(), "Follow", ""); n != 1 {
			t.Errorf("asked %d times", n)
		}
		post := v.say(t, &activity.Object{Content: "<p>hello</p>"})
		create := r.Server().Wait("Create")
		if create.Activity.Object.First() != post || create.Signed.Owner != alice || !bytes.Contains(create.Body, []byte(`"RsaSignature2017"`)) {
			t.Errorf("it got %s", create.Body)
		}
		for _, o := range []*activity.Object{
			{Content: "unlisted", To: activity.To(activity.Followers), CC: activity.To(activity.Public)},
			{Content: "for followers", To: activity.To(activity.Followers)},
			{Content: "direct", To: activity.To(v.bob.ID())},
		} {
			id := v.say(t, o)
			if _, err := v.Delete(t.Context(), "alice", id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := v.Except("bad.example").Publish(t.Context(), "alice", &activity.Object{Content: "not for all"}); err != nil {
			t.Fatal(err)
		}
		settle()
		if n := count(r.Server(), "", ""); n != 2 {
			t.Errorf("%d activities, of which one Follow and one Create are for it", n)
		}
		if _, err := v.Update(t.Context(), "alice", &activity.Object{ID: post, Content: "<p>edited</p>"}); err != nil {
			t.Fatal(err)
		}
		r.Server().Wait("Update")
		if _, err := v.Delete(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		if d := r.Server().Wait("Delete"); !bytes.Contains(d.Body, []byte(`"RsaSignature2017"`)) {
			t.Errorf("the Delete is %s", d.Body)
		}
		undo, err := v.UnfollowRelay(t.Context(), r.Inbox())
		if err != nil {
			t.Fatal(err)
		}
		d := r.Server().Wait("Undo")
		inner, err := d.Activity.Object[0].Document()
		if f, ok := inner.(*activity.Activity); err != nil || d.Activity.ID != undo || !ok || f.ID != id || f.Object.First() != activity.Public {
			t.Errorf("undone with %s", d.Body)
		}
		if list, err := v.Relays(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("left: %+v, %v", list, err)
		}
		if _, err := v.UnfollowRelay(t.Context(), r.Inbox()); !errors.Is(err, outbox.ErrNoRelay) {
			t.Errorf("once more: %v", err)
		}
		v.say(t, &activity.Object{Content: "<p>after</p>"})
		if n := count(r.Server(), "Create", ""); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
}

func TestOnlyTheRelayThatWasAskedCanAnswer(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		r := v.net.Server("relay.example").Relay()
		id, err := v.FollowRelay(t.Context(), r.Inbox(), outbox.MastodonRelay, true)
		if err != nil {
			t.Fatal(err)
		}
		r.Server().Wait("Follow")
		evil := v.net.Server("evil.example").Actor("evil")
		accept := func(a *inboxtest.Actor, followID string) {
			t.Helper()
			follow := activity.Follow(followID, ourActor, activity.Public)
			a.With(inboxtest.Manner{To: []string{ourActor}}).Send(&activity.Activity{
				Type: activity.Types{"Accept"}, Object: activity.Refs{activity.Embed(follow)},
			})
			settle()
		}
		accept(evil, id)
		accept(r.Actor, id+"x")
		if got := v.relay(t); got.State != outbox.RelayPending || got.Actor != "" {
			t.Fatalf("%+v", got)
		}
		accept(r.Actor, id)
		if got := v.relay(t); got.State != outbox.RelayAccepted {
			t.Fatalf("%+v", got)
		}
		other := r.Server().Actor("other") // of the same server, but not the one that answered
		other.With(inboxtest.Manner{To: []string{ourActor}}).Send(&activity.Activity{
			Type: activity.Types{"Reject"}, Object: activity.Refs{activity.Embed(activity.Follow(id, ourActor, activity.Public))},
		})
		settle()
		if got := v.relay(t); got.State != outbox.RelayAccepted {
			t.Fatalf("%+v", got)
		}
		accepted(t, "the Reject", r.Reject(ourActor))
		settle()
		if got := v.relay(t); got.State != outbox.RelayRejected {
			t.Fatalf("%+v", got)
		}
		v.say(t, &activity.Object{Content: "<p>hello</p>"})
		if n := count(r.Server(), "Create", ""); n != 0 {
			t.Errorf("it gets %d posts although it said no", n)
		}
		if len(v.hears("Accept")) != 0 || len(v.hears("Reject")) != 0 {
			t.Error("the app hears of it as of a follow of its users")
		}
		again, err := v.FollowRelay(t.Context(), r.Inbox(), outbox.MastodonRelay, true)
		if err != nil || again == id || v.relay(t).State != outbox.RelayPending {
			t.Errorf("asked again with %s, %v: %+v", again, err, v.relay(t))
		}
	})
}

func TestWhatARelayForwardsIsBelievedForItsOwnSignature(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.MastodonRelay, true)
		author := v.net.Server("far.example").Actor("dora")
		signed := author.With(inboxtest.Manner{LDSignature: true, To: []string{r.ID()}})
		note := author.Note("<p>from afar</p>")
		accepted(t, "the post to the relay", signed.Create(note))
		body := r.Server().Wait("Create").Body
		for range 3 {
			accepted(t, "what it forwards", r.Forward(body))
		}
		settle()
		list := v.hears("Create")
		if len(list) != 1 || list[0].ObjectID != note.ID || list[0].Sender != author.ID() || list[0].Via != r.ID() ||
			list[0].By != inbox.ByLDSignature || len(list[0].To) != 0 {
			t.Errorf("heard %+v", list)
		}
		// What was changed on the way is worth what its origin shows, which is nothing.
		second := author.Note("<p>true</p>")
		accepted(t, "the post to the relay", signed.Create(second))
		forged := bytes.ReplaceAll(r.Server().Wait("Create").Body, []byte("true"), []byte("false"))
		author.Delete(second.ID)
		r.Forward(forged)
		settle()
		if n := len(v.hears("Create")); n != 1 {
			t.Errorf("heard %d, a forged one among them", n)
		}
		// Nobody else is a relay.
		third := author.Note("<p>third</p>")
		accepted(t, "the post to the relay", signed.Create(third))
		body = r.Server().Wait("Create").Body
		v.bob.Post(ourInbox, body)
		r.Server().Actor("other").Post(ourInbox, body)
		r.With(inboxtest.Manner{ForeignKey: v.bob}).Post(ourInbox, body)
		settle()
		if n := len(v.hears("Create")); n != 1 {
			t.Errorf("heard %d, one among them that no relay brought", n)
		}
	})
}

func TestARelayThatIsOnlyToldBringsNothing(t *testing.T) {
	t.Parallel()
	for _, style := range []outbox.RelayStyle{outbox.MastodonRelay, outbox.LitePubRelay} {
		inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
			r := v.subscribed(t, style, false)
			author := v.net.Server("far.example").Actor("dora")
			note := author.Note("<p>from afar</p>")
			author.With(inboxtest.Manner{LDSignature: true, To: []string{r.ID()}}).Create(note)
			r.Forward(r.Server().Wait("Create").Body)
			r.Name(note.ID)
			r.With(inboxtest.Manner{To: []string{alice}, Personal: true}).Announce(note.ID)
			settle()
			if len(v.hears("Create"))+len(v.hears("Announce")) != 0 {
				t.Errorf("%s: heard %+v", style, v.heard)
			}
		})
	}
}

func TestARelayInTheStyleOfLitePubFollowsBackAndNamesPosts(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.LitePubRelay, true)
		if d := r.Server().Received("Follow")[0]; d.Activity.Object.First() != r.ID() || d.Activity.Actor.ID != ourActor {
			t.Errorf("asked with %s", d.Body)
		}
		accepted(t, "its Follow", r.Follow(ourActor))
		if d := r.Server().Wait("Accept"); d.Activity.Actor.ID != ourActor || d.Signed.Owner != ourActor {
			t.Errorf("answered with %s", d.Body)
		}
		v.bob.Follow(ourActor)
		post := v.say(t, &activity.Object{Content: "<p>hello</p>"})
		d := r.Server().Wait("Announce")
		if d.Activity.Object.First() != post || d.Activity.Actor.ID != ourActor || !d.Activity.To.Has(r.ID()) || count(r.Server(), "Create", "") != 0 {
			t.Errorf("it was told %s", d.Body)
		}
		if _, err := v.Delete(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		r.Server().Wait("Delete")
		if n := count(v.there, "Accept", ""); n != 0 {
			t.Error("anybody may follow the instance actor")
		}
		author := v.net.Server("far.example").Actor("dora")
		note := author.Note("<p>from afar</p>")
		author.With(inboxtest.Manner{To: []string{r.ID()}}).Create(note)
		for range 3 {
			accepted(t, "what it names", r.Name(note.ID, post))
		}
		settle()
		edited := *note
		edited.Summary = "edited"
		author.Server().Put(&edited)
		accepted(t, "what it names again", r.Name(note.ID))
		settle()
		list := v.hears("Create")
		if len(list) != 1 || list[0].ObjectID != note.ID || list[0].Sender != author.ID() || list[0].Via != r.ID() || list[0].By != inbox.ByOrigin {
			t.Fatalf("heard %+v", list)
		}
		if o, ok := list[0].Object.(*activity.Object); !ok || o.Content != note.Content {
			t.Errorf("it holds %+v", list[0].Object)
		}
		if n := len(v.hears("Announce")); n != 0 {
			t.Errorf("%d boosts by the relay", n)
		}
	})
}

func TestARelayCannotMakeAnybodySayAnything(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.LitePubRelay, true)
		far, evil := v.net.Server("far.example"), v.net.Server("evil.example")
		dora := far.Actor("dora")
		put := func(s *inboxtest.Server, name, author string, to activity.Audience) string {
			id := s.Origin() + "/" + name
			s.Put(&activity.Object{ID: id, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(author)}, Content: "x", To: to})
			return id
		}
		everyone := activity.To(activity.Public)
		private := dora.Private("<p>psst</p>")
		dora.Create(private)
		lying := put(far, "lying", dora.ID(), everyone)
		evil.Put(&activity.Object{ID: lying + "2", Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(dora.ID())}, To: everyone})
		for _, id := range []string{
			put(evil, "of-another", dora.ID(), everyone), put(far, "of-nobody", "", everyone), put(far, "for-few", dora.ID(), activity.To(dora.ID())),
			private.ID, far.Origin() + "/nothing", dora.ID(), lying + "2", alice, "https://nowhere.example/1", "not an id",
		} {
			r.Name(id)
		}
		settle()
		if got := len(v.hears("Create")) + len(v.hears("Announce")); got != 0 {
			t.Errorf("heard %+v", v.heard)
		}
		r.Name(lying)
		settle()
		if got := len(v.hears("Create")); got != 1 {
			t.Errorf("heard %d of one that is true", got)
		}
	})
}

var errStore = errors.New("disk on fire")

// relayStore has another name than its method.
type relayStore = outbox.Relays

// failingRelays can't tell which relays there are.
type failingRelays struct {
	relayStore
	fails *atomic.Bool
}

func (f *failingRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	if f.fails.Load() {
		return nil, errStore
	}
	return f.relayStore.Relays(ctx)
}

func TestAStoreOfRelaysThatFailsIsNeverAYes(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	inStoredFediverse(t, func(c *fedihook.Config) {
		c.Storage.Relays = &failingRelays{relayStore: storage.Memory().Relays, fails: &fails}
	}, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.LitePubRelay, true)
		far := v.net.Server("far.example")
		note := far.Actor("dora").Note("x")
		far.Put(note)
		fails.Store(true)
		if status := r.Name(note.ID); status != http.StatusServiceUnavailable {
			t.Errorf("answered %d", status)
		}
		if _, err := v.FollowRelay(t.Context(), "https://b.example/inbox", outbox.MastodonRelay, true); !errors.Is(err, errStore) {
			t.Errorf("FollowRelay: %v", err)
		}
		post := v.say(t, &activity.Object{Content: "<p>hello</p>"})
		fails.Store(false)
		time.Sleep(2 * time.Minute) // it is told when that can be known
		if n := count(r.Server(), "Announce", post); n != 1 {
			t.Errorf("it was told %d times", n)
		}
	})
}

func TestOnlyRelaysCanBeFollowedAsRelays(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		for address, style := range map[string]outbox.RelayStyle{
			"": outbox.MastodonRelay, "relay.example": outbox.MastodonRelay, ourInbox: outbox.MastodonRelay, "https://a.example/inbox": 0,
			"https://b.example/inbox": 7, "https://nowhere.example/actor": outbox.LitePubRelay,
		} {
			if id, err := v.FollowRelay(t.Context(), address, style, true); err == nil {
				t.Errorf("%q in %s: %s", address, style, id)
			}
		}
		if _, err := v.At(time.Now().Add(time.Hour)).FollowRelay(t.Context(), "https://a.example/inbox", outbox.MastodonRelay, true); !errors.Is(err, fedihook.ErrOutsideOnly) {
			t.Errorf("later: %v", err)
		}
		for i := range 60 {
			_, err := v.FollowRelay(t.Context(), fmt.Sprintf("https://r%d.example/inbox", i), outbox.MastodonRelay, true)
			if (err == nil) != (i < 50) {
				t.Errorf("relay %d: %v", i, err)
			}
		}
		list, err := v.Relays(t.Context())
		if err != nil || len(list) != 50 || !slices.ContainsFunc(list, func(r outbox.Relay) bool { return r.ID == "https://r7.example/inbox" }) {
			t.Errorf("%d relays, %v", len(list), err)
		}
	})
}
