package actor_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// memoryKeys implements actor.Keys.
type memoryKeys struct {
	keysMu sync.Mutex
	pairs  []actor.KeyPair
	added  int
	looked int
	broken error // of every call

	makeKeys  bool // as a real store: else everyone has the first of testKeys, which saves seconds
	handedOut map[string]bool
}

var testEd25519 = sync.OnceValue(func() []byte {
	private, err := signature.GenerateEd25519Key()
	if err != nil {
		panic(err)
	}
	text, err := signature.MarshalPrivateKey(private)
	if err != nil {
		panic(err)
	}
	return []byte(text)
})

func (m *memoryKeys) ActorKeys(_ context.Context, id string) ([]actor.KeyPair, error) {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	m.looked++
	if m.handedOut != nil {
		m.handedOut[id] = true
	}
	if !m.makeKeys {
		text, err := signature.MarshalPrivateKey(testKeys()[0])
		return []actor.KeyPair{
			{ActorID: id, Serial: 1, Kind: actor.KeyRSA, KeyID: id + "#main-key", Private: []byte(text)},
			{ActorID: id, Serial: 1, Kind: actor.KeyEd25519, KeyID: id + "#ed25519-key", Private: testEd25519()},
		}, err
	}
	var list []actor.KeyPair
	for _, k := range m.pairs {
		if k.ActorID == id {
			k.Private = bytes.Clone(k.Private)
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b actor.KeyPair) int {
		return cmp.Or(cmp.Compare(a.Serial, b.Serial), cmp.Compare(a.Kind, b.Kind))
	})
	return list, m.broken
}

func (m *memoryKeys) AddKey(_ context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	for _, have := range m.pairs {
		if have.ActorID == k.ActorID && have.Kind == k.Kind && have.Serial >= k.Serial {
			return have, m.broken
		}
	}
	if m.broken == nil {
		m.added++
		m.pairs = append(m.pairs, k)
	}
	return k, m.broken
}

func (m *memoryKeys) RetireKeys(_ context.Context, id string, serial int64, at time.Time) error {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	for i := range m.pairs {
		if k := &m.pairs[i]; k.ActorID == id && k.Serial <= serial && k.Retired.IsZero() {
			k.Retired = at
		}
	}
	return m.broken
}

func (m *memoryKeys) DropKeys(_ context.Context, id string, serial int64) error {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	m.pairs = slices.DeleteFunc(m.pairs, func(k actor.KeyPair) bool { return k.ActorID == id && k.Serial <= serial })
	return m.broken
}

func (m *memoryKeys) KeyOwner(_ context.Context, keyID string) (string, error) {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	for _, k := range m.pairs {
		if k.KeyID == keyID {
			return k.ActorID, m.broken
		}
	}
	return "", cmp.Or(m.broken, fmt.Errorf("memory: %w", actor.ErrNotFound))
}

func (m *memoryKeys) count(what *int) int {
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	return *what
}

// newKeys is an empty store and a ring over it whose RSA keys cost nothing.
func newKeys() (*memoryKeys, *actor.Keyring) {
	store := &memoryKeys{makeKeys: true}
	return store, cheap(&actor.Keyring{Store: store, Names: actor.Names{Origin: "https://a.test"}})
}

// rsaPool has keys enough for tests that need several different ones.
var rsaPool = sync.OnceValue(func() []*rsa.PrivateKey {
	two := testKeys()
	keys := two[:]
	for range 4 {
		k, err := signature.GenerateKey()
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

// cheap makes ring take the keys of the pool in turn.
func cheap(ring *actor.Keyring) *actor.Keyring {
	var next atomic.Int64
	pool := rsaPool()
	ring.Generate = func() (*rsa.PrivateKey, error) { return pool[int(next.Add(1)-1)%len(pool)], nil }
	return ring
}

func same(a, b crypto.PublicKey) bool {
	return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
}

func privateOf(t *testing.T, ring *actor.Keyring, id string) signature.Key {
	t.Helper()
	k, err := ring.Private(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
