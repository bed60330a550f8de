package signature_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// labelled makes by hand one RFC 9421 signature over an arrived request.
type labelled struct {
	label, components, params string
	algorithm                 string // how it is really signed; default rsa-v1_5-sha256
}

// values are those of the request that unsigned makes.
func (l labelled) base(r *http.Request) string {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	var b strings.Builder
	for name := range strings.FieldsSeq(l.components) {
		bare := strings.Trim(name, `"`)
		value, ok := map[string]string{
			"@method": r.Method, "@authority": r.Host, "@scheme": "https", "@request-target": r.RequestURI, "@path": path,
			"@query": "?" + query, "@target-uri": "https://" + r.Host + r.RequestURI, "host": r.Host,
		}[bare]
		if !ok {
			value = r.Header.Get(bare)
		}
		b.WriteString(name + ": " + value + "\n")
	}
	b.WriteString(`"@signature-params": (` + l.components + ")" + l.params)
	return b.String()
}

func (l labelled) sign(t testing.TB, r *http.Request) (input, value string) {
	t.Helper()
	base := []byte(l.base(r))
	key := must[*rsa.PrivateKey](t)(rsaKey())
	var sig []byte
	switch l.algorithm {
	case "rsa-pss-sha512":
		sum := sha512.Sum512(base)
		sig = must[[]byte](t)(rsa.SignPSS(rand.Reader, key, crypto.SHA512, sum[:], &rsa.PSSOptions{SaltLength: 64}))
	case "ed25519":
		sig = ed25519.Sign(must[ed25519.PrivateKey](t)(edKey()), base)
	default:
		sum := sha256.Sum256(base)
		sig = must[[]byte](t)(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))
	}
	return l.label + "=(" + l.components + ")" + l.params, l.label + "=:" + base64.StdEncoding.EncodeToString(sig) + ":"
}

// attach puts signatures onto a request.
func attach(t testing.TB, r *http.Request, signatures ...labelled) {
	t.Helper()
	var inputs, values []string
	for _, l := range signatures {
		input, value := l.sign(t, r)
		inputs, values = append(inputs, input), append(values, value)
	}
	r.Header.Set("Signature-Input", strings.Join(inputs, ", "))
	r.Header.Set("Signature", strings.Join(values, ", "))
}

const goodComponents = `"@method" "@target-uri" "content-digest"`

func goodParams() string {
	return fmt.Sprintf(`;created=%d;keyid="%s"`, time.Now().Unix(), aliceKey)
}

// knocked is an arrived POST with a Content-Digest, to be signed.
func knocked(t testing.TB) (*http.Request, []byte) {
	t.Helper()
	r, body := unsigned(t)
	sum := sha256.Sum256(body)
	r.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	r.Header.Del("Digest")
	return r, body
}

func TestMessageSignaturesOfPeersAreVerified(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]labelled{
		"Mastodon 4.7": {components: goodComponents, params: goodParams()},
		"Fedify": {components: `"@method" "@target-uri" "@authority" "host" "date" "content-digest"`,
			params: `;alg="rsa-v1_5-sha256";keyid="` + aliceKey + `"` + fmt.Sprintf(";created=%d", time.Now().Unix())},
		"NodeBB":            {components: goodComponents, params: goodParams() + `;nonce="abc";tag="activitypub"`},
		"in parts":          {components: `"@method" "@scheme" "@authority" "@path" "@query" "content-digest"`, params: goodParams()},
		"request-target":    {components: `"@method" "@authority" "@request-target" "content-digest"`, params: goodParams()},
		"expires":           {components: goodComponents, params: goodParams() + fmt.Sprintf(";expires=%d", time.Now().Unix()+60)},
		"rsa-pss-sha512":    {components: goodComponents, params: goodParams() + `;alg="rsa-pss-sha512"`, algorithm: "rsa-pss-sha512"},
		"components, order": {components: `"content-digest" "@target-uri" "content-type" "@method"`, params: goodParams()},
	} {
		l.label = "any-label"
		r, body := knocked(t)
		r.RequestURI += "?rest_route=%2Finbox"
		attach(t, r, l)
		got, err := verifier(t).Verify(r, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := strings.Fields(strings.ReplaceAll(l.components, `"`, ""))
		if got.Owner != alice || got.Scheme != signature.RFC9421 || !slices.Equal(got.Covered, want) || got.Expires.IsZero() != (name != "expires") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEd25519KeysSignAndVerify(t *testing.T) {
	t.Parallel()
	private := must[ed25519.PrivateKey](t)(edKey())
	v := verifier(t)
	v.Keys = keyring{aliceKey: private.Public()}
	r := post(t)
	if err := signature.Sign(r, []byte(follow), signature.Key{ID: aliceKey, Private: private}, signature.RFC9421); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(r.Header.Get("Signature-Input"), `;alg="ed25519"`) {
		t.Error(r.Header.Get("Signature-Input"))
	}
	got, body := arrive(t, r)
	if _, err := v.Verify(got, body); err != nil {
		t.Error(err)
	}
	_, err := verifier(t).Verify(got, body)
	refused(t, "an RSA key for it", err, signature.ErrBadSignature)

	r = post(t)
	err = signature.Sign(r, []byte(follow), signature.Key{ID: aliceKey, Private: private}, signature.Cavage)
	if err == nil || len(r.Header) != 1 {
		t.Errorf("draft-cavage with Ed25519: %v, %v", err, r.Header)
	}
	cavage, body := signed(t, signature.Cavage)
	_, err = v.Verify(cavage, body)
	refused(t, "an RSA signature of draft-cavage against an Ed25519 key", err, signature.ErrBadSignature)
}

func TestMessageSignaturesOutsideTheProfileAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	id := `;keyid="` + aliceKey + `"`
	for name, tc := range map[string]struct {
		labelled
		want error
	}{
		"no method":              {labelled{components: `"@target-uri" "content-digest"`}, signature.ErrCoverage},
		"no target":              {labelled{components: `"@method" "content-digest"`}, signature.ErrCoverage},
		"path without query":     {labelled{components: `"@method" "@authority" "@path" "content-digest"`}, signature.ErrCoverage},
		"path without authority": {labelled{components: `"@method" "@path" "@query" "content-digest"`}, signature.ErrCoverage},
		"no digest":              {labelled{components: `"@method" "@target-uri"`}, signature.ErrCoverage},
		"the wrong digest":       {labelled{components: `"@method" "@target-uri" "digest"`}, signature.ErrCoverage},
		"nothing":                {labelled{components: ``}, signature.ErrCoverage},
		"absent field":           {labelled{components: goodComponents + ` "x-absent"`}, signature.ErrCoverage},
		"twice":                  {labelled{components: goodComponents + ` "@method"`}, signature.ErrMalformed},
		"upper case":             {labelled{components: goodComponents + ` "Date"`}, signature.ErrMalformed},
		"empty name":             {labelled{components: goodComponents + ` ""`}, signature.ErrMalformed},
		"query-param":            {labelled{components: goodComponents + ` "@query-param";name="x"`}, signature.ErrUnsupported},
		"status":                 {labelled{components: goodComponents + ` "@status"`}, signature.ErrUnsupported},
		"signature-params":       {labelled{components: goodComponents + ` "@signature-params"`}, signature.ErrUnsupported},
		"signature":              {labelled{components: goodComponents + ` "signature"`}, signature.ErrUnsupported},
		"sf":                     {labelled{components: goodComponents + ` "content-type";sf`}, signature.ErrUnsupported},
		"key":                    {labelled{components: `"@method" "@target-uri" "content-digest";key="sha-256"`}, signature.ErrUnsupported},
		"req":                    {labelled{components: goodComponents + ` "@authority";req`}, signature.ErrUnsupported},
		"tr":                     {labelled{components: goodComponents + ` "date";tr`}, signature.ErrUnsupported},
		"bs":                     {labelled{components: goodComponents + ` "date";bs`}, signature.ErrUnsupported},
		"no created":             {labelled{components: goodComponents, params: id}, signature.ErrCoverage},
		"no keyid":               {labelled{components: goodComponents, params: fmt.Sprintf(";created=%d", now)}, signature.ErrCoverage},
		"created as a date":      {labelled{components: goodComponents, params: fmt.Sprintf(";created=@%d", now) + id}, signature.ErrMalformed},
		"created as a string":    {labelled{components: goodComponents, params: fmt.Sprintf(`;created="%d"`, now) + id}, signature.ErrMalformed},
		"created with decimals":  {labelled{components: goodComponents, params: fmt.Sprintf(`;created=%d.5`, now) + id}, signature.ErrMalformed},
		"negative created":       {labelled{components: goodComponents, params: ";created=-1" + id}, signature.ErrMalformed},
		"huge created":           {labelled{components: goodComponents, params: ";created=999999999999999" + id}, signature.ErrMalformed},
		"created in 1970":        {labelled{components: goodComponents, params: ";created=0" + id}, signature.ErrExpired},
		"created tomorrow":       {labelled{components: goodComponents, params: fmt.Sprintf(";created=%d", now+86400) + id}, signature.ErrExpired},
		"expired":                {labelled{components: goodComponents, params: fmt.Sprintf(";created=%d;expires=%d", now-700, now-400) + id}, signature.ErrExpired},
		"expires before created": {labelled{components: goodComponents, params: fmt.Sprintf(";created=%d;expires=%d", now, now-1) + id}, signature.ErrExpired},
		"duplicate parameter":    {labelled{components: goodComponents, params: goodParams() + `;created=1`}, signature.ErrMalformed},
		"unknown parameter":      {labelled{components: goodComponents, params: goodParams() + `;x=1`}, signature.ErrUnsupported},
		"another application":    {labelled{components: goodComponents, params: goodParams() + `;tag="payments"`}, signature.ErrUnsupported},
		"hmac":                   {labelled{components: goodComponents, params: goodParams() + `;alg="hmac-sha256"`}, signature.ErrUnsupported},
		"ecdsa, larger":          {labelled{components: goodComponents, params: goodParams() + `;alg="ecdsa-p384-sha384"`}, signature.ErrUnsupported},
		"P-256 on an RSA key":    {labelled{components: goodComponents, params: goodParams() + `;alg="ecdsa-p256-sha256"`}, signature.ErrBadSignature},
		"cavage's algorithm":     {labelled{components: goodComponents, params: goodParams() + `;alg="rsa-sha256"`}, signature.ErrUnsupported},
		"ed25519 on an RSA key":  {labelled{components: goodComponents, params: goodParams() + `;alg="ed25519"`}, signature.ErrBadSignature},
		"PSS called PKCS#1":      {labelled{components: goodComponents, params: goodParams() + `;alg="rsa-v1_5-sha256"`, algorithm: "rsa-pss-sha512"}, signature.ErrBadSignature},
		"PKCS#1 called PSS":      {labelled{components: goodComponents, params: goodParams() + `;alg="rsa-pss-sha512"`}, signature.ErrBadSignature},
		"PSS without a label":    {labelled{components: goodComponents, params: goodParams(), algorithm: "rsa-pss-sha512"}, signature.ErrBadSignature},
		"acct: key id":           {labelled{components: goodComponents, params: fmt.Sprintf(`;created=%d;keyid="acct:a@peer.example"`, now)}, signature.ErrUnsupported},
	} {
		tc.label = "s"
		if tc.params == "" {
			tc.params = goodParams()
		}
		r, body := knocked(t)
		attach(t, r, tc.labelled)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}
}

func TestOtherSpellingsOfMessageSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	good := labelled{label: "s", components: goodComponents, params: goodParams()}
	for name, change := range map[string]func(h http.Header){
		"space inside the list": func(h http.Header) {
			h.Set("Signature-Input", strings.Replace(h.Get("Signature-Input"), `" "`, `"  "`, 1))
		},
		"label twice": func(h http.Header) {
			h.Set("Signature-Input", h.Get("Signature-Input")+", "+h.Get("Signature-Input"))
		},
		"signature twice":   func(h http.Header) { h.Set("Signature", h.Get("Signature")+", "+h.Get("Signature")) },
		"loose base64":      func(h http.Header) { h.Set("Signature", strings.Replace(h.Get("Signature"), "==:", ":", 1)) },
		"no such label":     func(h http.Header) { h.Set("Signature", "t"+strings.TrimPrefix(h.Get("Signature"), "s")) },
		"one label more":    func(h http.Header) { h.Set("Signature", h.Get("Signature")+", t=:AAAA:") },
		"a token":           func(h http.Header) { h.Set("Signature", "s=abc") },
		"an empty one":      func(h http.Header) { h.Set("Signature", "s=::") },
		"no list":           func(h http.Header) { h.Set("Signature-Input", "s=1") },
		"no input":          func(h http.Header) { h.Del("Signature-Input") },
		"an empty input":    func(h http.Header) { h.Set("Signature-Input", "") },
		"no signature":      func(h http.Header) { h.Del("Signature") },
		"input twice":       func(h http.Header) { h.Add("Signature-Input", h.Get("Signature-Input")) },
		"garbage at end":    func(h http.Header) { h.Set("Signature-Input", h.Get("Signature-Input")+",") },
		"cavage beside it":  func(h http.Header) { h.Set("Signature", `keyId="x",headers="date",signature="AAAA"`) },
		"over 8 KiB":        func(h http.Header) { h.Set("Signature-Input", "s="+strings.Repeat(" ", 8<<10)) },
		"digest in capital": func(h http.Header) { h.Set("Content-Digest", strings.ToUpper(h.Get("Content-Digest"))) },
	} {
		r, body := knocked(t)
		attach(t, r, good)
		change(r.Header)
		_, err := verifier(t).Verify(r, body)
		refused(t, name, err, signature.ErrMalformed)
	}
	// Space around the comma between labels is no difference.
	r, body := knocked(t)
	attach(t, r, good, labelled{label: "t", components: `"date"`, params: goodParams()})
	for _, name := range []string{"Signature", "Signature-Input"} {
		r.Header.Set(name, strings.Replace(r.Header.Get(name), ", t", "\t ,t", 1))
	}
	if _, err := verifier(t).Verify(r, body); err != nil {
		t.Error(err)
	}
}

// The first signature whose key can be had decides; what lies outside the profile is passed over.
func TestOfSeveralSignaturesOneDecides(t *testing.T) {
	t.Parallel()
	const proxyKey = "https://proxy.example/#key"
	params := func(key string) string { return fmt.Sprintf(`;created=%d;keyid="%s"`, time.Now().Unix(), key) }
	good := labelled{label: "a", components: goodComponents, params: params(aliceKey)}
	weak := labelled{label: "b", components: `"date"`, params: params(proxyKey)}
	unknown := labelled{label: "c", components: goodComponents, params: params(proxyKey)}
	false9421 := labelled{label: "d", components: goodComponents, params: params(aliceKey), algorithm: "ed25519"}

	for name, tc := range map[string]struct {
		signatures []labelled
		want       error
	}{
		"weak first":         {[]labelled{weak, good}, nil},
		"unknown key first":  {[]labelled{unknown, good}, nil},
		"weak last":          {[]labelled{good, weak}, nil},
		"only weak":          {[]labelled{weak}, signature.ErrCoverage},
		"only unknown":       {[]labelled{unknown, weak}, signature.ErrNoKey},
		"false one decides":  {[]labelled{false9421, good}, signature.ErrBadSignature},
		"three are too many": {[]labelled{weak, unknown, good}, signature.ErrMalformed},
	} {
		r, body := knocked(t)
		attach(t, r, tc.signatures...)
		got, err := verifier(t).Verify(r, body)
		if tc.want != nil {
			refused(t, name, err, tc.want)
		} else if err != nil || got.KeyID != aliceKey {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// A key that cannot be had now, or is gone, leaves it to the second; one whose host is refused
	// does not. If neither holds, the first says why.
	for _, tc := range []struct {
		name  string
		first error
		other []labelled
		want  error
	}{
		{"unavailable, then good", errors.New("timeout"), []labelled{good}, nil},
		{"gone, then good", signature.ErrKeyGone, []labelled{good}, nil},
		{"missing, then good", signature.ErrNoKey, []labelled{good}, nil},
		{"refused, then good", signature.ErrRefused, []labelled{good}, signature.ErrRefused},
		{"unavailable, then false", errors.New("timeout"), []labelled{false9421}, signature.ErrKeyUnavailable},
		{"unavailable alone", errors.New("timeout"), nil, signature.ErrKeyUnavailable},
	} {
		v := verifier(t)
		keys, asked := v.Keys, []string{}
		v.Keys = ask(func(keyID string) (signature.PublicKey, error) {
			asked = append(asked, keyID)
			if keyID == proxyKey {
				return signature.PublicKey{}, tc.first
			}
			return keys.PublicKey(t.Context(), keyID)
		})
		r, body := knocked(t)
		attach(t, r, append([]labelled{unknown}, tc.other...)...)
		got, err := v.Verify(r, body)
		if tc.want != nil {
			refused(t, tc.name, err, tc.want)
			var e *signature.Error
			if errors.As(err, &e) && e.KeyID != proxyKey {
				t.Errorf("%s: says %s", tc.name, e.KeyID)
			}
		} else if err != nil || got.KeyID != aliceKey {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
		if asked[0] != proxyKey {
			t.Errorf("%s: asked for %v", tc.name, asked)
		}
	}
	r, _ := knocked(t)
	attach(t, r, labelled{label: "b", components: goodComponents, params: params(proxyKey) + ";x"}, good)
	if id, err := signature.KeyID(r); id != aliceKey || err != nil {
		t.Errorf("KeyID: %q, %v", id, err)
	}
}
