package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/go-fed/httpsig"
)

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	in := `Signature created = "5" , x=y, headers="(request-target) (created) HOST",signature="AAAA",keyId="https://a.example/?a,b=c#k"`
	c, err := parseSignature(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `keyId="https://a.example/?a,b=c#k",created="5",headers="(request-target) (created) host",signature="AAAA"`
	if got := formatSignature(c); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func FuzzSignatureField(f *testing.F) {
	var v struct{ Cases []struct{ In string } }
	load(f, "cavage/header-grammar.json", &v)
	for _, c := range v.Cases {
		f.Add(c.In)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c, err := parseSignature(in)
		if err != nil {
			return
		}
		if c.keyID == "" || len(c.covered) == 0 || len(c.signature) == 0 || strings.ContainsAny(c.keyID, "\r\n\"\\") {
			t.Fatalf("%q is read as %+v", in, c)
		}
		once := formatSignature(c)
		again, err := parseSignature(once)
		if err != nil || !reflect.DeepEqual(c, again) || formatSignature(again) != once {
			t.Fatalf("not stable: %q, then %q, %v", once, formatSignature(again), err)
		}
	})
}

func FuzzMessageSignature(f *testing.F) {
	var v appendixB
	load(f, "rfc9421/appendix-B.json", &v)
	for _, c := range v.Cases {
		h := headerOf(c.Headers)
		f.Add("POST", h.Get("Signature-Input"), h.Get("Signature"))
	}
	f.Add("GET", `s=("@method" "@target-uri");created=1;keyid="a", t=();x`, "s=:AAAA:\t,t=:AAAA:")
	f.Fuzz(func(t *testing.T, method, input, signature string) {
		claims, errs, err := parseMessageSignatures(method, input, signature)
		if err != nil {
			return
		}
		if len(claims) == 0 || len(claims) > maxLabels || len(errs) != len(claims) {
			t.Fatalf("%d claims, %d errors", len(claims), len(errs))
		}
		for i, c := range claims {
			// What is signed are the parameters as they arrived.
			if !strings.Contains(input, c.params) {
				t.Fatalf("params %q are not in %q", c.params, input)
			}
			if errs[i] == nil && (c.keyID == "" || c.created.IsZero() || len(c.signature) == 0) {
				t.Fatalf("%q is read as %+v", input, c)
			}
		}
	})
}

// FuzzSigningString holds our builder and the library's together: an HMAC over what we build must
// be the one that it makes over the synthetic request.
func FuzzSigningString(f *testing.F) {
	f.Add("POST", "/inbox?x", "(request-target) host date digest", "SHA-256=AAAA", " two ", "words")
	f.Add("get", "/a%0Ab", "date (request-target) x-list", "", "\t", "caf\xc3\xa9")
	f.Add("Patch", "/?", "host x-list", "a, b", "", "")
	f.Fuzz(func(t *testing.T, method, path, headers, digest, first, second string) {
		covered, err := parseCovered(headers)
		if err != nil {
			return
		}
		target, err := parseTarget("https", "A.example:8443", path)
		c := &claim{covered: covered}
		if err != nil || !c.dateFamily() || token(method) != method || method == "" {
			return
		}
		m := &message{target: target, method: method, header: http.Header{
			"Date": {"Sun, 05 Jan 2014 21:31:40 GMT"}, "Digest": {digest}, "X-List": {first, second},
		}}
		ours, err := c.signingString(m, m.path)
		r, failed := synthetic(c, m, m.path)
		if (err == nil) != (failed == nil) {
			t.Fatalf("ours says %v, the request for the library %v", err, failed)
		}
		if err != nil {
			return
		}
		signer, _, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.HMAC_SHA256}, httpsig.DigestSha256, covered, httpsig.Signature, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.SignRequest([]byte("secret"), libraryKeyID, r, nil); err != nil {
			t.Fatalf("the library refuses %q: %v", ours, err)
		}
		theirs, err := parseSignature(r.Header.Get("Signature"))
		if err != nil && len(theirs.signature) == 0 {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write([]byte(ours))
		if !hmac.Equal(mac.Sum(nil), theirs.signature) {
			t.Fatalf("the library signs something else than %q", ours)
		}
	})
}
