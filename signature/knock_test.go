package signature_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

const aliceSecond = alice + "#ed25519-key"

// host is a server that sees how requests are signed and answers as it likes.
type host struct {
	t *testing.T
	// answer gets the suite, "c", "r" or "e", and the request.
	answer func(suite string, r *http.Request) (status int, header http.Header)
	seen   []string // suite and status, one for each request
}

func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	h.t.Helper()
	body := must[[]byte](h.t)(io.ReadAll(r.Body))
	v := &signature.Verifier{
		Keys: keyring{aliceKey: &must[*rsa.PrivateKey](h.t)(rsaKey()).PublicKey,
			aliceSecond: must[ed25519.PrivateKey](h.t)(edKey()).Public()},
		Authorities: []string{r.URL.Host},
	}
	arrived := r.Clone(r.Context())
	arrived.RequestURI = r.URL.RequestURI()
	got, err := v.Verify(arrived, body)
	suite := map[signature.Scheme]string{signature.Cavage: "c", signature.RFC9421: "r"}[got.Scheme]
	if got.KeyID == aliceSecond {
		suite = "e"
	}
	if got.QueryUnsigned {
		suite += "?"
	}
	if err != nil {
		arrived.RequestURI = r.URL.Path
		if _, again := v.Verify(arrived, body); again != nil {
			h.t.Errorf("sent what does not verify: %v", err)
		}
		suite = "c?"
	}
	if r.Method == http.MethodPost && string(body) != follow {
		h.t.Errorf("body %q", body)
	}
	status, header := h.answer(suite, r)
	h.seen = append(h.seen, fmt.Sprint(suite, status))
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Request: r, Body: io.NopCloser(strings.NewReader("answer"))}, nil
}

// took empties what was seen.
func (h *host) took() string {
	s := strings.Join(h.seen, " ")
	h.seen = nil
	return s
}

func (h *host) transport() *signature.Transport { return alicesTransport(h.t, h) }

// withEd adds alice's second key, which the host is said to verify.
func withEd(tr *signature.Transport, said *signature.Suite) *signature.Transport {
	tr.Ed25519 = func(context.Context) (signature.Key, error) {
		k, err := edKey()
		return signature.Key{ID: aliceSecond, Private: k}, err
	}
	tr.Verifies = func(context.Context, string) (signature.Suite, bool) {
		if said == nil {
			return 0, false
		}
		return *said, true
	}
	return tr
}

// by makes an answer of a status for each suite.
func by(statuses map[string]int) func(string, *http.Request) (int, http.Header) {
	return func(suite string, _ *http.Request) (int, http.Header) {
		return statuses[strings.TrimSuffix(suite, "?")], nil
	}
}

func (h *host) send(tr *signature.Transport, method, url string) int {
	h.t.Helper()
	var body io.Reader = http.NoBody
	if method == http.MethodPost {
		body = strings.NewReader(follow)
	}
	response, err := tr.RoundTrip(must[*http.Request](h.t)(http.NewRequest(method, url, body)))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadAll(response.Body); err != nil {
		h.t.Error(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestAHostIsKnockedAtTwiceOnlyWhereTheSignatureMayBeAtFault(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, url string
		statuses  map[string]int
		change    func(tr *signature.Transport)
		want      string
	}{
		{"accepted", inboxURL, map[string]int{"c": 202}, nil, "c202"},
		{"400", inboxURL, map[string]int{"c": 400, "r": 202}, nil, "c400 r202"},
		{"401", inboxURL, map[string]int{"c": 401, "r": 202}, nil, "c401 r202"},
		{"403", inboxURL, map[string]int{"c": 403, "r": 202}, nil, "c403 r202"},
		{"404", inboxURL, map[string]int{"c": 404}, nil, "c404"},
		{"410", inboxURL, map[string]int{"c": 410}, nil, "c410"},
		{"409", inboxURL, map[string]int{"c": 409}, nil, "c409"},
		{"429", inboxURL, map[string]int{"c": 429}, nil, "c429"},
		{"500", inboxURL, map[string]int{"c": 500}, nil, "c500"},
		{"503", inboxURL, map[string]int{"c": 503}, nil, "c503"},
		{"both refused", inboxURL, map[string]int{"c": 401, "r": 401}, nil, "c401 r401"},
		{"then busy", inboxURL, map[string]int{"c": 401, "r": 503}, nil, "c401 r503"},
		{"Threads hides it as 404", "https://threads.net/ap/inbox", map[string]int{"c": 404, "r": 202}, nil, "c404 r202"},
		{"and as 410", "https://www.threads.net/ap/inbox", map[string]int{"c": 410, "r": 404}, nil, "c410 r404"},
		{"unless told otherwise", "https://threads.net/ap/inbox", map[string]int{"c": 404},
			func(tr *signature.Transport) { tr.Hiding = []string{} }, "c404"},
		{"another host that hides", inboxURL, map[string]int{"c": 404, "r": 202},
			func(tr *signature.Transport) { tr.Hiding = []string{"our.example"} }, "c404 r202"},
		{"RFC 9421 first", inboxURL, map[string]int{"c": 202, "r": 401},
			func(tr *signature.Transport) { tr.Scheme = signature.RFC9421 }, "r401 c202"},
		{"fixed", inboxURL, map[string]int{"c": 401}, func(tr *signature.Transport) { tr.Fixed = true }, "c401"},
		{"fixed to the other", inboxURL, map[string]int{"r": 401},
			func(tr *signature.Transport) { tr.Fixed, tr.Scheme = true, signature.RFC9421 }, "r401"},
		{"an Ed25519 key alone", inboxURL, map[string]int{"e": 401}, func(tr *signature.Transport) {
			tr.Key = func(context.Context) (signature.Key, error) {
				k, err := edKey()
				return signature.Key{ID: aliceSecond, Private: k}, err
			}
		}, "e401"},
	} {
		h := &host{t: t, answer: by(tc.statuses)}
		tr := h.transport()
		if tc.change != nil {
			tc.change(tr)
		}
		h.send(tr, http.MethodPost, tc.url)
		if got := h.took(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	// A query is dropped before the scheme is changed, and three requests are the most.
	h := &host{t: t, answer: by(map[string]int{"c": 401, "r": 401})}
	h.send(h.transport(), http.MethodGet, "https://our.example/ap/users/bob?page=1")
	if got := h.took(); got != "c401 c?401 r401" {
		t.Error(got)
	}
	tr := h.transport()
	tr.Scheme = signature.RFC9421
	h.send(tr, http.MethodGet, "https://our.example/ap/users/bob?page=1")
	if got := h.took(); got != "r401 c401 c?401" {
		t.Error(got)
	}
}

func TestEveryAnswerButTheLastIsClosed(t *testing.T) {
	t.Parallel()
	var closed atomic.Int32
	sends := 0
	tr := alicesTransport(t, base(func(r *http.Request) (*http.Response, error) {
		sends++
		return &http.Response{StatusCode: 401, Header: http.Header{}, Body: closing{strings.NewReader("no"), &closed}, Request: r}, nil
	}))
	response, err := tr.RoundTrip(must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/x?y", nil)))
	if err != nil || sends != 3 || closed.Load() != 2 {
		t.Errorf("%v, %d sent, %d closed", err, sends, closed.Load())
	}
	if text, err := io.ReadAll(response.Body); string(text) != "no" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// heard is what a Verifier says of a request that host signed.
func heard(s signature.Scheme) signature.Verified {
	return signature.Verified{KeyID: aliceKey, Owner: alice, Scheme: s}
}

func TestAHostThatUsesRFC9421GetsItFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const month = 30 * 24 * time.Hour
		h := &host{t: t, answer: by(map[string]int{"c": 202, "r": 202})}
		tr := h.transport()
		tr.Memory = &signature.Hosts{}
		step := func(what, want string) {
			t.Helper()
			h.send(tr, http.MethodPost, inboxURL)
			if got := h.took(); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		step("unknown", "c202")
		tr.Heard(t.Context(), "our.example", heard(signature.Cavage))
		tr.Heard(t.Context(), "our.example", signature.Verified{Scheme: signature.RFC9421})
		tr.Heard(t.Context(), "not a host", heard(signature.RFC9421))
		tr.Heard(t.Context(), "other.example", heard(signature.RFC9421))
		step("heard nothing of it", "c202")
		tr.Heard(t.Context(), "OUR.example:443", heard(signature.RFC9421))
		step("heard", "r202")
		time.Sleep(20 * 24 * time.Hour)
		step("20 days later", "r202")
		tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		time.Sleep(month - time.Second)
		step("a month after it was heard again, whatever it answered", "r202")
		time.Sleep(time.Second)
		step("and no longer", "c202")
		tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		h.answer = by(map[string]int{"c": 202, "r": 401})
		step("it refuses what it uses", "r401 c202")
		step("back", "c202")
		tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		step("and not to and fro", "c202")
		first := h.transport()
		first.Scheme, first.Memory = signature.RFC9421, tr.Memory
		h.send(first, http.MethodPost, inboxURL)
		if got := h.took(); got != "c202" {
			t.Errorf("nor by one that prefers RFC 9421: %s", got)
		}
		time.Sleep(month)
		tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		h.answer = by(map[string]int{"c": 202, "r": 202})
		step("a month later", "r202")
	})
}

// Pixelfed answers 200 to RFC 9421 and drops the activity later.
func TestA200IsNoProofThatRFC9421WasUnderstood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, answer: by(map[string]int{"c": 401, "r": 200})}
		tr := h.transport()
		step := func(what, want string) {
			t.Helper()
			h.send(tr, http.MethodPost, inboxURL)
			if got := h.took(); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		step("first", "c401 r200")
		step("on probation", "r200")
		time.Sleep(23 * time.Hour)
		step("still", "r200")
		time.Sleep(time.Hour)
		step("which no 200 makes longer", "c401 r200")
		h.answer = by(map[string]int{"c": 200, "r": 200})
		time.Sleep(24 * time.Hour)
		step("it was a passing fault", "c200")
		step("and is forgotten", "c200")
	})
}

func TestAHostThatRefusesBothIsAskedOnceForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, answer: by(map[string]int{"c": 403, "r": 403})}
		tr := h.transport()
		step := func(what, want string) {
			t.Helper()
			h.send(tr, http.MethodPost, inboxURL)
			if got := h.took(); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		step("first", "c403 r403")
		step("at once", "c403")
		time.Sleep(10 * time.Minute)
		step("later", "c403 r403")
		// What is known beyond that is kept.
		tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		step("heard meanwhile", "r403 c403")
		step("at once", "r403")
		time.Sleep(10 * time.Minute)
		h.answer = by(map[string]int{"c": 202, "r": 202})
		step("and forgiven", "r202")
	})
}

func TestEd25519IsForHostsThatSayTheyVerifyIt(t *testing.T) {
	t.Parallel()
	all := map[string]int{"c": 202, "r": 202, "e": 202}
	said := func(s signature.Suite) *signature.Suite { return &s }
	noKey := fmt.Errorf("alice has none: %w", signature.ErrNoKey)
	for _, tc := range []struct {
		name     string
		said     *signature.Suite
		statuses map[string]int
		change   func(tr *signature.Transport)
		want     string
	}{
		{"it says so", said(signature.SuiteEd25519), all, nil, "e202"},
		{"it says nothing", nil, all, nil, "c202"},
		{"it says RFC 9421", said(signature.SuiteRFC9421), all, nil, "r202"},
		{"it says draft-cavage, though heard otherwise", said(signature.SuiteCavage), all, func(tr *signature.Transport) {
			tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		}, "c202"},
		{"it used RFC 9421 and says nothing of Ed25519", nil, all, func(tr *signature.Transport) {
			tr.Heard(t.Context(), "our.example", heard(signature.RFC9421))
		}, "r202"},
		{"a memory is no word", nil, all, func(tr *signature.Transport) {
			m := &signature.Hosts{}
			m.Remember(t.Context(), "our.example", signature.Habit{Suite: signature.SuiteEd25519, Until: time.Now().Add(time.Hour)})
			tr.Memory = m
		}, "r202"},
		{"there is no such key", said(signature.SuiteEd25519), all, func(tr *signature.Transport) { tr.Ed25519 = nil }, "r202"},
		{"this actor has none", said(signature.SuiteEd25519), all, func(tr *signature.Transport) {
			tr.Ed25519 = func(context.Context) (signature.Key, error) { return signature.Key{}, noKey }
		}, "r202"},
		{"it refuses after all", said(signature.SuiteEd25519), map[string]int{"c": 202, "e": 401}, nil, "e401 c202"},
		{"it knows the first scheme alone", said(signature.SuiteEd25519), map[string]int{"c": 202, "e": 401}, func(tr *signature.Transport) {
			m := &signature.Hosts{}
			m.Remember(t.Context(), "our.example", signature.Habit{Until: time.Now().Add(time.Hour)})
			tr.Memory = m
		}, "c202"},
		{"it is busy", said(signature.SuiteEd25519), map[string]int{"e": 503}, nil, "e503"},
	} {
		h := &host{t: t, answer: by(tc.statuses)}
		tr := withEd(h.transport(), tc.said)
		if tc.change != nil {
			tc.change(tr)
		}
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	for name, answer := range map[string]func(context.Context) (signature.Key, error){
		"an error": func(context.Context) (signature.Key, error) { return signature.Key{}, errors.New("database is down") },
		"another kind": func(context.Context) (signature.Key, error) {
			k, err := rsaKey()
			return signature.Key{ID: aliceSecond, Private: k}, err
		},
	} {
		h := &host{t: t, answer: by(all)}
		tr := withEd(h.transport(), said(signature.SuiteEd25519))
		tr.Ed25519 = answer
		if _, err := tr.RoundTrip(post(t)); err == nil || !strings.HasPrefix(err.Error(), "signature: key for POST") || h.took() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for href, want := range map[string]signature.Suite{
		"https://datatracker.ietf.org/doc/html/rfc9421":                                   signature.SuiteRFC9421,
		"https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25":  signature.SuiteEd25519,
		"https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards448": signature.SuiteCavage,
		"": signature.SuiteCavage,
	} {
		if got, ok := signature.Capability(href); got != want || ok != (want != signature.SuiteCavage) {
			t.Errorf("%q: %v, %v", href, got, ok)
		}
	}
}
