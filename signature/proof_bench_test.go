package signature_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// provedCreate is a Create of 1.5 KB without its proof.
func provedCreate() []byte {
	return []byte(`{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/data-integrity/v2"],` +
		`"id":"https://peer.example/activities/1","type":"Create","actor":"` + alice + `","published":"2026-01-02T03:04:05Z",` +
		`"to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["` + alice + `/followers"],` +
		`"object":{"id":"https://peer.example/notes/1","type":"Note","attributedTo":"` + alice + `","sensitive":false,` +
		`"to":["https://www.w3.org/ns/activitystreams#Public"],"cc":["` + alice + `/followers"],` +
		`"tag":[{"type":"Hashtag","name":"#go","href":"https://peer.example/tags/go"}],"attachment":[{"type":"Document","width":640,"height":480}],` +
		`"content":"<p>` + strings.Repeat("Hello \\u20ac world, ", 35) + `</p>"}}`)
}

func BenchmarkProof(b *testing.B) {
	a := newActors(b, alice)
	k := signature.Key{ID: aliceEd, Private: a[alice]}
	document := provedCreate()
	proved := must[[]byte](b)(signature.Prove(document, k, signature.ProofOptions{}))
	v := a.verifier()
	b.Run("Verify", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(proved)))
		for b.Loop() {
			if _, err := v.Verify(b.Context(), proved); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := signature.Prove(document, k, signature.ProofOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unsigned", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), document); err == nil {
				b.Fatal("verified")
			}
		}
	})
	// What no verification and no proof can go below.
	hash := sha256.Sum256(document)
	value := ed25519.Sign(a[alice], hash[:])
	b.Run("bare-verify", func(b *testing.B) {
		for b.Loop() {
			sha256.Sum256(document)
			if !ed25519.Verify(a[alice].Public().(ed25519.PublicKey), hash[:], value) {
				b.Fatal("does not verify")
			}
		}
	})
	b.Run("bare-sign", func(b *testing.B) {
		for b.Loop() {
			sha256.Sum256(document)
			ed25519.Sign(a[alice], hash[:])
		}
	})
}

func BenchmarkMultikey(b *testing.B) {
	for name, text := range map[string]string{
		"Ed25519": must[string](b)(signature.MarshalMultikey(newActors(b, alice)[alice].Public())),
		"RSA":     must[string](b)(signature.MarshalMultikey(aliceRSA(b).Private.Public())),
		"refused": "z" + strings.Repeat("z", 1535),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signature.ParseMultikey(text); (err != nil) != (name == "refused") {
					b.Fatal(err)
				}
			}
		})
	}
}
