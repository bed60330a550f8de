package moderation

import (
	"context"
	"fmt"
	"time"
)

// Put makes rules, or replaces those with their Keys, all or none, and notes who did. They are judged by from now on, here at once
// and in other processes within a second. What was before stays: see [Policy] for who ends it. The error wraps [ErrBadDomain],
// [ErrBadRule] or [ErrTooMany], or is the store's.
func (p *Policy) Put(ctx context.Context, rules ...Rule) error {
	if p == nil || p.Rules == nil {
		return ErrNoRules
	}
	now := time.Now()
	entries := make([]Entry, 0, len(rules))
	for _, r := range rules {
		r, err := r.normal(now)
		if err != nil {
			return err
		}
		entries = append(entries, Entry{At: now.UTC().Truncate(time.Microsecond), By: r.By, Rule: r})
	}
	return p.change(ctx, entries)
}

// Lift forgets rules, and notes who did so and why. There being none is no error.
func (p *Policy) Lift(ctx context.Context, by, reason string, keys ...Key) error {
	if p == nil || p.Rules == nil {
		return ErrNoRules
	}
	if len(reason) > maxReason || len(by) > maxAbout {
		return fmt.Errorf("%w: more than %d bytes of reasons", ErrBadRule, maxReason)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	var entries []Entry
	for _, k := range keys {
		r, ok, err := p.Find(ctx, k)
		if err != nil {
			return err
		}
		if ok {
			entries = append(entries, Entry{At: now, By: by, Reason: reason, Lifted: true, Rule: r})
		}
	}
	return p.change(ctx, entries)
}

// Suspend makes the usual rule of the site about a domain.
func (p *Policy) Suspend(ctx context.Context, domain, reason string) error {
	return p.Put(ctx, Rule{Key: Key{About: domain}, Severity: Suspend, Private: reason})
}

// Find returns the rule with a Key, as the store has it now.
func (p *Policy) Find(ctx context.Context, k Key) (r Rule, ok bool, err error) {
	if p == nil || p.Rules == nil {
		return Rule{}, false, nil
	}
	if k, err = k.Normal(); err != nil {
		return Rule{}, false, err
	}
	s, err := p.renew(ctx)
	if err != nil {
		return Rule{}, false, fmt.Errorf("moderation: rule about %s: %w", k.About, err)
	}
	of := &s.site
	if k.Local != "" {
		if of, err = p.own(ctx, s, k.Local); err != nil {
			return Rule{}, false, fmt.Errorf("moderation: rules of %.200s: %w", k.Local, err)
		}
	}
	if of.empty() {
		return Rule{}, false, nil
	}
	found := of.domains[k.About]
	if found == nil {
		found = of.ids[k.About]
	}
	if found == nil {
		return Rule{}, false, nil
	}
	return *found, true, nil
}

// Renew asks the store whether another process has changed rules; what it has done so far is judged by from then on. It is for who
// writes something that a rule may forbid, while another process makes that rule and ends what it finds: of those two at least one
// sees the other's deed if each first writes and then looks.
func (p *Policy) Renew(ctx context.Context) error {
	if p == nil || p.Rules == nil {
		return nil
	}
	if _, err := p.renew(ctx); err != nil {
		return fmt.Errorf("moderation: %w", err)
	}
	return nil
}

// renew is current, but asks the store.
func (p *Policy) renew(ctx context.Context) (*snapshot, error) {
	p.loading.Lock()
	defer p.loading.Unlock()
	return p.reload(ctx, time.Now())
}

// change writes and reads again. When it returns nil, whoever is judged is judged by what was written.
func (p *Policy) change(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	var s *snapshot
	var err error
	for ok := false; !ok && err == nil; {
		if s, err = p.reload(ctx, time.Now()); err != nil {
			return fmt.Errorf("moderation: %w", err)
		}
		if err := p.room(ctx, s, entries); err != nil {
			return err
		}
		ok, err = p.write(ctx, s.head, entries) // not if another process was faster: there may be no room any more
	}
	// Also after an error, for it may have come after the commit. Whoever asks next reads, or fails.
	stale := *s
	stale.checked = time.Time{}
	p.rules.Store(&stale)
	if err != nil {
		return fmt.Errorf("moderation: change rules: %w", err)
	}
	if _, err := p.reload(context.WithoutCancel(ctx), time.Now()); err != nil {
		return nil // it is written; who asks next will see to it
	}
	return nil
}

func (p *Policy) write(ctx context.Context, h Head, entries []Entry) (ok bool, err error) {
	if guarded, can := p.Rules.(GuardedRules); can {
		return guarded.ChangeRulesSince(ctx, h, entries)
	}
	return true, p.Rules.ChangeRules(ctx, entries)
}

// room refuses more rules than there may be: the store would be read no more.
func (p *Policy) room(ctx context.Context, s *snapshot, entries []Entry) error {
	more := make(map[string]map[string]bool)
	for _, e := range entries {
		if e.Lifted {
			continue
		}
		if more[e.Rule.Local] == nil {
			more[e.Rule.Local] = make(map[string]bool)
		}
		more[e.Rule.Local][e.Rule.About] = true
	}
	for local, abouts := range more {
		have, most := &s.site, or(p.MaxRules, defaultMaxRules)
		if local != "" {
			most = or(p.MaxOwn, defaultMaxOwn)
			own, err := p.own(ctx, s, local)
			if err != nil {
				return fmt.Errorf("moderation: rules of %.200s: %w", local, err)
			}
			if have = own; have == nil {
				have = new(set)
			}
		}
		n := have.len()
		for about := range abouts {
			if have.domains[about] == nil && have.ids[about] == nil {
				n++
			}
		}
		if n > most {
			return fmt.Errorf("%w: more than %d", ErrTooMany, most)
		}
	}
	return nil
}
