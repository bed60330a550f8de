package signature_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

func BenchmarkVerify(b *testing.B) {
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		b.Run(strings.ReplaceAll(scheme.String(), " ", ""), func(b *testing.B) {
			v := verifier(b)
			body := []byte(follow + strings.Repeat(" ", 1500-len(follow)))
			r := post(b)
			if err := signature.Sign(r, body, aliceRSA(b), scheme); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// What no verification can go below.
	b.Run("bare-RSA", func(b *testing.B) {
		key := must[*rsa.PrivateKey](b)(rsaKey())
		sum := sha256.Sum256([]byte(follow))
		sig := must[[]byte](b)(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))
		b.ReportAllocs()
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key, body := aliceRSA(b), []byte(follow)
	for _, scheme := range []signature.Scheme{signature.Cavage, signature.RFC9421} {
		b.Run(strings.ReplaceAll(scheme.String(), " ", ""), func(b *testing.B) {
			r := post(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := signature.Sign(r, body, key, scheme); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRefuse(b *testing.B) {
	v := verifier(b)
	for name, change := range map[string]func(r *http.Request){
		"unsigned":  func(r *http.Request) { r.Header.Del("Signature") },
		"malformed": func(r *http.Request) { r.Header.Set("Signature", r.Header.Get("Signature")+`"`) },
		"weak": func(r *http.Request) {
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), " digest", "", 1))
		},
		"huge":          func(r *http.Request) { r.Header.Set("Signature", strings.Repeat(`a="",`, 200_000)) },
		"digest-differ": func(r *http.Request) { r.Header.Set("Digest", "SHA-256="+strings.Repeat("A", 43)+"=") },
	} {
		b.Run(name, func(b *testing.B) {
			r, body := signed(b, signature.Cavage)
			change(r)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, body); err == nil {
					b.Fatal("verified")
				}
			}
		})
	}
}
