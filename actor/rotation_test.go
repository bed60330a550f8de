package actor_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

func prepare(t *testing.T, ring *actor.Keyring, id string) actor.Rotation {
	t.Helper()
	r, err := ring.Prepare(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARotationTakesEffectWhenItIsSwitched(t *testing.T) {
	t.Parallel()
	_, ring := newKeys()
	before, err := ring.Public(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	old := privateOf(t, ring, alice)
	r := prepare(t, ring, alice)
	for i, key := range r.Keys {
		if key.ID != before[i].ID || key.Owner != alice || same(key.Key, before[i].Key) {
			t.Errorf("the next key %+v does not replace %+v", key, before[i])
		}
	}
	if k := privateOf(t, ring, alice); !same(k.Private.Public(), old.Private.Public()) {
		t.Error("a prepared key is in use")
	}
	if again := prepare(t, ring, alice); again.Serial != r.Serial || !same(again.Keys[0].Key, r.Keys[0].Key) || !same(again.Keys[1].Key, r.Keys[1].Key) {
		t.Error("preparing twice makes two rotations")
	}
	for range 2 { // the second time it is nothing new
		if err := ring.Switch(t.Context(), alice, r.Serial); err != nil {
			t.Fatal(err)
		}
		after, err := ring.Public(t.Context(), alice)
		if err != nil || len(after) != 2 || !same(after[0].Key, r.Keys[0].Key) || !same(after[1].Key, r.Keys[1].Key) || after[0].ID != before[0].ID {
			t.Fatalf("after the switch: %+v, %v", after, err)
		}
	}
	retired, err := ring.Retired(t.Context(), alice, r.Serial)
	if err != nil || retired.ID != old.ID || !same(retired.Private.Public(), old.Private.Public()) {
		t.Errorf("the old key is not there to announce the new one: %v", err)
	}
	if k, err := ring.Retired(t.Context(), alice, 99); err != nil || !same(k.Private.Public(), r.Keys[0].Key) {
		t.Errorf("in place of an unknown key: %v", err)
	}
}

func TestASwitchWithoutNextKeysChangesNothing(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	k := privateOf(t, ring, alice)
	if err := ring.Switch(t.Context(), alice, 1); err != nil {
		t.Fatal(err)
	}
	if again := privateOf(t, ring, alice); !same(again.Private.Public(), k.Private.Public()) || store.added != 2 {
		t.Error("the actor lost its key")
	}
}

func TestProcessesThatRotateAtOnceEndInOneKey(t *testing.T) {
	t.Parallel()
	store, first := newKeys()
	rings := make([]*actor.Keyring, 8)
	for i := range rings {
		rings[i] = &actor.Keyring{Store: store, Names: first.Names, Generate: first.Generate}
	}
	old := privateOf(t, rings[0], alice)
	names := make([]string, len(rings))
	var prepared, wait sync.WaitGroup
	prepared.Add(len(rings))
	for i, ring := range rings {
		wait.Go(func() {
			r, err := ring.Prepare(t.Context(), alice)
			prepared.Done()
			if err != nil {
				t.Error(err)
				return
			}
			prepared.Wait()
			if names[i], err = r.Name(); err != nil {
				t.Error(err)
			}
			if err := ring.Switch(t.Context(), alice, r.Serial); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	now := privateOf(t, rings[0], alice)
	if same(now.Private.Public(), old.Private.Public()) {
		t.Error("nothing was rotated")
	}
	for i, ring := range rings {
		if k := privateOf(t, ring, alice); !same(k.Private.Public(), now.Private.Public()) || names[i] != names[0] || names[i] == "" {
			t.Errorf("process %d has another key, or announces another change: %q, %q", i, names[i], names[0])
		}
	}
	if n := store.count(&store.added); n != 4 {
		t.Errorf("%d keys were kept, want two of each kind", n)
	}
}

func TestOtherProcessesFollowWithinAMinute(t *testing.T) {
	t.Parallel()
	rsaPool()
	synctest.Test(t, func(t *testing.T) {
		store, one := newKeys()
		two := cheap(&actor.Keyring{Store: store, Names: one.Names})
		privateOf(t, one, alice)
		privateOf(t, two, alice)
		r := prepare(t, one, alice)
		if err := one.Switch(t.Context(), alice, r.Serial); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		if k := privateOf(t, two, alice); !same(k.Private.Public(), r.Keys[0].Key) {
			t.Error("a minute later another process signs with the old key")
		}
	})
}

func TestARetiredKeyIsForgottenAfterAWeek(t *testing.T) {
	t.Parallel()
	rsaPool()
	synctest.Test(t, func(t *testing.T) {
		store, ring := newKeys()
		old := privateOf(t, ring, alice)
		if err := ring.Switch(t.Context(), alice, prepare(t, ring, alice).Serial); err != nil {
			t.Fatal(err)
		}
		is := func() bool {
			k, err := ring.Retired(t.Context(), alice, 1)
			if err != nil {
				t.Fatal(err)
			}
			return same(k.Private.Public(), old.Private.Public())
		}
		time.Sleep(7*24*time.Hour - time.Minute)
		if !is() {
			t.Error("it is gone before")
		}
		time.Sleep(2 * time.Hour)
		if is() {
			t.Error("it is used after")
		}
		if list, err := store.ActorKeys(t.Context(), alice); err != nil || len(list) != 2 || list[0].Serial != 2 {
			t.Errorf("the store has %d keys, %v", len(list), err)
		}
	})
}

func TestARevokedKeyIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	first := privateOf(t, ring, alice)
	if err := ring.Switch(t.Context(), alice, prepare(t, ring, alice).Serial); err != nil {
		t.Fatal(err)
	}
	second := privateOf(t, ring, alice)
	if err := ring.Revoke(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	now := privateOf(t, ring, alice)
	for serial := range int64(4) {
		k, err := ring.Retired(t.Context(), alice, serial)
		if err != nil || !same(k.Private.Public(), now.Private.Public()) {
			t.Errorf("key %d signs still: %v", serial, err)
		}
	}
	if same(now.Private.Public(), first.Private.Public()) || same(now.Private.Public(), second.Private.Public()) || now.ID != first.ID {
		t.Error("the key in use is not a new one under the old id")
	}
	if list, err := store.ActorKeys(t.Context(), alice); err != nil || len(list) != 2 {
		t.Errorf("the store has %d keys, %v", len(list), err)
	}
}

func TestARotationShowsItsKeysInTheDocument(t *testing.T) {
	t.Parallel()
	_, ring := newKeys()
	public, err := ring.Public(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := actor.Profile{Handle: "alice"}.Document(ring.Names, public)
	if err != nil {
		t.Fatal(err)
	}
	r := prepare(t, ring, alice)
	if err := r.Show(doc); err != nil {
		t.Fatal(err)
	}
	body, err := activity.Encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	shown := doc.Keys()
	if len(shown) != 1 || shown[0].ID != alice+"#main-key" || shown[0].Owner != alice {
		t.Fatalf("it shows %+v", shown)
	}
	if k, err := signature.ParsePublicKey(shown[0].PEM); err != nil || !same(k, r.Keys[0].Key) {
		t.Errorf("it shows another RSA key: %v", err)
	}
	if k, err := signature.AssertionKey(body, alice+"#ed25519-key"); err != nil || k.Owner != alice || !same(k.Key, r.Keys[1].Key) {
		t.Errorf("it shows another Ed25519 key: %v", err)
	}
}

func TestAKeyFromElsewhereIsAdopted(t *testing.T) {
	t.Parallel()
	pool := rsaPool()
	ed, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	store, ring := newKeys()
	for range 2 { // again it is nothing new
		if err := ring.Adopt(t.Context(), alice, alice+"/main-key", pool[4]); err != nil {
			t.Fatal(err)
		}
		if err := ring.Adopt(t.Context(), alice, "", ed); err != nil {
			t.Fatal(err)
		}
	}
	if k := privateOf(t, ring, alice); k.ID != alice+"/main-key" || !same(k.Private.Public(), pool[4].Public()) {
		t.Errorf("the key in use is %s", k.ID)
	}
	if k, err := ring.Ed25519(t.Context(), alice); err != nil || !same(k.Private.Public(), ed.Public()) {
		t.Errorf("the second key: %v", err)
	}
	r := prepare(t, ring, alice)
	if r.Keys[0].ID != alice+"/main-key" {
		t.Errorf("rotated it gets another id, %s", r.Keys[0].ID)
	}
	if err := ring.Switch(t.Context(), alice, r.Serial); err != nil {
		t.Fatal(err)
	}
	if err := ring.Adopt(t.Context(), alice, alice+"/main-key", pool[4]); err != nil || store.added != 4 {
		t.Errorf("adopted again after it was rotated: %v, %d keys", err, store.added)
	}
	if k := privateOf(t, ring, alice); !same(k.Private.Public(), r.Keys[0].Key) {
		t.Error("a key that was rotated away is back")
	}
	for name, adopt := range map[string]func() error{
		"another key":      func() error { return ring.Adopt(t.Context(), alice, alice+"/main-key", pool[5]) },
		"another id":       func() error { return ring.Adopt(t.Context(), alice, alice+"/other", pool[4]) },
		"somebody's id":    func() error { return ring.Adopt(t.Context(), "https://a.test/bob", alice+"/main-key", pool[4]) },
		"an id elsewhere":  func() error { return ring.Adopt(t.Context(), "https://a.test/bob", "https://b.test/bob#k", pool[4]) },
		"an id with quote": func() error { return ring.Adopt(t.Context(), "https://a.test/bob", "https://a.test/bob#\"", pool[4]) },
	} {
		if err := adopt(); !errors.Is(err, actor.ErrOtherKey) && !errors.Is(err, signature.ErrBadKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyIsAdoptedBesideTheOtherKindThatIsInUse(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	privateOf(t, ring, alice)
	store.pairs = store.pairs[:1] // it had no Ed25519 key
	ed, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Adopt(t.Context(), alice, "", ed); err != nil {
		t.Fatal(err)
	}
	if k, err := ring.Ed25519(t.Context(), alice); err != nil || !same(k.Private.Public(), ed.Public()) {
		t.Errorf("another key is in use: %v", err)
	}
}

// heldUp lets one look at the store take until it is let go.
type heldUp struct {
	*memoryKeys
	hold          atomic.Bool
	read, release chan bool
}

func (h *heldUp) ActorKeys(ctx context.Context, id string) ([]actor.KeyPair, error) {
	list, err := h.memoryKeys.ActorKeys(ctx, id)
	if h.hold.CompareAndSwap(true, false) {
		h.read <- true
		<-h.release
	}
	return list, err
}

func TestAChangeIsSeenThoughAReadWasUnderWay(t *testing.T) {
	t.Parallel()
	memory, before := newKeys()
	old := privateOf(t, before, alice)
	store := &heldUp{memoryKeys: memory, read: make(chan bool), release: make(chan bool)}
	ring := &actor.Keyring{Store: store, Names: before.Names, Generate: before.Generate}
	store.hold.Store(true)
	late := make(chan signature.Key, 1)
	go func() {
		k, _ := ring.Private(t.Context(), alice)
		late <- k
	}()
	<-store.read // the old keys
	r := prepare(t, ring, alice)
	if err := ring.Switch(t.Context(), alice, r.Serial); err != nil {
		t.Fatal(err)
	}
	store.release <- true
	if k := <-late; k.Private == nil || !same(k.Private.Public(), old.Private.Public()) {
		t.Error("who asked before the change did not get the old key: the test tests nothing")
	}
	if k := privateOf(t, ring, alice); !same(k.Private.Public(), r.Keys[0].Key) {
		t.Error("the old key came back")
	}
}
