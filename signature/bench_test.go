package signature_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/go-fed/httpsig"
)

// benchBody is a POST of 2.7 KB, as a Create of Mastodon is.
var benchBody = []byte(follow + strings.Repeat(" ", 2700-len(follow)))

// against times op and bare in turns, so that what else the machine does falls on both, and
// reports the best of each: ns/op-ours, ns/op-bare and what is beyond.
func against(b *testing.B, op, bare func() error) {
	b.Helper()
	best := func(f func() error, so float64) float64 {
		const batch = 8
		start := time.Now()
		for range batch {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		return min(so, float64(time.Since(start).Nanoseconds())/batch)
	}
	ours, floor := math.Inf(1), math.Inf(1)
	for b.Loop() {
		ours, floor = best(op, ours), best(bare, floor)
	}
	b.ReportMetric(0, "ns/op") // the sum of both says nothing
	b.ReportMetric(ours, "ours-ns")
	b.ReportMetric(floor, "bare-ns")
	b.ReportMetric(ours/floor, "ours/bare")
	b.ReportMetric(ours-floor, "beyond-ns")
}

// libraryVerify is what go-fed/httpsig does by itself, with no policy at all.
func libraryVerify(r *http.Request, key crypto.PublicKey) error {
	v, err := httpsig.NewVerifier(r)
	if err != nil {
		return err
	}
	return v.Verify(key, httpsig.RSA_SHA256)
}

// bareRSA is what no verification can go below: SHA-256 over the body and one RSA-2048 verify.
func bareRSA(b testing.TB) func() error {
	key := must[*rsa.PrivateKey](b)(rsaKey())
	sum := sha256.Sum256([]byte(follow))
	sig := must[[]byte](b)(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))
	return func() error {
		digest := sha256.Sum256(benchBody)
		_ = digest
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig)
	}
}

func benchRequest(t testing.TB, s signature.Scheme, k signature.Key) *http.Request {
	t.Helper()
	r := post(t)
	if err := signature.Sign(r, benchBody, k, s); err != nil {
		t.Fatal(err)
	}
	return r
}

func verifyOnce(v *signature.Verifier, r *http.Request) func() error {
	return func() error { _, err := v.Verify(r, benchBody); return err }
}

// BenchmarkVerifyBesideBare holds a POST of 2.7 KB against the bare costs: at most 1.35 times for
// draft-cavage, 1.5 times for RFC 9421.
func BenchmarkVerifyBesideBare(b *testing.B) {
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		b.Run(strings.ReplaceAll(scheme.String(), " ", ""), func(b *testing.B) {
			against(b, verifyOnce(verifier(b), benchRequest(b, scheme, aliceRSA(b))), bareRSA(b))
		})
	}
	b.Run("go-fed-alone", func(b *testing.B) {
		r, key := libraryRequest(b), &must[*rsa.PrivateKey](b)(rsaKey()).PublicKey
		against(b, func() error { return libraryVerify(r, key) }, bareRSA(b))
	})
}

// libraryRequest is benchRequest with its Host as a field, where the library looks for it.
func libraryRequest(t testing.TB) *http.Request {
	r := benchRequest(t, signature.Cavage, aliceRSA(t))
	r.Header.Set("Host", r.Host)
	return r
}

// BenchmarkVerify counts allocations, with those of the library and of RSA beside them.
func BenchmarkVerify(b *testing.B) {
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		v, r := verifier(b), benchRequest(b, scheme, aliceRSA(b))
		benchmark(b, strings.ReplaceAll(scheme.String(), " ", ""), verifyOnce(v, r))
	}
	r, key := libraryRequest(b), &must[*rsa.PrivateKey](b)(rsaKey()).PublicKey
	benchmark(b, "go-fed-alone", func() error { return libraryVerify(r, key) })
	benchmark(b, "bare-RSA", bareRSA(b))
}

func benchmark(b *testing.B, name string, f func() error) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What this package adds to the library's own allocations stays bounded: many small servers verify
// on small machines.
func TestVerifyAllocatesLittleBeyondTheLibrary(t *testing.T) {
	v, r := verifier(t), benchRequest(t, signature.Cavage, aliceRSA(t))
	alone, key := libraryRequest(t), &must[*rsa.PrivateKey](t)(rsaKey()).PublicKey
	count := func(f func() error) float64 {
		return testing.AllocsPerRun(50, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	ours, theirs := count(verifyOnce(v, r)), count(func() error { return libraryVerify(alone, key) })
	if ours > theirs+25 || theirs < 10 {
		t.Errorf("%v allocations, the library alone makes %v", ours, theirs)
	}
}

// BenchmarkVerifyParallel scales with -cpu 1,2,…: the time per operation halves with each doubling.
func BenchmarkVerifyParallel(b *testing.B) {
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		b.Run(strings.ReplaceAll(scheme.String(), " ", ""), func(b *testing.B) {
			v, r := verifier(b), benchRequest(b, scheme, aliceRSA(b))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Verify(r, benchBody); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkSignBesideBare: at most 3 % beyond the bare RSA sign, 10 µs beyond an Ed25519 sign.
func BenchmarkSignBesideBare(b *testing.B) {
	key, ed := aliceRSA(b), must[ed25519.PrivateKey](b)(edKey())
	sum := sha256.Sum256([]byte(follow))
	bareRSA := func() error {
		_, err := rsa.SignPKCS1v15(nil, key.Private.(*rsa.PrivateKey), crypto.SHA256, sum[:])
		return err
	}
	message := []byte(strings.Repeat("x", 330))
	bareEd25519 := func() error { ed25519.Sign(ed, message); return nil }
	for _, tc := range []struct {
		name   string
		scheme signature.Scheme
		key    signature.Key
		bare   func() error
	}{
		{"draft-cavage-12", signature.Cavage, key, bareRSA},
		{"RFC9421", signature.RFC9421, key, bareRSA},
		{"RFC9421-Ed25519", signature.RFC9421, signature.Key{ID: aliceKey, Private: ed}, bareEd25519},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r := post(b)
			against(b, func() error { return signature.Sign(r, benchBody, tc.key, tc.scheme) }, tc.bare)
		})
	}
}

// BenchmarkRefuse: what cannot hold is refused in under 5 µs, before any cryptography.
func BenchmarkRefuse(b *testing.B) {
	v := verifier(b)
	for _, tc := range []struct {
		name   string
		scheme signature.Scheme
		change func(r *http.Request)
	}{
		{"unsigned", signature.Cavage, func(r *http.Request) { r.Header.Del("Signature") }},
		{"malformed", signature.Cavage, func(r *http.Request) { r.Header.Set("Signature", r.Header.Get("Signature")+`"`) }},
		{"uncovered", signature.Cavage, func(r *http.Request) {
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), " digest", "", 1))
		}},
		{"huge", signature.Cavage, func(r *http.Request) { r.Header.Set("Signature", strings.Repeat(`a="",`, 200_000)) }},
		{"old", signature.Cavage, func(r *http.Request) { r.Header.Set("Date", "Sun, 05 Jan 2014 21:31:40 GMT") }},
		{"digest-differs", signature.Cavage, func(r *http.Request) { r.Header.Set("Digest", "SHA-256="+strings.Repeat("A", 43)+"=") }},
		{"RFC9421-malformed", signature.RFC9421, func(r *http.Request) { r.Header.Set("Signature-Input", r.Header.Get("Signature-Input")+`"`) }},
		{"RFC9421-uncovered", signature.RFC9421, func(r *http.Request) {
			r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), ` "content-digest"`, "", 1))
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r, body := signed(b, tc.scheme)
			tc.change(r)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, body); err == nil {
					b.Fatal("verified")
				}
			}
		})
	}
}

// BenchmarkReplays costs what Handler pays for each request that it lets through.
func BenchmarkReplays(b *testing.B) {
	v, r := verifier(b), benchRequest(b, signature.Cavage, aliceRSA(b))
	got := must[signature.Verified](b)(v.Verify(r, benchBody))
	p := &signature.Replays{Max: 1000}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		got.KeyID = fmt.Sprint(i)
		if err := p.Pass(got); err != nil {
			b.Fatal(err)
		}
	}
}
