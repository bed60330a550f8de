package storage

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/fedihook/fedihook/actor"
)

// memoryKeys is an actor.Keys.
type memoryKeys struct {
	mu    sync.Mutex
	pairs map[string]actor.KeyPair // by actor
}

func (m *memoryKeys) Key(ctx context.Context, actorID string) (actor.KeyPair, error) {
	if err := ctx.Err(); err != nil {
		return actor.KeyPair{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.pairs[actorID]
	if !ok {
		return actor.KeyPair{}, fmt.Errorf("storage: key of %s: %w", actorID, actor.ErrNotFound)
	}
	return keptKey(k), nil
}

func (m *memoryKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	if err := ctx.Err(); err != nil {
		return actor.KeyPair{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.pairs[k.ActorID]; !ok {
		m.pairs[k.ActorID] = keptKey(k)
	}
	return keptKey(m.pairs[k.ActorID]), nil
}

// keptKey shares nothing with k.
func keptKey(k actor.KeyPair) actor.KeyPair {
	k.Private = slices.Clone(k.Private)
	k.Created = kept(k.Created)
	return k
}
