package signature_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
)

func TestASignedRequestIsVerified(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r, body := signed(t, scheme)
		got, err := verifier(t).Verify(r, body)
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		if got.KeyID != aliceKey || got.Owner != alice || got.Scheme != scheme || got.QueryUnsigned ||
			time.Since(got.Created) > time.Minute || !got.Expires.IsZero() || len(got.Signature) != 256 {
			t.Errorf("%s: %+v", scheme, got)
		}
		if id, err := signature.KeyID(r); id != aliceKey || err != nil {
			t.Errorf("%s: KeyID is %q, %v", scheme, id, err)
		}
	}
}

// The form that every peer takes: Threads wants SHA-256 in upper case, BookWyrm, PieFed and
// Pixelfed no space after commas, PieFed an algorithm it knows.
func TestWireFormOfOurSignatures(t *testing.T) {
	t.Parallel()
	base64Text := `[A-Za-z0-9+/]+=*`
	httpDate := `(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT`
	check := func(r *http.Request, want map[string]string) {
		t.Helper()
		for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest", "Date"} {
			pattern, ok := want[name]
			values := r.Header[name]
			if !ok && len(values) == 0 {
				continue
			}
			if len(values) != 1 || !ok || !regexp.MustCompile(`^`+pattern+`$`).MatchString(values[0]) {
				t.Errorf("%s %s: %q, want %s", r.Method, name, values, pattern)
			}
		}
		if r.Host != "our.example" {
			t.Errorf("%s: Host is %q", r.Method, r.Host)
		}
	}
	// An older signature, digest and host are replaced; the default port is dropped.
	old := func(r *http.Request) *http.Request {
		r.URL.Host = "Our.Example:443"
		r.Host = ""
		r.Header["Host"] = []string{"elsewhere.example"}
		for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest", "Date"} {
			r.Header[name] = []string{"old", "older"}
		}
		return r
	}
	get := func() *http.Request {
		return must[*http.Request](t)(http.NewRequest(http.MethodGet, "https://our.example/ap/users/bob?page=1", nil))
	}
	prefix := `keyId="` + regexp.QuoteMeta(aliceKey) + `",algorithm="rsa-sha256",headers="`
	suffix := `",signature="` + base64Text + `"`

	r := old(post(t))
	if err := signature.Sign(r, []byte(follow), aliceRSA(t), signature.Cavage); err != nil {
		t.Fatal(err)
	}
	check(r, map[string]string{
		"Signature": prefix + `\(request-target\) host date digest content-type` + suffix,
		"Digest":    `SHA-256=` + base64Text, "Date": httpDate,
	})
	if len(r.Header["Host"]) != 0 {
		t.Error("an old Host field stays")
	}

	r = old(get())
	if err := signature.Sign(r, nil, aliceRSA(t), signature.Cavage); err != nil {
		t.Fatal(err)
	}
	check(r, map[string]string{"Signature": prefix + `\(request-target\) host date` + suffix, "Date": httpDate})

	r = old(post(t))
	r.Header.Set("Collection-Synchronization", `collectionId="x", digest="y", url="z"`)
	if err := signature.Sign(r, []byte(follow), aliceRSA(t), signature.RFC9421); err != nil {
		t.Fatal(err)
	}
	params := `;created=\d+;keyid="` + regexp.QuoteMeta(aliceKey) + `";alg="rsa-v1_5-sha256"`
	check(r, map[string]string{
		"Signature-Input": `sig1=\("@method" "@target-uri" "@authority" "content-digest" "content-type" "collection-synchronization"\)` + params,
		"Signature":       `sig1=:` + base64Text + `:`, "Content-Digest": `sha-256=:` + base64Text + `:`, "Date": httpDate,
	})

	r = old(get())
	if err := signature.Sign(r, nil, aliceRSA(t), signature.RFC9421); err != nil {
		t.Fatal(err)
	}
	check(r, map[string]string{
		"Signature-Input": `sig1=\("@method" "@target-uri" "@authority"\)` + params,
		"Signature":       `sig1=:` + base64Text + `:`, "Date": httpDate,
	})
}

// What Sign says must hold for someone who knows only the draft and crypto/rsa.
func TestOurSignatureFitsAStringWrittenByHand(t *testing.T) {
	t.Parallel()
	r := must[*http.Request](t)(http.NewRequest(http.MethodPost, "https://our.example/caf%C3%A9/%0Ax?a=%2F&b", nil))
	if err := signature.Sign(r, nil, aliceRSA(t), signature.Cavage); err != nil {
		t.Fatal(err)
	}
	text := "(request-target): post /caf%C3%A9/%0Ax?a=%2F&b\nhost: our.example\ndate: " + r.Header.Get("Date") +
		"\ndigest: SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	hash := crypto.SHA256.New()
	hash.Write([]byte(text))
	_, encoded, _ := strings.Cut(r.Header.Get("Signature"), `signature="`)
	sig := must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, `"`)))
	if err := rsa.VerifyPKCS1v15(&must[*rsa.PrivateKey](t)(rsaKey()).PublicKey, crypto.SHA256, hash.Sum(nil), sig); err != nil {
		t.Error(err)
	}
}

// peers holds requests in the form of each peer, signed by OpenSSL; see testdata/README.md.
type peers struct {
	KeyID  string `json:"key_id"`
	Public string `json:"public_pem"`
	Cases  []struct {
		Name, Method, Target, Body string
		Headers                    [][2]string
		SignedAt                   int64 `json:"signed_at"`
	}
}

func TestSignaturesInTheFormOfEachPeerAreVerified(t *testing.T) {
	t.Parallel()
	var v peers
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("testdata/cavage/peers.json")), &v); err != nil {
		t.Fatal(err)
	}
	key := must[crypto.PublicKey](t)(signature.ParsePublicKey(v.Public))
	ours := &signature.Verifier{Keys: keyring{v.KeyID: key}, Authorities: []string{"our.example"}}
	if len(v.Cases) != 11 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, tc := range v.Cases {
		request := func() *http.Request {
			r := &http.Request{Method: tc.Method, RequestURI: tc.Target, Header: http.Header{}}
			for _, h := range tc.Headers {
				r.Header.Add(h[0], h[1])
			}
			r.Host = r.Header.Get("Host")
			r.Header.Del("Host")
			return r
		}
		t.Run(tc.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(tc.SignedAt+60, 0)))
				got, err := ours.Verify(request(), []byte(tc.Body))
				if err != nil {
					t.Fatal(err)
				}
				if got.Owner != alice || got.Created.Unix() != tc.SignedAt || got.QueryUnsigned != (tc.Name == "Misskey GET") {
					t.Errorf("%+v", got)
				}
				r := request()
				r.Header.Set("Date", time.Unix(tc.SignedAt+1, 0).UTC().Format(http.TimeFormat))
				if tc.Name != "Threads POST" { // which does not cover Date
					_, err = ours.Verify(r, []byte(tc.Body))
					refused(t, "another Date", err, signature.ErrBadSignature)
				}
				r = request()
				r.RequestURI = "/ap/users/carol/inbox"
				_, err = ours.Verify(r, []byte(tc.Body))
				refused(t, "another path", err, signature.ErrBadSignature)
				if tc.Body != "" {
					_, err = ours.Verify(request(), []byte(tc.Body+" "))
					refused(t, "another body", err, signature.ErrDigest)
				}
				time.Sleep(2 * time.Hour)
				_, err = ours.Verify(request(), []byte(tc.Body))
				refused(t, "two hours later", err, signature.ErrExpired)
			})
		})
	}
}

// Every subset of the four names that matter: each but the whole is too weak, however well signed.
func TestWeakCoverageIsRefused(t *testing.T) {
	t.Parallel()
	names := []string{"(request-target)", "host", "date", "digest"}
	weak := 0
	for set := 1; set < 1<<len(names); set++ {
		var covered []string
		for i, name := range names {
			if set&(1<<i) != 0 {
				covered = append(covered, name)
			}
		}
		r, body := unsigned(t)
		forge{covered: strings.Join(covered, " ")}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		if len(covered) == len(names) {
			if err != nil {
				t.Errorf("%v: %v", covered, err)
			}
			continue
		}
		refused(t, fmt.Sprint(covered), err, signature.ErrCoverage)
		weak++
	}
	r, body := unsigned(t)
	forge{covered: "date", format: `keyId="` + aliceKey + `",algorithm="rsa-sha256",signature="%[2]s"`}.sign(t, r)
	_, err := verifier(t).Verify(r, body)
	refused(t, "no headers parameter", err, signature.ErrCoverage)
	if weak++; weak != 15 {
		t.Errorf("%d weak subsets", weak)
	}
}

func TestATamperedRequestIsRefused(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		digest := map[signature.Scheme]string{signature.Cavage: "Digest", signature.RFC9421: "Content-Digest"}[scheme]
		for name, tc := range map[string]struct {
			change func(r *http.Request, body []byte) []byte
			want   error
		}{
			"body swapped":   {func(_ *http.Request, _ []byte) []byte { return []byte(strings.Replace(follow, "bob", "eve", 1)) }, signature.ErrDigest},
			"body removed":   {func(_ *http.Request, _ []byte) []byte { return nil }, signature.ErrDigest},
			"body longer":    {func(_ *http.Request, b []byte) []byte { return append(b, '\n') }, signature.ErrDigest},
			"digest removed": {func(r *http.Request, b []byte) []byte { r.Header.Del(digest); return b }, signature.ErrCoverage},
			"other method":   {func(r *http.Request, b []byte) []byte { r.Method = http.MethodPut; return b }, signature.ErrBadSignature},
			"other path":     {func(r *http.Request, b []byte) []byte { r.RequestURI = "/ap/users/bob/inbox"; return b }, signature.ErrBadSignature},
			"query added":    {func(r *http.Request, b []byte) []byte { r.RequestURI += "?x"; return b }, signature.ErrBadSignature},
			"other host":     {func(r *http.Request, b []byte) []byte { r.Host = "other.example"; return b }, signature.ErrTarget},
			"covered type":   {func(r *http.Request, b []byte) []byte { r.Header.Set("Content-Type", "text/plain"); return b }, signature.ErrBadSignature},
			"covered gone":   {func(r *http.Request, b []byte) []byte { r.Header.Del("Content-Type"); return b }, signature.ErrCoverage},
			"signature gone": {func(r *http.Request, b []byte) []byte {
				r.Header.Del("Signature")
				r.Header.Del("Signature-Input")
				return b
			}, signature.ErrUnsigned},
			"digest of the new body": {func(r *http.Request, _ []byte) []byte {
				other, body := post(t), []byte(follow+" ")
				if err := signature.Sign(other, body, aliceRSA(t), scheme); err != nil {
					t.Fatal(err)
				}
				r.Header.Set(digest, other.Header.Get(digest))
				return body
			}, signature.ErrBadSignature},
		} {
			r, body := signed(t, scheme)
			body = tc.change(r, slices.Clone(body))
			_, err := verifier(t).Verify(r, body)
			refused(t, scheme.String()+" "+name, err, tc.want)
		}
	}
}

func TestAPercentEncodedTargetIsTakenAsItStands(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/ap/caf%C3%A9", "/ap/a%0Ab", "/ap/a%2Fb?x=%20&y", "/ap/x?", "//ap", "/ap/./../x"} {
		r := must[*http.Request](t)(http.NewRequest(http.MethodPost, "https://our.example"+target, strings.NewReader(follow)))
		if err := signature.Sign(r, []byte(follow), aliceRSA(t), signature.Cavage); err != nil {
			t.Fatal(err)
		}
		got, body := arrive(t, r)
		if got.RequestURI != target {
			t.Fatalf("%s goes on the wire as %s", target, got.RequestURI)
		}
		if _, err := verifier(t).Verify(got, body); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r := post(t)
		mallory := signature.Key{ID: aliceKey, Private: must[*rsa.PrivateKey](t)(otherKey())}
		if err := signature.Sign(r, []byte(follow), mallory, scheme); err != nil {
			t.Fatal(err)
		}
		got, body := arrive(t, r)
		_, err := verifier(t).Verify(got, body)
		refused(t, scheme.String(), err, signature.ErrBadSignature)
	}
}

func TestTheQueryMayBeUnsignedOnGetOnly(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]error{"GET": nil, "HEAD": nil, "POST": signature.ErrBadSignature, "DELETE": signature.ErrBadSignature} {
		for _, family := range []string{"date", "(created)"} {
			r, body := unsigned(t)
			r.Method, r.RequestURI = method, "/ap/users/bob/outbox?page=1"
			f := forge{covered: "(request-target) host digest " + family, path: "/ap/users/bob/outbox", created: time.Now().Unix()}
			if family == "(created)" {
				f.format = fmt.Sprintf(`keyId="%s",created=%d,headers="%%s",signature="%%s"`, aliceKey, f.created)
			}
			f.sign(t, r)
			got, err := verifier(t).Verify(r, body)
			if want == nil && (err != nil || !got.QueryUnsigned) {
				t.Errorf("%s %s: %+v, %v", method, family, got, err)
			}
			if want != nil {
				refused(t, method, err, want)
			}
		}
	}
}
