package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/go-fed/httpsig"
)

// These tests look inside because published vectors use keys, dates and coverages that the
// exported functions refuse.

func load(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func headerOf(pairs [][2]string) http.Header {
	h := http.Header{}
	for _, p := range pairs {
		h.Add(p[0], p[1])
	}
	return h
}

type appendixC struct {
	Key struct {
		Private string `json:"private_pem"`
		Public  string `json:"public_pem"`
	}
	Request struct {
		Method, Target, Body string
		Headers              [][2]string
	}
	Cases []struct {
		ID            string
		Covered       []string
		SigningString string `json:"signing_string"`
		Signature     string
	}
}

func TestAppendixCOfTheDraftIsSignedAndVerifiedByTheLibrary(t *testing.T) {
	t.Parallel()
	var v appendixC
	load(t, "cavage/draft-12-appendix-C.json", &v)
	block, _ := pem.Decode([]byte(v.Key.Private))
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	header := headerOf(v.Request.Headers)
	if err := checkDigest(header.Get("Digest"), []byte(v.Request.Body)); err != nil {
		t.Errorf("digest: %v", err)
	}
	if len(v.Cases) != 3 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, tc := range v.Cases {
		t.Run(tc.ID, func(t *testing.T) {
			target, err := parseTarget("https", "example.com", v.Request.Target)
			if err != nil {
				t.Fatal(err)
			}
			m := &message{target: target, method: v.Request.Method, header: header}
			want, _ := base64.StdEncoding.DecodeString(tc.Signature)
			c := &claim{covered: tc.Covered, signature: want}

			if got, err := c.signingString(m, m.path); err != nil || got != tc.SigningString {
				t.Errorf("signing string %q, %v", got, err)
			}
			got, err := signWithLibrary(c, m, private, m.path)
			if err != nil || string(got) != string(want) {
				t.Errorf("the library signs %x, %v", got, err)
			}
			if err := verifyWithLibrary(c, m, &private.PublicKey, httpsig.RSA_SHA256, m.path); err != nil {
				t.Errorf("the library refuses the draft's signature: %v", err)
			}
			m.header = header.Clone()
			m.header.Set("Date", "Sun, 05 Jan 2014 21:31:41 GMT")
			if err := verifyWithLibrary(c, m, &private.PublicKey, httpsig.RSA_SHA256, m.path); !errors.Is(err, ErrBadSignature) {
				t.Errorf("the library accepts another date: %v", err)
			}
		})
	}
}

// The library and our own builder must mean the same string: RSA with PKCS#1 v1.5 is
// deterministic, so equal signatures are equal strings.
func TestOurSigningStringIsTheLibrarys(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	coverages := []string{
		"date", "(request-target) host date", "host date accept (request-target)",
		"(request-target) host date digest content-type", "x-empty date", "x-list date user-agent",
	}
	for _, path := range []string{"/", "/inbox", "/a%0Ab", "/%C3%A9?x=%20", "/p?", "/p?q=1&r=a?b", "//x/../y"} {
		for _, method := range []string{"GET", "POST", "Patch"} {
			for _, coverage := range coverages {
				target, err := parseTarget("https", "A.example:8443", path)
				if err != nil {
					t.Fatal(err)
				}
				m := &message{target: target, method: method, header: http.Header{
					"Date": {"Sun, 05 Jan 2014 21:31:40 GMT"}, "Accept": {"a/b, c/d"}, "X-Empty": {""},
					"Digest": {"SHA-256=AAAA"}, "Content-Type": {" text/plain\t"},
					"X-List": {" one", "two,three ", ""}, "User-Agent": {"caf\xc3\xa9 \xff"},
				}}
				c := &claim{covered: strings.Fields(coverage)}
				ours, err := c.signingString(m, m.path)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256([]byte(ours))
				c.signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := signWithLibrary(c, m, key, m.path)
				if err != nil || string(theirs) != string(c.signature) {
					t.Errorf("%s %s %s: the library signs something else than %q (%v)", method, path, coverage, ours, err)
				}
				if err := verifyWithLibrary(c, m, &key.PublicKey, httpsig.RSA_SHA256, m.path); err != nil {
					t.Errorf("%s %s %s: %v", method, path, coverage, err)
				}
			}
		}
	}
}

func TestSignatureFieldGrammar(t *testing.T) {
	t.Parallel()
	var v struct {
		Cases []struct{ In, Expect, Note string }
	}
	load(t, "cavage/header-grammar.json", &v)
	if len(v.Cases) != 30 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, tc := range v.Cases {
		c, err := parseSignature(tc.In)
		// Where the vectors leave a choice, this parser refuses.
		if wantOK := tc.Expect == "ok"; wantOK != (err == nil) {
			t.Errorf("%s (%s): want %s, got %v", tc.In, tc.Note, tc.Expect, err)
		}
		if err == nil && (c.keyID == "" || len(c.covered) < 2 || string(c.signature) != "\x00\x00\x00") {
			t.Errorf("%s: parsed as %+v", tc.In, c)
		}
		if err != nil && newError("", err).Status != 400 && newError("", err).Status != 401 {
			t.Errorf("%s: status %d", tc.In, newError("", err).Status)
		}
	}
	c, err := parseSignature(v.Cases[4].In)
	if err != nil || c.keyID != "https://a.example/u#k," || c.algorithm != "rsa-sha256" ||
		!slices.Equal(c.covered, []string{"host", "date", "digest", "(request-target)"}) {
		t.Errorf("comma inside a quoted value: %+v, %v", c, err)
	}
}

type appendixB struct {
	Keys map[string]struct {
		Alg    string
		Public string `json:"public_pem"`
	}
	Cases []rfcCase
}

type rfcCase struct {
	ID, Kind, Body, Key, Expect string
	StartLine                   string `json:"start_line"`
	Headers                     [][2]string
	Base                        string `json:"signature_base"`
}

// message reads a case as a received request.
func (tc rfcCase) message(t *testing.T) (*message, http.Header) {
	t.Helper()
	parts := strings.Fields(tc.StartLine)
	h := headerOf(tc.Headers)
	r := &http.Request{Method: parts[0], RequestURI: parts[1], Host: h.Get("Host"), Header: h}
	m, err := received(r, "https")
	if err != nil {
		t.Fatal(err)
	}
	return m, h
}

// parseAnyway is parseMessageSignatures without its demand for coverage.
func parseAnyway(input, signature string) ([]claim, []error, error) {
	inputs, err := parseDictionary("Signature-Input", input)
	if err != nil {
		return nil, nil, err
	}
	var claims []claim
	var errs []error
	for _, label := range inputs.Names() {
		list, _ := inputs.Get(label)
		c, err := parseInput(list.(httpsfv.InnerList))
		claims, errs = append(claims, c), append(errs, err)
	}
	return claims, errs, readSignatures(claims, inputs, signature)
}

func TestAppendixBOfRFC9421(t *testing.T) {
	t.Parallel()
	var v appendixB
	load(t, "rfc9421/appendix-B.json", &v)
	checked := 0
	for _, tc := range v.Cases {
		t.Run(tc.ID, func(t *testing.T) {
			if tc.Kind != "request" {
				return // responses are not in the profile
			}
			checked++
			m, h := tc.message(t)
			claims, errs, err := parseAnyway(h.Get("Signature-Input"), h.Get("Signature"))
			if err != nil {
				t.Fatal(err)
			}
			if tc.ID == "B.2.2-selective" {
				if !errors.Is(errs[0], ErrUnsupported) {
					t.Errorf("@query-param: %v", errs[0])
				}
				return
			}
			if errs[0] != nil {
				t.Fatal(errs[0])
			}
			c := claims[0]
			base, err := c.signatureBase(m)
			if err != nil {
				t.Fatal(err)
			}
			if tc.Base != "" && base != tc.Base {
				t.Fatalf("base\n%s\nwant\n%s", base, tc.Base)
			}
			if err := c.checkMessageCoverage(m.method); (err == nil) != (tc.ID == "B.2.3-full") {
				t.Errorf("coverage: %v", err)
			}
			key := v.Keys[tc.Key]
			switch key.Alg {
			case "hmac-sha256":
				// An algorithm of shared secrets, whatever key it is tried with.
				if err := checkAlgorithm(key.Alg); !errors.Is(err, ErrUnsupported) {
					t.Errorf("hmac: %v", err)
				}
				return
			}
			public, err := ParsePublicKey(key.Public)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifyMessage(key.Alg, public, base, c.signature); err != nil {
				t.Error(err)
			}
			if err := verifyMessage(key.Alg, public, base+" ", c.signature); !errors.Is(err, ErrBadSignature) {
				t.Errorf("another base: %v", err)
			}
			// Each other label that we know must not do for this key.
			for _, other := range []string{rsaV15SHA256, rsaPSSSHA512, ecdsaP256SHA256, algEd25519} {
				if other != key.Alg {
					if err := verifyMessage(other, public, base, c.signature); !errors.Is(err, ErrBadSignature) {
						t.Errorf("alg %s with a signature of %s: %v", other, key.Alg, err)
					}
				}
			}
		})
	}
	if checked != 6 {
		t.Errorf("checked %d requests", checked)
	}
}

func TestAppendixB4OfRFC9421(t *testing.T) {
	t.Parallel()
	var keys appendixB
	load(t, "rfc9421/appendix-B.json", &keys)
	var v appendixB
	load(t, "rfc9421/appendix-B4.json", &v)
	got := map[string]int{}
	for _, tc := range v.Cases {
		m, h := tc.message(t)
		claims, errs, err := parseAnyway(h.Get("Signature-Input"), h.Get("Signature"))
		if err != nil || errs[0] != nil {
			t.Fatal(tc.ID, err, errs)
		}
		base, err := claims[0].signatureBase(m)
		if err != nil {
			t.Fatal(tc.ID, err)
		}
		public, err := ParsePublicKey(keys.Keys[tc.Key].Public)
		if err != nil {
			t.Fatal(err)
		}
		err = verifyMessage("", public, base, claims[0].signature)
		if (err == nil) != (tc.Expect == "accept") {
			t.Errorf("%s: want %s, got %v", tc.ID, tc.Expect, err)
		}
		got[tc.Expect]++
	}
	if !maps.Equal(got, map[string]int{"accept": 4, "reject": 2}) {
		t.Errorf("cases: %v", got)
	}
}

func TestEverySmallOrderKeyIsTrulyWeak(t *testing.T) {
	t.Parallel()
	// The signature (identity, 0) fits a message whose hash is a multiple of the key's order, for
	// which a few hundred messages are ample.
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1
	weak := func(k ed25519.PublicKey) bool {
		for i := range 100 {
			if ed25519.Verify(k, []byte{byte(i)}, forged) {
				return true
			}
		}
		return false
	}
	found := 0
	for _, k := range smallOrderCandidates(t) {
		isWeak := weak(k)
		if isWeak != smallOrder(k) || isWeak != (checkPublicKey(k) != nil) {
			t.Errorf("%x: weak %v, smallOrder %v, taken: %v", []byte(k), isWeak, smallOrder(k), checkPublicKey(k))
		}
		if isWeak {
			found++
		}
	}
	if found != 14 {
		t.Errorf("%d weak keys, want 7 with either sign", found)
	}
}

// smallOrderCandidates returns an ordinary key and the encodings at and beside small order: 0 and
// 1, the prime and its neighbours, and the two of order 8, with either sign.
func smallOrderCandidates(t *testing.T) []ed25519.PublicKey {
	t.Helper()
	encodings := []string{
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	}
	for _, low := range []string{"00", "01", "02", "03", "04"} {
		encodings = append(encodings, low+strings.Repeat("00", 31))
	}
	for _, high := range []string{"ea", "eb", "ec", "ed", "ee", "ef", "f0"} {
		encodings = append(encodings, high+strings.Repeat("ff", 30)+"7f")
	}
	out := []ed25519.PublicKey{mustEd25519(t)}
	for _, e := range encodings {
		k, err := hex.DecodeString(e)
		if err != nil {
			t.Fatal(err)
		}
		signed := slices.Clone(k)
		signed[31] |= 0x80
		out = append(out, k, signed)
	}
	return out
}
