package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fedictl runs the program.
func fedictl(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

var keyText = regexp.MustCompile(`-----BEGIN PUBLIC KEY-----[^"]*`)

// golden compares with a file. Keys differ each time.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = keyText.ReplaceAllString(got, "(a key)")
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestItFindsItsWayAroundTwoServers(t *testing.T) {
	t.Parallel()
	flags := twoServers(t)
	for _, tt := range []struct {
		args   []string
		status int
		want   []string
	}{
		{[]string{"lookup", "@alice@a.test"}, fine, []string{"@alice@a.test\n", "id: http://a.test/ap/users/alice\n", "RSA, 2048 bits"}},
		{[]string{"lookup", "http://b.test/ap/users/bob"}, fine, []string{"@bob@b.test\n", "inbox: http://b.test/ap/users/bob/inbox\n"}},
		{[]string{"lookup", "@gone@a.test"}, found, nil},
		{[]string{"lookup", "@nobody@a.test"}, found, nil},
		{[]string{"webfinger", "@bob@b.test"}, fine, []string{"acct:bob@b.test\n", "href: http://b.test/ap/users/bob\n"}},
		{[]string{"nodeinfo", "a.test"}, fine, []string{"name: twoservers", "privacyPolicyUrl: http://a.test/privacy", "actor of the server: http://a.test/ap/actor"}},
		{[]string{"actor", "check", "@alice@a.test"}, fine, []string{"http://a.test/ap/users/alice (@alice@a.test)\n└─ nobody is known to refuse it\n"}},
		{[]string{"actor", "check", "http://a.test/ap/actor"}, fine, []string{"nobody is known to refuse it"}}, // the server's own
		{[]string{"actor", "check", "bob@b.test"}, found, []string{
			"impaired at: Mastodon, Threads\n", "published-missing", "privacy-policy-missing", "public-feed-missing", "age-rule-missing"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			status, out, errs := fedictl(t, "", append(tt.args, flags...)...)
			if status != tt.status || (errs == "") != (tt.want != nil) || strings.Contains(out, "refused by") {
				t.Errorf("exit status %d, want %d; said %q and\n%s", status, tt.status, errs, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("said not %q but\n%s", want, out)
				}
			}
		})
	}
}

func TestTreesAndJSONLookAsTheyAlwaysDid(t *testing.T) {
	t.Parallel()
	flags := fixed(t)
	for _, tt := range []struct {
		name   string
		args   []string
		status int
	}{
		{"lookup-handle", []string{"lookup", "@alice@a.test"}, fine},
		{"lookup-url", []string{"lookup", "http://a.test/ap/users/alice"}, fine},
		{"lookup-json", []string{"-json", "lookup", "@alice@a.test"}, fine},
		{"webfinger", []string{"webfinger", "@alice@b.test"}, fine},
		{"webfinger-json", []string{"webfinger", "@alice@b.test", "-json"}, fine},
		{"nodeinfo", []string{"nodeinfo", "a.test"}, fine},
		{"nodeinfo-json", []string{"nodeinfo", "-json", "b.test"}, fine},
		{"actor-check-correct", []string{"actor", "check", "@alice@a.test"}, fine},
		{"actor-check-correct-json", []string{"actor", "check", "http://a.test/ap/users/alice", "-json"}, fine},
		{"actor-check", []string{"actor", "check", "alice@b.test"}, found},
		{"actor-check-json", []string{"actor", "check", "alice@b.test", "-json"}, found},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, out, errs := fedictl(t, "", append(tt.args, flags...)...)
			if status != tt.status || errs != "" {
				t.Errorf("exit status %d, want %d; said %q", status, tt.status, errs)
			}
			golden(t, tt.name, out)
			if strings.HasSuffix(tt.name, "-json") && !json.Valid([]byte(out)) {
				t.Error("that is not JSON")
			}
		})
	}
}

// Another name for the same host is as good.
func TestNodeInfoTakesHandlesAndURLs(t *testing.T) {
	t.Parallel()
	flags := twoServers(t)
	_, want, _ := fedictl(t, "", append(flags, "nodeinfo", "a.test")...)
	for _, where := range []string{"@alice@a.test", "http://a.test/ap/users/alice"} {
		if status, out, errs := fedictl(t, "", append(flags, "nodeinfo", where)...); status != fine || out != want {
			t.Errorf("%s: exit status %d, %q, %q", where, status, out, errs)
		}
	}
}

func TestDocumentsAreCheckedWithoutAServer(t *testing.T) {
	t.Parallel()
	correct, brokenFile := filepath.Join("testdata", "correct.json"), filepath.Join("testdata", "broken.json")
	text, err := os.ReadFile(brokenFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, stdin string
		args        []string
		status      int
	}{
		{"file-correct", "", []string{"actor", "check", correct}, fine},
		{"file-broken", "", []string{"actor", "check", brokenFile}, found},
		{"file-broken-json", "", []string{"actor", "check", brokenFile, "-json"}, found},
		{"stdin-broken", string(text), []string{"actor", "check", "-"}, found},
		{"stdin-broken", string(text), []string{"actor", "check"}, found},
		{"stdin-nothing", "", []string{"actor", "check"}, found},
		{"stdin-colours", "{\"type\":\"Person\\u001b[31m\\u202e\"}", []string{"actor", "check"}, found},
		{"activity", "", []string{"activity", "check", filepath.Join("testdata", "like.json")}, fine},
		{"activity-broken", `{"type":"Like","actor":{"id":"https://a.example/"},"object":"https://b.example/1"}`, []string{"activity", "check"}, found},
		{"activity-broken-json", `{"type":"Like","actor":{"id":"https://a.example/"},"object":"https://b.example/1"}`, []string{"activity", "check", "-json"}, found},
		{"rules", "", []string{"actor", "rules"}, fine},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, out, errs := fedictl(t, tt.stdin, tt.args...)
			if status != tt.status || errs != "" {
				t.Errorf("exit status %d, want %d; said %q", status, tt.status, errs)
			}
			golden(t, tt.name, out)
		})
	}
	if status, out, _ := fedictl(t, "", "actor", "rules", "-json"); status != fine || !json.Valid([]byte(out)) {
		t.Errorf("exit status %d and no JSON: %.100s", status, out)
	}
}

func TestAWrongCommandLineSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noKey := filepath.Join(dir, "no-key.pem")
	if err := os.WriteFile(noKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		nil, {"find"}, {"actor"}, {"actor", "find"}, {"activity"}, {"lookup"}, {"webfinger"}, {"nodeinfo"},
		{"lookup", "@a@a.test", "@b@b.test"}, {"actor", "check", "a", "b"}, {"actor", "rules", "all"},
		{"-no-such-flag", "lookup", "@a@a.test"}, {"lookup", "@a@a.test", "-no-such-flag"},
		{"-timeout", "soon", "lookup", "@a@a.test"}, {"-timeout", "-1s", "lookup", "@a@a.test"}, {"-timeout", "0", "lookup", "@a@a.test"},
		{"-insecure-allow-loopback", "a.test", "lookup", "@a@a.test"},
		{"-insecure-allow-loopback", "a.test=192.0.2.1:80", "lookup", "@a@a.test"},
		{"-insecure-allow-loopback", "a.test=192.0.2.1:80", "actor", "check", "@a@a.test"},
		{"-key", noKey, "lookup", "@a@a.test"}, {"-key-id", "https://a.test/#k", "lookup", "@a@a.test"},
		{"-key", noKey, "-key-id", "https://a.test/#k", "lookup", "@a@a.test"},
		{"-key", filepath.Join(dir, "none"), "-key-id", "https://a.test/#k", "lookup", "@a@a.test"},
		{"actor", "check", filepath.Join(dir, "none.json")}, {"actor", "check", dir}, {"activity", "check", dir},
	} {
		status, out, errs := fedictl(t, "", args...)
		if status != wrong || out != "" || !strings.HasPrefix(errs, "fedictl: ") || !strings.Contains(errs, "usage: fedictl") {
			t.Errorf("%q: exit status %d, said %q and %q", args, status, out, errs)
		}
	}
	for want, args := range map[string][]string{
		"check or rules?": {"actor"}, "no file, and neither a handle": {"actor", "check", "blog.test"}, "of whom?": {"lookup"},
		`no command "chek"`: {"chek", "x"},
	} {
		if _, _, errs := fedictl(t, "", args...); !strings.Contains(errs, want) {
			t.Errorf("%q: said %q, want %q", args, errs, want)
		}
	}
	for _, args := range [][]string{{"-h"}, {"lookup", "-help"}} {
		if status, out, errs := fedictl(t, "", args...); status != fine || !strings.HasPrefix(out, "usage: fedictl") || errs != "" {
			t.Errorf("%q: exit status %d, said %q and %q", args, status, out, errs)
		}
	}
}

func TestAnInterruptEndsIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"lookup", "@slow@c.test"}, {"actor", "check", "@slow@c.test"}, {"nodeinfo", "c.test"}} {
		var out, errs bytes.Buffer
		if status := run(ctx, append(liars(t), args...), strings.NewReader(""), &out, &errs); status != found || errs.String() != "fedictl: interrupted\n" {
			t.Errorf("%q: exit status %d, said %q", args, status, &errs)
		}
	}
}
