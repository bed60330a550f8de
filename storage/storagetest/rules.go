package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedihook/fedihook/moderation"
)

// RunRules checks the contract of [moderation.Rules]. Open returns an empty store, which no other check uses.
func RunRules(t *testing.T, open func(t *testing.T) moderation.Rules) {
	t.Helper()
	run(t, open, rulesChecks)
}

// RunHosts checks the contract of [moderation.Hosts]. Open returns an empty store, which no other check uses.
func RunHosts(t *testing.T, open func(t *testing.T) moderation.Hosts) {
	t.Helper()
	run(t, open, hostsChecks)
}

var rulesChecks = []check[moderation.Rules]{
	{"a rule comes back as it was put", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		for _, r := range []moderation.Rule{
			{
				Key: moderation.Key{Local: odd, About: odd}, Severity: moderation.Limit, RejectMedia: true, RejectReports: true, Allow: true,
				Obfuscate: true, Public: odd + "public", Private: odd + "private", By: odd + "by", At: start,
			},
			about("zero.example"), {Key: moderation.Key{Local: "https://here.example/u", About: "a.example"}},
		} {
			put(t, ctx, s, r)
			got := list(t, ctx, s, moderation.Query{Local: r.Local})
			equal(t, "rules", got, []moderation.Rule{r})
		}
	}},
	{"a rule about the same is replaced, and only that of the same Local", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		own := moderation.Rule{Key: moderation.Key{Local: "l", About: "a.example"}, Severity: moderation.Suspend, At: start}
		second := moderation.Rule{Key: moderation.Key{About: "a.example"}, Private: "other", At: start.Add(time.Hour)}
		put(t, ctx, s, moderation.Rule{Key: moderation.Key{About: "a.example"}, Severity: moderation.Suspend, Private: "spam", At: start}, own, second)
		equal(t, "rules of the site", list(t, ctx, s, moderation.Query{}), []moderation.Rule{second})
		equal(t, "rules of a user", list(t, ctx, s, moderation.Query{Local: "l"}), []moderation.Rule{own})
	}},
	{"of ten simultaneous rules about the same one is kept, and all are in the trail", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		atOnce(10, func(i int) {
			r := about("a.example")
			r.Private = fmt.Sprint(i)
			if err := s.ChangeRules(ctx, []moderation.Entry{{Rule: r}}); err != nil {
				t.Error(err)
			}
		})
		equal(t, "rules", len(list(t, ctx, s, moderation.Query{})), 1)
		var last int64
		for _, e := range exactly(t, 10, trail(t, ctx, s, 0, 100)) {
			if e.Seq <= last {
				t.Errorf("entry %d comes after %d", e.Seq, last)
			}
			last = e.Seq
		}
		equal(t, "the rule that was kept", exactly(t, 1, list(t, ctx, s, moderation.Query{}))[0].Private, exactly(t, 1, trail(t, ctx, s, last-1, 1))[0].Rule.Private)
	}},
	{"a lifted rule is gone and stays in the trail", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		put(t, ctx, s, about("example"), about("a.example"), about("b.a.example"))
		e := moderation.Entry{At: start, By: odd, Reason: odd + "r", Lifted: true, Rule: about("a.example")}
		for range 2 { // the second time there is none
			ok(t, s.ChangeRules(ctx, []moderation.Entry{e}))
		}
		equal(t, "rules", list(t, ctx, s, moderation.Query{}), []moderation.Rule{about("b.a.example"), about("example")})
		got := exactly(t, 5, trail(t, ctx, s, 0, 100))
		e.Seq = got[3].Seq
		equal(t, "entry", got[3], e)
		equal(t, "after that", trail(t, ctx, s, got[3].Seq, 100), got[4:])
		equal(t, "one of them", trail(t, ctx, s, got[0].Seq, 1), got[1:2])
	}},
	{"pages neither skip nor repeat", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		equal(t, "rules of an empty store", list(t, ctx, s, moderation.Query{}), nil)
		var rules []moderation.Rule
		for i := range 2500 {
			rules = append(rules, about(fmt.Sprintf("%04d.example", i)))
		}
		rules = append(rules, about("A.example"), about("a-b.example"), about("a.example"), about("é.example"))
		put(t, ctx, s, rules...)
		equal(t, "a page of the usual size", len(list(t, ctx, s, moderation.Query{})), 1000)
		var got []moderation.Rule
		for q := (moderation.Query{Limit: 999}); ; {
			page := list(t, ctx, s, q)
			got = append(got, page...)
			if len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1].About
		}
		equal(t, "rules", got, rules)
	}},
	{"the head tells what has changed", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		equal(t, "head of an empty store", head(t, ctx, s), moderation.Head{})
		put(t, ctx, s, about("a.example"))
		first := head(t, ctx, s)
		equal(t, "after a rule of the site", first, moderation.Head{Site: exactly(t, 1, trail(t, ctx, s, 0, 1))[0].Seq})
		put(t, ctx, s, moderation.Rule{Key: moderation.Key{Local: "l", About: "a.example"}})
		second := head(t, ctx, s)
		if second.Site != first.Site || second.Own <= first.Site {
			t.Errorf("after a rule of a user: %+v after %+v", second, first)
		}
		ok(t, s.ChangeRules(ctx, []moderation.Entry{{Lifted: true, Rule: about("a.example")}}))
		if third := head(t, ctx, s); third.Site <= second.Own || third.Own != second.Own {
			t.Errorf("after one of the site was lifted: %+v after %+v", third, second)
		}
	}},
	{"what is written since a head, if that can be, is written at that head alone", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		guarded, can := s.(moderation.GuardedRules)
		if !can {
			return
		}
		site, own := moderation.Entry{Rule: about("a.example")}, moderation.Entry{Rule: moderation.Rule{Key: moderation.Key{Local: "l", About: "a.example"}}}
		since := func(what string, h moderation.Head, want bool, entries ...moderation.Entry) {
			t.Helper()
			before := head(t, ctx, s)
			is, err := guarded.ChangeRulesSince(ctx, h, entries)
			ok(t, err)
			equal(t, what, is, want)
			equal(t, what+": the head has moved", head(t, ctx, s) != before, want)
		}
		since("an empty store", moderation.Head{}, true, site)
		first := head(t, ctx, s)
		since("one of the site, at an old head", moderation.Head{}, false, site)
		since("one of a user's, though the site's have changed", moderation.Head{}, true, own)
		since("one of the site, though users' have changed", first, true, site)
		since("both, and users' have changed", moderation.Head{Site: head(t, ctx, s).Site}, false, site, own)
		since("both, at the head", head(t, ctx, s), true, site, own)
		equal(t, "entries", len(trail(t, ctx, s, 0, 100)), 5)
	}},
	{"what is enforced stays so", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		put(t, ctx, s, about("a.example"), about("b.example"))
		entries := exactly(t, 2, trail(t, ctx, s, 0, 2))
		ok(t, s.SetEnforced(ctx, entries[1].Seq))
		ok(t, s.SetEnforced(ctx, entries[0].Seq))
		equal(t, "enforced", head(t, ctx, s), moderation.Head{Site: entries[1].Seq, Enforced: entries[1].Seq})
	}},
	{"the trail forgets the oldest, but nothing that is not enforced", func(t *testing.T, ctx context.Context, s moderation.Rules) {
		for i := range 10 {
			put(t, ctx, s, about(fmt.Sprint(i)))
		}
		all := exactly(t, 10, trail(t, ctx, s, 0, 100))
		ok(t, s.SetEnforced(ctx, all[4].Seq))
		ok(t, s.ForgetTrail(ctx, 8))
		equal(t, "the newest eight", trail(t, ctx, s, 0, 100), all[2:])
		ok(t, s.ForgetTrail(ctx, 2))
		equal(t, "those that are not enforced", trail(t, ctx, s, 0, 100), all[5:])
		ok(t, s.SetEnforced(ctx, all[9].Seq))
		ok(t, s.ForgetTrail(ctx, 0))
		equal(t, "none", trail(t, ctx, s, 0, 100), nil)
		equal(t, "rules", len(list(t, ctx, s, moderation.Query{})), 10)
		put(t, ctx, s, about("new"))
		if e := exactly(t, 1, trail(t, ctx, s, 0, 100))[0]; e.Seq <= all[9].Seq {
			t.Errorf("entry %d comes after %d", e.Seq, all[9].Seq)
		}
	}},
}

var hostsChecks = []check[moderation.Hosts]{
	{"a host was first seen when it was first seen", func(t *testing.T, ctx context.Context, s moderation.Hosts) {
		equal(t, "a host that never was", first(t, ctx, s, "a.example"), time.Time{})
		for i := range 3 {
			ok(t, s.See(ctx, odd, start.Add(time.Duration(i)*time.Hour), 10))
		}
		equal(t, "first seen", first(t, ctx, s, odd), start)
		equal(t, "another host", first(t, ctx, s, "a.example"), time.Time{})
	}},
	{"those that were seen longest ago are forgotten", func(t *testing.T, ctx context.Context, s moderation.Hosts) {
		for i, host := range []string{"a", "b", "c", "a", "d"} {
			ok(t, s.See(ctx, host, start.Add(time.Duration(i)*time.Hour), 3))
		}
		equal(t, "the one that was seen again", first(t, ctx, s, "a"), start)
		equal(t, "the one that was not", first(t, ctx, s, "b"), time.Time{})
		equal(t, "the others", []time.Time{first(t, ctx, s, "c"), first(t, ctx, s, "d")}, []time.Time{start.Add(2 * time.Hour), start.Add(4 * time.Hour)})
		ok(t, s.See(ctx, "e", start.Add(5*time.Hour), 1))
		for _, host := range []string{"a", "c", "d"} {
			equal(t, "when there is room for one, "+host, first(t, ctx, s, host), time.Time{})
		}
	}},
}

func about(domain string) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: domain}}
}

func put(t *testing.T, ctx context.Context, s moderation.Rules, rules ...moderation.Rule) {
	t.Helper()
	var entries []moderation.Entry
	for _, r := range rules {
		entries = append(entries, moderation.Entry{At: start, By: r.By, Rule: r})
	}
	ok(t, s.ChangeRules(ctx, entries))
}

func list(t *testing.T, ctx context.Context, s moderation.Rules, q moderation.Query) []moderation.Rule {
	t.Helper()
	got, err := s.ListRules(ctx, q)
	ok(t, err)
	for i := range got {
		got[i].At = got[i].At.UTC()
	}
	return some(got)
}

func trail(t *testing.T, ctx context.Context, s moderation.Rules, after int64, limit int) []moderation.Entry {
	t.Helper()
	got, err := s.Trail(ctx, after, limit)
	ok(t, err)
	for i := range got {
		got[i].At, got[i].Rule.At = got[i].At.UTC(), got[i].Rule.At.UTC()
	}
	return some(got)
}

func head(t *testing.T, ctx context.Context, s moderation.Rules) moderation.Head {
	t.Helper()
	h, err := s.RulesHead(ctx)
	ok(t, err)
	return h
}

func first(t *testing.T, ctx context.Context, s moderation.Hosts, host string) time.Time {
	t.Helper()
	at, err := s.FirstSeen(ctx, host)
	ok(t, err)
	return at.UTC()
}
