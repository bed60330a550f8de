package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/moderation"
)

// RunRules checks the contract of [moderation.Rules]. Open returns an empty store, which no other check uses.
func RunRules(t *testing.T, open func(t *testing.T) moderation.Rules) {
	t.Helper()
	run(t, open, rulesChecks)
}

var rulesChecks = []check[moderation.Rules]{
	{"a rule comes back as it was put", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		for _, r := range []moderation.Rule{
			{Domain: odd, Severity: moderation.Suspend, Reason: odd + "reason", At: start}, {Domain: "zero.example"}, {},
		} {
			ok(t, s.PutRule(ctx, r))
			equal(t, "rules", match(t, ctx, s, r.Domain), []moderation.Rule{r})
		}
	}},
	{"a rule about the same domain is replaced", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		ok(t, s.PutRule(ctx, moderation.Rule{Domain: "a.example", Severity: moderation.Suspend, Reason: "spam", At: start}))
		second := moderation.Rule{Domain: "a.example", Reason: "other", At: start.Add(time.Hour)}
		ok(t, s.PutRule(ctx, second))
		equal(t, "rules", match(t, ctx, s, "a.example"), []moderation.Rule{second})
	}},
	{"of ten simultaneous rules about a domain one is kept", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		atOnce(10, func(i int) {
			if err := s.PutRule(ctx, moderation.Rule{Domain: "a.example", Reason: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
		equal(t, "rules", len(match(t, ctx, s, "a.example")), 1)
	}},
	{"a deleted rule is gone", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		for _, d := range []string{"example", "a.example", "b.a.example"} {
			ok(t, s.PutRule(ctx, moderation.Rule{Domain: d}))
		}
		for range 2 { // the second time there is none
			ok(t, s.DeleteRule(ctx, "a.example"))
		}
		equal(t, "rules", match(t, ctx, s, "example", "a.example", "b.a.example"),
			[]moderation.Rule{{Domain: "b.a.example"}, {Domain: "example"}})
	}},
	{"the rules about the domains that are asked for come back, each once", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		equal(t, "rules of an empty store", match(t, ctx, s, "a.example"), nil)
		var asked []string
		for i := range 2500 { // more than a database takes as arguments of one query
			asked = append(asked, fmt.Sprintf("%d.example", i))
		}
		var put []moderation.Rule
		for _, d := range []string{asked[0], asked[700], asked[2499], "2500.example"} {
			r := moderation.Rule{Domain: d, Severity: moderation.Suspend, At: start}
			ok(t, s.PutRule(ctx, r))
			put = append(put, r)
		}
		asked = append(asked, asked[0], asked[2499])
		equal(t, "rules", match(t, ctx, s, asked...), sorted(put[:3]))
		equal(t, "order of what was asked", asked[1], "1.example")
		for _, none := range [][]string{nil, {"x.0.example"}, {"example"}, {"0.EXAMPLE"}, {"0.example."}} {
			equal(t, fmt.Sprint("rules about ", none), match(t, ctx, s, none...), nil)
		}
	}},
}

func match(t *testing.T, ctx context.Context, s moderation.Rules, domains ...string) []moderation.Rule {
	t.Helper()
	list, err := s.MatchRules(ctx, domains)
	ok(t, err)
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return some(sorted(list))
}

func sorted(list []moderation.Rule) []moderation.Rule {
	slices.SortFunc(list, func(a, b moderation.Rule) int { return cmp.Compare(a.Domain, b.Domain) })
	return list
}
