//go:build interop

package fedify_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestThePeerKnocksTwiceAndRemembersUntilToldAnew(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p := startPeer(t, ca)
	s := startStub(t, ca)

	for _, step := range []struct {
		name          string
		tell, refused string
		want          []string
	}{
		{name: "refused, it tries the other way", refused: rfc9421, want: []string{rfc9421, cavage}},
		{name: "then it keeps to that", want: []string{cavage}},
		{name: "told anew, it has forgotten", tell: rfc9421, want: []string{rfc9421}},
		{name: "it does the same the other way round", tell: cavage, refused: cavage, want: []string{cavage, rfc9421}},
		{name: "and keeps to that", want: []string{rfc9421}},
	} {
		if step.tell != "" {
			p.knockFirst(t, step.tell)
		}
		s.refuse(step.refused)
		p.do(t, "follow", s.actor)
		p.drain(t)
		if knocks := s.knocks(); !slices.Equal(knocks, step.want) {
			t.Errorf("%s: it knocked as %v, want %v", step.name, knocks, step.want)
		}
	}
}

// stub is as much of an ActivityPub server as Fedify needs for following someone: it checks nothing.
type stub struct {
	actor string

	mu      sync.Mutex
	refused string
	heard   []string
}

func startStub(t *testing.T, ca *authority) *stub {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ca.leaf(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s.actor = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/users/stub"
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /users/stub":
		w.Header().Set("Content-Type", activityJSON)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"@context":          "https://www.w3.org/ns/activitystreams",
			"id":                s.actor,
			"type":              "Person",
			"preferredUsername": "stub",
			"inbox":             s.actor + "/inbox",
		})
	case "POST /users/stub/inbox":
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20))
		scheme := cavage
		if r.Header.Get("Signature-Input") != "" {
			scheme = rfc9421
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard = append(s.heard, scheme)
		if scheme == s.refused {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		http.NotFound(w, r)
	}
}

// refuse answers 401 to what is signed in this way from now on; empty: to nothing.
func (s *stub) refuse(scheme string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = scheme
}

// knocks returns how the requests since the last call were signed.
func (s *stub) knocks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := s.heard
	s.heard = nil
	return heard
}
