package moderation

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	defaultMaxHosts = 100_000
	maxSeen         = 20_000         // hosts in memory
	seeAgain        = 24 * time.Hour // how exactly it is known which host was heard from longest ago
)

// seen is what is in memory of a [Hosts]. Its zero value is empty.
type seen struct {
	mu    sync.Mutex
	hosts map[string]sighting
}

type sighting struct{ first, last time.Time }

func (s *seen) get(host string) (sighting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.hosts[host]
	return at, ok
}

func (s *seen) put(host string, at sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil || len(s.hosts) >= maxSeen {
		s.hosts = make(map[string]sighting)
	}
	s.hosts[host] = at
}

// Saw notes that a host, with or without a port, was heard from: that something came in whose signature was verified. It asks the
// store once a day for each host.
func (p *Policy) Saw(ctx context.Context, host string) error {
	if p == nil || p.Hosts == nil {
		return nil
	}
	host = hostOf(host)
	now := time.Now()
	at, known := p.hosts.get(host)
	if host == "" || known && !at.first.IsZero() && now.Sub(at.last) < seeAgain {
		return nil
	}
	if err := p.Hosts.See(ctx, host, now, or(p.MaxHosts, defaultMaxHosts)); err != nil {
		return fmt.Errorf("moderation: note that %s was heard from: %w", host, err)
	}
	first, err := p.Hosts.FirstSeen(ctx, host)
	if err != nil {
		return fmt.Errorf("moderation: when %s was first heard from: %w", host, err)
	}
	p.hosts.put(host, sighting{first, now})
	return nil
}

// isNew tells whether a host was first heard from less than NewFor ago.
func (p *Policy) isNew(ctx context.Context, host string) (bool, error) {
	if p.Hosts == nil {
		return true, nil
	}
	at, known := p.hosts.get(host)
	if !known || at.first.IsZero() && time.Since(at.last) >= maxStale {
		first, err := p.Hosts.FirstSeen(ctx, host)
		if err != nil {
			return false, fmt.Errorf("moderation: when %s was first heard from: %w", host, err)
		}
		if at = (sighting{first: first}); first.IsZero() {
			at.last = time.Now() // asked in vain
		}
		p.hosts.put(host, at)
	}
	return at.first.IsZero() || time.Since(at.first) < p.NewFor, nil
}

func (p *Policy) newcomers() Verdict {
	v := p.Newcomers
	if !v.Any() {
		v.Limit = true
	}
	if v.Reason == "" {
		v.Reason = "a host that was not heard from before"
	}
	return v
}
