package actor_test

import (
	"context"
	"crypto"
	"errors"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

func TestAKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.makeKeys = true
	names := actor.Names{Origin: "https://a.test"}
	ring := &actor.Keyring{Store: store, Names: names}
	id := names.Actor("alice")
	keys := make([]signature.Key, 50)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			var err error
			if keys[i], err = ring.Private(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if store.written() != 1 {
		t.Errorf("%d keys were made", store.written())
	}
	for _, k := range keys {
		if k != keys[0] || k.ID != id+"#main-key" {
			t.Fatalf("%v differs from %v", k.ID, keys[0].ID)
		}
	}
	again := &actor.Keyring{Store: store, Names: names}
	public, err := again.Public(t.Context(), id)
	if err != nil || len(public) != 1 || public[0].Owner != id || public[0].ID != id+"#main-key" {
		t.Fatalf("after a restart: %+v, %v", public, err)
	}
	if !public[0].Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(keys[0].Private.Public()) {
		t.Error("after a restart it is another key")
	}
}

func TestOfTwoProcessesThatMakeAKeyOneWins(t *testing.T) {
	t.Parallel()
	store := &slowKeys{memory: newMemory()}
	store.makeKeys = true
	names := actor.Names{Origin: "https://a.test"}
	one, two := &actor.Keyring{Store: store, Names: names}, &actor.Keyring{Store: store, Names: names}
	store.both.Add(2)
	var a, b signature.Key
	var wait sync.WaitGroup
	wait.Go(func() { a, _ = one.Private(t.Context(), "https://a.test/x") })
	wait.Go(func() { b, _ = two.Private(t.Context(), "https://a.test/x") })
	wait.Wait()
	if a.Private == nil || !a.Private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(b.Private.Public()) {
		t.Error("two keys are in use")
	}
}

// slowKeys lets two find no key before either adds one.
type slowKeys struct {
	*memory
	both sync.WaitGroup
}

func (s *slowKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	s.both.Done()
	s.both.Wait()
	return s.memory.AddKey(ctx, k)
}

func TestAKeyThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.makeKeys = true
	store.keys["https://a.test/x"] = actor.KeyPair{ActorID: "https://a.test/x", Private: []byte("no key")}
	if _, err := (&actor.Keyring{Store: store}).Private(t.Context(), "https://a.test/x"); !errors.Is(err, signature.ErrBadKey) {
		t.Errorf("got %v", err)
	}
	if _, err := (&actor.Keyring{}).Private(t.Context(), "https://a.test/x"); err == nil {
		t.Error("no store is no error")
	}
	store.fail = errors.New("disk full")
	if _, err := (&actor.Keyring{Store: store}).Private(t.Context(), "https://a.test/new"); !errors.Is(err, store.fail) {
		t.Errorf("a key that was not kept is used: %v", err)
	}
}
