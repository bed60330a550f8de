package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// Nothing that a stranger writes is read beyond its limit, nor quoted at length.
func TestLimits(t *testing.T) {
	t.Parallel()
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` "x-%d"`, i)
		}
		return b.String()
	}
	for name, tc := range map[string]struct {
		change func(r *http.Request)
		want   error
	}{
		"target":         {func(r *http.Request) { r.RequestURI = "/" + strings.Repeat("x", 8<<10) }, signature.ErrMalformed},
		"host":           {func(r *http.Request) { r.Host = strings.Repeat("x", 300) }, signature.ErrTarget},
		"method":         {func(r *http.Request) { r.Method = strings.Repeat("(", 9000) }, signature.ErrMalformed},
		"a field":        {func(r *http.Request) { r.Header.Set("Content-Type", strings.Repeat("x", 9000)) }, signature.ErrMalformed},
		"many fields":    {func(r *http.Request) { r.Header["Accept"] = strings.Split(strings.Repeat("x,", 9000), ",") }, signature.ErrMalformed},
		"covered names":  {func(r *http.Request) { cover(r, strings.Repeat("x ", 65)+"x") }, signature.ErrMalformed},
		"a covered name": {func(r *http.Request) { cover(r, strings.Repeat("x", 2000)) }, signature.ErrCoverage},
		"signature": {func(r *http.Request) {
			r.Header.Set("Signature", `keyId="https://a.example/",headers="date",signature="`+strings.Repeat("AAAA", 400)+`"`)
		}, signature.ErrMalformed},
		"key id": {func(r *http.Request) {
			r.Header.Set("Signature", `keyId="https://a.example/`+strings.Repeat("x", 2048)+`",headers="date",signature="AAAA"`)
		}, signature.ErrMalformed},
		"components": {func(r *http.Request) { message(r, goodComponents+names(70), goodParams(), "AAAA") }, signature.ErrMalformed},
		"bytes":      {func(r *http.Request) { message(r, goodComponents, goodParams(), strings.Repeat("AAAA", 400)) }, signature.ErrMalformed},
		"no string":  {func(r *http.Request) { message(r, goodComponents+" 7", goodParams(), "AAAA") }, signature.ErrMalformed},
		"keyid": {func(r *http.Request) {
			message(r, goodComponents, `;created=1;keyid="`+strings.Repeat("x", 2049)+`"`, "AAAA")
		}, signature.ErrCoverage},
		"keyid type":  {func(r *http.Request) { message(r, goodComponents, `;created=1;keyid=x`, "AAAA") }, signature.ErrMalformed},
		"alg type":    {func(r *http.Request) { message(r, goodComponents, goodParams()+`;alg=x`, "AAAA") }, signature.ErrMalformed},
		"nonce type":  {func(r *http.Request) { message(r, goodComponents, goodParams()+`;nonce`, "AAAA") }, signature.ErrMalformed},
		"tag type":    {func(r *http.Request) { message(r, goodComponents, goodParams()+`;tag=1`, "AAAA") }, signature.ErrMalformed},
		"expires":     {func(r *http.Request) { message(r, goodComponents, goodParams()+`;expires=-1`, "AAAA") }, signature.ErrMalformed},
		"keyid host":  {func(r *http.Request) { message(r, goodComponents, keyAt("https:///x"), "AAAA") }, signature.ErrUnsupported},
		"keyid space": {func(r *http.Request) { message(r, goodComponents, keyAt("https://a.example/ x"), "AAAA") }, signature.ErrUnsupported},
	} {
		r, body := signed(t, signature.Cavage)
		forge{covered: "(request-target) host date digest content-type"}.sign(t, r)
		if name == "many fields" {
			forge{covered: "(request-target) host date digest accept"}.sign(t, r)
		}
		r.Header.Set("Content-Digest", "sha-256=:AAAA:")
		tc.change(r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
		var e *signature.Error
		if errors.As(err, &e) && (len(e.Public()) > 300 || len(err.Error()) > 300+len(e.KeyID)) {
			t.Errorf("%s: error of %d bytes: %.200s", name, len(err.Error()), err)
		}
	}
}

// cover replaces what the Signature field of r says to cover.
func cover(r *http.Request, names string) {
	r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), ` content-type"`, ` content-type `+names+`"`, 1))
}

// message makes r one with an RFC 9421 signature that fits nothing.
func message(r *http.Request, components, params, sig string) {
	r.Header.Set("Signature-Input", "s=("+components+")"+params)
	r.Header.Set("Signature", "s=:"+sig+":")
}

func keyAt(id string) string { return fmt.Sprintf(`;created=%d;keyid="%s"`, time.Now().Unix(), id) }

func TestErrorsSayWhoAndWhy(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	_, err := verifier(t).Verify(r, append(body, ' '))
	want := fmt.Sprintf("signature: key %s: digest differs from the body: Digest SHA-256, body of %d bytes", aliceKey, len(body)+1)
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	r.Header.Del("Signature")
	if _, err = verifier(t).Verify(r, body); err == nil || err.Error() != "signature: not signed" {
		t.Error(err)
	}
	for s, want := range map[signature.Scheme]string{0: "draft-cavage-12", 1: "RFC 9421", 2: "unknown scheme"} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}

func TestAbsoluteTargetsWithoutAPathMeanTheRoot(t *testing.T) {
	t.Parallel()
	for uri, path := range map[string]string{"https://our.example": "/", "https://our.example?a=b": "/?a=b", "https://our.example/?": "/?"} {
		r, body := unsigned(t)
		r.RequestURI = uri
		forge{covered: "(request-target) host date digest", path: path}.sign(t, r)
		if _, err := verifier(t).Verify(r, body); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
