package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/outbox"
)

// memoryRelays is an outbox.Relays.
type memoryRelays struct {
	mu     sync.Mutex
	relays map[string]outbox.Relay // by ID
}

func (m *memoryRelays) PutRelay(ctx context.Context, r outbox.Relay) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.At = kept(r.At)
	if old, ok := m.relays[r.ID]; ok && old.FollowID == r.FollowID {
		old.Wanted = r.Wanted
		r = old
	}
	m.relays[r.ID] = r
	return nil
}

func (m *memoryRelays) AnswerRelay(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.relays {
		if r.FollowID != followID {
			continue
		}
		if r.State, r.At = state, kept(at); r.Actor == "" {
			r.Actor = actor
		}
		m.relays[id] = r
		return nil
	}
	return fmt.Errorf("storage: relay that was sent %s: %w", followID, outbox.ErrNoRelay)
}

func (m *memoryRelays) DeleteRelay(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.relays, id)
	return nil
}

func (m *memoryRelays) Relays(ctx context.Context) (list []outbox.Relay, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.relays)) {
		list = append(list, m.relays[id])
	}
	return list, nil
}
