// Package moderation answers one question: may these two talk to each other?
//
// A [Policy] holds rules about domains and is asked by every room before it believes, fetches or
// sends anything: [Policy.Judge] where there is a whole question, [Policy.Allow] where there is
// only a host. A nil *Policy lets everyone talk.
//
// It decides and does not act: what a refusal means on the wire is the affair of the room that asked.
//
// Experimental: names may change before version 1.0.
package moderation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// ErrRefused is wrapped by every refusal, so that a refusal can be told from a store that failed.
var ErrRefused = errors.New("refused by a moderation rule")

// ErrBadDomain is returned for a rule about something that is no domain name.
var ErrBadDomain = errors.New("moderation: not a domain name")

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
	Host    string // the other server, with or without its port
	Actor   string // the remote actor's id; its host is judged too
	Local   string // the id of the actor here whom it concerns, "" for all
	Type    string // of the activity, where there is one
}

// Verdict is the answer. Its zero value means yes.
type Verdict struct {
	Refuse bool
	Reason string // of the rule, for logs and operators
}

// Severity is what a rule does.
type Severity uint8

// Suspend refuses everything from and to a domain. The zero Severity is no rule.
const Suspend Severity = 1

// Rule is a decision about a domain and everything below it.
type Rule struct {
	Domain   string // lower case, in ASCII, without a port
	Severity Severity
	Reason   string
	At       time.Time
}

// Rules keeps rules. Its methods may be called by many at once, and from many processes.
type Rules interface {
	// PutRule adds a rule or replaces the one about the same domain.
	PutRule(ctx context.Context, r Rule) error
	// DeleteRule forgets the rule about exactly this domain. There being none is no error.
	DeleteRule(ctx context.Context, domain string) error
	// MatchRules returns the rules about any of these domains, in any order.
	MatchRules(ctx context.Context, domains []string) ([]Rule, error)
}

// Policy applies rules. It may be used by many goroutines at once.
type Policy struct {
	// Rules holds the rules. Nil means none.
	Rules Rules
}

// Judge answers q. An error means that no answer could be had, which is never a yes: whoever asked must
// fail for now (503) and be asked again.
func (p *Policy) Judge(ctx context.Context, q Question) (Verdict, error) {
	if p == nil || p.Rules == nil {
		return Verdict{}, nil
	}
	domains := above(nil, q.Host)
	if q.Actor != "" {
		domains = above(domains, hostOf(q.Actor))
	}
	if len(domains) == 0 {
		return Verdict{}, nil
	}
	rules, err := p.Rules.MatchRules(ctx, domains)
	if err != nil {
		return Verdict{}, fmt.Errorf("moderation: rules about %s: %w", q.Host, err)
	}
	for _, r := range rules {
		if r.Severity == Suspend {
			return Verdict{Refuse: true, Reason: r.Reason}, nil
		}
	}
	return Verdict{}, nil
}

// Allow returns nil if host, with or without a port, may be talked to at all, and an error that wraps
// [ErrRefused] if not. Any other error means that no answer could be had.
func (p *Policy) Allow(ctx context.Context, host string) error {
	v, err := p.Judge(ctx, Question{Purpose: Fetch, Host: host})
	switch {
	case err != nil:
		return err
	case v.Refuse:
		return fmt.Errorf("moderation: %s: %w", host, ErrRefused)
	}
	return nil
}

// Suspend refuses all traffic with domain and its subdomains from now on. Deliveries that wait are dropped
// when their turn comes.
func (p *Policy) Suspend(ctx context.Context, domain, reason string) error {
	ascii, err := normal(domain)
	if err != nil {
		return err
	}
	return p.Rules.PutRule(ctx, Rule{Domain: ascii, Severity: Suspend, Reason: reason, At: time.Now()})
}

// Lift forgets the rule about domain.
func (p *Policy) Lift(ctx context.Context, domain string) error {
	ascii, err := normal(domain)
	if err != nil {
		return err
	}
	return p.Rules.DeleteRule(ctx, ascii)
}

func normal(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || ascii == "" || strings.ContainsAny(ascii, "/:@ ") {
		return "", fmt.Errorf("%w: %q", ErrBadDomain, domain)
	}
	return strings.ToLower(ascii), nil
}

// above appends host, without its port, and every domain above it.
func above(list []string, host string) []string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	for n := 0; host != "" && n < 128; n++ {
		list = append(list, host)
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			break
		}
		host = rest
	}
	return list
}

func hostOf(id string) string {
	_, rest, ok := strings.Cut(id, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest[strings.LastIndex(rest, "@")+1:]
}
