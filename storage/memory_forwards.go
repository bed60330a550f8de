package storage

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// memoryForwards is an inbox.Forwards.
type memoryForwards struct {
	mu   sync.Mutex
	list map[forwarded]map[string]time.Time // when, by the local actor
}

type forwarded struct{ object, author string }

func (m *memoryForwards) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := forwarded{f.Object, f.Author}
	if m.list[k] == nil {
		m.list[k] = map[string]time.Time{}
	}
	m.list[k][f.Local] = kept(f.At)
	return nil
}

func (m *memoryForwards) ForwardedTo(ctx context.Context, object, author string) (locals []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for local := range m.list[forwarded{object, author}] {
		locals = append(locals, local)
	}
	slices.Sort(locals)
	return locals, nil
}

func (m *memoryForwards) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	type one struct {
		key   forwarded
		local string
		at    time.Time
	}
	var all []one
	for k, locals := range m.list {
		for local, at := range locals {
			all = append(all, one{k, local, at})
		}
	}
	slices.SortFunc(all, func(a, b one) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.key.object, b.key.object), cmp.Compare(a.local, b.local))
	})
	for i, o := range all {
		if o.at.Before(kept(before)) || keep > 0 && i >= keep {
			if delete(m.list[o.key], o.local); len(m.list[o.key]) == 0 {
				delete(m.list, o.key)
			}
		}
	}
	return nil
}
