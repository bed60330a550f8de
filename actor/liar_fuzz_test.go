package actor_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// scripted is a web of one server that says the same to every request. It remembers which hosts were asked.
type scripted struct {
	status               int
	kind, location, body string
	hosts                map[string]bool
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.hosts[r.URL.Host] = true
	h := http.Header{"Content-Type": {s.kind}}
	if s.location != "" {
		h.Set("Location", s.location)
	}
	return &http.Response{StatusCode: s.status, Header: h, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

// Whatever a server answers: an actor has the id that was asked for and an inbox, a key the owner that
// lists it, and nobody else was asked.
func FuzzAnswer(f *testing.F) {
	key := "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"
	for _, body := range []string{
		`{"id":"https://b.test/users/bob","type":"Person","inbox":"https://b.test/inbox","publicKey":{"id":"https://b.test/users/bob#main-key","owner":"https://b.test/users/bob","publicKeyPem":"` + key + `"}}`,
		`{"id":"https://b.test/users/bob","type":["Person","x"],"inbox":{"id":"https://b.test/inbox"},"url":[{"href":"javascript:x"}],"assertionMethod":[{"id":"https://b.test/users/bob#k"}]}`,
		`{"id":"https://b.test/users/bob#main-key","type":"Key","owner":"https://b.test/users/bob","publicKeyPem":"x"}`,
		`{"id":"https://c.test/users/bob","type":"Person","inbox":"https://c.test/inbox"}`, `{"type":"Tombstone","id":"https://b.test/users/bob"}`, `[`, ``,
	} {
		f.Add(uint16(200), activity.ContentType, "", body)
		f.Add(uint16(200), activity.LDContentType, "", body)
		f.Add(uint16(200), "text/html", "", body)
		f.Add(uint16(302), activity.ContentType, "//c.test/x", body)
		f.Add(uint16(307), activity.ContentType, "https://b.test\\@c.test/", body)
	}
	f.Fuzz(func(t *testing.T, status uint16, kind, location, body string) {
		if status < 100 || status > 999 {
			return
		}
		s := &scripted{status: int(status), kind: kind, location: location, body: body, hosts: map[string]bool{}}
		r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: s}, Store: newMemory()})
		a, err := r.Actor(t.Context(), bob)
		var e *actor.Error
		switch {
		case err != nil && (a != nil || !errors.As(err, &e)):
			t.Fatalf("%v, %v", a, err)
		case err == nil:
			if inbox, err := url.Parse(a.Inbox.ID); a.ID != bob || err != nil || inbox.Host == "" || inbox.User != nil || inbox.Scheme != "https" && inbox.Scheme != "http" {
				t.Fatalf("%q with inbox %q", a.ID, a.Inbox.ID)
			}
			for _, ref := range a.URL {
				if u, err := url.Parse(ref.ID); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
					t.Fatalf("url %q", ref.ID)
				}
			}
		}
		k, err := r.PublicKey(t.Context(), bobKey)
		switch {
		case err != nil && (k.Key != nil || !errors.As(err, &e)):
			t.Fatalf("%v, %v", k, err)
		case err == nil && (k.Key == nil || k.ID != bobKey || !activity.SameAuthority(k.Owner, bob)):
			t.Fatalf("%+v", k)
		}
		if doc, raw, err := r.Fetch(t.Context(), bob); err == nil && (string(raw) != body || doc.DocumentID() != bob && !activity.SameAuthority(doc.DocumentID(), bob)) {
			t.Fatalf("%q from %q", doc.DocumentID(), raw)
		}
		for host := range s.hosts {
			if host != "b.test" {
				t.Fatalf("asked %s", host)
			}
		}
		if j, err := r.WebFinger(t.Context(), "bob@b.test"); err == nil && j.Subject == "" {
			t.Fatalf("%+v", j)
		}
	})
}

// Whatever someone types into a search: requests go to hosts that stand in it, for handles to
// well-known addresses only.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"@bob@b.test", "acct:bob@b.test:8443", "https://b.test/@bob", "bob@bücher.example", "bob@b.test/x", "https://u:p@b.test\\@c.test/", "@@", "bob@[::1]", " bob@b.test\r\n"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s := &asked{}
		a, err := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: s}}).Lookup(t.Context(), query)
		var l *actor.LookupError
		if a != nil || !errors.As(err, &l) || l.Sentence() == "" || l.Query != query {
			t.Fatalf("%q: %v, %v", query, a, err)
		}
		for _, u := range s.urls {
			if u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(u.Host, " /\\@\r\n") || strings.ContainsAny(u.RequestURI(), " \r\n") {
				t.Fatalf("%q: asked %q", query, u)
			}
			if typed := strings.TrimSpace(query); !strings.HasPrefix(typed, "http") && (u.Scheme != "https" || !strings.HasPrefix(u.Path, "/.well-known/")) {
				t.Fatalf("%q: asked %q", query, u)
			}
		}
	})
}

// asked is a web of servers that know nobody.
type asked struct{ urls []*url.URL }

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.urls = append(a.urls, r.URL)
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}
