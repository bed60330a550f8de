package signature_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

func TestWhatAKeySourceSaysDecidesTheStatus(t *testing.T) {
	t.Parallel()
	private := must[*rsa.PrivateKey](t)(rsaKey())
	secret := errors.New("dial tcp 10.0.0.7:443: connection refused")
	for name, tc := range map[string]struct {
		key  signature.PublicKey
		err  error
		want error
	}{
		"gone":             {err: fmt.Errorf("%w: %w", signature.ErrKeyGone, secret), want: signature.ErrKeyGone},
		"no such key":      {err: fmt.Errorf("%w: %w", signature.ErrNoKey, secret), want: signature.ErrNoKey},
		"refused":          {err: fmt.Errorf("%w: %w", signature.ErrRefused, secret), want: signature.ErrRefused},
		"network":          {err: secret, want: signature.ErrKeyUnavailable},
		"cancelled":        {err: context.Canceled, want: signature.ErrKeyUnavailable},
		"an error of ours": {err: signature.ErrBadSignature, want: signature.ErrKeyUnavailable},
		"gone, perhaps":    {err: fmt.Errorf("%w: %w", signature.ErrKeyGone, signature.ErrKeyUnavailable), want: signature.ErrKeyUnavailable},
		"another id":       {key: signature.PublicKey{ID: alice, Key: &private.PublicKey}, want: signature.ErrNoKey},
		"no key":           {key: signature.PublicKey{ID: aliceKey}, want: signature.ErrNoKey},
		"private key":      {key: signature.PublicKey{Key: private}, want: signature.ErrNoKey},
		"short Ed25519":    {key: signature.PublicKey{Key: ed25519.PublicKey("short")}, want: signature.ErrNoKey},
		"PEM":              {key: signature.PublicKey{Key: []byte("-----BEGIN PUBLIC KEY-----")}, want: signature.ErrNoKey},
	} {
		for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
			v := verifier(t)
			v.Keys = ask(func(keyID string) (signature.PublicKey, error) {
				if keyID != aliceKey {
					t.Errorf("asked for %q", keyID)
				}
				return tc.key, tc.err
			})
			r, body := signed(t, scheme)
			_, err := v.Verify(r, body)
			refused(t, name, err, tc.want)
			var e *signature.Error
			if errors.As(err, &e) && (e.KeyID != aliceKey || strings.Contains(e.Public(), "10.0.0.7")) {
				t.Errorf("%s: key id %q, public text %q", name, e.KeyID, e.Public())
			}
			if errors.Is(tc.err, secret) && !errors.Is(err, secret) {
				t.Errorf("%s: the cause is lost: %v", name, err)
			}
		}
	}
	v := verifier(t)
	v.Keys = nil
	r, body := signed(t, signature.Cavage)
	_, err := v.Verify(r, body)
	refused(t, "no source", err, signature.ErrKeyUnavailable)
}

// rotating is a source whose cached key is old.
type rotating struct {
	keyring
	newer     crypto.PublicKey
	err       error
	refreshed int
}

func (s *rotating) RefreshKey(_ context.Context, keyID string) (signature.PublicKey, error) {
	s.refreshed++
	return signature.PublicKey{ID: keyID, Owner: alice, Key: s.newer}, s.err
}

func TestAKeyThatDoesNotFitIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	current := &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey
	old := &must[*rsa.PrivateKey](t)(otherKey()).PublicKey
	ed := must[ed25519.PrivateKey](t)(edKey()).Public()
	for name, tc := range map[string]struct {
		cached, newer crypto.PublicKey
		err           error
		refreshed     int
		want          error
	}{
		"fits at once":           {cached: current, newer: old},
		"rotated":                {cached: old, newer: current, refreshed: 1},
		"another type before":    {cached: ed, newer: current, refreshed: 1},
		"unchanged":              {cached: old, newer: old, refreshed: 1, want: signature.ErrBadSignature},
		"rotated to another":     {cached: old, newer: ed, refreshed: 1, want: signature.ErrBadSignature},
		"gone since":             {cached: old, err: signature.ErrKeyGone, refreshed: 1, want: signature.ErrKeyGone},
		"cannot be fetched":      {cached: old, err: errors.New("timeout"), refreshed: 1, want: signature.ErrKeyUnavailable},
		"replaced by a bad one":  {cached: old, newer: "x", refreshed: 1, want: signature.ErrNoKey},
		"not asked for if equal": {cached: old, newer: &rsa.PublicKey{N: old.N, E: old.E}, refreshed: 1, want: signature.ErrBadSignature},
	} {
		v := verifier(t)
		source := &rotating{keyring: keyring{aliceKey: tc.cached}, newer: tc.newer, err: tc.err}
		v.Keys = source
		r, body := signed(t, signature.Cavage)
		got, err := v.Verify(r, body)
		if tc.want != nil {
			refused(t, name, err, tc.want)
		} else if err != nil || got.Owner != alice {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if source.refreshed != tc.refreshed {
			t.Errorf("%s: refreshed %d times", name, source.refreshed)
		}
	}
	// Only a signature that does not fit is a reason to refresh.
	v := verifier(t)
	source := &rotating{keyring: keyring{aliceKey: current}, newer: current}
	v.Keys = source
	r, body := signed(t, signature.Cavage)
	_, err := v.Verify(r, append(body, ' '))
	refused(t, "another body", err, signature.ErrDigest)
	if source.refreshed != 0 {
		t.Error("a bad digest refreshes the key")
	}
}

func TestAllowIsAskedBeforeTheKey(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer error
		want   error
	}{
		"allowed":   {nil, nil},
		"suspended": {fmt.Errorf("peer.example is suspended: %w", signature.ErrRefused), signature.ErrRefused},
		"no answer": {errors.New("database is down"), signature.ErrKeyUnavailable},
	} {
		v := verifier(t)
		keys, asked := v.Keys, 0
		v.Keys = ask(func(keyID string) (signature.PublicKey, error) {
			asked++
			return keys.PublicKey(t.Context(), keyID)
		})
		v.Allow = func(_ context.Context, host string) error {
			if host != "peer.example" || asked > 0 {
				t.Errorf("%s: asked for %q after %d keys", name, host, asked)
			}
			return tc.answer
		}
		r, body := signed(t, signature.Cavage)
		_, err := v.Verify(r, body)
		if tc.want != nil {
			refused(t, name, err, tc.want)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if asked != map[bool]int{true: 1, false: 0}[tc.want == nil] {
			t.Errorf("%s: %d keys were asked for", name, asked)
		}
	}
	// The port belongs to the host unless it is the default.
	for keyID, want := range map[string]string{
		"https://PEER.example:443/u#k": "peer.example", "https://peer.example:8443/u#k": "peer.example:8443",
		"https://[2001:DB8::1]:9/u#k": "[2001:db8::1]:9",
	} {
		v := verifier(t)
		v.Allow = func(_ context.Context, host string) error {
			if host != want {
				t.Errorf("%s: asked for %q", keyID, host)
			}
			return signature.ErrRefused
		}
		r, body := unsigned(t)
		forge{covered: "(request-target) host date digest", format: `keyId="` + keyID + `",headers="%s",signature="%s"`}.sign(t, r)
		_, err := v.Verify(r, body)
		refused(t, keyID, err, signature.ErrRefused)
	}
}

func TestNothingIsFetchedForARequestThatCannotHold(t *testing.T) {
	t.Parallel()
	v := verifier(t)
	v.Keys = ask(func(keyID string) (signature.PublicKey, error) {
		t.Errorf("asked for %q", keyID)
		return signature.PublicKey{}, signature.ErrNoKey
	})
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		for _, change := range []func(r *http.Request){
			func(r *http.Request) { r.Host = "other.example" },
			func(r *http.Request) { r.RequestURI = "/a b" },
			func(r *http.Request) { r.Header.Set("Content-Type", "\x01") },
			func(r *http.Request) { r.Header.Del("Content-Type") },
			func(r *http.Request) {
				r.Header.Set("Digest", "SHA-256=AAAA")
				r.Header.Set("Content-Digest", "sha-256=:AAAA:")
			},
		} {
			r, body := signed(t, scheme)
			change(r)
			if _, err := v.Verify(r, body); err == nil {
				t.Error("verified")
			}
		}
	}
}

func TestMoreAuthoritiesAreAskedForAsTheyAreWrittenOnce(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"OUR.example:443": "", "Blog7.example:443": "blog7.example", "blog7.example:8443": "blog7.example:8443", "else.example": "else.example", "blog7.example:": "",
	} {
		v := verifier(t)
		asked := ""
		v.Authorities = []string{"our.example"}
		v.More = func(authority string) bool { asked = authority; return strings.HasPrefix(authority, "blog") }
		r, body := unsigned(t)
		r.Host = host
		forge{covered: "(request-target) host date digest"}.sign(t, r)
		_, err := v.Verify(r, body)
		if good := host == "OUR.example:443" || strings.HasPrefix(want, "blog"); asked != want || good != (err == nil) || !good && !errors.Is(err, signature.ErrTarget) {
			t.Errorf("%s: asked about %q, %v", host, asked, err)
		}
	}
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scheme, host, uri string
		ours              []string
		want              error
	}{
		{host: "our.example", ours: []string{"our.example"}},
		{host: "OUR.example:443", ours: []string{"our.example"}},
		{host: "our.example", ours: []string{"Our.Example:443"}},
		{host: "our.example", ours: []string{"www.our.example", "our.example"}},
		{host: "our.example:8443", ours: []string{"our.example:8443"}},
		{host: "[2001:DB8::1]:8443", ours: []string{"[2001:db8::1]:8443"}},
		{scheme: "http", host: "our.example:80", ours: []string{"our.example"}},
		{scheme: "http", host: "our.example:443", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example:80", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example:8443", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example", ours: []string{"our.example:8443"}, want: signature.ErrTarget},
		{host: "our.example", ours: nil, want: signature.ErrTarget},
		{host: "our.example.", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example:", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example:0443", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "us@our.example", ours: []string{"our.example", "us@our.example"}, want: signature.ErrTarget},
		{host: "our.example,evil.example", ours: []string{"our.example", "our.example,evil.example"}, want: signature.ErrTarget},
		{host: "", ours: []string{"our.example", ""}, want: signature.ErrTarget},
		{host: "\u212aelvin.example", ours: []string{"kelvin.example"}, want: signature.ErrTarget},
		// Absolute form, as clients of a proxy send it.
		{host: "our.example", uri: "https://our.example/ap/inbox", ours: []string{"our.example"}},
		{host: "our.example", uri: "HTTPS://OUR.example:443/ap/inbox", ours: []string{"our.example"}},
		{host: "our.example", uri: "http://our.example/ap/inbox", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example", uri: "https://evil.example/ap/inbox", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example", uri: "https://our.example:8443/ap/inbox", ours: []string{"our.example"}, want: signature.ErrTarget},
		{host: "our.example", uri: "https://us@our.example/ap/inbox", ours: []string{"our.example"}, want: signature.ErrTarget},
	} {
		name := fmt.Sprintf("%s %s %s %q", tc.scheme, tc.host, tc.uri, tc.ours)
		v := verifier(t)
		v.Authorities, v.Scheme = tc.ours, tc.scheme
		r, body := unsigned(t)
		r.Host = tc.host
		r.Header.Set("X-Forwarded-Host", "our.example")
		r.Header.Set("Forwarded", "host=our.example")
		path := r.RequestURI
		if tc.uri != "" {
			r.RequestURI = tc.uri
		}
		forge{covered: "(request-target) host date digest", path: path}.sign(t, r)
		_, err := v.Verify(r, body)
		if tc.want != nil {
			refused(t, name, err, tc.want)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContentLengthThatIsCoveredMustBeTrue(t *testing.T) {
	t.Parallel()
	for length, want := range map[string]error{fmt.Sprint(len(follow)): nil, "0": signature.ErrDigest, "+102": signature.ErrDigest} {
		r, body := unsigned(t)
		r.Header.Set("Content-Length", length)
		forge{covered: "(request-target) host content-length digest date"}.sign(t, r)
		_, err := verifier(t).Verify(r, body)
		if want != nil {
			refused(t, length, err, want)
		} else if err != nil {
			t.Errorf("%s: %v", length, err)
		}
	}
}

func TestABodyOnGetMustBeCovered(t *testing.T) {
	t.Parallel()
	r, body := unsigned(t)
	r.Method = http.MethodGet
	forge{covered: "(request-target) host date"}.sign(t, r)
	_, err := verifier(t).Verify(r, body)
	refused(t, "GET with a body", err, signature.ErrCoverage)
	if _, err := verifier(t).Verify(r, nil); err != nil {
		t.Errorf("GET without: %v", err)
	}
}

func TestKeysOverHTTPAreForHTTPServersOnly(t *testing.T) {
	t.Parallel()
	const id = "http://a.test:8080/u#main-key"
	for scheme, want := range map[string]error{"": signature.ErrUnsupported, "https": signature.ErrUnsupported, "http": nil} {
		v := verifier(t)
		v.Scheme = scheme
		v.Keys = keyring{id: &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey}
		r, body := unsigned(t)
		forge{covered: "(request-target) host date digest", format: `keyId="` + id + `",headers="%s",signature="%s"`}.sign(t, r)
		_, err := v.Verify(r, body)
		if want != nil {
			refused(t, scheme, err, want)
		} else if err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestKeyIDOfBadRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		signature string
		want      error
	}{
		"none":      {"", signature.ErrUnsigned},
		"malformed": {`keyId="`, signature.ErrMalformed},
		"weak":      {`keyId="https://a.example/u#k",signature="AAAA"`, signature.ErrCoverage},
		"label":     {`sig1=:AAAA:`, signature.ErrMalformed},
	} {
		r, body := unsigned(t)
		if tc.signature != "" {
			r.Header.Set("Signature", tc.signature)
		}
		id, err := signature.KeyID(r)
		refused(t, name, err, tc.want)
		if id != "" {
			t.Errorf("%s: %q", name, id)
		}
		_, err = verifier(t).Verify(r, body)
		refused(t, name, err, tc.want)
	}
}

// Reading a request twice, and by many at once, must not change it or the Verifier.
func TestVerifyLeavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	v := verifier(t)
	r, body := signed(t, signature.Cavage)
	before := fmt.Sprint(r.Header, r.Host, r.URL, r.RequestURI)
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			_, err := v.Verify(r, body)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if after := fmt.Sprint(r.Header, r.Host, r.URL, r.RequestURI); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

// holder has some keys in memory.
type holder struct {
	signature.KeySource
	has []string
}

func (h holder) HoldsKey(keyID string) bool { return slices.Contains(h.has, keyID) }

func TestAKeyIsHeldIfItIsInMemoryAndTheOnlyOne(t *testing.T) {
	t.Parallel()
	v := verifier(t)
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		r, _ := signed(t, scheme)
		with := *v
		for _, c := range []struct {
			name string
			keys signature.KeySource
			want bool
		}{
			{"no memory", v.Keys, false},
			{"another key", holder{v.Keys, []string{aliceSecond}}, false},
			{"the key", holder{v.Keys, []string{aliceKey}}, true},
			{"no keys at all", nil, false},
		} {
			with.Keys = c.keys
			if got := with.Holds(r); got != c.want {
				t.Errorf("%v, %s: %v", scheme, c.name, got)
			}
		}
		with.Keys = holder{v.Keys, []string{aliceKey}}
		if scheme == signature.RFC9421 { // a second signature might be that of whoever has to be asked
			for _, of := range []string{aliceKey, "https://b.example/u#k"} {
				two := r.Clone(t.Context())
				for _, field := range []string{"Signature", "Signature-Input"} {
					value := two.Header.Get(field)
					two.Header.Set(field, value+", "+strings.Replace(strings.Replace(value, "sig1=", "other=", 1), aliceKey, of, 1))
				}
				if got, want := with.Holds(two), of == aliceKey; got != want {
					t.Errorf("two signatures, the second of %s: %v", of, got)
				}
			}
		}
		r.Header.Del("Signature")
		if with.Holds(r) {
			t.Errorf("%v: what is not signed is held", scheme)
		}
	}
}
