package main

import (
	"bytes"
	"strings"
	"testing"
)

// With -v, which changes nothing but what is shown.
func TestTheWalkPassesAndShowsHeadersAndDocuments(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-v"}, &out, &errs); code != 0 {
		t.Fatalf("exit status %d\n%s%s", code, &out, &errs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, " passed, 0 failed") {
		t.Errorf("last line is %q", last)
	}
	if n := strings.Count(out.String(), "    ok "); n < 40 {
		t.Errorf("%d checks, want at least 40", n)
	}
	for _, want := range []string{">>> POST /ap/", "<<< 202 Accepted", "Signature: keyId=", `"type": "Create"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown", want)
		}
	}
}

// Each rule is what makes at least one named check pass: without it the walk fails there.
func TestTheWalkFailsWithoutARule(t *testing.T) {
	t.Parallel()
	for rule, check := range map[string]string{
		"sign":      "a forged signature is 401",
		"digest":    "a changed body is 401",
		"target":    "the same bytes at another host are 401",
		"authority": "an activity in someone else's name is 403",
		"dedupe":    "bob's app heard of it once",
		"retry":     "and pulls in what it missed",
		"private":   "a stranger's GET is 404",
		"tombstone": "its id answers 410",
		"limit":     "carol's follow waits for alice",
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			if code := run(t.Context(), []string{"-break", rule}, &out, &errs); code != 1 {
				t.Errorf("exit status %d, want 1", code)
			}
			if !strings.Contains(out.String(), "FAILED "+check) {
				t.Errorf("%q did not fail\n%s%s", check, &out, &errs)
			}
		})
	}
	if len(rules) != 9 {
		t.Errorf("%d rules can be switched off, 9 are tried", len(rules))
	}
}

func TestAWrongFlagSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-break", "everything"}, {"-no-such-flag"}, {"argument"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 2 || errs.Len() == 0 || out.Len() != 0 {
			t.Errorf("%q: exit status %d, said %q and %q", args, code, &out, &errs)
		}
	}
}
