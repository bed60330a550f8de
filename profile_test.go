package fedihook_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// newAlice is a.test, whose alice has the id of another software if own is set and a name that can be changed, and b.test, whose bob follows her.
func newAlice(t *testing.T, own string) (a, b *site, alice string, name *atomic.Value) {
	t.Helper()
	name = new(atomic.Value)
	name.Store("Alice")
	sites := newSites(t, func(host string, c *fedihook.Config) {
		profile := c.Profile
		c.Profile = func(ctx context.Context, who string) (actor.Profile, error) {
			if host == "a.test" && (who == "alice" || own != "" && who == own) {
				return actor.Profile{Handle: "alice", ID: own, Name: name.Load().(string)}, nil
			}
			return profile(ctx, who)
		}
		if own != "" && host == "a.test" {
			k := actor.KeyPair{ActorID: own, Serial: 1, Kind: actor.KeyRSA, KeyID: own + "#main-key", Private: []byte(someKeys()[1]), Created: time.Now()}
			if _, err := c.Storage.Keys.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}, "a.test", "b.test")
	a, b = sites[0], sites[1]
	if alice = own; own == "" {
		alice = a.id("alice")
	}
	if _, err := b.Follow(t.Context(), "bob", alice); err != nil {
		t.Fatal(err)
	}
	b.until("accepted", func() bool { return b.state(b.id("bob"), alice) == actor.Accepted })
	return a, b, alice, name
}

func TestFollowersSeeAProfileThatWasUpdated(t *testing.T) {
	t.Parallel()
	for who, own := range map[string]string{"by a minted id": "", "by an id of another software": "http://a.test/author/alice/"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			a, b, alice, name := newAlice(t, own)
			for handle, now := range map[string]string{"alice": "Alice B.", alice: "Alice C."} {
				name.Store(now)
				id, err := a.UpdateProfile(t.Context(), handle)
				if err != nil {
					t.Fatal(err)
				}
				b.until(now, func() bool {
					known, err := b.Lookup(t.Context(), alice)
					return err == nil && known.Name == now
				})
				said, err := a.store.Log.Record(t.Context(), id)
				if err != nil || said.Object != alice || said.Actor != alice || !said.Followers {
					t.Errorf("%s said %+v, %v", handle, said, err)
				}
			}
		})
	}
}

func TestAProfileIsReadWhenItsUpdateGoesOut(t *testing.T) {
	t.Parallel()
	a, b, alice, name := newAlice(t, "")
	id, err := a.At(time.Now().Add(1500*time.Millisecond)).UpdateProfile(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	name.Store("Alice D.") // as a commit would
	b.waitFor("Update", alice)
	said, err := a.store.Log.Record(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := activity.Decode(said.Activity)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := doc.(*activity.Activity).Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := shown.(*activity.Actor); !ok || who.Name != "Alice D." || who.Updated.IsZero() || len(who.Keys()) == 0 {
		t.Errorf("it shows %s", said.Activity)
	}
}

func TestAnUpdateThatBringsItsActorIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	a, b, alice, _ := newAlice(t, "")
	found, err := a.Lookup(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	who := *found
	who.Name = "Alice E."
	if _, err := a.Send(t.Context(), "alice", activity.UpdateActor("", &who, time.Now())); err != nil {
		t.Fatal(err)
	}
	b.until("the name", func() bool {
		known, err := b.Lookup(t.Context(), alice)
		return err == nil && known.Name == "Alice E."
	})
}

func TestNobodyElsesProfileIsUpdated(t *testing.T) {
	t.Parallel()
	ended := make(chan outbox.Ended, 1)
	a := newSites(t, func(_ string, c *fedihook.Config) {
		c.Ended = func(_ context.Context, e outbox.Ended) { ended <- e }
	}, "a.test")[0]
	if _, err := a.UpdateProfile(t.Context(), "http://b.test/ap/users/bob"); !errors.Is(err, fedihook.ErrNotOurs) {
		t.Errorf("of another server: %v", err)
	}
	id, err := a.UpdateProfile(t.Context(), "mallory") // who is not here
	if err != nil {
		t.Fatal(err)
	}
	if e := <-ended; e.ID != id || !errors.Is(e.Err, actor.ErrNotFound) {
		t.Errorf("of nobody: %+v", e)
	}
}
