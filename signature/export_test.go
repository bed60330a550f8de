package signature

import (
	"context"
	"net/http"
	"slices"
)

// Pass notes a request as Handler does when the handler has answered 200.
func (p *Replays) Pass(v Verified) error {
	e, err := p.begin(v)
	if err == nil {
		p.end(e, true)
	}
	return err
}

// Len is how many requests are remembered.
func (p *Replays) Len() int { return len(p.known) }

// Len is how many hosts are remembered.
func (m *Hosts) Len() int { return len(m.known) }

// Rule is one that VerifyWithout leaves out.
type Rule string

// The rules that tests of attacks switch off, each to show what it is for.
const (
	RuleAuthority Rule = "the host is ours"
	RulePresent   Rule = "what is covered is there"
	RuleLabel     Rule = "the algorithm's name fits the key"
	RuleKey       Rule = "keys are within limits"
	RuleTime      Rule = "the time is in the window"
	RuleKeyID     Rule = "key ids are URLs"
)

// VerifyWithout is Verify less one rule.
func (v *Verifier) VerifyWithout(rule Rule, r *http.Request, body []byte) (Verified, error) {
	claims, errs, err := parseClaims(r.Method, r.Header)
	if err != nil {
		return Verified{}, err
	}
	c := claims[0]
	if errs[0] != nil {
		return Verified{}, errs[0]
	}
	m, err := received(r, v.scheme())
	if err != nil {
		return Verified{}, err
	}
	if rule != RuleAuthority && !v.answersTo(m.authority) {
		return Verified{}, fail(ErrTarget, "host %.80q", m.host)
	}
	if rule == RulePresent {
		c.covered = slices.DeleteFunc(slices.Clone(c.covered), func(name string) bool {
			_, absent := m.lines(name)
			return name[0] != '(' && absent != nil
		})
	}
	if rule == RuleLabel {
		c.algorithm = ""
	}
	switch rule {
	case RuleTime, RuleKeyID:
	default:
		if err := v.admit(&c, m); err != nil {
			return Verified{}, err
		}
	}
	if err := c.checkBody(m, body); err != nil {
		return Verified{}, err
	}
	key, err := v.Keys.PublicKey(context.Background(), c.keyID)
	if err != nil {
		return Verified{}, err
	}
	if rule != RuleKey {
		if err := checkPublicKey(key.Key); err != nil {
			return Verified{}, err
		}
	}
	pathOnly, err := c.verify(m, key.Key, v.Profile)
	if err != nil {
		return Verified{}, err
	}
	return Verified{KeyID: c.keyID, Owner: key.Owner, Scheme: c.scheme, Covered: c.covered, QueryUnsigned: pathOnly}, nil
}
