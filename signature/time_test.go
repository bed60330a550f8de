package signature_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

func TestTimeWindow(t *testing.T) {
	t.Parallel()
	const h, m = time.Hour, time.Minute
	// Signed at the age given, with expires that long after it was signed.
	for _, tc := range []struct {
		name    string
		covered string
		age     time.Duration
		expires time.Duration
		v       signature.Verifier
		want    error
	}{
		{name: "now", covered: "date"},
		{name: "65 minutes old", covered: "date", age: h + 5*m},
		{name: "older", covered: "date", age: h + 5*m + time.Second, want: signature.ErrExpired},
		{name: "5 minutes ahead", covered: "date", age: -5 * m},
		{name: "further ahead", covered: "date", age: -5*m - time.Second, want: signature.ErrExpired},
		{name: "created 65 minutes ago", covered: "(created)", age: h + 5*m},
		{name: "created before", covered: "(created)", age: h + 5*m + time.Second, want: signature.ErrExpired},
		{name: "created ahead", covered: "(created)", age: -5*m - time.Second, want: signature.ErrExpired},
		{name: "unsigned expires shortens", covered: "date", age: 12 * m, expires: 6 * m, want: signature.ErrExpired},
		{name: "unsigned expires does not extend", covered: "date", age: 2 * h, expires: 3 * h, want: signature.ErrExpired},
		{name: "signed expires extends", covered: "(created) (expires)", age: 2 * h, expires: 3 * h},
		{name: "signed expires within its skew", covered: "(created) (expires)", age: 11 * m, expires: 6 * m},
		{name: "signed expires is over", covered: "(created) (expires)", age: 12 * m, expires: 6 * m, want: signature.ErrExpired},
		{name: "expires is capped at 12 hours", covered: "(created) (expires)", age: 13 * h, expires: 100 * h, want: signature.ErrExpired},
		{name: "just below the cap", covered: "(created) (expires)", age: 12 * h, expires: 100 * h},
		{name: "expires before created", covered: "(created) (expires)", expires: -1 * m, want: signature.ErrExpired},
		{name: "a Date that is old beside a created that is not", covered: "(created) x-date date", want: signature.ErrExpired},
		{name: "own limits", covered: "date", age: 3 * m, v: signature.Verifier{Skew: m, MaxAge: m}, want: signature.ErrExpired},
		{name: "own life", covered: "(created) (expires)", age: 2 * h, expires: 3 * h, v: signature.Verifier{MaxLife: h}, want: signature.ErrExpired},
		{name: "negative limits are the defaults", covered: "date", age: h, v: signature.Verifier{Skew: -1, MaxAge: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := tc.v
				v.Keys, v.Authorities = verifier(t).Keys, []string{"our.example"}
				r, body := unsigned(t)
				f := forge{covered: "(request-target) host digest " + tc.covered, created: time.Now().Unix()}
				f.format = `keyId="` + aliceKey + `",headers="%s",signature="%s"`
				if strings.Contains(tc.covered, "(created)") {
					f.format += fmt.Sprintf(",created=%d", f.created)
				}
				if tc.expires != 0 {
					f.expires = f.created + int64(tc.expires/time.Second)
					f.format += fmt.Sprintf(",expires=%d", f.expires)
				}
				if strings.Contains(tc.covered, "x-date") {
					r.Header.Set("X-Date", "")
					r.Header.Set("Date", time.Now().Add(-2*h).UTC().Format(http.TimeFormat))
				}
				signedAt := time.Now()
				age := tc.age
				if age < 0 { // signed in the future: a clock that runs ahead
					r.Header.Set("Date", time.Now().Add(-age).UTC().Format(http.TimeFormat))
					f.format = strings.Replace(f.format, fmt.Sprint(f.created), fmt.Sprint(f.created-int64(age/time.Second)), 1)
					f.created -= int64(age / time.Second)
					signedAt, age = time.Now().Add(-age), 0
				}
				f.sign(t, r)
				time.Sleep(age)
				got, err := v.Verify(r, body)
				if tc.want != nil {
					refused(t, tc.name, err, tc.want)
				} else if err != nil || !got.Created.Equal(signedAt) {
					t.Errorf("%v, created %v, want %v", err, got.Created, signedAt)
				}
			})
		})
	}
}

func TestOddTimesAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for name, tc := range map[string]struct {
		params string
		want   error
	}{
		"missing":        {``, signature.ErrMalformed},
		"empty":          {`,created=""`, signature.ErrMalformed},
		"negative":       {`,created=-5`, signature.ErrMalformed},
		"signed":         {`,created="+5"`, signature.ErrMalformed},
		"decimals":       {`,created=1.5`, signature.ErrMalformed},
		"beyond 40 bits": {`,created=1099511627777`, signature.ErrMalformed},
		"beyond 64 bits": {`,created=99999999999999999999`, signature.ErrMalformed},
		"zero":           {`,created=0`, signature.ErrExpired},
		"zero expires":   {fmt.Sprintf(`,created=%d,expires=0`, now), signature.ErrExpired},
		"wrong created":  {fmt.Sprintf(`,created=%d`, now+1), signature.ErrBadSignature},
	} {
		r, body := unsigned(t)
		forge{covered: "(request-target) (created) host digest", created: now,
			format: `keyId="` + aliceKey + `",algorithm="hs2019",headers="%s",signature="%s"` + tc.params}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}
	r, body := unsigned(t)
	r.Header.Del("Date")
	forge{covered: "(request-target) host digest date"}.sign(t, r)
	_, err := verifier(t).Verify(r, body)
	refused(t, "no Date", err, signature.ErrCoverage)
}
