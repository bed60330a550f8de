package storage

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/moderation"
)

// rulePage is how many rules a page has when the query does not say.
const rulePage = 1000

// memoryRules is a moderation.Rules and a moderation.GuardedRules.
type memoryRules struct {
	mu    sync.Mutex
	rules map[moderation.Key]moderation.Rule
	trail []moderation.Entry
	seq   int64
	head  moderation.Head
}

func newMemoryRules() *memoryRules {
	return &memoryRules{rules: make(map[moderation.Key]moderation.Rule)}
}

func (m *memoryRules) ChangeRules(ctx context.Context, entries []moderation.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change(entries)
	return nil
}

func (m *memoryRules) ChangeRulesSince(ctx context.Context, h moderation.Head, entries []moderation.Entry) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.head.AsSince(h, entries) {
		return false, nil
	}
	m.change(entries)
	return true, nil
}

func (m *memoryRules) change(entries []moderation.Entry) {
	for _, e := range entries {
		e.At, e.Rule.At = kept(e.At), kept(e.Rule.At)
		if e.Lifted {
			delete(m.rules, e.Rule.Key)
		} else {
			m.rules[e.Rule.Key] = e.Rule
		}
		m.seq++
		e.Seq = m.seq
		m.trail = append(m.trail, e)
		if e.Rule.Local == "" {
			m.head.Site = m.seq
		} else {
			m.head.Own = m.seq
		}
	}
}

func (m *memoryRules) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Limit <= 0 {
		q.Limit = rulePage
	}
	var list []moderation.Rule
	for k, r := range m.rules {
		if k.Local == q.Local && k.About > q.After {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b moderation.Rule) int { return cmp.Compare(a.About, b.About) })
	return list[:min(len(list), q.Limit)], nil
}

func (m *memoryRules) RulesHead(ctx context.Context) (moderation.Head, error) {
	if err := ctx.Err(); err != nil {
		return moderation.Head{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head, nil
}

func (m *memoryRules) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.trail, func(e moderation.Entry) bool { return e.Seq > after })
	if i < 0 {
		return nil, nil
	}
	return slices.Clone(m.trail[i:min(len(m.trail), i+max(limit, 0))]), nil
}

func (m *memoryRules) SetEnforced(ctx context.Context, seq int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.head.Enforced = max(m.head.Enforced, seq)
	return nil
}

func (m *memoryRules) ForgetTrail(ctx context.Context, keep int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := len(m.trail) - max(keep, 0)
	n := 0
	for n < old && m.trail[n].Seq <= m.head.Enforced {
		n++
	}
	m.trail = slices.Delete(m.trail, 0, n)
	return nil
}

// memoryHosts is a moderation.Hosts.
type memoryHosts struct {
	mu    sync.Mutex
	hosts map[string]*sighting
}

type sighting struct{ first, last time.Time }

func (m *memoryHosts) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.hosts[host]; s != nil {
		return s.first, nil
	}
	return time.Time{}, nil
}

func (m *memoryHosts) See(ctx context.Context, host string, now time.Time, most int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now = kept(now)
	if s := m.hosts[host]; s != nil {
		s.last = now
	} else {
		m.hosts[host] = &sighting{now, now}
	}
	for len(m.hosts) > max(most, 0) {
		oldest := ""
		for h, s := range m.hosts {
			if o := m.hosts[oldest]; o == nil || s.last.Before(o.last) {
				oldest = h
			}
		}
		delete(m.hosts, oldest)
	}
	return nil
}
