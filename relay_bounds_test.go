package fedihook_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
)

func TestARelayBringsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, func(c *fedihook.Config) { c.MaxRelayed = 3 }, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.LitePubRelay, true)
		far := v.net.Server("far.example")
		dora := far.Actor("dora")
		time.Sleep(time.Minute)
		for i := range 6 {
			note := dora.Note(fmt.Sprint(i))
			far.Put(note)
			accepted(t, "what it names", r.Name(note.ID))
		}
		settle()
		if n := len(v.hears("Create")); n != 3 {
			t.Errorf("%d posts in a minute", n)
		}
		time.Sleep(time.Minute)
		note := dora.Note("later")
		far.Put(note)
		r.Name(note.ID)
		settle()
		if n := len(v.hears("Create")); n != 4 {
			t.Errorf("%d posts after a minute", n)
		}
	})
}

// answeringRelays has a relay answer between the reading and the writing of who follows it once more.
type answeringRelays struct {
	relayStore
	answer func(list []outbox.Relay)
}

func (a *answeringRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	list, err := a.relayStore.Relays(ctx)
	if err == nil && a.answer != nil {
		a.answer(list)
	}
	return list, err
}

func TestFollowingARelayOnceMoreForgetsNoAnswer(t *testing.T) {
	t.Parallel()
	var answering *answeringRelays
	inStoredFediverse(t, func(c *fedihook.Config) {
		answering = &answeringRelays{relayStore: c.Storage.Relays}
		c.Storage.Relays = answering
	}, func(t *testing.T, v *storedFediverse) {
		address := v.net.Server("relay.example").Origin() + "/inbox"
		if _, err := v.FollowRelay(t.Context(), address, outbox.MastodonRelay, false); err != nil {
			t.Fatal(err)
		}
		settle()
		answering.answer = func(list []outbox.Relay) {
			answering.answer = nil
			if err := answering.AnswerRelay(t.Context(), list[0].FollowID, "https://relay.example/actor", outbox.RelayAccepted, time.Now()); err != nil {
				t.Error(err)
			}
		}
		if _, err := v.FollowRelay(t.Context(), address, outbox.MastodonRelay, true); err != nil {
			t.Fatal(err)
		}
		if list, err := v.Relays(t.Context()); err != nil || len(list) != 1 || list[0].State != outbox.RelayAccepted || list[0].Actor == "" || !list[0].Wanted {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// A relay decides whom it writes to and how many posts it names at once: what that makes us ask others for is bounded all the same.
func TestARelayCannotHaveUsFetchMoreThanItMay(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, func(c *fedihook.Config) { c.MaxRelayed = 3 }, func(t *testing.T, v *storedFediverse) {
		r := v.subscribed(t, outbox.LitePubRelay, true)
		far := v.net.Server("far.example")
		dora := far.Actor("dora")
		notes := func(n int) (ids []string) {
			for range n {
				note := dora.Note("hello")
				far.Put(note)
				ids = append(ids, note.ID)
			}
			return ids
		}
		for name, names := range map[string]func(){
			"at once": func() { r.Name(notes(6)...) },
			"one by one, to somebody here": func() {
				for _, id := range notes(6) {
					r.With(inboxtest.Manner{To: []string{alice}, Personal: true}).Announce(id)
				}
			},
		} {
			time.Sleep(time.Minute)
			before := len(v.hears("Create"))
			names()
			settle()
			if n := len(v.hears("Create")) - before; n != 3 {
				t.Errorf("%s: %d posts in a minute", name, n)
			}
		}
	})
}
