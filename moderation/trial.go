package moderation

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Ties counts relations between actors here and actors elsewhere.
type Ties struct {
	Followers int64 // of ours
	Following int64 // whom ours follow
	Requests  int64 // by others to follow ours, not answered
	Asked     int64 // of ours to follow others, not answered
}

// Sum is how many there are in all.
func (t Ties) Sum() int64 { return t.Followers + t.Following + t.Requests + t.Asked }

// MaxUsers is how many of those whom it costs something an [Effect] names.
const MaxUsers = 1000

// Effect is what a change of rules does, or would do.
type Effect struct {
	Actors     int64 // that are known here and would be judged in another way than before
	Kept       Ties  // to those of them who may still be talked to
	Ended      Ties  // to those who may not
	Deliveries int64 // that waited for them and are cancelled

	// Users are what it ends for each actor here, by id, as far as it does. Of more than MaxUsers some are left out and More is true.
	Users map[string]Ties
	More  bool
}

// End counts a relation of a user here that is ended.
func (e *Effect) End(user string, t Ties) {
	e.Ended = e.Ended.plus(t)
	if _, ok := e.Users[user]; !ok && len(e.Users) == MaxUsers {
		e.More = true
		return
	}
	if e.Users == nil {
		e.Users = make(map[string]Ties)
	}
	e.Users[user] = e.Users[user].plus(t)
}

// Keep counts one that is not.
func (e *Effect) Keep(t Ties) { e.Kept = e.Kept.plus(t) }

func (t Ties) plus(o Ties) Ties {
	return Ties{t.Followers + o.Followers, t.Following + o.Following, t.Requests + o.Requests, t.Asked + o.Asked}
}

// Trial judges as a [Policy] would if some rules were made and others lifted. It sees the rules as they were when it was made.
type Trial struct {
	policy *Policy
	before *snapshot
	site   set             // with the changes
	own    map[string]*set // of whose rules are changed

	changed bool // site is
	ids     []string
}

// Try returns a Trial. The errors are those of [Policy.Put].
func (p *Policy) Try(ctx context.Context, rules []Rule, lifted []Key) (*Trial, error) {
	if p == nil || p.Rules == nil {
		return nil, ErrNoRules
	}
	s, err := p.renew(ctx)
	if err != nil {
		return nil, fmt.Errorf("moderation: %w", err)
	}
	t := &Trial{policy: p, before: s, site: s.site.clone(), own: make(map[string]*set)}
	of := func(local string) (*set, error) {
		if local == "" {
			return &t.site, nil
		}
		if t.own[local] == nil {
			own, err := p.own(ctx, s, local)
			if err != nil {
				return nil, fmt.Errorf("moderation: rules of %.200s: %w", local, err)
			}
			clone := new(set)
			if own != nil {
				*clone = own.clone()
			}
			t.own[local] = clone
		}
		return t.own[local], nil
	}
	for _, k := range lifted {
		if k, err = k.Normal(); err != nil {
			return nil, err
		}
		where, err := of(k.Local)
		if err != nil {
			return nil, err
		}
		where.remove(k.About)
		t.note(k)
	}
	for _, r := range rules {
		if r, err = r.normal(time.Now()); err != nil {
			return nil, err
		}
		where, err := of(r.Local)
		if err != nil {
			return nil, err
		}
		where.add(&r)
		t.note(r.Key)
	}
	return t, nil
}

func (t *Trial) note(k Key) {
	if k.Local != "" {
		return
	}
	t.changed = true
	if !k.AboutDomain() {
		t.ids = append(t.ids, k.About)
	}
}

func (s *set) clone() set {
	return set{domains: maps.Clone(s.domains), ids: maps.Clone(s.ids), hosts: maps.Clone(s.hosts)}
}

// Judge answers q as it would be answered without the changes and with them.
func (t *Trial) Judge(ctx context.Context, q Question) (before, after Verdict, err error) {
	if before, err = t.policy.judge(ctx, &t.before.site, q); err != nil {
		return
	}
	if after, err = t.policy.judge(ctx, &t.site, q); err != nil || q.Local == "" {
		return
	}
	own, err := t.policy.own(ctx, t.before, q.Local)
	if err != nil {
		return before, after, fmt.Errorf("moderation: rules of %.200s: %w", q.Local, err)
	}
	with := own
	if changed := t.own[q.Local]; changed != nil {
		with = changed
	}
	return withOwn(before, own, q), withOwn(after, with, q), nil
}

func withOwn(v Verdict, own *set, q Question) Verdict {
	if own.empty() {
		return v
	}
	w := own.about(q)
	w.Own = w.Refuse
	return v.And(w)
}

// Site tells whether the trial changes rules of the site.
func (t *Trial) Site() bool { return t.changed }

// IDs are the actors and objects about which it changes the site's rules.
func (t *Trial) IDs() []string { return t.ids }

// Locals are the actors here whose own rules it changes.
func (t *Trial) Locals() []string {
	var ids []string
	for id := range t.own {
		ids = append(ids, id)
	}
	return ids
}
