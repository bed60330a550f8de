package main

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

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
		{"a page for an actor", []string{"lookup", "@html@c.test"}, "What c.test shows there is not "},
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
