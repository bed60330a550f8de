package signature_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/go-fed/httpsig"
)

// The tests of these files are named after attacks that have been seen, or found possible, on
// servers of the fediverse. Each first shows that a verifier without the rule in question accepts
// the request, then that ours refuses it. attacks_test.go has the list.

// alone is go-fed/httpsig by itself, as an app would use it that has read its documentation.
func alone(t *testing.T, r *http.Request, key any, algorithm httpsig.Algorithm) error {
	t.Helper()
	r = r.Clone(t.Context())
	if r.Header["Host"] == nil {
		r.Header["Host"] = []string{r.Host}
	}
	v, err := httpsig.NewVerifier(r)
	if err != nil {
		return err
	}
	return v.Verify(key, algorithm)
}

// acceptedAlone fails the test unless the library accepts a signature of alice.
func acceptedAlone(t *testing.T, what string, r *http.Request) {
	t.Helper()
	if err := alone(t, r, &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey, httpsig.RSA_SHA256); err != nil {
		t.Errorf("%s: the library alone refuses it: %v", what, err)
	}
}

// withHeader replaces a text in the Signature field.
func withHeader(t *testing.T, r *http.Request, old, new string) {
	t.Helper()
	before := r.Header.Get("Signature")
	after := strings.Replace(before, old, new, 1)
	if after == before {
		t.Fatalf("%q does not change %s", old, before)
	}
	r.Header.Set("Signature", after)
}

func TestAttack01ASwappedBody(t *testing.T) {
	t.Parallel()
	r, _ := signed(t, signature.Cavage)
	swapped := []byte(strings.Replace(follow, "Follow", "Delete", 1))
	acceptedAlone(t, "covered digest, another body", r) // it never sees the body
	_, err := verifier(t).Verify(r, swapped)
	refused(t, "covered digest, another body", err, signature.ErrDigest)

	r, _ = unsigned(t)
	forge{covered: "(request-target) host date"}.sign(t, r)
	sum := sha256.Sum256(swapped)
	r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
	acceptedAlone(t, "digest of the new body, not covered", r)
	_, err = verifier(t).Verify(r, swapped)
	refused(t, "digest of the new body, not covered", err, signature.ErrCoverage)
}

func TestAttack02ASignatureOverTooLittle(t *testing.T) {
	t.Parallel()
	names := []string{"(request-target)", "host", "date", "digest"}
	for set := 1; set < 1<<len(names)-1; set++ {
		var covered []string
		for i, name := range names {
			if set&(1<<i) != 0 {
				covered = append(covered, name)
			}
		}
		r, body := unsigned(t)
		forge{covered: strings.Join(covered, " ")}.sign(t, r)
		acceptedAlone(t, fmt.Sprint(covered), r)
		_, err := verifier(t).Verify(r, body)
		refused(t, fmt.Sprint(covered), err, signature.ErrCoverage)
	}
	// A signature over a date is good for anything.
	r, body := unsigned(t)
	forge{covered: "date"}.sign(t, r)
	r.RequestURI, r.Method = "/ap/users/bob/inbox", http.MethodDelete
	r.URL.Path = r.RequestURI
	acceptedAlone(t, "another path and method", r)
	_, err := verifier(t).Verify(r, body)
	refused(t, "another path and method", err, signature.ErrCoverage)
}

func TestAttack03LinesInjectedIntoTheSigningString(t *testing.T) {
	t.Parallel()
	r, _ := arrive(t, must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/ap/users/bob", nil)))
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Accept", "text/html")
	forge{covered: "(request-target) accept host date"}.sign(t, r)
	// The same signature, read as one that covers no Accept, for another path.
	r.RequestURI = "/ap/users/bob%0Aaccept:%20text/html"
	r.URL = must[*url.URL](t)(url.Parse(r.RequestURI))
	withHeader(t, r, " accept ", " ")
	acceptedAlone(t, "an encoded line feed", r)
	_, err := verifier(t).Verify(r, nil)
	refused(t, "an encoded line feed", err, signature.ErrBadSignature)

	for _, c := range []string{"\n", "\r", "\x00", "\x7f"} {
		r, body := unsigned(t)
		r.Header["X-Odd"] = []string{"a" + c + "b"}
		forge{covered: "(request-target) host date digest x-odd"}.sign(t, r)
		acceptedAlone(t, fmt.Sprintf("%q in a value", c), r)
		_, err := verifier(t).Verify(r, body)
		refused(t, fmt.Sprintf("%q in a value", c), err, signature.ErrMalformed)

		r, body = unsigned(t)
		r.RequestURI = "/ap/inbox" + c
		r.URL.Path = r.RequestURI
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		acceptedAlone(t, fmt.Sprintf("%q in the target", c), r)
		_, err = verifier(t).Verify(r, body)
		refused(t, fmt.Sprintf("%q in the target", c), err, signature.ErrMalformed)
	}
}

func TestAttack04TwoReadersOfOneHeader(t *testing.T) {
	t.Parallel()
	const victim = `keyId="https://victim.example/users/v#main-key",`
	for name, change := range map[string]func(r *http.Request){
		// Policy that reads the first key id judges the victim; the library takes the last.
		"keyId twice":          func(r *http.Request) { r.Header.Set("Signature", victim+r.Header.Get("Signature")) },
		"Signature twice":      func(r *http.Request) { r.Header.Add("Signature", victim+`headers="date",signature="AAAA"`) },
		"KEYID and keyId":      func(r *http.Request) { withHeader(t, r, "keyId=", `KEYID="x",keyId=`) },
		"a stranger's Host":    func(r *http.Request) { r.Header["Host"] = []string{"our.example"}; r.Host = "evil.example" },
		"a Content-Type more":  func(r *http.Request) { r.Header.Add("Content-Type", "text/html") },
		"a Digest after it":    nil,
		"a Date after the one": nil,
	} {
		r, body := unsigned(t)
		switch name {
		case "a Digest after it":
			r.Header.Add("Digest", "SHA-256=AAAA")
		case "a Date after the one":
			r.Header.Add("Date", "Sun, 05 Jan 2014 21:31:40 GMT")
		}
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		if change != nil {
			change(r)
		}
		acceptedAlone(t, name, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, signature.ErrMalformed)
	}
}

// Pixelfed (seen 2024-03) leaves out of its string what is covered but not there.
func TestAttack05ACoveredHeaderThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, covered := range []string{"(request-target) host date digest x-absent", "x-gone (request-target) host date digest"} {
		r, body := unsigned(t)
		present := strings.TrimSpace(strings.NewReplacer("x-absent", "", "x-gone", "").Replace(covered))
		forge{covered: present}.sign(t, r)
		withHeader(t, r, present, covered)
		if _, err := verifier(t).VerifyWithout(signature.RulePresent, r, body); err != nil {
			t.Errorf("%s: refused without the rule: %v", covered, err)
		}
		_, err := verifier(t).Verify(r, body)
		refused(t, covered, err, signature.ErrCoverage)
	}
}

func TestAttack06ACoveredHeaderThatMeansTwoThings(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"Content-Type":   {"application/activity+json", "text/html"},
		"Content-Length": {fmt.Sprint(len(follow)), "0"},
		"Content-Digest": {"sha-256=:AAAA:", "sha-256=:BBBB:"},
	} {
		r, body := unsigned(t)
		r.Header[name] = values // the app reads the first, the signature covers both
		forge{covered: "(request-target) host date digest " + strings.ToLower(name)}.sign(t, r)
		acceptedAlone(t, name, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, signature.ErrMalformed)
	}
}

func TestAttack07AlgorithmsConfused(t *testing.T) {
	t.Parallel()
	private := must[*rsa.PrivateKey](t)(rsaKey())
	pem := must[string](t)(signature.MarshalPublicKey(&private.PublicKey))
	text := func(r *http.Request) []byte {
		return []byte("(request-target): post " + r.RequestURI + "\nhost: " + r.Host + "\ndate: " + r.Header.Get("Date") + "\ndigest: " + r.Header.Get("Digest"))
	}
	put := func(r *http.Request, algorithm string, sig []byte) {
		r.Header.Set("Signature", `keyId="`+aliceKey+`",algorithm="`+algorithm+`",headers="(request-target) host date digest",signature="`+base64.StdEncoding.EncodeToString(sig)+`"`)
	}
	// The public PEM, which everyone knows, as the secret.
	r, body := unsigned(t)
	mac := hmac.New(sha256.New, []byte(pem))
	mac.Write(text(r))
	put(r, "hmac-sha256", mac.Sum(nil))
	if err := alone(t, r, []byte(pem), httpsig.HMAC_SHA256); err != nil {
		t.Errorf("HMAC: the library refuses what the label says: %v", err)
	}
	_, err := verifier(t).Verify(r, body)
	refused(t, "HMAC with the public key", err, signature.ErrUnsupported)

	r, body = unsigned(t)
	weak := sha1.Sum(text(r))
	put(r, "rsa-sha1", must[[]byte](t)(rsa.SignPKCS1v15(nil, private, crypto.SHA1, weak[:])))
	if err := alone(t, r, &private.PublicKey, httpsig.RSA_SHA1); err != nil {
		t.Errorf("SHA-1: the library refuses what the label says: %v", err)
	}
	_, err = verifier(t).Verify(r, body)
	refused(t, "SHA-1", err, signature.ErrUnsupported)

	for label, want := range map[string]error{
		"none": signature.ErrUnsupported, "ecdsa-sha256": signature.ErrUnsupported, "rsassa-pss-sha512": signature.ErrUnsupported,
		"ed25519": signature.ErrBadSignature, "rsa-sha512": signature.ErrBadSignature,
	} {
		r, body := unsigned(t)
		sum := sha256.Sum256(text(r))
		put(r, label, must[[]byte](t)(rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])))
		acceptedAlone(t, label, r) // which ignores the label
		_, err := verifier(t).Verify(r, body)
		refused(t, label, err, want)
		if want == signature.ErrBadSignature {
			if _, err := verifier(t).VerifyWithout(signature.RuleLabel, r, body); err != nil {
				t.Errorf("%s: refused without the rule: %v", label, err)
			}
		}
	}
	// PSS where PKCS#1 is said: who tries what fits takes either.
	l := labelled{label: "s", components: goodComponents, params: goodParams() + `;alg="rsa-v1_5-sha256"`, algorithm: "rsa-pss-sha512"}
	m, body := knocked(t)
	attach(t, m, l)
	sum := sha512.Sum512([]byte(l.base(m)))
	_, encoded, _ := strings.Cut(m.Header.Get("Signature"), ":")
	sig := must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":")))
	if err := rsa.VerifyPSS(&private.PublicKey, crypto.SHA512, sum[:], sig, &rsa.PSSOptions{SaltLength: 64}); err != nil {
		t.Fatal(err)
	}
	_, err = verifier(t).Verify(m, body)
	refused(t, "PSS called PKCS#1", err, signature.ErrBadSignature)
}

// Misskey (2018), Fedify (CVE-2025-54888) and the WordPress plugin (2026) took any valid key for the actor's.
func TestAttack08AKeyThatIsNotTheActors(t *testing.T) {
	t.Parallel()
	const evil = "https://evil.example/users/mallory"
	v := verifier(t)
	v.Keys = keyring{evil + "#main-key": &must[*rsa.PrivateKey](t)(otherKey()).PublicKey}
	r := post(t) // alice's Follow
	key := signature.Key{ID: evil + "#main-key", Private: must[*rsa.PrivateKey](t)(otherKey())}
	if err := signature.Sign(r, []byte(follow), key, signature.Cavage); err != nil {
		t.Fatal(err)
	}
	arrived, body := arrive(t, r)
	got, err := v.Verify(arrived, body)
	if err != nil {
		t.Fatalf("a valid signature of mallory: %v", err)
	}
	if got.Owner != evil {
		t.Errorf("owner %q", got.Owner)
	}
	refused(t, "mallory for alice", got.SignedBy(alice), signature.ErrOwner)
	refused(t, "mallory for nobody", got.SignedBy(""), signature.ErrOwner)
	if err := got.SignedBy(evil); err != nil {
		t.Error(err)
	}

	// Discourse let acct: ids by, whose host is no URL's host.
	handle := "acct:alice@peer.example"
	v.Keys = keyring{handle: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
	r2, body := unsigned(t)
	forge{covered: "(request-target) host date digest", format: `keyId="` + handle + `",headers="%s",signature="%s"`}.sign(t, r2)
	acceptedAlone(t, handle, r2)
	if _, err := v.VerifyWithout(signature.RuleKeyID, r2, body); err != nil {
		t.Errorf("refused without the rule: %v", err)
	}
	_, err = v.Verify(r2, body)
	refused(t, handle, err, signature.ErrUnsupported)
}

func TestAttack09AnOwnerWhoDoesNotListTheKey(t *testing.T) {
	t.Parallel()
	const stub, victim = "https://peer.example/uploads/key.json", alice
	mallory := must[*rsa.PrivateKey](t)(otherKey())
	listed := signature.PublicKey{ID: aliceKey, Owner: victim, Key: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
	r, body := unsigned(t)
	forge{covered: "(request-target) host date digest", key: mallory, format: `keyId="` + stub + `",headers="%s",signature="%s"`}.sign(t, r)

	// A source that believes the document at the key's id: it says that its owner is the victim.
	v := verifier(t)
	v.Keys = ask(func(string) (signature.PublicKey, error) {
		return signature.PublicKey{Owner: victim, Key: &mallory.PublicKey}, nil
	})
	if got, err := v.Verify(r, body); err != nil || got.SignedBy(victim) != nil {
		t.Errorf("refused without the rule: %v", err)
	}
	// A source that asks the owner returns what the owner lists, which is not what was asked for.
	v.Keys = ask(func(string) (signature.PublicKey, error) { return listed, nil })
	_, err := v.Verify(r, body)
	refused(t, "the owner lists another", err, signature.ErrNoKey)
}
