package moderation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

const alice = "https://here.example/alice"

func rule(about string, s moderation.Severity) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: about}, Severity: s, Private: "about " + about}
}

func policy(t testing.TB, rules ...moderation.Rule) *moderation.Policy {
	t.Helper()
	st := storage.Memory()
	p := &moderation.Policy{Rules: st.Rules, Hosts: st.Hosts}
	if err := p.Put(context.Background(), rules...); err != nil {
		t.Fatal(err)
	}
	return p
}

func judge(t testing.TB, p *moderation.Policy, q moderation.Question) moderation.Verdict {
	t.Helper()
	v, err := p.Judge(context.Background(), q)
	if err != nil {
		t.Fatalf("Judge(%+v): %v", q, err)
	}
	return v
}

func TestSuspensionCoversADomainAndAllBelowIt(t *testing.T) {
	t.Parallel()
	p := policy(t, rule("Bad.Example.", moderation.Suspend), rule("bücher.example", moderation.Suspend))
	for host, refused := range map[string]bool{
		"bad.example":              true,
		"BAD.example":              true,
		"bad.example:8443":         true,
		"bad.example.":             true,
		"a.b.bad.example":          true,
		"xn--bcher-kva.example":    true,
		"XN--BCHER-KVA.example":    true,
		"BÜCHER.example":           true,
		"notbad.example":           false,
		"example":                  false,
		"bad.example.good.example": false,
		"[::1]:80":                 false,
		"":                         false,
	} {
		if err := p.Allow(t.Context(), host); errors.Is(err, moderation.ErrRefused) != refused || err != nil && !refused {
			t.Errorf("Allow(%q) = %v, want refused: %v", host, err, refused)
		}
	}
}

func TestTheActorsHostIsJudgedToo(t *testing.T) {
	t.Parallel()
	p := policy(t, moderation.Rule{Key: moderation.Key{About: "bad.example"}, Severity: moderation.Suspend, Private: "spam", Public: "no"})
	for _, actor := range []string{
		"https://bad.example/u/1", "https://bad.example:444/u/1", "https://good.example@bad.example", "https://bad.example?x",
		"https://bad.example#x", `https://bad.example\@good.example/`,
	} {
		v := judge(t, p, moderation.Question{Host: "good.example", Actor: actor})
		if !v.Refuse || v.Reason != "spam" {
			t.Errorf("Judge(%q) = %+v; want a refusal with its reason", actor, v)
		}
	}
}

func TestTheMostSpecificRuleCounts(t *testing.T) {
	t.Parallel()
	media := moderation.Rule{Key: moderation.Key{About: "media.limited.example"}, RejectMedia: true}
	p := policy(t,
		rule("bad.example", moderation.Suspend), rule("good.bad.example", moderation.Noop), rule("worse.good.bad.example", moderation.Suspend),
		rule("limited.example", moderation.Limit), media,
		rule("https://limited.example/u/fine", moderation.Noop), rule("https://bad.example/u/fine", moderation.Noop),
		rule("https://good.bad.example/u/worse", moderation.Suspend), rule("https://fine.example/notes/1", moderation.Suspend),
		moderation.Rule{Key: moderation.Key{About: "reports.example"}, RejectReports: true},
	)
	for who, want := range map[string]moderation.Verdict{
		"https://bad.example/u/1":                {Refuse: true},
		"https://x.bad.example/u/1":              {Refuse: true},
		"https://good.bad.example/u/1":           {},
		"https://x.good.bad.example/u/1":         {},
		"https://worse.good.bad.example/u/1":     {Refuse: true},
		"https://limited.example/u/1":            {Limit: true},
		"https://media.limited.example/u/1":      {NoMedia: true},
		"https://limited.example/u/fine":         {},
		"https://limited.example/u/fine2":        {Limit: true},
		"https://bad.example/u/fine":             {Refuse: true}, // its host gives no keys
		"https://good.bad.example/u/worse":       {Refuse: true},
		"https://GOOD.bad.example:443/u/worse":   {Refuse: true},
		"HTTPS://good.bad.example/u/worse":       {Refuse: true},
		"https://good.bad.example/u/WORSE":       {},
		"https://good.bad.example:8443/u/worse":  {},
		"https://fine.example/notes/1":           {Refuse: true},
		"https://fine.example/notes/2":           {},
		"https://reports.example/u/1":            {NoReports: true},
		"https://reports.example.good.example/u": {},
	} {
		for name, v := range map[string]moderation.Verdict{
			"as an actor":   judge(t, p, moderation.Question{Actor: who}),
			"as an object":  judge(t, p, moderation.Question{Actor: "https://else.example/u", Objects: []string{"https://else.example/1", who}}),
			"beside a host": judge(t, p, moderation.Question{Actor: who, Host: "else.example"}),
		} {
			if want.Any() != (v.Reason != "" || v.NoMedia || v.NoReports) {
				t.Errorf("%s, %s: reason %q", who, name, v.Reason)
			}
			if v.Differs(want) {
				t.Errorf("%s, %s: %+v, want %+v", who, name, v, want)
			}
		}
	}
	for host, want := range map[string]bool{"good.bad.example": true, "limited.example:443": true, "media.limited.example": false} {
		if got, err := p.Particular(t.Context(), host, ""); got != want || err != nil {
			t.Errorf("Particular(%s) = %v, %v", host, got, err)
		}
	}
}

func TestTheSuspendedMayEndWhatWas(t *testing.T) {
	t.Parallel()
	p := policy(t, rule("bad.example", moderation.Suspend))
	for typ, refused := range map[string]bool{
		"Delete": false, "Undo": false, "Reject": false,
		"Update": true, "Create": true, "Follow": true, "Accept": true, "Announce": true, "": true, "delete": true,
	} {
		q := moderation.Question{Actor: "https://bad.example/u", Host: "bad.example", Type: typ}
		if got := judge(t, p, q).Refuse; got != refused {
			t.Errorf("%q is refused: %v", typ, got)
		}
		for _, purpose := range []moderation.Purpose{moderation.Fetch, moderation.Deliver, moderation.Serve} {
			if q.Purpose = purpose; !judge(t, p, q).Refuse {
				t.Errorf("%q, purpose %d: not refused", typ, purpose)
			}
		}
		q = moderation.Question{Actor: "https://fine.example/u", Objects: []string{"https://bad.example/1"}, Type: typ}
		if !judge(t, p, q).Refuse {
			t.Errorf("%q about the suspended is not refused", typ)
		}
	}
}

func TestAUsersOwnRulesAreForThatUserAlone(t *testing.T) {
	t.Parallel()
	own := func(local, about string) moderation.Rule {
		r := rule(about, moderation.Suspend)
		r.Local = local
		return r
	}
	p := policy(t, own(alice, "bad.example"), own(alice, "https://fine.example/u/1"), own("https://here.example/bob", "else.example"), rule("site.example", moderation.Suspend))
	for _, c := range []struct {
		actor, local string
		refuse, own  bool
	}{
		{"https://bad.example/u", alice, true, true},
		{"https://sub.bad.example/u", alice, true, true},
		{"https://bad.example/u", "", false, false},
		{"https://bad.example/u", "https://here.example/bob", false, false},
		{"https://bad.example/u", "https://here.example/carol", false, false},
		{"https://fine.example/u/1", alice, true, true},
		{"https://fine.example/u/2", alice, false, false},
		{"https://site.example/u", alice, true, false},
		{"https://site.example/u", "", true, false},
	} {
		if v := judge(t, p, moderation.Question{Actor: c.actor, Local: c.local}); v.Refuse != c.refuse || v.Own != c.own {
			t.Errorf("%s for %q: %+v", c.actor, c.local, v)
		}
	}
	if v := judge(t, p, moderation.Question{Actor: "https://fine.example/u/2", Objects: []string{"https://bad.example/1"}, Local: alice}); !v.Own {
		t.Errorf("an object of whom alice blocks: %+v", v)
	}
	if err := p.Lift(t.Context(), "alice", "", moderation.Key{Local: alice, About: "bad.example"}); err != nil {
		t.Fatal(err)
	}
	if v := judge(t, p, moderation.Question{Actor: "https://bad.example/u", Local: alice}); v.Any() {
		t.Errorf("after it was lifted: %+v", v)
	}
}

func TestAnAllowListTakesTheVeryHostAndNoOther(t *testing.T) {
	t.Parallel()
	p := policy(t,
		moderation.Rule{Key: moderation.Key{About: "good.example"}, Allow: true},
		moderation.Rule{Key: moderation.Key{About: "limited.example"}, Allow: true, Severity: moderation.Limit},
		rule("blocked.example", moderation.Suspend))
	p.AllowList = true
	for host, refused := range map[string]bool{
		"good.example": false, "GOOD.example:8443": false, "limited.example": false,
		"sub.good.example": true, "other.example": true, "blocked.example": true, "example": true,
	} {
		if err := p.Allow(t.Context(), host); errors.Is(err, moderation.ErrRefused) != refused {
			t.Errorf("Allow(%q) = %v", host, err)
		}
	}
	if v := judge(t, p, moderation.Question{Actor: "https://limited.example/u"}); !v.Limit || v.Refuse {
		t.Errorf("limited and allowed: %+v", v)
	}
	empty := &moderation.Policy{AllowList: true}
	if err := empty.Allow(t.Context(), "any.example"); !errors.Is(err, moderation.ErrRefused) {
		t.Errorf("without any rule: %v", err)
	}
}

func TestNewHostsAreLimitedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, rule("known.example", moderation.Noop))
		if err := p.Saw(t.Context(), "old.example:443"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * 24 * time.Hour)
		p.NewFor = 7 * 24 * time.Hour
		is := func(actor string, want moderation.Verdict) {
			t.Helper()
			if v := judge(t, p, moderation.Question{Actor: actor}); v.Differs(want) {
				t.Errorf("%s after %v: %+v", actor, time.Now(), v)
			}
		}
		limited := moderation.Verdict{Limit: true}
		is("https://old.example/u", moderation.Verdict{})
		is("https://known.example/u", moderation.Verdict{})
		is("https://new.example/u", limited)
		time.Sleep(9 * 24 * time.Hour)
		is("https://new.example/u", limited) // never heard from
		if err := p.Saw(t.Context(), "new.example"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7*24*time.Hour - time.Second)
		is("https://new.example/u", limited)
		time.Sleep(time.Second)
		is("https://new.example/u", moderation.Verdict{})
		p.Newcomers = moderation.Verdict{NoMedia: true, NoReports: true}
		is("https://newer.example/u", moderation.Verdict{NoMedia: true, NoReports: true})
		none := &moderation.Policy{NewFor: time.Hour}
		if v := judge(t, none, moderation.Question{Host: "a.example"}); !v.Limit {
			t.Errorf("where none is remembered: %+v", v)
		}
	})
}

func TestALiftedRuleRefusesNobody(t *testing.T) {
	t.Parallel()
	p := policy(t, rule("bad.example", moderation.Suspend))
	for range 2 {
		if err := p.Lift(t.Context(), "mod", "a mistake", moderation.Key{About: "BAD.example"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Allow(t.Context(), "bad.example"); err != nil {
		t.Error(err)
	}
	entries, err := p.Rules.Trail(t.Context(), 0, 10)
	if err != nil || len(entries) != 2 {
		t.Fatalf("the trail is %+v, %v", entries, err)
	}
	if e := entries[1]; !e.Lifted || e.By != "mod" || e.Reason != "a mistake" || e.Rule.About != "bad.example" || e.Rule.Private != "about bad.example" {
		t.Errorf("the trail ends with %+v", e)
	}
}

// failing is a store that answers until it is told not to.
type failing struct {
	moderation.Rules
	moderation.Hosts
	mu    sync.Mutex
	err   error
	calls int
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) answer() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.err
}

func (f *failing) RulesHead(ctx context.Context) (moderation.Head, error) {
	if err := f.answer(); err != nil {
		return moderation.Head{}, err
	}
	return f.Rules.RulesHead(ctx)
}

func (f *failing) ListRules(ctx context.Context, q moderation.Query) ([]moderation.Rule, error) {
	if err := f.answer(); err != nil {
		return nil, err
	}
	return f.Rules.ListRules(ctx, q)
}

func (f *failing) FirstSeen(ctx context.Context, host string) (time.Time, error) {
	if err := f.answer(); err != nil {
		return time.Time{}, err
	}
	return f.Hosts.FirstSeen(ctx, host)
}

func TestAStoreThatFailsIsNeverAYes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := storage.Memory()
		f := &failing{Rules: st.Rules, Hosts: st.Hosts}
		p := &moderation.Policy{Rules: f, Hosts: f}
		broken := errors.New("disk on fire")
		is := func(when string, q moderation.Question, want error) {
			t.Helper()
			if v, err := p.Judge(t.Context(), q); !errors.Is(err, want) || v.Any() {
				t.Errorf("%s: %+v, %v", when, v, err)
			}
		}
		q := moderation.Question{Host: "good.example", Local: alice}
		f.fail(broken)
		is("from the beginning", q, broken)
		is("again", q, broken)
		if _, err := p.Particular(t.Context(), "good.example", ""); !errors.Is(err, broken) {
			t.Errorf("Particular: %v", err)
		}
		if err := p.Allow(t.Context(), "good.example"); !errors.Is(err, broken) || errors.Is(err, moderation.ErrRefused) {
			t.Errorf("Allow: %v", err)
		}
		f.fail(nil)
		is("when it is back", q, nil)
		if err := p.Put(t.Context(), moderation.Rule{Key: moderation.Key{Local: "https://here.example/bob", About: "bad.example"}, Severity: moderation.Suspend}); err != nil {
			t.Fatal(err)
		}
		f.fail(broken)
		is("a user whose rules were not read yet", q, broken)
		f.fail(nil)
		is("when it is back", q, nil)
		f.fail(broken)
		is("within a second it is known", q, nil)
		time.Sleep(time.Second)
		is("after a second", q, broken)
		f.fail(nil)
		p.NewFor = time.Hour
		f.fail(broken)
		is("whether a host is new", moderation.Question{Host: "new.example"}, broken)
	})
}

func TestTheStoreIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := storage.Memory()
		f := &failing{Rules: st.Rules}
		p, other := &moderation.Policy{Rules: f}, &moderation.Policy{Rules: st.Rules}
		q := moderation.Question{Actor: "https://bad.example/u", Local: alice}
		judge(t, p, q)
		before := f.calls
		for range 1000 {
			judge(t, p, q)
		}
		if f.calls != before {
			t.Errorf("%d calls for 1,000 questions", f.calls-before)
		}
		if err := other.Suspend(t.Context(), "bad.example", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !judge(t, p, q).Refuse {
			t.Error("what another process changed is not noticed within a second")
		}
		if err := p.Lift(t.Context(), "", "", moderation.Key{About: "bad.example"}); err != nil {
			t.Fatal(err)
		}
		if judge(t, p, q).Refuse {
			t.Error("what this one changed is not noticed at once")
		}
		before = f.calls
		time.Sleep(time.Second)
		judge(t, p, q)
		if f.calls != before+1 {
			t.Errorf("%d calls after a second in which nothing changed", f.calls-before)
		}
	})
}

func TestANilPolicyLetsEveryoneTalk(t *testing.T) {
	t.Parallel()
	var p *moderation.Policy
	if err := p.Allow(t.Context(), "any.example"); err != nil {
		t.Error(err)
	}
	if err := p.Saw(t.Context(), "any.example"); err != nil {
		t.Error(err)
	}
	if err := p.Suspend(t.Context(), "any.example", ""); !errors.Is(err, moderation.ErrNoRules) {
		t.Errorf("Suspend = %v", err)
	}
}

func TestARuleThatIsNoneIsNotKept(t *testing.T) {
	t.Parallel()
	p := policy(t)
	for _, bad := range []string{
		"", "bad.example/path", "user@bad.example", "bad.example:80", "a b", "https://", "ftp://bad.example/u", "https://u@bad.example/x",
		"https://bad.example/" + strings.Repeat("x", 3000), ".example", "https:///bad.example", "*.example",
	} {
		if err := p.Suspend(t.Context(), bad, ""); !errors.Is(err, moderation.ErrBadDomain) {
			t.Errorf("Suspend(%.50q) = %v, want ErrBadDomain", bad, err)
		}
	}
	for name, r := range map[string]moderation.Rule{
		"severity":                {Key: moderation.Key{About: "a.example"}, Severity: 9},
		"a user allows":           {Key: moderation.Key{Local: alice, About: "a.example"}, Allow: true},
		"an actor is allowed":     {Key: moderation.Key{About: "https://a.example/u"}, Allow: true},
		"allowed and suspended":   {Key: moderation.Key{About: "a.example"}, Allow: true, Severity: moderation.Suspend},
		"more reasons than a lot": {Key: moderation.Key{About: "a.example"}, Private: strings.Repeat("x", 20_000)},
	} {
		if err := p.Put(t.Context(), rule("fine.example", moderation.Suspend), r); !errors.Is(err, moderation.ErrBadRule) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.Allow(t.Context(), "fine.example"); err != nil {
		t.Errorf("one of several was kept: %v", err)
	}
}

func TestThereAreNoMoreRulesThanMayBe(t *testing.T) {
	t.Parallel()
	p := policy(t)
	p.MaxRules, p.MaxOwn = 3, 2
	own := func(n int) moderation.Rule {
		return moderation.Rule{Key: moderation.Key{Local: alice, About: fmt.Sprint(n, ".example")}}
	}
	put := func(want error, rules ...moderation.Rule) {
		t.Helper()
		if err := p.Put(t.Context(), rules...); !errors.Is(err, want) {
			t.Errorf("Put = %v, want %v", err, want)
		}
	}
	put(nil, rule("a.example", 0), rule("b.example", 0))
	put(nil, rule("b.example", moderation.Limit), rule("c.example", 0))
	put(moderation.ErrTooMany, rule("d.example", 0))
	put(nil, rule("a.example", moderation.Limit))
	put(nil, own(1), own(2))
	put(moderation.ErrTooMany, own(3))
	put(nil, own(2))
}

func TestATrialTellsWhatARuleWouldChange(t *testing.T) {
	t.Parallel()
	p := policy(t, rule("bad.example", moderation.Suspend), rule("good.bad.example", moderation.Noop))
	own := rule("own.example", moderation.Suspend)
	own.Local = alice
	trial, err := p.Try(t.Context(), []moderation.Rule{rule("New.example", moderation.Limit), own, rule("https://x.example/u", moderation.Suspend)},
		[]moderation.Key{{About: "good.bad.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		actor, local  string
		before, after moderation.Verdict
	}{
		{"https://good.bad.example/u", "", moderation.Verdict{}, moderation.Verdict{Refuse: true}},
		{"https://bad.example/u", "", moderation.Verdict{Refuse: true}, moderation.Verdict{Refuse: true}},
		{"https://new.example/u", "", moderation.Verdict{}, moderation.Verdict{Limit: true}},
		{"https://own.example/u", alice, moderation.Verdict{}, moderation.Verdict{Refuse: true, Own: true}},
		{"https://own.example/u", "", moderation.Verdict{}, moderation.Verdict{}},
		{"https://x.example/u", "", moderation.Verdict{}, moderation.Verdict{Refuse: true}},
	} {
		before, after, err := trial.Judge(t.Context(), moderation.Question{Purpose: moderation.Deliver, Actor: c.actor, Local: c.local})
		if err != nil || before.Differs(c.before) || after.Differs(c.after) {
			t.Errorf("%s: %+v, then %+v, %v", c.actor, before, after, err)
		}
		if v := judge(t, p, moderation.Question{Purpose: moderation.Deliver, Actor: c.actor, Local: c.local}); v.Differs(c.before) {
			t.Errorf("%s: the trial has changed the policy: %+v", c.actor, v)
		}
	}
	if !trial.Site() || !slices.Equal(trial.Locals(), []string{alice}) || !slices.Equal(trial.IDs(), []string{"https://x.example/u"}) {
		t.Errorf("it changes %v %q %q", trial.Site(), trial.Locals(), trial.IDs())
	}
}

func TestAHostIsTheSameHoweverAnIDWritesIt(t *testing.T) {
	t.Parallel()
	p := policy(t, rule("bücher.example", moderation.Suspend))
	for _, id := range []string{
		"https://bücher.example/1", "https://xn--bcher-kva.example/1", "https://b%C3%BCcher.example/1", "https://B%C3%9CCHER.example:8443/1",
	} {
		v, err := p.Judge(t.Context(), moderation.Question{Objects: []string{id}})
		if err != nil || !v.Refuse {
			t.Errorf("%s: %+v, %v", id, v, err)
		}
	}
}

func TestWhetherThereAreRulesAboutIDsIsAskedForOneUserToo(t *testing.T) {
	t.Parallel()
	const me, other = "https://here.example/u/me", "https://here.example/u/other"
	own := rule("https://bad.example/u/1", moderation.Suspend)
	own.Local = me
	p := policy(t, own)
	for local, want := range map[string]bool{me: true, other: false, "": false} {
		if got, err := p.Particular(t.Context(), "bad.example", local); err != nil || got != want {
			t.Errorf("of %q: %v, %v", local, got, err)
		}
	}
}
