package storage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/consent"
)

// stampPage is how many stamps a page has when the query does not say.
const stampPage = 100

// memoryStamps is a consent.Stamps.
type memoryStamps struct {
	mu    sync.Mutex
	seq   int64
	known map[stampKey]*consent.Stamp
	list  []*consent.Stamp // by Seq
}

type stampKey struct {
	kind                consent.Kind
	interaction, target string
}

func (m *memoryStamps) SaveStamp(ctx context.Context, s consent.Stamp) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := stampKey{s.Kind, s.Interaction, s.Target}
	old := m.known[key]
	if old == nil && s.Version != 0 || old != nil && old.Version != s.Version {
		return fmt.Errorf("storage: stamp for %s: %w", s.Interaction, consent.ErrStale)
	}
	s.At, s.Audience = kept(s.At), slices.Clone(s.Audience)
	s.Version++
	if old != nil {
		s.Seq = old.Seq
		*old = s
		return nil
	}
	m.seq++
	s.Seq = m.seq
	m.known[key] = &s
	m.list = append(m.list, &s)
	return nil
}

func (m *memoryStamps) Stamp(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
	if err := ctx.Err(); err != nil {
		return consent.Stamp{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.known[stampKey{k, interaction, target}]
	if s == nil {
		return consent.Stamp{}, fmt.Errorf("storage: stamp for %s: %w", interaction, consent.ErrNone)
	}
	return copyOf(s), nil
}

func copyOf(s *consent.Stamp) consent.Stamp {
	c := *s
	c.Audience = slices.Clone(s.Audience)
	return c
}

func (m *memoryStamps) Stamps(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Limit <= 0 {
		q.Limit = stampPage
	}
	var page []consent.Stamp
	for _, s := range m.list {
		if len(page) == q.Limit {
			break
		}
		if s.Seq > q.After && selectsStamp(q, s) {
			page = append(page, copyOf(s))
		}
	}
	return page, nil
}

func selectsStamp(q consent.Query, s *consent.Stamp) bool {
	return (q.Kind == 0 || q.Kind == s.Kind) && (q.State == 0 || q.State == s.State) &&
		(q.Interaction == "" || q.Interaction == s.Interaction) && (q.Target == "" || q.Target == s.Target) &&
		(q.Author == "" || q.Author == s.Author) && (q.Actor == "" || q.Actor == s.Actor) &&
		(q.ID == "" || q.ID == s.ID) && (q.Request == "" || q.Request == s.Request)
}

func (m *memoryStamps) ForgetStamps(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(s *consent.Stamp) bool {
		old := s.Theirs && s.At.Before(before)
		if old {
			delete(m.known, stampKey{s.Kind, s.Interaction, s.Target})
		}
		return old
	})
	return nil
}
