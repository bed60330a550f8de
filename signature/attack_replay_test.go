package signature_test

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// counted serves copies of one request and says how each was answered.
func counted(t *testing.T, v *signature.Verifier, r *http.Request, body []byte, status int) func() *httptest.ResponseRecorder {
	t.Helper()
	h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	return func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, withBody(r.Clone(t.Context()), bytes.NewReader(body), int64(len(body))))
		return w
	}
}

func TestAttack16ARequestSentAgain(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r, body := signed(t, scheme)
		v := verifier(t)
		send := counted(t, v, r, body, http.StatusAccepted)
		for range 2 {
			if w := send(); w.Code != http.StatusAccepted {
				t.Errorf("refused without the rule: %d", w.Code)
			}
		}
		v.Replays = &signature.Replays{}
		var heard []error
		v.Refuse = func(w http.ResponseWriter, _ *http.Request, err *signature.Error) {
			heard = append(heard, err)
			w.WriteHeader(err.Status)
		}
		for i, want := range []int{202, 409, 409} {
			if w := send(); w.Code != want {
				t.Errorf("%s, time %d: %d", scheme, i+1, w.Code)
			}
		}
		if len(heard) != 2 {
			t.Fatalf("heard %v", heard)
		}
		refused(t, "the same again", heard[0], signature.ErrReplayed)
	}

	// A replay cache that goes by the text is fooled by another spelling of it.
	r, body := signed(t, signature.Cavage)
	value := r.Header.Get("Signature")
	r.Header.Set("Host", r.Host)
	for name, spelling := range map[string]string{
		"a line feed": strings.Replace(value, `signature="`, "signature=\"\n", 1),
		"loose bits": regexp.MustCompile(`[AQgw]=="$`).ReplaceAllStringFunc(value, func(s string) string {
			return string(s[0]+1) + `=="`
		}),
	} {
		r.Header.Set("Signature", spelling)
		if spelling == value {
			t.Fatal(name)
		}
		acceptedAlone(t, name, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, signature.ErrMalformed)
	}

	// To another inbox, another server, or as a GET for what was a POST.
	for name, tc := range map[string]struct {
		covered string
		change  func(r *http.Request)
		want    error
	}{
		"another path": {"host date digest", func(r *http.Request) { r.RequestURI = "/ap/users/bob/inbox"; r.URL.Path = r.RequestURI }, signature.ErrBadSignature},
		"another host": {"(request-target) date digest", func(r *http.Request) { r.Host = "other.example" }, signature.ErrTarget},
		"as a GET":     {"host date", func(r *http.Request) { r.Method = http.MethodGet }, signature.ErrBadSignature},
	} {
		weak, _ := unsigned(t)
		forge{covered: tc.covered}.sign(t, weak)
		tc.change(weak)
		acceptedAlone(t, name, weak)
		r, body := unsigned(t)
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		tc.change(r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}
}

// Nextcloud Social (2026) looked at no date at all.
func TestAttack17ADateThatNeverAges(t *testing.T) {
	t.Parallel()
	for date, want := range map[string]error{
		"Mon, 01 Jan 2001 00:00:00 GMT": signature.ErrExpired,
		"Fri, 01 Jan 2999 00:00:00 GMT": signature.ErrExpired,
		"yesterday":                     signature.ErrMalformed,
	} {
		r, body := unsigned(t)
		r.Header.Set("Date", date)
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		acceptedAlone(t, date, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, date, err, want)
	}
	r, body := unsigned(t)
	r.Header.Del("Date")
	forge{covered: "(request-target) host digest"}.sign(t, r)
	acceptedAlone(t, "no Date", r)
	_, err := verifier(t).Verify(r, body)
	refused(t, "no Date", err, signature.ErrCoverage)
}

func TestAttack18TimesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		for name, tc := range map[string]struct {
			params string
			want   error
		}{
			"expires is zero":         {`,expires=0`, signature.ErrExpired},
			"expires before it began": {fmt.Sprintf(`,expires=%d`, now-5), signature.ErrExpired},
			"expires beyond 40 bits":  {`,expires=1099511627777`, signature.ErrMalformed},
			"expires with a sign":     {fmt.Sprintf(`,expires="+%d"`, now+60), signature.ErrMalformed},
			"created is negative":     {`,created=-1`, signature.ErrMalformed},
		} {
			r, body := unsigned(t)
			forge{covered: "(request-target) host date digest", format: `keyId="` + aliceKey + `"` + tc.params + `,headers="%s",signature="%s"`}.sign(t, r)
			acceptedAlone(t, name, r)
			_, err := verifier(t).Verify(r, body)
			refused(t, name, err, tc.want)
		}
		// One that is over, in RFC 9421.
		r, body := knocked(t)
		attach(t, r, labelled{label: "s", components: goodComponents, params: goodParams() + fmt.Sprintf(";expires=%d", now+60)})
		time.Sleep(time.Hour)
		if _, err := verifier(t).VerifyWithout(signature.RuleTime, r, body); err != nil {
			t.Errorf("refused without the rule: %v", err)
		}
		_, err := verifier(t).Verify(r, body)
		refused(t, "over", err, signature.ErrExpired)
	})
}

func TestAttack19ARequestForAnotherHost(t *testing.T) {
	t.Parallel()
	// Signed for other.example, where its sender is a stranger, and brought here.
	r, body := unsigned(t)
	r.Host = "other.example"
	forge{covered: "(request-target) host date digest"}.sign(t, r)
	acceptedAlone(t, "another host", r)
	if _, err := verifier(t).VerifyWithout(signature.RuleAuthority, r, body); err != nil {
		t.Errorf("refused without the rule: %v", err)
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"} {
		r.Header.Set(name, map[string]string{"Forwarded": "host=our.example"}[name]+"our.example")
	}
	_, err := verifier(t).Verify(r, body)
	refused(t, "another host with X-Forwarded-Host", err, signature.ErrTarget)

	for _, tc := range []struct{ host, uri string }{
		{"our.example:8443", ""}, {"our.example", "https://other.example/ap/inbox"}, {"our.example", "http://our.example/ap/inbox"},
	} {
		r, body := unsigned(t)
		r.Host = tc.host
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		acceptedAlone(t, tc.uri, r) // which looks at the path that net/http took out of it
		if tc.uri != "" {
			r.RequestURI = tc.uri
		}
		_, err := verifier(t).Verify(r, body)
		refused(t, tc.host+" "+tc.uri, err, signature.ErrTarget)
	}
}

func TestAttack20ASignatureInAuthorization(t *testing.T) {
	t.Parallel()
	r, body := signed(t, signature.Cavage)
	r.Header.Set("Host", r.Host)
	r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
	r.Header.Del("Signature")
	acceptedAlone(t, "Authorization", r)
	r.Header.Del("Host")
	_, err := verifier(t).Verify(r, body)
	refused(t, "Authorization", err, signature.ErrUnsigned)

	// Beside a good one it changes nothing, where the library sees two.
	r, body = signed(t, signature.Cavage)
	r.Header.Set("Authorization", `Bearer signature="x"`)
	if err := alone(t, r, &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey, "rsa-sha256"); err == nil {
		t.Error("the library is no longer confused")
	}
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Error(err)
	}
}
