package signature_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// The tests of this file are named after the peers whose ways they hold, as these were seen in their
// source or on the wire. testdata/cavage/peers.json has requests in their form from another signer.

// cavageOf is an arrived request that a peer signed so; an empty path is the request's.
func cavageOf(t *testing.T, method, uri, covered, path, format string) (*http.Request, []byte) {
	t.Helper()
	r, body := unsigned(t)
	r.Method, r.RequestURI = method, uri
	r.Header.Set("User-Agent", "http.rb/5.2.0 (Mastodon/4.2.0; +https://peer.example/)")
	r.Header.Set("Accept", "application/activity+json")
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	if method == http.MethodGet {
		body = nil
		r.Header.Del("Digest")
	}
	forge{covered: covered, path: path, format: format}.sign(t, r)
	return r, body
}

// peerCase is one form that a peer signs in.
type peerCase struct {
	what, method, uri, covered, path string
	format                           string // of forge
	want                             error
}

func checkPeer(t *testing.T, cases ...peerCase) {
	t.Helper()
	for _, tc := range cases {
		if tc.uri == "" {
			tc.uri = "/ap/inbox"
		}
		r, body := cavageOf(t, tc.method, tc.uri, tc.covered, tc.path, tc.format)
		got, err := verifier(t).Verify(r, body)
		if tc.want != nil {
			refused(t, tc.what, err, tc.want)
			continue
		}
		if err != nil || got.QueryUnsigned != (tc.path != "") || !slices.Equal(got.Covered, strings.Fields(tc.covered)) {
			t.Errorf("%s: %+v, %v", tc.what, got, err)
		}
	}
}

const page = "/ap/users/bob/outbox?page=true"

// outgoing is what our Transport sends, and parts of its Signature.
func outgoing(t *testing.T, method, url string) (*http.Request, map[string]string) {
	t.Helper()
	var sent *http.Request
	tr := alicesTransport(t, base(func(r *http.Request) (*http.Response, error) {
		sent = r
		return &http.Response{StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}))
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(follow)
	}
	r := must[*http.Request](t)(http.NewRequest(method, url, body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/activity+json")
	}
	if _, err := tr.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(sent.Header.Get("Signature"), ",") { // without a trim, as PieFed has it
		name, value, _ := strings.Cut(part, "=")
		parts[name] = strings.Trim(value, `"`)
	}
	return sent, parts
}

func TestMastodonSignsTheTargetLastAndContentTypeToo(t *testing.T) {
	t.Parallel()
	checkPeer(t,
		peerCase{what: "4.2 POST", method: "POST", covered: "(request-target) host date digest content-type"},
		peerCase{what: "4.6 POST", method: "POST", covered: "host date digest content-type (request-target)"},
		peerCase{what: "4.7 POST", method: "POST", covered: "host date content-type digest (request-target)"},
		peerCase{what: "4.6 GET", method: "GET", uri: page, covered: "host date accept (request-target)"},
		peerCase{what: "4.7 GET", method: "GET", uri: page, covered: "host date (request-target)"},
		peerCase{what: "of 2018", method: "POST", covered: "(request-target) user-agent host date digest content-type"},
		peerCase{what: "4.2 GET, without its query", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "(request-target) host date accept"},
		peerCase{what: "a legacy acct: key", method: "POST", covered: "(request-target) host date digest",
			format: `keyId="acct:alice@peer.example",algorithm="rsa-sha256",headers="%s",signature="%s"`, want: signature.ErrUnsupported},
	)
	// Its second knock, after our 400 or 401.
	r, body := knocked(t)
	attach(t, r, labelled{label: "sig1", components: goodComponents, params: goodParams()})
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Errorf("4.7, second knock: %v", err)
	}
	// What it asks of ours: date, digest and host covered, one SHA-256, an algorithm that it knows.
	_, parts := outgoing(t, http.MethodPost, inboxURL)
	if parts["algorithm"] != "rsa-sha256" || parts["headers"] != "(request-target) host date digest content-type" {
		t.Errorf("%v", parts)
	}
}

func TestMisskeyAndSharkeyWantHostAndDigestAndLeaveTheQueryOut(t *testing.T) {
	t.Parallel()
	checkPeer(t,
		peerCase{what: "POST", method: "POST", covered: "(request-target) date host digest"},
		peerCase{what: "GET", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "(request-target) date host accept"},
	)
	_, parts := outgoing(t, http.MethodPost, inboxURL)
	for _, name := range []string{"host", "digest"} {
		if !slices.Contains(strings.Fields(parts["headers"]), name) {
			t.Errorf("%s is not covered: %v", name, parts)
		}
	}
	if owner, _, ok := strings.Cut(parts["keyId"], "#"); !ok || owner != alice {
		t.Errorf("no actor before the # of %q", parts["keyId"])
	}
}

// Both put the digest that they compute in the place of ours before they verify, so ours must be
// spelled as theirs.
func TestPleromaAndAkkomaCoverContentLengthAndSpellTheDigestThemselves(t *testing.T) {
	t.Parallel()
	checkPeer(t, peerCase{what: "POST", method: "POST", covered: "(request-target) host content-length digest date"})
	sent, _ := outgoing(t, http.MethodPost, inboxURL)
	sum := sha256.Sum256([]byte(follow))
	if got := sent.Header.Get("Digest"); got != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
		t.Error(got)
	}
}

func TestGoToSocialSaysHS2019AndHasKeysOfTheirOwnDocument(t *testing.T) {
	t.Parallel()
	const keyID = alice + "/main-key"
	format := `keyId="` + keyID + `",algorithm="hs2019",headers="%s",signature="%s"`
	for _, path := range []string{"", "/ap/users/bob/outbox"} { // after our 401 it comes again without the query
		r, body := cavageOf(t, http.MethodGet, page, "(request-target) host date", path, format)
		v := verifier(t)
		v.Keys = keyring{keyID: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
		if got, err := v.Verify(r, body); err != nil || got.KeyID != keyID {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
	r, body := cavageOf(t, http.MethodPost, "/ap/inbox", "(request-target) host date digest", "", format)
	v := verifier(t)
	v.Keys = keyring{keyID: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
	if _, err := v.Verify(r, body); err != nil {
		t.Error(err)
	}
}

// Lemmy's names are in alphabetical order, its times bare numbers. It takes each member of a Digest
// for SHA-256, and finds an actor by the # of its key.
func TestLemmySignsCreatedAndExpiresAndReadsEveryDigestAsSHA256(t *testing.T) {
	t.Parallel()
	r, body := unsigned(t)
	now := time.Now().Unix()
	forge{covered: "(request-target) (created) (expires) content-type date digest host", created: now, expires: now + 3600,
		format: fmt.Sprintf(`keyId="%s",algorithm="hs2019",created=%d,expires=%d,headers="%%s",signature="%%s"`, aliceKey, now, now+3600)}.sign(t, r)
	if got, err := verifier(t).Verify(r, body); err != nil || got.Expires.Unix() != now+3600 {
		t.Errorf("%+v, %v", got, err)
	}
	checkPeer(t, peerCase{what: "compatible mode", method: "POST", covered: "(request-target) content-type date digest host"})
	sent, parts := outgoing(t, http.MethodPost, inboxURL)
	if strings.Contains(sent.Header.Get("Digest"), ",") || !strings.Contains(parts["keyId"], "#") {
		t.Errorf("%v, %v", sent.Header["Digest"], parts)
	}
}

// Pixelfed writes its own order and skips what is missing; we don't. It says 200 to RFC 9421 and
// throws the activity away, so it must never get one by our own choice.
func TestPixelfedGetsNoRFC9421AndMaySkipNoHeader(t *testing.T) {
	t.Parallel()
	format := `keyId="` + aliceKey + `",headers="%s",algorithm="rsa-sha256",signature="%s"`
	checkPeer(t,
		peerCase{what: "POST", method: "POST", covered: "(request-target) host date digest content-type user-agent", format: format},
		peerCase{what: "GET", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "(request-target) host date accept", format: format},
	)
	r, body := cavageOf(t, http.MethodPost, "/ap/inbox", "(request-target) host date digest", "", format)
	withHeader(t, r, "host date", "host x-absent date")
	_, err := verifier(t).Verify(r, body)
	refused(t, "a header that it skips", err, signature.ErrCoverage)

	h := &host{t: t, answer: by(map[string]int{"c": 200, "r": 200})}
	tr := h.transport()
	for range 3 {
		h.send(tr, http.MethodPost, inboxURL)
	}
	if got := h.took(); got != "c200 c200 c200" {
		t.Error(got)
	}
	if sent, _ := outgoing(t, http.MethodPost, "https://our.example:443/ap/inbox"); sent.Host != "our.example" {
		t.Errorf("host %q", sent.Host)
	}
}

func TestFriendicaChecksContentLengthAndSignsThePathAlone(t *testing.T) {
	t.Parallel()
	checkPeer(t,
		peerCase{what: "POST", method: "POST", covered: "(request-target) date content-length digest host"},
		peerCase{what: "GET", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "(request-target) date host"},
	)
	r, body := cavageOf(t, http.MethodPost, "/ap/inbox", "(request-target) date content-length digest host", "", "")
	_, err := verifier(t).Verify(r, append(slices.Clone(body), ' '))
	refused(t, "another length", err, signature.ErrDigest)
	// It also takes and could write rsa-sha512.
	r, body = cavageWith(t, "rsa-sha512", "rsa-sha512", false)
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Error(err)
	}
}

// Threads gives its signatures five minutes and then takes longer to deliver; it says 404 to a
// signature that it dislikes, and dislikes a digest in lower case.
func TestThreadsIsLateAndHidesWhatItDislikes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, body := unsigned(t)
		now := time.Now().Unix()
		forge{covered: "(request-target) (created) (expires) host digest", created: now, expires: now + 300,
			format: fmt.Sprintf(`keyId="%s", algorithm="hs2019", created="%d", expires="%d", headers="%%s", signature="%%s"`, aliceKey, now, now+300)}.sign(t, r)
		time.Sleep(6*time.Minute + 46*time.Second) // as seen in October 2024
		if _, err := verifier(t).Verify(r, body); err != nil {
			t.Error(err)
		}
		sent, _ := outgoing(t, http.MethodPost, "https://threads.net/ap/inbox")
		if !strings.HasPrefix(sent.Header.Get("Digest"), "SHA-256=") {
			t.Error(sent.Header["Digest"])
		}
		h := &host{t: t, answer: by(map[string]int{"c": 200, "r": 404})}
		tr := h.transport()
		tr.Heard(t.Context(), "threads.net", heard(signature.RFC9421))
		for _, want := range []string{"r404 c200", "c200"} {
			h.send(tr, http.MethodGet, "https://threads.net/users/1")
			if got := h.took(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

func TestTakaheMbinAndMobilizonSignThePathAlone(t *testing.T) {
	t.Parallel()
	checkPeer(t,
		peerCase{what: "POST", method: "POST", covered: "(request-target) host date digest content-type"},
		peerCase{what: "GET", method: "GET", uri: page, path: "/ap/users/bob/outbox", covered: "(request-target) host date"},
	)
}

// BookWyrm and PieFed split at commas and do not trim; BookWyrm's keys are <actor>/#main-key.
func TestBookWyrmAndPieFedDoNotTrim(t *testing.T) {
	t.Parallel()
	const keyID = alice + "/#main-key"
	r, body := cavageOf(t, http.MethodPost, "/ap/inbox", "(request-target) host date digest", "", `keyId="`+keyID+`",algorithm="rsa-sha256",headers="%s",signature="%s"`)
	v := verifier(t)
	v.Keys = keyring{keyID: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
	if _, err := v.Verify(r, body); err != nil {
		t.Error(err)
	}
	_, parts := outgoing(t, http.MethodPost, inboxURL) // which does not trim either
	for _, name := range []string{"keyId", "algorithm", "headers", "signature"} {
		if parts[name] == "" {
			t.Errorf("no %q in %v", name, parts)
		}
	}
}

func TestSnacComparesTheHostWithoutAPort(t *testing.T) {
	t.Parallel()
	checkPeer(t, peerCase{what: "POST", method: "POST", covered: "(request-target) host digest date"})
	for url, want := range map[string]string{"https://our.example:443/ap/inbox": "our.example", "https://our.example:8443/ap/inbox": "our.example:8443"} {
		if sent, _ := outgoing(t, http.MethodPost, url); sent.Host != want {
			t.Errorf("%s: host %q", url, sent.Host)
		}
	}
}

func TestPeerTubeWritesTheWordSignatureFirst(t *testing.T) {
	t.Parallel()
	checkPeer(t, peerCase{what: "POST", method: "POST", covered: "(request-target) host date digest",
		format: `Signature keyId="` + aliceKey + `",algorithm="rsa-sha256",headers="%s",signature="%s"`})
	_, parts := outgoing(t, http.MethodPost, inboxURL)
	for _, name := range []string{"(request-target)", "host", "digest", "date"} {
		if !slices.Contains(strings.Fields(parts["headers"]), name) {
			t.Errorf("it demands %s: %v", name, parts)
		}
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{342}==$`).MatchString(parts["signature"]) {
		t.Error(parts["signature"])
	}
}
