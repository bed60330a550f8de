package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// memoryRemotes is an actor.Remotes.
type memoryRemotes struct {
	mu     sync.Mutex
	actors map[string]actor.Remote
	byKey  map[string]map[string]bool // the actors that list a key
}

func (m *memoryRemotes) Remote(ctx context.Context, id string) (actor.Remote, error) {
	if err := ctx.Err(); err != nil {
		return actor.Remote{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.actors[id]
	if !ok {
		return actor.Remote{}, fmt.Errorf("storage: remote actor %s: %w", id, actor.ErrNotFound)
	}
	return keptRemote(r), nil
}

func (m *memoryRemotes) RemoteByKey(ctx context.Context, keyID string) (actor.Remote, error) {
	if err := ctx.Err(); err != nil {
		return actor.Remote{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.byKey[keyID] {
		return keptRemote(m.actors[id]), nil
	}
	return actor.Remote{}, fmt.Errorf("storage: remote actor with key %s: %w", keyID, actor.ErrNotFound)
}

func (m *memoryRemotes) PutRemote(ctx context.Context, r actor.Remote) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(r.ID)
	r = keptRemote(r)
	r.ID = strings.Clone(r.ID)
	m.actors[r.ID] = r
	for i, key := range r.KeyIDs {
		key = strings.Clone(key) // nothing else of the document in which it stood
		if m.byKey[key] == nil {
			m.byKey[key] = map[string]bool{}
		}
		r.KeyIDs[i], m.byKey[key][r.ID] = key, true
	}
	return nil
}

func (m *memoryRemotes) RemoteIDs(ctx context.Context, after string, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id, r := range m.actors {
		if id > after && r.Gone.IsZero() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), max(0, limit))], nil
}

func (m *memoryRemotes) DeleteRemote(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(id)
	return nil
}

func (m *memoryRemotes) PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for id, r := range m.actors {
		if n >= limit {
			break
		}
		if r.Fetched.Before(before) && r.Gone.Before(before) {
			m.remove(id)
			n++
		}
	}
	return n, nil
}

func (m *memoryRemotes) remove(id string) {
	for _, key := range m.actors[id].KeyIDs {
		delete(m.byKey[key], id)
		if len(m.byKey[key]) == 0 {
			delete(m.byKey, key)
		}
	}
	delete(m.actors, id)
}

// keptRemote shares nothing with r.
func keptRemote(r actor.Remote) actor.Remote {
	r.Document = slices.Clone(r.Document)
	r.KeyIDs = slices.Clone(r.KeyIDs)
	r.Fetched, r.Gone, r.Proved = kept(r.Fetched), kept(r.Gone), kept(r.Proved)
	return r
}
