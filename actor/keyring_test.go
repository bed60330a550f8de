package actor_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const alice = "https://a.test/ap/users/alice"

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	keys := make([]signature.Key, 50)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			var err error
			if keys[i], err = ring.Private(t.Context(), alice); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := store.count(&store.added); n != 2 {
		t.Errorf("%d keys were made, want one of each kind", n)
	}
	for _, k := range keys {
		if k != keys[0] || k.ID != alice+"#main-key" {
			t.Fatalf("%v differs from %v", k.ID, keys[0].ID)
		}
	}
	second, err := ring.Ed25519(t.Context(), alice)
	if _, ok := second.Private.(ed25519.PrivateKey); err != nil || !ok || second.ID != alice+"#ed25519-key" {
		t.Fatalf("the second key is %T %s, %v", second.Private, second.ID, err)
	}
	again := cheap(&actor.Keyring{Store: store, Names: ring.Names})
	public, err := again.Public(t.Context(), alice)
	if err != nil || len(public) != 2 || public[0].Owner != alice || public[0].ID != alice+"#main-key" || public[1].ID != second.ID {
		t.Fatalf("after a restart: %+v, %v", public, err)
	}
	if !same(public[0].Key, keys[0].Private.Public()) || !same(public[1].Key, second.Private.Public()) {
		t.Error("after a restart there are other keys")
	}
}

func TestAnActorThatHadNoEd25519KeyGetsOne(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	text, err := signature.MarshalPrivateKey(rsaPool()[3])
	if err != nil {
		t.Fatal(err)
	}
	store.pairs = []actor.KeyPair{{ActorID: alice, Serial: 7, Kind: actor.KeyRSA, KeyID: alice + "/key", Private: []byte(text)}}
	public, err := ring.Public(t.Context(), alice)
	if err != nil || len(public) != 2 || public[0].ID != alice+"/key" || public[1].ID != alice+"#ed25519-key" {
		t.Fatalf("%+v, %v", public, err)
	}
	if store.pairs[1].Serial != 7 {
		t.Errorf("the keys in use have Serials 7 and %d", store.pairs[1].Serial)
	}
}

func TestOfTwoProcessesThatMakeAKeyOneWins(t *testing.T) {
	t.Parallel()
	store := &slowKeys{memoryKeys: &memoryKeys{makeKeys: true}}
	one, two := &actor.Keyring{Store: store}, &actor.Keyring{Store: store}
	one.Generate = func() (*rsa.PrivateKey, error) { return rsaPool()[0], nil }
	two.Generate = func() (*rsa.PrivateKey, error) { return rsaPool()[1], nil }
	store.both.Add(2)
	var a, b signature.Key
	var wait sync.WaitGroup
	wait.Go(func() { a, _ = one.Private(t.Context(), "https://a.test/x") })
	wait.Go(func() { b, _ = two.Private(t.Context(), "https://a.test/x") })
	wait.Wait()
	if a.Private == nil || b.Private == nil || !same(a.Private.Public(), b.Private.Public()) {
		t.Error("two keys are in use")
	}
}

// slowKeys lets two find no key before either adds one.
type slowKeys struct {
	*memoryKeys
	both sync.WaitGroup
}

func (s *slowKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	if k.Kind == actor.KeyRSA {
		s.both.Done()
		s.both.Wait()
	}
	return s.memoryKeys.AddKey(ctx, k)
}

func TestAKeyThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	ed, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	text, err := signature.MarshalPrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	store.pairs = []actor.KeyPair{
		{ActorID: "https://a.test/x", Serial: 1, Kind: actor.KeyRSA, Private: []byte("no key")},
		{ActorID: "https://a.test/y", Serial: 1, Kind: actor.KeyRSA, Private: []byte(text)},
	}
	for _, id := range []string{"https://a.test/x", "https://a.test/y"} {
		if _, err := ring.Private(t.Context(), id); !errors.Is(err, signature.ErrBadKey) {
			t.Errorf("%s: got %v", id, err)
		}
	}
	if _, err := (&actor.Keyring{}).Private(t.Context(), "https://a.test/x"); err == nil {
		t.Error("no store is no error")
	}
	store.broken = errors.New("disk full")
	if _, err := ring.Private(t.Context(), "https://a.test/new"); !errors.Is(err, store.broken) {
		t.Errorf("a key that was not kept is used: %v", err)
	}
}

func TestTheStoreIsLookedAtOnceAMinute(t *testing.T) {
	t.Parallel()
	rsaPool()
	synctest.Test(t, func(t *testing.T) {
		store, ring := newKeys()
		first := privateOf(t, ring, alice)
		looked := store.count(&store.looked)
		for range 59 {
			time.Sleep(time.Second)
			privateOf(t, ring, alice)
		}
		if n := store.count(&store.looked); n != looked {
			t.Errorf("looked %d times more in a minute", n-looked)
		}
		time.Sleep(2 * time.Second)
		if again := privateOf(t, ring, alice); again.Private != first.Private {
			t.Error("the same key was parsed again")
		}
		if n := store.count(&store.looked); n != looked+1 {
			t.Errorf("looked %d times more after a minute", n-looked)
		}
	})
}

// sealer seals with a cipher that everyone can see through: what was sealed, and as what.
type sealer struct{ calls atomic.Int64 }

func (s *sealer) seal(_ context.Context, private, bound []byte) ([]byte, error) {
	s.calls.Add(1)
	return []byte(fmt.Sprintf("sealed %q %q", bound, private)), nil
}

func (s *sealer) open(_ context.Context, sealed, bound []byte) ([]byte, error) {
	var was, private string
	if _, err := fmt.Sscanf(string(sealed), "sealed %q %q", &was, &private); err != nil {
		return nil, err
	}
	if was != string(bound) {
		return nil, fmt.Errorf("sealed as %q, opened as %q", was, bound)
	}
	return []byte(private), nil
}

func TestPrivateKeysAreSealedAndBoundToTheirActor(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	s := &sealer{}
	ring.Seal, ring.Open = s.seal, s.open
	key := privateOf(t, ring, alice)
	for _, k := range store.pairs {
		if !bytes.HasPrefix(k.Private, []byte("sealed")) {
			t.Errorf("the store has a %v key as %.30q", k.Kind, k.Private)
		}
	}
	if s.calls.Load() != 2 {
		t.Errorf("%d keys were sealed", s.calls.Load())
	}
	again := &actor.Keyring{Store: store, Names: ring.Names, Seal: s.seal, Open: s.open}
	if k := privateOf(t, again, alice); !same(k.Private.Public(), key.Private.Public()) {
		t.Error("what was sealed opens to another key")
	}
	// Who can write to the store gives alice's key to bob, a key another id, and an old key a new Serial.
	for name, change := range map[string]func(*actor.KeyPair){
		"another actor":  func(k *actor.KeyPair) { k.ActorID = "https://a.test/ap/users/bob" },
		"another id":     func(k *actor.KeyPair) { k.KeyID += "2" },
		"another Serial": func(k *actor.KeyPair) { k.Serial = 5 },
	} {
		other := &memoryKeys{makeKeys: true}
		for _, k := range store.pairs {
			change(&k)
			other.pairs = append(other.pairs, k)
		}
		ring := &actor.Keyring{Store: other, Names: ring.Names, Seal: s.seal, Open: s.open}
		if _, err := ring.Private(t.Context(), other.pairs[0].ActorID); err == nil {
			t.Errorf("a key that was moved to %s is used", name)
		}
	}
	for _, ring := range []*actor.Keyring{{Store: store, Seal: s.seal}, {Store: store, Open: s.open}} {
		if _, err := ring.Private(t.Context(), alice); err == nil {
			t.Error("Seal without Open, or Open without Seal, is no error")
		}
	}
}

func TestASealThatFailsKeepsNothing(t *testing.T) {
	t.Parallel()
	store, ring := newKeys()
	fault := errors.New("no hardware")
	ring.Seal = func(context.Context, []byte, []byte) ([]byte, error) { return nil, fault }
	ring.Open = (&sealer{}).open
	if _, err := ring.Private(t.Context(), alice); !errors.Is(err, fault) || store.added != 0 {
		t.Errorf("got %v, kept %d keys", err, store.added)
	}
}

func TestKeysAreMadeOneAtATimeForABoundedNumber(t *testing.T) {
	t.Parallel()
	pool := rsaPool()
	synctest.Test(t, func(t *testing.T) {
		var making, most, made atomic.Int64
		ring := &actor.Keyring{Store: &memoryKeys{makeKeys: true}, Names: actor.Names{Origin: "https://a.test"}, MaxWaiting: 5}
		ring.Generate = func() (*rsa.PrivateKey, error) {
			if n := making.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(200 * time.Millisecond)
			making.Add(-1)
			return pool[int(made.Add(1))%len(pool)], nil
		}
		var busy, had atomic.Int64
		var wait sync.WaitGroup
		for i := range 300 {
			id := fmt.Sprint("https://a.test/ap/users/u", i%30) // ten ask for each of thirty
			wait.Go(func() {
				switch _, err := ring.Private(t.Context(), id); {
				case err == nil:
					had.Add(1)
				case errors.Is(err, actor.ErrBusy):
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if most.Load() != 1 || made.Load() != 5 || had.Load() != 50 || busy.Load() != 250 {
			t.Errorf("%d at once, %d made, %d served, %d turned away", most.Load(), made.Load(), had.Load(), busy.Load())
		}
		if _, err := ring.Private(t.Context(), "https://a.test/ap/users/late"); err != nil {
			t.Errorf("after the rush: %v", err)
		}
	})
}

func TestSparesAreMadeAheadOnceTheyAreNeeded(t *testing.T) {
	t.Parallel()
	pool := rsaPool()
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		ring := &actor.Keyring{Store: &memoryKeys{makeKeys: true}, Names: actor.Names{Origin: "https://a.test"}, Spares: 3}
		ring.Generate = func() (*rsa.PrivateKey, error) {
			time.Sleep(200 * time.Millisecond)
			return pool[int(made.Add(1))%len(pool)], nil
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ring.Run(ctx) }()
		time.Sleep(time.Hour)
		if made.Load() != 0 {
			t.Errorf("%d spares were made for nobody", made.Load())
		}
		took := func(id string) time.Duration {
			began := time.Now()
			privateOf(t, ring, "https://a.test/ap/users/"+id)
			return time.Since(began)
		}
		if d := took("first"); d != 200*time.Millisecond {
			t.Errorf("the first key took %v", d)
		}
		time.Sleep(time.Minute)
		if made.Load() != 4 {
			t.Errorf("%d keys were made, want one and three spares", made.Load())
		}
		for i := range 3 {
			if d := took(fmt.Sprint("u", i)); d != 0 {
				t.Errorf("with a spare it took %v", d)
			}
		}
		if d := took("u3"); d != 200*time.Millisecond {
			t.Errorf("without a spare it took %v", d)
		}
		time.Sleep(time.Minute)
		if made.Load() != 8 {
			t.Errorf("%d keys were made, want five and three spares", made.Load())
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestAFailedSpareIsTheBusinessOfWhoNeedsAKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("no entropy")
		var made atomic.Int64
		ring := &actor.Keyring{Store: &memoryKeys{makeKeys: true}}
		ring.Generate = func() (*rsa.PrivateKey, error) { made.Add(1); return nil, fault }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ring.Run(ctx) }()
		if _, err := ring.Private(t.Context(), alice); !errors.Is(err, fault) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		if n := made.Load(); n > 2 {
			t.Errorf("%d keys were tried", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func BenchmarkPrivateKeyFromMemory(b *testing.B) {
	store := &memoryKeys{}
	ring := &actor.Keyring{Store: store}
	if _, err := ring.Private(b.Context(), alice); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Private(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
