package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// memoryMoves is an actor.Moves.
type memoryMoves struct {
	mu    sync.Mutex
	moves map[string]actor.Move // by From
}

func (m *memoryMoves) Move(ctx context.Context, from string) (actor.Move, error) {
	if err := ctx.Err(); err != nil {
		return actor.Move{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.moves[from]
	if !ok {
		return actor.Move{}, fmt.Errorf("storage: move of %s: %w", from, actor.ErrNotFound)
	}
	return v, nil
}

func (m *memoryMoves) AddMove(ctx context.Context, v actor.Move, since time.Time) (actor.Move, error) {
	if err := ctx.Err(); err != nil {
		return actor.Move{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.moves[v.From]; ok && (old.ID == v.ID || old.At.After(kept(since))) {
		return old, nil
	}
	v.At, v.Back, v.Version = kept(v.At), kept(v.Back), 1
	m.moves[v.From] = v
	return v, nil
}

func (m *memoryMoves) SaveMove(ctx context.Context, v actor.Move) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.moves[v.From]
	if !ok || old.ID != v.ID || old.Version != v.Version {
		return false, nil
	}
	v.To, v.At, v.Back = old.To, old.At, kept(v.Back)
	v.Version++
	m.moves[v.From] = v
	return true, nil
}

func (m *memoryMoves) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Limit <= 0 {
		q.Limit = movePage
	}
	var page []actor.Move
	for _, from := range slices.Sorted(maps.Keys(m.moves)) {
		v := m.moves[from]
		if from > q.After && (q.To == "" || q.To == v.To) && (!q.Unfinished || v.Step != actor.MoveDone) && len(page) < q.Limit {
			page = append(page, v)
		}
	}
	return page, nil
}
