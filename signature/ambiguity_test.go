package signature_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// Were a %0A in a path decoded, a signature over "(request-target) accept host date" of one target
// would read as one over "(request-target) host date" of another.
func TestControlCharactersDoNotReachTheSigningString(t *testing.T) {
	t.Parallel()
	r, _ := arrive(t, must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/ap/users/bob", nil)))
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Accept", "text/html")
	forge{covered: "(request-target) accept host date"}.sign(t, r)
	if _, err := verifier(t).Verify(r, nil); err != nil {
		t.Fatal(err)
	}
	r.RequestURI = "/ap/users/bob%0Aaccept:%20text/html"
	r.URL = must[*url.URL](t)(url.Parse(r.RequestURI))
	if r.URL.Path != "/ap/users/bob\naccept: text/html" {
		t.Fatalf("path %q", r.URL.Path)
	}
	r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), " accept ", " ", 1))
	_, err := verifier(t).Verify(r, nil)
	refused(t, "encoded line feed", err, signature.ErrBadSignature)

	injected := "/ap/users/bob\nhost: our.example"
	for _, target := range []string{injected, "/a\r\nb", "/a\x00b", "/a b", "/a\x7f", "/a#b", "/caf\xc3\xa9", "", "*", "our.example:443"} {
		r, body := unsigned(t)
		r.RequestURI = target
		if target == "" {
			r.URL.Path, r.URL.RawPath = "*", "*"
		}
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		if want := signature.ErrTarget; target == "" || target == "*" || target == "our.example:443" {
			refused(t, target, err, want)
		} else {
			refused(t, target, err, signature.ErrMalformed)
		}
	}
	for _, value := range []string{"a\nb", "a\r\n b", "a\x00", "\x7f", "a\tb", "\u00a0x"} {
		r, body := unsigned(t)
		r.Header["X-Odd"] = []string{value}
		forge{covered: "(request-target) host date digest x-odd"}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, fmt.Sprintf("covered value %q", value), err, signature.ErrMalformed)
	}
}

func TestAmbiguousHeadersAreRefused(t *testing.T) {
	t.Parallel()
	add := func(name, value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header[name] = append(r.Header[name], value) }
	}
	header := func(old, new string) func(r *http.Request) {
		return func(r *http.Request) {
			before := r.Header.Get("Signature")
			r.Header.Set("Signature", strings.Replace(before, old, new, 1))
			if before == r.Header.Get("Signature") {
				t.Fatalf("%q does not change %s", old, before)
			}
		}
	}
	for name, tc := range map[string]struct {
		change func(r *http.Request)
		want   error
	}{
		"two Signature fields":       {add("Signature", `keyId="x"`), signature.ErrMalformed},
		"two Dates":                  {add("Date", "Sun, 05 Jan 2014 21:31:40 GMT"), signature.ErrMalformed},
		"two Digests":                {add("Digest", "SHA-256=AAAA"), signature.ErrMalformed},
		"two Content-Types":          {add("Content-Type", "text/html"), signature.ErrMalformed},
		"another Host field":         {add("Host", "evil.example"), signature.ErrMalformed},
		"duplicate keyId":            {header(`keyId=`, `keyId="https://evil.example/u#k",keyId=`), signature.ErrMalformed},
		"keyId in two cases":         {header(`keyId=`, `KEYID="https://evil.example/u#k",keyId=`), signature.ErrMalformed},
		"duplicate unknown":          {header(`keyId=`, `x=1,x=1,keyId=`), signature.ErrMalformed},
		"many parameters":            {header(`keyId=`, `a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,keyId=`), signature.ErrMalformed},
		"comma left open":            {header(`keyId=`, `,keyId=`), signature.ErrMalformed},
		"escaped quote":              {header(`#main-key`, `#main\"key`), signature.ErrMalformed},
		"covered twice":              {header(`host date`, `host HOST date`), signature.ErrMalformed},
		"signature over itself":      {header(`host date`, `host signature date`), signature.ErrUnsupported},
		"authorization":              {header(`host date`, `host authorization date`), signature.ErrUnsupported},
		"unknown pseudo-header":      {header(`host date`, `(request-id) host date`), signature.ErrUnsupported},
		"(created) under rsa-sha256": {header(`(request-target)`, `(request-target) (created)`), signature.ErrMalformed},
		"covered but absent":         {header(`host date`, `host x-absent date`), signature.ErrCoverage},
		"legacy acct: key id":        {header(alice, `acct:alice@peer.example`), signature.ErrUnsupported},
		"key id over http":           {header(`https://peer`, `http://peer`), signature.ErrUnsupported},
		"key id with userinfo":       {header(`https://peer`, `https://us@peer`), signature.ErrUnsupported},
		"key id that is no URL":      {header(alice, `alice`), signature.ErrUnsupported},
		"no GMT in Date":             {func(r *http.Request) { r.Header.Set("Date", "2014-01-05T21:31:40Z") }, signature.ErrMalformed},
		"rsa-sha512":                 {header(`rsa-sha256`, `rsa-sha512`), signature.ErrBadSignature},
		"ed25519":                    {header(`rsa-sha256`, `ed25519`), signature.ErrBadSignature},
		"rsa-sha1":                   {header(`rsa-sha256`, `rsa-sha1`), signature.ErrUnsupported},
		"ecdsa-sha256":               {header(`rsa-sha256`, `ecdsa-sha256`), signature.ErrUnsupported},
		"hmac-sha256":                {header(`rsa-sha256`, `hmac-sha256`), signature.ErrUnsupported},
		"none":                       {header(`rsa-sha256`, `none`), signature.ErrUnsupported},
		"empty algorithm":            {header(`rsa-sha256`, ``), signature.ErrUnsupported},
		"8 KiB and more":             {header(`keyId=`, `pad="`+strings.Repeat("x", 8<<10)+`",keyId=`), signature.ErrMalformed},
	} {
		r, body := signed(t, signature.Cavage)
		tc.change(r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}
}

func TestOtherSpellingsOfASignatureAreRefused(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	value := r.Header.Get("Signature")
	for name, spelling := range map[string]string{
		"line feed inside":    strings.Replace(value, `signature="`, "signature=\"\n", 1),
		"without its padding": strings.Replace(value, `=="`, `"`, 1),
		"loose bits at its end": regexp.MustCompile(`[AQgw]=="$`).ReplaceAllStringFunc(value, func(s string) string {
			return string(s[0]+1) + `=="`
		}),
		"URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace(value),
		"bare":         strings.NewReplacer(`signature="`, `signature=`).Replace(value),
	} {
		if spelling == value {
			t.Fatalf("%s: nothing changed", name)
		}
		r.Header.Set("Signature", spelling)
		_, err := verifier(t).Verify(r, body)
		if name == "URL alphabet" { // also breaks the key id
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
			continue
		}
		refused(t, name, err, signature.ErrMalformed)
	}
}
