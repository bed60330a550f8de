package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

var p256Key = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

// cavageWith signs an arrived POST by hand: the date family, and with created what only our own
// builder judges.
func cavageWith(t *testing.T, label, how string, created bool) (*http.Request, []byte) {
	t.Helper()
	r, body := unsigned(t)
	now := time.Now().Unix()
	text := "(request-target): post " + r.RequestURI + "\nhost: our.example\ndigest: " + r.Header.Get("Digest")
	covered, params := "(request-target) host digest", ""
	if created {
		text += fmt.Sprintf("\n(created): %d", now)
		covered, params = covered+" (created)", fmt.Sprintf(",created=%d", now)
	} else {
		text += "\ndate: " + r.Header.Get("Date")
		covered += " date"
	}
	private := must[*rsa.PrivateKey](t)(rsaKey())
	var sig []byte
	switch how {
	case "ed25519":
		sig = ed25519.Sign(must[ed25519.PrivateKey](t)(edKey()), []byte(text))
	case "rsa-sha512":
		sum := sha512.Sum512([]byte(text))
		sig = must[[]byte](t)(rsa.SignPKCS1v15(nil, private, crypto.SHA512, sum[:]))
	default:
		h := crypto.SHA256.New()
		h.Write([]byte(text))
		sig = must[[]byte](t)(rsa.SignPKCS1v15(nil, private, crypto.SHA256, h.Sum(nil)))
	}
	if label != "" {
		params += `,algorithm="` + label + `"`
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s"%s,headers="%s",signature="%s"`, aliceKey, params, covered, base64.StdEncoding.EncodeToString(sig)))
	return r, body
}

func TestTheKeyDecidesAndTheLabelMustFit(t *testing.T) {
	t.Parallel()
	const rsa256, rsa512, ed = "rsa-sha256", "rsa-sha512", "ed25519"
	keys := map[string]crypto.PublicKey{
		"RSA":     &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey,
		"Ed25519": must[ed25519.PrivateKey](t)(edKey()).Public(),
		"P-256":   &must[*ecdsa.PrivateKey](t)(p256Key()).PublicKey,
	}
	verified := 0
	for _, label := range []string{"", "hs2019", rsa256, rsa512, ed} {
		for _, how := range []string{rsa256, rsa512, ed} {
			for keyName, key := range keys {
				for _, created := range []bool{false, true} {
					name := fmt.Sprintf("label %q, signed with %s, key %s, created %v", label, how, keyName, created)
					meant := label
					if label == "" || label == "hs2019" {
						meant = map[string]string{"RSA": rsa256, "Ed25519": ed}[keyName]
					}
					fits := meant == how && (keyName == "RSA") == strings.HasPrefix(how, "rsa") && keyName != "P-256"
					r, body := cavageWith(t, label, how, created)
					v := verifier(t)
					v.Keys = keyring{aliceKey: key}
					_, err := v.Verify(r, body)
					switch {
					case created && strings.HasPrefix(label, "rsa"): // draft-cavage-12 §2.3
						refused(t, name, err, signature.ErrMalformed)
					case !fits:
						refused(t, name, err, signature.ErrBadSignature)
					case err != nil:
						t.Errorf("%s: %v", name, err)
					default:
						verified++
						r.RequestURI += "x"
						_, err := v.Verify(r, body)
						refused(t, name+", another target", err, signature.ErrBadSignature)
					}
				}
			}
		}
	}
	if verified != 12 {
		t.Errorf("%d combinations verify", verified)
	}
}

func TestP256KeysSignAndVerifyMessages(t *testing.T) {
	t.Parallel()
	private := must[*ecdsa.PrivateKey](t)(p256Key())
	v := verifier(t)
	v.Keys = keyring{aliceKey: private.Public()}
	r := post(t)
	if err := signature.Sign(r, []byte(follow), signature.Key{ID: aliceKey, Private: private}, signature.RFC9421); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(r.Header.Get("Signature-Input"), `;alg="ecdsa-p256-sha256"`) {
		t.Error(r.Header.Get("Signature-Input"))
	}
	got, body := arrive(t, r)
	first, err := v.Verify(got, body)
	if err != nil || len(first.Signature) != 64 {
		t.Fatalf("%+v, %v", first, err)
	}
	_, err = verifier(t).Verify(got, body)
	refused(t, "an RSA key for it", err, signature.ErrBadSignature)

	// For each (r, s) there is another that fits: a replay cache must see one.
	_, encoded, _ := strings.Cut(got.Header.Get("Signature"), "=:")
	sig := must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":")))
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	got.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(sig)+":")
	second, err := v.Verify(got, body)
	if err != nil || string(second.Signature) != string(first.Signature) {
		t.Errorf("the twin: %v, %x and %x", err, first.Signature, second.Signature)
	}

	for name, bytes := range map[string][]byte{"63 bytes": sig[:63], "zeros": make([]byte, 64), "65 bytes": append(sig[:64:64], 0),
		"an s with a zero before it": slices.Concat(sig[:32], []byte{0}, sig[32:])} {
		got.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(bytes)+":")
		_, err := v.Verify(got, body)
		refused(t, name, err, signature.ErrBadSignature)
	}
	for _, label := range []string{"rsa-v1_5-sha256", "ed25519", "rsa-pss-sha512"} {
		r, body := knocked(t)
		attach(t, r, labelled{label: "s", components: goodComponents, params: goodParams() + `;alg="` + label + `"`})
		_, err := v.Verify(r, body)
		refused(t, label, err, signature.ErrBadSignature)
	}
	err = signature.Sign(post(t), []byte(follow), signature.Key{ID: aliceKey, Private: private}, signature.Cavage)
	if err == nil {
		t.Error("draft-cavage with P-256")
	}
}

// elsewhere is a key that this process does not hold, as an HSM's is not.
type elsewhere struct{ crypto.Signer }

func TestAKeyElsewhereSignsInBothSchemes(t *testing.T) {
	t.Parallel()
	key := signature.Key{ID: aliceKey, Private: elsewhere{must[*rsa.PrivateKey](t)(rsaKey())}}
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r := post(t)
		if err := signature.Sign(r, []byte(follow), key, scheme); err != nil {
			t.Fatal(err)
		}
		got, body := arrive(t, r)
		if _, err := verifier(t).Verify(got, body); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestTheLenientProfileIsMastodons(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, covered, path string
		date                        time.Duration
		want                        error // under Lenient; Strict refuses each but those marked
		strict                      bool
	}{
		{name: "no target", method: "POST", covered: "host date digest"},
		{name: "no host", method: "POST", covered: "(request-target) date digest"},
		{name: "date and digest", method: "POST", covered: "date digest"},
		{name: "POST without its query", method: "POST", covered: "(request-target) host date digest", path: "/ap/inbox"},
		{name: "half an hour ahead", method: "POST", covered: "(request-target) host date digest", date: 30 * time.Minute},
		{name: "all", method: "POST", covered: "(request-target) host date digest", strict: true},
		{name: "64 minutes old", method: "POST", covered: "(request-target) host date digest", date: -64 * time.Minute, strict: true},
		{name: "no digest", method: "POST", covered: "(request-target) host date", want: signature.ErrCoverage},
		{name: "no date", method: "POST", covered: "(request-target) host digest", want: signature.ErrCoverage},
		{name: "no host on GET", method: "GET", covered: "(request-target) date", want: signature.ErrCoverage},
		{name: "no target on GET", method: "GET", covered: "host date", want: signature.ErrCoverage},
		{name: "two hours ahead", method: "POST", covered: "(request-target) host date digest", date: 2 * time.Hour, want: signature.ErrExpired},
		{name: "66 minutes old", method: "POST", covered: "(request-target) host date digest", date: -66 * time.Minute, want: signature.ErrExpired},
		{name: "another path", method: "POST", covered: "(request-target) host date digest", path: "/elsewhere", want: signature.ErrBadSignature},
	} {
		r, body := unsigned(t)
		r.Method = tc.method
		if tc.method == "GET" {
			body = nil
		}
		r.RequestURI += "?page=1"
		r.Header.Set("Date", time.Now().Add(tc.date).UTC().Format(http.TimeFormat))
		forge{covered: tc.covered, path: tc.path}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		if (err == nil) != tc.strict {
			t.Errorf("%s: strict says %v", tc.name, err)
		}
		v := verifier(t)
		v.Profile = signature.Lenient
		got, err := v.Verify(r, body)
		if tc.want != nil {
			refused(t, tc.name, err, tc.want)
		} else if err != nil || got.QueryUnsigned != (tc.path != "") {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
		// What is not covered must still be ours.
		r.Host = "other.example"
		_, err = v.Verify(r, body)
		if err == nil {
			t.Errorf("%s: verified at another host", tc.name)
		}
	}
	if signature.Strict.String() != "strict" || signature.Lenient.String() != "lenient" || signature.Profile(7).String() != "unknown profile 7" {
		t.Error("names of profiles")
	}
	for s, want := range map[signature.Suite]string{0: "draft-cavage-12 with RSA", 1: "RFC 9421 with RSA", 2: "RFC 9421 with Ed25519", 9: "unknown suite 9"} {
		if s.String() != want || (s.Scheme() == signature.Cavage) != (s == 0) {
			t.Errorf("%s, %s", s, s.Scheme())
		}
	}
}
