// Package moderation answers one question: may these two talk to each other, and how?
//
// A [Policy] holds [Rule]s about domains, actors and objects, the site's and each user's own, and is asked by every room before
// it believes, fetches, shows or sends anything: [Policy.Judge] where there is a whole question, [Policy.Allow] where there is
// only a host. [ReadBlocks] and [WriteBlocks] exchange rules with other servers. A nil *Policy lets everyone talk.
//
// It decides and does not act: what a refusal means on the wire is the affair of the room that asked, and what a new rule
// ends, relations and deliveries under way, that of whoever made it.
//
// Experimental: names may change before version 1.0.
package moderation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRefused is wrapped by every refusal, so that a refusal can be told from a store that failed.
var ErrRefused = errors.New("refused by a moderation rule")

// Purpose is what would be done if the answer were yes.
type Purpose uint8

// The purposes. The zero Purpose is Receive.
const (
	Receive Purpose = iota // take in an activity
	Fetch                  // get a document from there
	Deliver                // send an activity there
	Serve                  // show something to a server that signed its request
)

// Question is what [Policy.Judge] is asked. Only Host or Actor must be set.
type Question struct {
	Purpose Purpose
	Host    string   // the other server, with or without its port
	Actor   string   // the remote actor's id; its host is judged too
	Objects []string // ids of whom and what else it is about; the host of each is judged too
	Local   string   // the id of the actor here whom it concerns, whose own rules count too; "" for all
	Type    string   // of the activity, where there is one
	Here    bool     // Actor is of this site: its rules, AllowList and NewFor are not about that one, only Local's own rules are
}

// Verdict is the answer: what the rules about all whom a [Question] names say together. Its zero value means yes.
type Verdict struct {
	Refuse    bool
	Own       bool   // Question.Local's own rules refuse it
	Limit     bool   // follows need approval, and nothing shows to whoever did not ask for it
	NoMedia   bool   // attachments, avatars and emoji are left out
	NoReports bool   // reports are dropped
	Reason    string // the private one of the first rule that said any of this, for logs and operators
}

// Any tells whether the verdict is anything but a plain yes.
func (v Verdict) Any() bool { return v.Refuse || v.Limit || v.NoMedia || v.NoReports }

// Differs tells whether two verdicts say different things, for whatever reason.
func (v Verdict) Differs(o Verdict) bool {
	v.Reason, o.Reason = "", ""
	return v != o
}

// And is the verdict of two together.
func (v Verdict) And(o Verdict) Verdict {
	out := Verdict{
		Refuse: v.Refuse || o.Refuse, Own: v.Own || o.Own, Limit: v.Limit || o.Limit, NoMedia: v.NoMedia || o.NoMedia, NoReports: v.NoReports || o.NoReports,
		Reason: v.Reason,
	}
	if out.Reason == "" || !v.Any() {
		out.Reason = o.Reason
	}
	return out
}

// Policy applies rules. It may be used by many goroutines at once, and must not be copied or changed after first use.
type Policy struct {
	// Rules holds the rules. Nil means none. They are in memory, the site's all, users' as they are asked for: what another process
	// changes is noticed within a second, by asking the store once in that time. While it does not answer, nor does the Policy.
	Rules Rules

	// AllowList refuses every host about which there is no rule with Allow. Only the very host counts, as in Mastodon's limited
	// federation mode (seen 4.6.5): with a rule about a.example, b.a.example is refused.
	AllowList bool

	// NewFor is for waves of spam: what is in Newcomers holds too for each host that was first heard from, see [Policy.Saw], less than
	// this ago, or never, unless there is a rule about it. Zero: for none.
	NewFor time.Duration
	// Newcomers is what NewFor is for. The zero Verdict means to limit.
	Newcomers Verdict
	// Hosts remembers when hosts were first heard from, which it should do long before NewFor is needed. Nil: none is remembered, and
	// with NewFor all are new.
	Hosts Hosts
	// MaxHosts bounds Hosts; those who were heard from longest ago are forgotten. Zero means 100,000.
	MaxHosts int

	// MaxRules bounds the site's rules, MaxOwn those of each user. Zero means 100,000 and 10,000. With more in the store than that
	// Judge fails: what was left out might be what counts.
	MaxRules, MaxOwn int

	loading sync.Mutex
	rules   atomic.Pointer[snapshot]
	hosts   seen
}

// Judge answers q. An error means that no answer could be had, which is never a yes: whoever asked must fail for now (503) and
// be asked again.
//
// Of the rules about domains the one about the longest counts, so that one with no Severity is an exception to another above it.
// A rule about an actor or an object counts before that of its domain, but lets nobody talk whose host may not. All whom the
// question names are judged, and what is said of any of them is said of the whole.
//
// Whoever is suspended may still end what was: an activity of the type Delete, Undo or Reject is never refused for its Actor or
// Host. Who takes it in must verify it with a key that is known, and ask nothing of the server.
func (p *Policy) Judge(ctx context.Context, q Question) (Verdict, error) {
	if p == nil || p.Rules == nil && !p.AllowList && p.NewFor <= 0 {
		return Verdict{}, nil
	}
	s, err := p.current(ctx)
	if err != nil {
		return Verdict{}, fmt.Errorf("moderation: rules about %.200s%.200s: %w", q.Host, q.Actor, err)
	}
	v, err := p.judge(ctx, &s.site, q)
	if err != nil || q.Local == "" {
		return v, err
	}
	own, err := p.own(ctx, s, q.Local)
	if err != nil {
		return Verdict{}, fmt.Errorf("moderation: rules of %.200s: %w", q.Local, err)
	}
	if own.empty() {
		return v, nil
	}
	w := own.about(q)
	w.Own = w.Refuse
	return v.And(w), nil
}

// judge applies the site's rules alone.
func (p *Policy) judge(ctx context.Context, site *set, q Question) (v Verdict, err error) {
	farewell := q.Purpose == Receive && ends(q.Type)
	for _, who := range [...]string{q.Host, q.Actor} {
		if who == "" || q.Here {
			continue
		}
		w, err := p.judgeOne(ctx, site, who)
		if err != nil {
			return Verdict{}, err
		}
		if farewell {
			w.Refuse = false
		}
		v = v.And(w)
	}
	for _, id := range q.Objects {
		w, err := p.judgeOne(ctx, site, id)
		if err != nil {
			return Verdict{}, err
		}
		v = v.And(w)
	}
	return v, nil
}

// judgeOne judges a host, or an id with its host.
func (p *Policy) judgeOne(ctx context.Context, site *set, who string) (Verdict, error) {
	host := hostOf(who)
	if host == "" {
		return Verdict{}, nil
	}
	r, of := site.match(who, host)
	var v Verdict
	if r != nil {
		v = r.verdict()
	}
	if of != nil && of.Severity == Suspend {
		v = v.And(of.verdict())
	}
	if p.AllowList {
		if exact := site.domains[host]; exact == nil || !exact.Allow {
			v = v.And(Verdict{Refuse: true, Reason: "not on the list of allowed hosts"})
		}
	}
	if r == nil && p.NewFor > 0 {
		newcomer, err := p.isNew(ctx, host)
		if err != nil {
			return Verdict{}, err
		}
		if newcomer {
			v = v.And(p.newcomers())
		}
	}
	return v, nil
}

// ends tells the types with which the suspended end what was.
func ends(typ string) bool { return typ == "Delete" || typ == "Undo" || typ == "Reject" }

// Allow returns nil if host, with or without a port, may be talked to at all, and an error that wraps
// [ErrRefused] if not. Any other error means that no answer could be had.
func (p *Policy) Allow(ctx context.Context, host string) error {
	return p.Permit(ctx, Question{Purpose: Fetch, Host: host})
}

// Permit is [Policy.Judge] for who only wants to know whether: nil, an error that wraps [ErrRefused], or another if no answer could
// be had.
func (p *Policy) Permit(ctx context.Context, q Question) error {
	v, err := p.Judge(ctx, q)
	switch {
	case err != nil:
		return err
	case v.Refuse && q.Actor != "":
		return fmt.Errorf("moderation: %.200s: %w", q.Actor, ErrRefused)
	case v.Refuse:
		return fmt.Errorf("moderation: %.200s: %w", q.Host, ErrRefused)
	}
	return nil
}

// Particular tells whether there are rules about actors or objects of a host, of the site or, if local is the id of an actor here, of
// that one: if not, it is of no use to find out whose an object there is.
func (p *Policy) Particular(ctx context.Context, host, local string) (bool, error) {
	if p == nil || p.Rules == nil {
		return false, nil
	}
	s, err := p.current(ctx)
	if err != nil {
		return false, fmt.Errorf("moderation: rules about %.200s: %w", host, err)
	}
	host = hostOf(host)
	if s.site.hosts[host] > 0 || local == "" {
		return s.site.hosts[host] > 0, nil
	}
	own, err := p.own(ctx, s, local)
	if err != nil {
		return false, fmt.Errorf("moderation: rules of %.200s: %w", local, err)
	}
	return own != nil && own.hosts[host] > 0, nil
}
