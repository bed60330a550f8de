package storage_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/moderation"
)

type brokenRule struct {
	moderation.Rules
	change  func(ctx context.Context, entries []moderation.Entry) error
	list    func(ctx context.Context, q moderation.Query) ([]moderation.Rule, error)
	head    func(ctx context.Context) (moderation.Head, error)
	trail   func(ctx context.Context, after int64, limit int) ([]moderation.Entry, error)
	enforce func(ctx context.Context, seq int64) error
	forget  func(ctx context.Context, keep int) error
}

func (b *brokenRule) ChangeRules(ctx context.Context, entries []moderation.Entry) error {
	if b.change != nil {
		return b.change(ctx, entries)
	}
	return b.Rules.ChangeRules(ctx, entries)
}

func (b *brokenRule) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Rules.ListRules(ctx, q)
}

func (b *brokenRule) RulesHead(ctx context.Context) (moderation.Head, error) {
	if b.head != nil {
		return b.head(ctx)
	}
	return b.Rules.RulesHead(ctx)
}

func (b *brokenRule) Trail(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
	if b.trail != nil {
		return b.trail(ctx, after, limit)
	}
	return b.Rules.Trail(ctx, after, limit)
}

func (b *brokenRule) SetEnforced(ctx context.Context, seq int64) error {
	if b.enforce != nil {
		return b.enforce(ctx, seq)
	}
	return b.Rules.SetEnforced(ctx, seq)
}

func (b *brokenRule) ForgetTrail(ctx context.Context, keep int) error {
	if b.forget != nil {
		return b.forget(ctx, keep)
	}
	return b.Rules.ForgetTrail(ctx, keep)
}

// changed breaks each entry that is put.
func changed(change func(e *moderation.Entry)) func(s moderation.Rules) moderation.Rules {
	return func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, change: func(ctx context.Context, entries []moderation.Entry) error {
			entries = slices.Clone(entries)
			for i := range entries {
				change(&entries[i])
			}
			return s.ChangeRules(ctx, entries)
		}}
	}
}

var brokenRules = []struct {
	check string
	fault func(s moderation.Rules) moderation.Rules
}{
	{"what is written since a head, if that can be, is written at that head alone", func(s moderation.Rules) moderation.Rules {
		return hastyRules{s}
	}},
	{"a rule comes back as it was put", changed(func(e *moderation.Entry) { e.Rule.At = e.Rule.At.Truncate(time.Second) })},
	{"a rule comes back as it was put", changed(func(e *moderation.Entry) { e.Rule.RejectReports = e.Rule.RejectReports && !e.Rule.RejectMedia })},
	{"a rule comes back as it was put", changed(func(e *moderation.Entry) { e.Rule.Private = strings.ReplaceAll(e.Rule.Private, "\x00", "") })},
	{"a rule about the same is replaced, and only that of the same Local", changed(func(e *moderation.Entry) { e.Rule.Local = "" })},
	{"a rule about the same is replaced, and only that of the same Local", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, change: func(ctx context.Context, entries []moderation.Entry) error {
			entries = slices.Clone(entries)
			slices.Reverse(entries)
			return s.ChangeRules(ctx, entries)
		}}
	}},
	{"of ten simultaneous rules about the same one is kept, and all are in the trail", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, list: func(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
			list, err := s.ListRules(ctx, q)
			return append(list, list...), err
		}}
	}},
	{"of ten simultaneous rules about the same one is kept, and all are in the trail", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, trail: func(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
			list, err := s.Trail(ctx, after, limit)
			return list[:min(1, len(list))], err
		}}
	}},
	{"a lifted rule is gone and stays in the trail", changed(func(e *moderation.Entry) { e.Lifted = false })},
	{"a lifted rule is gone and stays in the trail", changed(func(e *moderation.Entry) { e.Reason = "" })},
	{"a lifted rule is gone and stays in the trail", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, trail: func(ctx context.Context, after int64, limit int) ([]moderation.Entry, error) {
			return s.Trail(ctx, max(after-1, 0), limit)
		}}
	}},
	{"pages neither skip nor repeat", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, list: func(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
			list, err := s.ListRules(ctx, q)
			if q.After != "" && len(list) > 0 {
				list[0].About = q.After
			}
			return list, err
		}}
	}},
	{"pages neither skip nor repeat", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, list: func(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
			list, err := s.ListRules(ctx, q)
			slices.SortFunc(list, func(a, b moderation.Rule) int {
				return strings.Compare(strings.ToLower(a.About), strings.ToLower(b.About))
			})
			return list, err
		}}
	}},
	{"the head tells what has changed", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, head: func(ctx context.Context) (moderation.Head, error) {
			h, err := s.RulesHead(ctx)
			h.Site = max(h.Site, h.Own)
			return h, err
		}}
	}},
	{"what is enforced stays so", func(s moderation.Rules) moderation.Rules {
		last := int64(0)
		return &brokenRule{Rules: s,
			enforce: func(ctx context.Context, seq int64) error { last = seq; return s.SetEnforced(ctx, seq) },
			head: func(ctx context.Context) (moderation.Head, error) {
				h, err := s.RulesHead(ctx)
				h.Enforced = last
				return h, err
			},
		}
	}},
	{"the trail forgets the oldest, but nothing that is not enforced", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, forget: func(ctx context.Context, keep int) error {
			list, _ := s.Trail(ctx, 0, 100)
			s.SetEnforced(ctx, list[len(list)-1].Seq)
			return s.ForgetTrail(ctx, keep)
		}}
	}},
	{"the trail forgets the oldest, but nothing that is not enforced", func(s moderation.Rules) moderation.Rules {
		return &brokenRule{Rules: s, forget: func(context.Context, int) error { return nil }}
	}},
}

type brokenHost struct {
	moderation.Hosts
	see func(ctx context.Context, host string, now time.Time, max int) error
}

func (b *brokenHost) See(ctx context.Context, host string, now time.Time, max int) error {
	return b.see(ctx, host, now, max)
}

var brokenHosts = []struct {
	check string
	fault func(s moderation.Hosts) moderation.Hosts
}{
	{"a host was first seen when it was first seen", func(s moderation.Hosts) moderation.Hosts {
		return &brokenHost{Hosts: s, see: func(ctx context.Context, host string, now time.Time, max int) error {
			return s.See(ctx, host, now.Truncate(time.Second), max)
		}}
	}},
	{"those that were seen longest ago are forgotten", func(s moderation.Hosts) moderation.Hosts {
		return &brokenHost{Hosts: s, see: func(ctx context.Context, host string, now time.Time, max int) error {
			return s.See(ctx, host, now, 1000)
		}}
	}},
	{"those that were seen longest ago are forgotten", func(s moderation.Hosts) moderation.Hosts {
		return &brokenHost{Hosts: s, see: func(ctx context.Context, host string, now time.Time, max int) error {
			if at, _ := s.FirstSeen(ctx, host); !at.IsZero() {
				return nil // its last time stays the first
			}
			return s.See(ctx, host, now, max)
		}}
	}},
}
