package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

var update = flag.Bool("update", false, "write the golden files anew")

// twoServers starts a.test and b.test as examples/twoservers does, and returns the flags that lead to them. What
// a.test's users and NodeInfo say leaves no peer anything to complain of.
func twoServers(t *testing.T) []string {
	t.Helper()
	names := make(map[string]string)
	listeners := make(map[string]net.Listener)
	var flags []string
	for _, host := range []string{"a.test", "b.test"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[host], names[host] = l, l.Addr().String()
		flags = append(flags, "-insecure-allow-loopback", host+"="+names[host])
	}
	for host, l := range listeners {
		origin := "http://" + host
		f, err := fedihook.New(fedihook.Config{
			Origin: origin, Storage: storage.Memory(), InsecureAllowLoopback: names, Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				p := actor.Profile{Handle: handle, Name: "Name of " + handle, Summary: "<p>" + handle + " of " + host + "</p>", Discoverable: true}
				switch {
				case host == "a.test" && handle == "alice":
					p.URL = origin + "/@alice"
					p.Published = time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
					p.Fields = []actor.Field{{Name: "Site", Value: "a.test"}}
				case host == "b.test" && (handle == "bob" || handle == "carol"):
				case handle == "gone":
					return actor.Profile{}, actor.ErrGone
				default:
					return actor.Profile{}, actor.ErrNotFound
				}
				return p, nil
			},
			NodeInfo: func(context.Context) (actor.NodeInfo, error) {
				info := actor.NodeInfo{Software: "twoservers", Version: "1"}
				if host == "a.test" {
					info.Metadata = map[string]any{"privacyPolicyUrl": origin + "/privacy", "minimumAge": 13, "publicFeedUrl": origin + "/"}
				}
				return info, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page for people\n") })
		web := httptest.NewUnstartedServer(f.Wrap(mux))
		web.Listener.Close()
		web.Listener = l
		web.Start()
		t.Cleanup(web.Close)
	}
	return flags
}

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
		name   string
		args   []string
		status int
	}{
		{"lookup-handle", []string{"lookup", "@alice@a.test"}, fine},
		{"lookup-url", []string{"lookup", "http://b.test/ap/users/bob"}, fine},
		{"lookup-json", []string{"-json", "lookup", "@alice@a.test"}, fine},
		{"webfinger", []string{"webfinger", "@bob@b.test"}, fine},
		{"webfinger-json", []string{"webfinger", "@bob@b.test", "-json"}, fine},
		{"nodeinfo", []string{"nodeinfo", "a.test"}, fine},
		{"nodeinfo-json", []string{"nodeinfo", "-json", "b.test"}, fine},
		{"actor-check-correct", []string{"actor", "check", "@alice@a.test"}, fine},
		{"actor-check-correct-json", []string{"actor", "check", "http://a.test/ap/users/alice", "-json"}, fine},
		{"actor-check-server", []string{"actor", "check", "http://a.test/ap/actor"}, fine},
		{"actor-check", []string{"actor", "check", "bob@b.test"}, found},
		{"actor-check-json", []string{"actor", "check", "bob@b.test", "-json"}, found},
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
	for _, args := range [][]string{{"-h"}, {"lookup", "-help"}} {
		if status, out, errs := fedictl(t, "", args...); status != fine || !strings.HasPrefix(out, "usage: fedictl") || errs != "" {
			t.Errorf("%q: exit status %d, said %q and %q", args, status, out, errs)
		}
	}
}

// liars is a server on which nothing is as it should be.
func liars(t *testing.T) []string {
	t.Helper()
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		self := func(path string) {
			w.Header().Set("Content-Type", "application/jrd+json")
			_, _ = io.WriteString(w, `{"subject":"`+r.URL.Query().Get("resource")+`","links":[{"rel":"self","type":"application/activity+json","href":"http://c.test`+path+`"}]}`)
		}
		document := func(id string) {
			w.Header().Set("Content-Type", activity.ContentType)
			_, _ = io.WriteString(w, `{"@context":"https://www.w3.org/ns/activitystreams","type":"Person","id":"`+id+`","preferredUsername":"signed","inbox":"`+id+`/inbox"}`)
		}
		switch r.URL.Path {
		case "/.well-known/webfinger":
			switch name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Query().Get("resource"), "acct:"), "@"); name {
			case "nobody":
				http.NotFound(w, r)
			case "page":
				_, _ = io.WriteString(w, "<html>")
			case "odd":
				_, _ = io.WriteString(w, `{"subject":"acct:odd@c.test","aliases":["https://c.test/\u001b[2J\u202ex\nhttps://c.test/y"],"links":[]}`)
			case "slow":
				select {
				case <-release:
				case <-r.Context().Done():
				}
			default:
				self("/" + name)
			}
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
		case "/other":
			document("http://d.test/other")
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/signed":
			if r.Header.Get("Signature") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			document("http://c.test/signed")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() { close(release); web.Close() })
	return []string{"-timeout", "2s", "-insecure-allow-loopback", "c.test=" + web.Listener.Addr().String()}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	t.Parallel()
	flags := liars(t)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nobody", []string{"lookup", "@nobody@c.test"}, "knows nobody of that name"},
		{"a page for WebFinger", []string{"lookup", "@page@c.test"}, "does not seem to be part of the fediverse"},
		{"a page for an actor", []string{"lookup", "@html@c.test"}, "is not an account"},
		{"somebody else", []string{"lookup", "@other@c.test"}, "contradicts itself"},
		{"gone", []string{"lookup", "@gone@c.test"}, "was deleted"},
		{"no host", []string{"lookup", "@a@nowhere.invalid"}, "no"}, // by name or by network: there may be no resolver here
		{"an address of ours", []string{"lookup", "https://127.0.0.1/"}, "There is no server"},
		{"no handle", []string{"lookup", "alice"}, "neither a handle"},
		{"404 as Threads says it", []string{"lookup", "@hidden@c.test"}, unsigned},
		{"401 as GoToSocial says it", []string{"lookup", "@signed@c.test"}, unsigned},
		{"a hidden URL", []string{"lookup", "http://c.test/hidden"}, unsigned},
		{"nobody by WebFinger", []string{"webfinger", "@nobody@c.test"}, "nothing of that name"},
		{"no handle by WebFinger", []string{"webfinger", "alice"}, "no name or address"},
		{"a page by WebFinger", []string{"webfinger", "@page@c.test"}, "not answer as servers of the fediverse do"},
		{"too slow", []string{"-timeout", "50ms", "webfinger", "@slow@c.test"}, "does not answer"},
		{"too slow to check", []string{"-timeout", "50ms", "actor", "check", "@slow@c.test"}, "does not answer"},
		{"no NodeInfo", []string{"nodeinfo", "c.test"}, "nothing of that name"},
		{"no host for NodeInfo", []string{"nodeinfo", "a b"}, "no name or address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, out, errs := fedictl(t, "", append(flags[:len(flags):len(flags)], tt.args...)...)
			if status != found || out != "" || !strings.HasPrefix(errs, "fedictl: ") || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit status %d, said %q and %q, want %q", status, out, errs, tt.want)
			}
		})
	}
}

func TestStrangersDontMoveTheCursor(t *testing.T) {
	t.Parallel()
	status, out, errs := fedictl(t, "", append(liars(t), "webfinger", "@odd@c.test")...)
	if want := "acct:odd@c.test\n└─ alias: https://c.test/·[2J·x·https://c.test/y\n"; status != fine || out != want {
		t.Errorf("exit status %d, said %q and %q, want %q", status, out, errs, want)
	}
}

func TestAHiddenActorIsReportedWithAHint(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"signed", "hidden"} {
		status, out, errs := fedictl(t, "", append(liars(t), "actor", "check", "@"+name+"@c.test")...)
		if status != found || !strings.Contains(out, "refused by") || !strings.Contains(errs, unsigned) {
			t.Errorf("%s: exit status %d, said %q and %q", name, status, out, errs)
		}
	}
}

func TestAKeyOpensWhatIsHidden(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signature.MarshalPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := append(liars(t), "-key", file, "-key-id", "https://me.example/actor#main-key")
	if status, out, errs := fedictl(t, "", append(flags, "lookup", "@signed@c.test")...); status != fine || !strings.Contains(out, "http://c.test/signed") {
		t.Errorf("exit status %d, said %q and %q", status, out, errs)
	}
	status, out, errs := fedictl(t, "", append(flags, "actor", "check", "@signed@c.test")...)
	if status != found || !strings.Contains(out, "key-missing") || strings.Contains(errs, unsigned) {
		t.Errorf("exit status %d, said %q and %q", status, out, errs)
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
