package moderation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	maxStale  = time.Second // how old what another process changed may be before it is noticed
	pageRules = 1000
	maxUsers  = 10_000 // whose own rules are in memory

	defaultMaxRules = 100_000
	defaultMaxOwn   = 10_000
)

// snapshot is what was in the store at one time. It does not change, but for the users who are added.
type snapshot struct {
	head    Head
	checked time.Time
	site    set
	users   *users
}

// set are the rules of the site or of one user.
type set struct {
	domains map[string]*Rule
	ids     map[string]*Rule
	hosts   map[string]int // how many of ids each host has
}

func (s *set) empty() bool { return s == nil || len(s.domains) == 0 && len(s.ids) == 0 }

func (s *set) len() int { return len(s.domains) + len(s.ids) }

func (s *set) add(r *Rule) {
	if s.domains == nil {
		s.domains, s.ids, s.hosts = make(map[string]*Rule), make(map[string]*Rule), make(map[string]int)
	}
	if r.AboutDomain() {
		s.domains[r.About] = r
		return
	}
	if s.ids[r.About] == nil {
		s.hosts[hostOf(r.About)]++
	}
	s.ids[r.About] = r
}

func (s *set) remove(about string) {
	delete(s.domains, about)
	if s.ids[about] != nil {
		delete(s.ids, about)
		s.hosts[hostOf(about)]--
	}
}

// match finds the rule that counts for who, whose host that is, nil if none is about it; of is that of the host where r is not.
func (s *set) match(who, host string) (r, of *Rule) {
	for d := host; len(s.domains) > 0; {
		if r = s.domains[d]; r != nil {
			break
		}
		var ok bool
		if _, d, ok = strings.Cut(d, "."); !ok {
			break
		}
	}
	if len(s.ids) > 0 && s.hosts[host] > 0 {
		if id := s.ids[canonical(who)]; id != nil {
			return id, r
		}
	}
	return r, nil
}

// about is what a user's own rules say.
func (s *set) about(q Question) (v Verdict) {
	one := func(who string) {
		host := hostOf(who)
		if host == "" {
			return
		}
		r, of := s.match(who, host)
		if r != nil {
			v = v.And(r.verdict())
		}
		if of != nil && of.Severity == Suspend {
			v = v.And(of.verdict())
		}
	}
	one(q.Host)
	one(q.Actor)
	for _, id := range q.Objects {
		one(id)
	}
	return v
}

// users are the rules of those who were asked for, as long as no user changes any.
type users struct {
	mu   sync.RWMutex
	sets map[string]*set
}

// current is what is in the store, as it was less than a second ago.
func (p *Policy) current(ctx context.Context) (*snapshot, error) {
	if s := p.rules.Load(); s != nil && time.Since(s.checked) < maxStale {
		return s, nil
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	old, now := p.rules.Load(), time.Now()
	if old != nil && now.Sub(old.checked) < maxStale {
		return old, nil
	}
	return p.reload(ctx, now)
}

// reload reads what has changed. The lock is held.
func (p *Policy) reload(ctx context.Context, now time.Time) (*snapshot, error) {
	old := p.rules.Load()
	next := &snapshot{checked: now, users: &users{sets: make(map[string]*set)}}
	if p.Rules != nil {
		var err error
		if next.head, err = p.Rules.RulesHead(ctx); err != nil {
			return nil, err
		}
		if old != nil && old.head.Own == next.head.Own {
			next.users = old.users
		}
		if old != nil && old.head.Site == next.head.Site {
			next.site = old.site
		} else if next.site, err = p.read(ctx, "", or(p.MaxRules, defaultMaxRules)); err != nil {
			return nil, err
		}
	}
	p.rules.Store(next)
	return next, nil
}

// read reads the rules of one Local. More than there may be are an error: what was left out might be the one that counts.
func (p *Policy) read(ctx context.Context, local string, most int) (s set, err error) {
	for q := (Query{Local: local, Limit: pageRules}); ; {
		page, err := p.Rules.ListRules(ctx, q)
		if err != nil {
			return set{}, err
		}
		for i := range page {
			s.add(&page[i])
			q.After = page[i].About
		}
		if s.len() > most {
			return set{}, fmt.Errorf("%w: more than %d", ErrTooMany, most)
		}
		if len(page) < q.Limit {
			return s, nil
		}
	}
}

// own are the rules of a user.
func (p *Policy) own(ctx context.Context, s *snapshot, local string) (*set, error) {
	if p.Rules == nil || s.head.Own == 0 {
		return nil, nil
	}
	s.users.mu.RLock()
	own, ok := s.users.sets[local]
	s.users.mu.RUnlock()
	if ok {
		return own, nil
	}
	read, err := p.read(ctx, local, or(p.MaxOwn, defaultMaxOwn))
	if err != nil {
		return nil, err
	}
	if own = nil; !read.empty() {
		own = &read
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if len(s.users.sets) >= maxUsers {
		clear(s.users.sets)
	}
	s.users.sets[local] = own
	return own, nil
}

func or(n, zero int) int {
	if n <= 0 {
		return zero
	}
	return n
}
