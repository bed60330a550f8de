package moderation_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/moderation"
)

type fakeRules struct {
	rules map[string]moderation.Rule
	fail  error
}

func (f *fakeRules) PutRule(_ context.Context, r moderation.Rule) error {
	f.rules[r.Domain] = r
	return f.fail
}

func (f *fakeRules) DeleteRule(_ context.Context, domain string) error {
	delete(f.rules, domain)
	return f.fail
}

func (f *fakeRules) MatchRules(_ context.Context, domains []string) (out []moderation.Rule, _ error) {
	for d, r := range f.rules {
		if slices.Contains(domains, d) {
			out = append(out, r)
		}
	}
	return out, f.fail
}

func TestSuspensionCoversADomainAndAllBelowIt(t *testing.T) {
	t.Parallel()
	p := &moderation.Policy{Rules: &fakeRules{rules: map[string]moderation.Rule{}}}
	if err := p.Suspend(t.Context(), "Bad.Example.", "spam"); err != nil {
		t.Fatal(err)
	}
	if err := p.Suspend(t.Context(), "bücher.example", ""); err != nil {
		t.Fatal(err)
	}
	for host, refused := range map[string]bool{
		"bad.example":              true,
		"BAD.example":              true,
		"bad.example:8443":         true,
		"bad.example.":             true,
		"a.b.bad.example":          true,
		"xn--bcher-kva.example":    true,
		"BÜCHER.example":           true,
		"notbad.example":           false,
		"example":                  false,
		"bad.example.good.example": false,
		"":                         false,
	} {
		if err := p.Allow(t.Context(), host); errors.Is(err, moderation.ErrRefused) != refused {
			t.Errorf("Allow(%q) = %v, want refused: %v", host, err, refused)
		}
	}
}

func TestTheActorsHostIsJudgedToo(t *testing.T) {
	t.Parallel()
	p := &moderation.Policy{Rules: &fakeRules{rules: map[string]moderation.Rule{}}}
	if err := p.Suspend(t.Context(), "bad.example", "spam"); err != nil {
		t.Fatal(err)
	}
	for _, actor := range []string{
		"https://bad.example/u/1", "https://bad.example:444/u/1", "https://good.example@bad.example", "https://bad.example?x", "https://bad.example#x",
	} {
		v, err := p.Judge(t.Context(), moderation.Question{Host: "good.example", Actor: actor})
		if err != nil || !v.Refuse || v.Reason != "spam" {
			t.Errorf("Judge(%q) = %+v, %v; want a refusal with its reason", actor, v, err)
		}
	}
}

func TestALiftedRuleRefusesNobody(t *testing.T) {
	t.Parallel()
	p := &moderation.Policy{Rules: &fakeRules{rules: map[string]moderation.Rule{}}}
	if err := p.Suspend(t.Context(), "bad.example", ""); err != nil {
		t.Fatal(err)
	}
	if err := p.Lift(t.Context(), "BAD.example"); err != nil {
		t.Fatal(err)
	}
	if err := p.Allow(t.Context(), "bad.example"); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatFailsIsNeverAYes(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	p := &moderation.Policy{Rules: &fakeRules{fail: broken}}
	err := p.Allow(t.Context(), "good.example")
	if !errors.Is(err, broken) || errors.Is(err, moderation.ErrRefused) {
		t.Errorf("Allow = %v, want the store's error and no refusal", err)
	}
}

func TestANilPolicyLetsEveryoneTalk(t *testing.T) {
	t.Parallel()
	var p *moderation.Policy
	if err := p.Allow(t.Context(), "any.example"); err != nil {
		t.Error(err)
	}
}

func TestOnlyDomainsCanBeSuspended(t *testing.T) {
	t.Parallel()
	p := &moderation.Policy{Rules: &fakeRules{rules: map[string]moderation.Rule{}}}
	for _, bad := range []string{"", "https://bad.example", "bad.example/path", "user@bad.example", "bad.example:80", "a b"} {
		if err := p.Suspend(t.Context(), bad, ""); !errors.Is(err, moderation.ErrBadDomain) {
			t.Errorf("Suspend(%q) = %v, want ErrBadDomain", bad, err)
		}
	}
}
