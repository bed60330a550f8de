package actor_test

import (
	"context"
	"slices"
	"time"
)

func (m *memory) PruneRemotes(_ context.Context, before time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for id, r := range m.remotes {
		if n < limit && r.Fetched.Before(before) && r.Gone.Before(before) {
			delete(m.remotes, id)
			n++
		}
	}
	return n, m.fail
}

func (m *memory) RemoteIDs(_ context.Context, after string, limit int) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.remotes {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], m.fail
}

// held is how many actors are stored.
func (m *memory) held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.remotes)
}
