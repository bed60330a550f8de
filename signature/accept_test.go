package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// offering makes an answer that refuses all but what covers the wanted text with an offer.
func offering(offer string, accept func(r *http.Request) bool) func(string, *http.Request) (int, http.Header) {
	return func(_ string, r *http.Request) (int, http.Header) {
		if accept(r) {
			return 202, nil
		}
		return 401, http.Header{"Accept-Signature": {offer}}
	}
}

func TestWhatAHostAsksForIsSigned(t *testing.T) {
	t.Parallel()
	said := signature.SuiteEd25519
	for _, tc := range []struct {
		name, offer, want string // the suites sent
		input             string // pattern of the last Signature-Input; empty: any
		change            func(tr *signature.Transport)
	}{
		{"Fedify's components", `sig1=("@method" "@target-uri" "@authority" "content-digest");created`, "c401 r202",
			`^sig1=\("@method" "@target-uri" "@authority" "content-digest"\);created=\d+;keyid="[^"]+";alg="rsa-v1_5-sha256"$`, nil},
		{"a nonce, a tag and an end", `x=("@path" "@query");created;expires;nonce="n+/=1";tag="activitypub"`, "c401 r202",
			`^x=\("@method" .* "@path" "@query"\);created=\d+;keyid="[^"]+";alg="rsa-v1_5-sha256";expires=\d+;nonce="n\+/=1";tag="activitypub"$`, nil},
		{"a field more", `sig1=("date" "host");created`, "c401 r202", `"date" "host"\)`, nil},
		{"a field that is not there", `sig1=("x-absent" "date")`, "c401 r202", `"content-digest" "date"\)`, nil},
		{"the second of two", `a=("@query-param";name="x");created, b=("@method");created`, "c401 r202", `^b=`, nil},
		{"this key", `sig1=("@method");keyid="` + aliceKey + `"`, "c401 r202", ``, nil},
		{"Ed25519", `sig1=("@method");alg="ed25519"`, "c401 e202", `alg="ed25519"$`, func(tr *signature.Transport) { withEd(tr, nil) }},
		{"Ed25519, which there is not", `x=("@method");alg="ed25519"`, "c401 r202", `^sig1=`, nil},
		{"the second key's id, without a word on Ed25519", `x=("@method");keyid="` + aliceSecond + `"`, "c401 r202", `^sig1=`,
			func(tr *signature.Transport) { withEd(tr, nil) }},
		{"a nonce of one who says Ed25519", `sig1=("@method");nonce="1"`, "e401 e202", `alg="ed25519";nonce="1"$`,
			func(tr *signature.Transport) { withEd(tr, &said) }},
		// Each of these is passed over, and the other scheme is tried as ever.
		{"another key", `x=("@method");keyid="https://x.example/#k"`, "c401 r202", `^sig1=`, nil},
		{"for another application", `x=("@method");tag="payments"`, "c401 r202", `^sig1=`, nil},
		{"too much", `x=("a` + strings.Join(strings.Split(strings.Repeat("bcdefghijklmnopqrstuvwxyz0123456789!#$%", 1), ""), `" "`) + `")`, "c401 r202", `^sig1=`, nil},
		{"HMAC", `x=("@method");alg="hmac-sha256"`, "c401 r202", `^sig1=`, nil},
		{"what has parameters", `x=("content-type";sf)`, "c401 r202", `^sig1=`, nil},
		{"a nonce with a quote", `x=("@method");nonce="a\"b"`, "c401 r202", `^sig1=`, nil},
		{"an empty nonce", `x=("@method");nonce=""`, "c401 r202", `^sig1=`, nil},
		{"a time of its own", `x=("@method");created=5`, "c401 r202", `^sig1=`, nil},
		{"an end of its own", `x=("@method");expires=5`, "c401 r202", `^sig1=`, nil},
		{"a nonce that is no text", `x=("@method");nonce=1`, "c401 r202", `^sig1=`, nil},
		{"something else", `x=("@method");scope="all"`, "c401 r202", `^sig1=`, nil},
		{"no list", `x=1`, "c401 r202", `^sig1=`, nil},
		{"no grammar", `x=(`, "c401 r202", `^sig1=`, nil},
		{"too long", `x=("@method");nonce="` + strings.Repeat("n", 9000) + `"`, "c401 r202", `^sig1=`, nil},
		{"too many", `a=1,b=1,c=1,d=1,x=("@method")`, "c401 r202", `^sig1=`, nil},
	} {
		var input string
		sends := 0
		h := &host{t: t, answer: offering(tc.offer, func(r *http.Request) bool {
			sends++
			input = r.Header.Get("Signature-Input")
			return sends == 2
		})}
		tr := h.transport()
		if tc.change != nil {
			tc.change(tr)
		}
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		if !regexp.MustCompile(tc.input).MatchString(input) {
			t.Errorf("%s: %s", tc.name, input)
		}
	}
}

func TestAnOfferIsRememberedAndAnsweredOnce(t *testing.T) {
	t.Parallel()
	offer := http.Header{"Accept-Signature": {`sig1=("@method");created`}}
	h := &host{t: t, answer: func(suite string, _ *http.Request) (int, http.Header) {
		if suite == "c" {
			return 401, offer
		}
		return 202, nil
	}}
	tr := h.transport()
	for _, want := range []string{"c401 r202", "r202"} {
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// One that comes with a good answer counts for the next time.
	h.answer = func(string, *http.Request) (int, http.Header) { return 202, offer }
	tr = h.transport()
	for _, want := range []string{"c202", "r202"} {
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// A server that wants a nonce wants a new one each time.
	n := 0
	h.answer = func(_ string, r *http.Request) (int, http.Header) {
		want := fmt.Sprintf(`;nonce="%d"`, n)
		if n > 0 && strings.HasSuffix(r.Header.Get("Signature-Input"), want) {
			return 202, nil
		}
		n++
		return 401, http.Header{"Accept-Signature": {fmt.Sprintf(`sig1=("@method");created;nonce="%d"`, n)}}
	}
	for _, want := range []string{"r401 r202", "r401 r202"} {
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// One that is never content is not asked for ever.
	h.answer = func(string, *http.Request) (int, http.Header) { return 401, offer }
	tr = h.transport()
	h.send(tr, http.MethodPost, inboxURL)
	if got := h.took(); got != "c401 r401" {
		t.Error(got)
	}
	h.send(tr, http.MethodGet, inboxURL+"?x")
	if got := h.took(); got != "r401 r401" { // it asked for RFC 9421, and is settled
		t.Error(got)
	}
	// What we cannot give does not count, however well it is meant.
	h.answer = func(string, *http.Request) (int, http.Header) {
		return 202, http.Header{"Accept-Signature": {`sig1=("@method");alg="hmac-sha256"`}}
	}
	tr = h.transport()
	for range 2 {
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != "c202" {
			t.Error(got)
		}
	}
	// Nor beyond three requests.
	h.answer = func(suite string, _ *http.Request) (int, http.Header) {
		if suite == "r" {
			return 401, offer
		}
		return 401, nil
	}
	tr = h.transport()
	h.send(tr, http.MethodGet, inboxURL+"?x")
	if got := h.took(); got != "c401 c?401 r401" {
		t.Error(got)
	}
	// Nor where it says that it is busy, or Fixed is set.
	h.answer = func(string, *http.Request) (int, http.Header) { return 503, offer }
	tr = h.transport()
	for range 2 {
		h.send(tr, http.MethodPost, inboxURL)
		if got := h.took(); got != "c503" {
			t.Error(got)
		}
	}
	h.answer = func(string, *http.Request) (int, http.Header) { return 401, offer }
	tr = h.transport()
	tr.Fixed = true
	h.send(tr, http.MethodPost, inboxURL)
	if got := h.took(); got != "c401" {
		t.Error(got)
	}
}

// What Handler offers on 401 is what Transport understands: two servers of ours agree.
func TestAChallengeIsAnsweredByOurTransport(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		var tries []string
		tr := alicesTransport(t, base(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			v := verifier(t)
			scheme := "draft-cavage-12"
			if r.Header.Get("Signature-Input") == "" {
				v.Keys = keyring{} // as if draft-cavage were not understood
			} else {
				scheme = "RFC 9421"
			}
			r.RequestURI = r.URL.RequestURI()
			v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) })).ServeHTTP(w, r)
			tries = append(tries, fmt.Sprintf("%s %d %s", scheme, w.Code, w.Header().Get("Accept-Signature")))
			response := w.Result()
			response.Request = r
			return response, nil
		}))
		r := post(t)
		r.Method = method
		digest := ` "content-digest"`
		if method == http.MethodGet {
			r.Body, digest = http.NoBody, ""
		}
		response, err := tr.RoundTrip(r)
		want := []string{`draft-cavage-12 401 sig1=("@method" "@target-uri" "@authority"` + digest + `);created`, "RFC 9421 202 "}
		if err != nil || response.StatusCode != 202 || fmt.Sprint(tries) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %q", method, err, tries)
		}
	}
	h := http.Header{}
	signature.Challenge(h, http.MethodGet)
	if got := h.Get("WWW-Authenticate"); got != `Signature headers="(request-target) host date"` {
		t.Error(got)
	}
}

func TestRequestsThatAreNotOursToRepeatAreErrors(t *testing.T) {
	t.Parallel()
	down := errors.New("connection reset")
	sends := 0
	tr := alicesTransport(t, base(func(r *http.Request) (*http.Response, error) {
		if sends++; sends == 2 {
			return nil, down
		}
		return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}))
	if _, err := tr.RoundTrip(post(t)); !errors.Is(err, down) || sends != 2 {
		t.Errorf("%v after %d", err, sends)
	}
	if _, err := tr.RoundTrip(&http.Request{Method: "GET"}); !errors.Is(err, signature.ErrMalformed) {
		t.Error(err)
	}
}

// FuzzAcceptSignature: whatever a host asks for, what is sent verifies, and three requests are enough.
func FuzzAcceptSignature(f *testing.F) {
	for _, offer := range []string{
		`sig1=("@method" "@target-uri" "@authority" "content-digest");created`, `x=("@path" "date");expires;nonce="n";tag="activitypub"`,
		`a=("@query-param";name="x"), b=();alg="ed25519"`, `s=("@method" "@method")`, `s=("@signature-params")`, `s=("signature" "host")`,
	} {
		f.Add(offer)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		sends := 0
		h := &host{t: t, answer: func(_ string, r *http.Request) (int, http.Header) {
			sends++
			return 401, http.Header{"Accept-Signature": {offer}}
		}}
		h.send(withEd(h.transport(), nil), http.MethodPost, inboxURL)
		if sends < 2 || sends > 3 {
			t.Fatalf("%d requests", sends)
		}
	})
}
