package ldsig_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// BenchmarkVerify verifies what Mastodon signs; bare is the RSA verification alone, library the
// algorithm with none of the rules and the contexts at hand.
func BenchmarkVerify(b *testing.B) {
	key := must[*vectors](b)(readVectors()).private
	v := &ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}}
	b.Run("bare", func(b *testing.B) {
		sum := sha256.Sum256([]byte("x"))
		value := must[[]byte](b)(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))
		b.ReportAllocs()
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], value); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, name := range []string{"delete-note", "create-note-hashtag-emoji"} {
		signed := must[[]byte](b)(ldsig.Sign(wire(b, name), signature.Key{ID: wireKey, Private: key}, 0))
		b.Run("library/"+name, func(b *testing.B) {
			own := withoutRules(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := own.verify(signed, &key.PublicKey); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), signed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSign signs a Create; bare is the RSA signature alone.
func BenchmarkSign(b *testing.B) {
	key := must[*vectors](b)(readVectors()).private
	b.Run("bare", func(b *testing.B) {
		sum := sha256.Sum256([]byte("x"))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	document := wire(b, "create-note-hashtag-emoji")
	b.Run("create-note-hashtag-emoji", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ldsig.Sign(document, signature.Key{ID: wireKey, Private: key}, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRefuse turns away what needs no key: an unknown context.
func BenchmarkRefuse(b *testing.B) {
	document := must[*vectors](b)(readVectors()).document(b, "reverse-alias")
	v := verifier(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), document); err == nil {
			b.Fatal("taken")
		}
	}
}
