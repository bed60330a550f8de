package storage

import (
	"context"
	"slices"
	"sync"

	"github.com/fedihook/fedihook/outbox"
)

// memoryIntents is an outbox.Intents.
type memoryIntents struct {
	mu      sync.Mutex
	seq     int64
	dropped int64
	list    []outbox.Intent // by Seq
}

func (m *memoryIntents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if tx != nil {
		return outbox.ErrNoTransaction
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	in.Seq = m.seq
	m.list = append(m.list, keptIntent(in))
	return nil
}

func (m *memoryIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.list[:min(max(limit, 0), len(m.list))])
	for i := range list {
		list[i] = keptIntent(list[i])
	}
	return list, nil
}

func (m *memoryIntents) DropIntents(ctx context.Context, seq int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = max(m.dropped, seq)
	m.list = slices.DeleteFunc(m.list, func(in outbox.Intent) bool { return in.Seq <= seq })
	return nil
}

// isDropped tells whether the intent of this Seq was dropped.
func (m *memoryIntents) isDropped(seq int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return seq > 0 && seq <= m.dropped
}

// keptIntent shares nothing with in.
func keptIntent(in outbox.Intent) outbox.Intent {
	in.Activity = slices.Clone(in.Activity)
	in.At, in.NotBefore = kept(in.At), kept(in.NotBefore)
	in.Except = slices.Clone(in.Except)
	return in
}
