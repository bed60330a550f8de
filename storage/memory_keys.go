package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// memoryKeys is an actor.Keys and an actor.KeysVersions.
type memoryKeys struct {
	mu    sync.Mutex
	pairs map[string][]actor.KeyPair // by actor, ascending by Serial and Kind
	owner map[string][]string        // actors by key id, one for each of its pairs

	version int64
}

func (m *memoryKeys) ActorKeys(ctx context.Context, actorID string) ([]actor.KeyPair, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []actor.KeyPair
	for _, k := range m.pairs[actorID] {
		list = append(list, keptKey(k))
	}
	return list, nil
}

func (m *memoryKeys) AddKey(ctx context.Context, k actor.KeyPair) (actor.KeyPair, error) {
	if err := ctx.Err(); err != nil {
		return actor.KeyPair{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, have := range m.pairs[k.ActorID] {
		if have.Kind == k.Kind && have.Serial >= k.Serial {
			return keptKey(have), nil
		}
	}
	list := append(m.pairs[k.ActorID], keptKey(k))
	slices.SortFunc(list, func(a, b actor.KeyPair) int {
		return cmp.Or(cmp.Compare(a.Serial, b.Serial), cmp.Compare(a.Kind, b.Kind))
	})
	m.pairs[k.ActorID] = list
	m.owner[k.KeyID] = append(m.owner[k.KeyID], k.ActorID)
	return keptKey(k), nil
}

func (m *memoryKeys) RetireKeys(ctx context.Context, actorID string, serial int64, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.pairs[actorID]
	for i := range list {
		if list[i].Serial <= serial && list[i].Retired.IsZero() {
			list[i].Retired = kept(at)
			m.version++
		}
	}
	return nil
}

func (m *memoryKeys) DropKeys(ctx context.Context, actorID string, serial int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pairs[actorID] = slices.DeleteFunc(m.pairs[actorID], func(k actor.KeyPair) bool {
		if k.Serial > serial {
			return false
		}
		m.version++
		owners := m.owner[k.KeyID]
		if i := slices.Index(owners, actorID); i >= 0 {
			m.owner[k.KeyID] = slices.Delete(owners, i, i+1)
		}
		if len(m.owner[k.KeyID]) == 0 {
			delete(m.owner, k.KeyID)
		}
		return true
	})
	if len(m.pairs[actorID]) == 0 {
		delete(m.pairs, actorID)
	}
	return nil
}

func (m *memoryKeys) KeysVersion(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version, nil
}

func (m *memoryKeys) KeyOwner(ctx context.Context, keyID string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	owners := m.owner[keyID]
	if len(owners) == 0 {
		return "", fmt.Errorf("storage: owner of key %s: %w", keyID, actor.ErrNotFound)
	}
	return owners[0], nil
}

// keptKey shares nothing with k.
func keptKey(k actor.KeyPair) actor.KeyPair {
	k.Private = slices.Clone(k.Private)
	k.Created, k.Retired = kept(k.Created), kept(k.Retired)
	return k
}
