package storage

import (
	"context"
	"slices"
	"sync"

	"github.com/fedihook/fedihook/moderation"
)

// memoryRules is a moderation.Rules.
type memoryRules struct {
	mu    sync.Mutex
	rules map[string]moderation.Rule // by domain
}

func (m *memoryRules) PutRule(ctx context.Context, r moderation.Rule) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.At = kept(r.At)
	m.rules[r.Domain] = r
	return nil
}

func (m *memoryRules) DeleteRule(ctx context.Context, domain string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rules, domain)
	return nil
}

func (m *memoryRules) MatchRules(ctx context.Context, domains []string) ([]moderation.Rule, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []moderation.Rule
	for i, d := range domains {
		if r, ok := m.rules[d]; ok && !slices.Contains(domains[:i], d) {
			list = append(list, r)
		}
	}
	return list, nil
}
