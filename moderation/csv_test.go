package moderation_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/moderation"
)

func blocked(about string, s moderation.Severity) moderation.Rule {
	return moderation.Rule{Key: moderation.Key{About: about}, Severity: s}
}

func TestMastodonsListsAreRead(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/lists/mastodon-domain_blocks.csv")
	if err != nil {
		t.Fatal(err)
	}
	rules, bad, err := moderation.ReadBlocks(bytes.NewReader(raw))
	if err != nil || len(bad) > 0 {
		t.Fatal(err, bad)
	}
	want := []moderation.Rule{
		{Key: moderation.Key{About: "bad.domain"}, Severity: moderation.Limit, Public: "bad"},
		{Key: moderation.Key{About: "worse.domain"}, Severity: moderation.Suspend, RejectMedia: true, RejectReports: true, Public: "worse", Obfuscate: true},
		{Key: moderation.Key{About: "reject.media"}, RejectMedia: true, Public: "reject media"},
	}
	if !slices.Equal(rules, want) {
		t.Errorf("read %+v", rules)
	}
	var out bytes.Buffer
	if err := moderation.WriteBlocks(&out, rules); err != nil || out.String() != string(raw) {
		t.Errorf("wrote %s, %v", &out, err)
	}
	if raw, err = os.ReadFile("testdata/lists/mastodon-domain_allows.csv"); err != nil {
		t.Fatal(err)
	}
	if rules, bad, err = moderation.ReadAllows(bytes.NewReader(raw)); err != nil || len(bad) > 0 || len(rules) != 2 || !rules[0].Allow || rules[1].About != "better.domain" {
		t.Errorf("read %+v %v %v", rules, bad, err)
	}
	out.Reset()
	if err := moderation.WriteAllows(&out, rules); err != nil || out.String() != string(raw) {
		t.Errorf("wrote %s, %v", &out, err)
	}
}

func TestListsOfOtherToolsAreRead(t *testing.T) {
	t.Parallel()
	suspend, limit, noop := moderation.Suspend, moderation.Limit, moderation.Noop
	with := func(r moderation.Rule, change func(*moderation.Rule)) moderation.Rule { change(&r); return r }
	for name, c := range map[string]struct {
		list string
		want []moderation.Rule
	}{
		"nothing":                {"", nil},
		"a header alone":         {"#domain,#severity\n", nil},
		"a mark and CR LF":       {"\ufeff#domain,#severity\r\na.example,silence\r\n\r\nb.example,suspend\r\n", []moderation.Rule{blocked("a.example", limit), blocked("b.example", suspend)}},
		"a header without #":     {"domain,severity,public_comment\na.example,limit,\"x, \"\"y\"\"\"\n", []moderation.Rule{with(blocked("a.example", limit), func(r *moderation.Rule) { r.Public = `x, "y"` })}},
		"columns in other order": {"#public_comment,#obfuscate,Domain,more\nspam,TRUE,a.example,?\n", []moderation.Rule{with(blocked("a.example", suspend), func(r *moderation.Rule) { r.Public, r.Obfuscate = "spam", true })}},
		"a private comment":      {"domain,private_comment\na.example,see the ticket\n", []moderation.Rule{with(blocked("a.example", suspend), func(r *moderation.Rule) { r.Private = "see the ticket" })}},
		"no header":              {"a.example\nb.example,noop,yes\n", []moderation.Rule{blocked("a.example", suspend), with(blocked("b.example", noop), func(r *moderation.Rule) { r.RejectMedia = true })}},
		"comments and spaces":    {"#domain\n# a comment, with more\n  A.Example.  \n\n", []moderation.Rule{blocked("a.example", suspend)}},
		"a name in Unicode":      {"#domain\nbücher.example\n", []moderation.Rule{blocked("xn--bcher-kva.example", suspend)}},
		"no newline at the end":  {"#domain\na.example", []moderation.Rule{blocked("a.example", suspend)}},
		"lines of all lengths":   {"#domain,#severity,#reject_media\na.example\nb.example,silence,1,x,y\n", []moderation.Rule{blocked("a.example", suspend), with(blocked("b.example", limit), func(r *moderation.Rule) { r.RejectMedia = true })}},
	} {
		rules, bad, err := moderation.ReadBlocks(strings.NewReader(c.list))
		if err != nil || len(bad) > 0 || !slices.Equal(rules, c.want) {
			t.Errorf("%s: %+v %v %v", name, rules, bad, err)
		}
	}
	rules, bad, err := moderation.ReadOwn(strings.NewReader("a.example\nb.example\n"), alice)
	if err != nil || len(bad) > 0 || len(rules) != 2 || rules[1].Local != alice || rules[1].Severity != suspend {
		t.Errorf("a user's list: %+v %v %v", rules, bad, err)
	}
	var out bytes.Buffer
	if err := moderation.WriteOwn(&out, append(rules, blocked("site.example", suspend))); err != nil || out.String() != "a.example\nb.example\n" {
		t.Errorf("wrote %q, %v", &out, err)
	}
}

func TestALineThatIsNoRuleCostsNoOther(t *testing.T) {
	t.Parallel()
	list := "#domain,#severity,#reject_media\n" +
		"first.example,suspend,false\n" +
		"https://a.example,suspend,false\n" + // 3
		"b**.example,suspend,false\n" + // 4
		"c.example,destroy,false\n" + // 5
		"d.example,silence,perhaps\n" + // 6
		"FIRST.example,silence,true\n" + // 7
		",suspend,false\n" + // 8
		"e\"e.example,suspend,false\n" + // 9
		"last.example,silence,true\n"
	rules, bad, err := moderation.ReadBlocks(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != 2 || rules[0] != blocked("first.example", moderation.Suspend) || rules[1].About != "last.example" {
		t.Errorf("rules are %+v", rules)
	}
	want := []struct {
		line  int
		field string
		err   error
	}{
		{3, "domain", moderation.ErrBadDomain}, {4, "domain", moderation.ErrHidden}, {5, "severity", moderation.ErrBadField},
		{6, "reject_media", moderation.ErrBadField}, {7, "domain", moderation.ErrTwice}, {8, "domain", moderation.ErrBadDomain}, {9, "", nil},
	}
	if len(bad) != len(want) {
		t.Fatalf("%d lines are bad: %v", len(bad), bad)
	}
	for i, w := range want {
		if bad[i].Line != w.line || bad[i].Field != w.field || w.err != nil && !errors.Is(bad[i], w.err) || bad[i].Error() == "" {
			t.Errorf("bad is %v, want line %d, %s: %v", bad[i], w.line, w.field, w.err)
		}
	}
}

func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	endless := func(text string) io.Reader { return &repeated{text: strings.Repeat(text, 4096)} }
	for name, r := range map[string]io.Reader{
		"one line":        endless("a"),
		"many lines":      endless("a.example\n"),
		"an open quote":   io.MultiReader(strings.NewReader(`"`), endless("a\n")),
		"no line at all":  endless("\n"),
		"nothing but bad": endless("*,?\n"),
	} {
		if _, bad, err := moderation.ReadBlocks(r); !errors.Is(err, moderation.ErrTooLarge) || len(bad) > 1000 {
			t.Errorf("%s: %v, %d bad lines", name, err, len(bad))
		}
	}
	if _, bad, err := moderation.ReadBlocks(strings.NewReader(strings.Repeat("*\n", 2000))); err != nil || len(bad) != 1000 {
		t.Errorf("%d bad lines, %v", len(bad), err)
	}
	broken := errors.New("broken")
	if _, _, err := moderation.ReadBlocks(io.MultiReader(strings.NewReader("a.example\n"), &repeated{err: broken})); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if err := moderation.WriteBlocks(failingWriter{broken}, []moderation.Rule{blocked("a.example", moderation.Suspend)}); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type repeated struct {
	text string
	at   int
	err  error
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// What was read and written is what is read again, and its rules can be made.
func FuzzBlocks(f *testing.F) {
	for _, seed := range []string{
		"#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\na.example,silence,true,false,\"x\ny\",true\n",
		"a.example\nb.example", "\ufeff\"domain\"\r\nbücher.example\r\n", "domain,domain\na.example,b.example\n", "#domain\n#domain\n", "\"\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rules, bad, err := moderation.ReadBlocks(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if len(rules)+len(bad) > len(raw) {
			t.Fatalf("%d rules and %d errors of %d bytes", len(rules), len(bad), len(raw))
		}
		for i := range rules {
			rules[i].Private = ""                                               // is not written
			rules[i].Public = strings.ReplaceAll(rules[i].Public, "\r\n", "\n") // as encoding/csv reads it
		}
		if err := policy(t).Put(t.Context(), rules...); err != nil {
			t.Fatalf("what was read can't be made a rule: %v", err)
		}
		var out bytes.Buffer
		if err := moderation.WriteBlocks(&out, rules); err != nil {
			t.Fatal(err)
		}
		again, bad, err := moderation.ReadBlocks(&out)
		if err != nil || len(bad) > 0 {
			t.Fatalf("can't read what was written: %v %v", bad, err)
		}
		for i := range again { // leading spaces of an unquoted field are not read
			again[i].Public, rules[i].Public = strings.TrimSpace(again[i].Public), strings.TrimSpace(rules[i].Public)
		}
		if !slices.Equal(rules, again) {
			t.Fatalf("read %+v, then %+v", rules, again)
		}
	})
}

// Whatever is asked, an id is judged as its host is, unless a rule names it, and under one name.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"https://bad.example/u", "https://BAD.example:443/u", "bad.example.", "https://x@bad.example#", `https://bad.example\x`, "https://[::1]:80/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, who string) {
		p := policy(t, rule("bad.example", moderation.Suspend))
		first := judge(t, p, moderation.Question{Actor: who})
		if err := p.Put(t.Context(), rule(who, moderation.Suspend)); err != nil {
			return
		}
		if !judge(t, p, moderation.Question{Actor: who}).Refuse {
			t.Fatalf("a rule about %q does not refuse it", who)
		}
		if k, err := (moderation.Key{About: who}).Normal(); err != nil {
			t.Fatal(err)
		} else if again, err := k.Normal(); err != nil || again != k {
			t.Fatalf("%q is kept as %q, and that as %q, %v", who, k.About, again.About, err)
		} else if v := judge(t, policy(t, rule("bad.example", moderation.Suspend)), moderation.Question{Actor: k.About}); v.Differs(first) {
			t.Fatalf("%q is judged %+v, and as %q %+v", who, first, k.About, v)
		}
	})
}
