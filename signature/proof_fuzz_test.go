package signature_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// FuzzVerifyProof: whatever verifies says what was proved, word for word, and is its owner's.
func FuzzVerifyProof(f *testing.F) {
	// The key is fixed: seeds travel to worker processes, which must know the same one.
	a := actors{alice: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}
	k := signature.Key{ID: aliceEd, Private: a[alice]}
	v := a.verifier()
	known := map[string]bool{}
	for _, document := range []string{
		aliceNote,
		`{"@context":["https://www.w3.org/ns/activitystreams",{"x":"x:y"}],` + aliceNote[1:],
		`{"@context":"https://www.w3.org/ns/activitystreams","type":"Create","actor":"` + alice + `","object":` + aliceNote + `}`,
		`{"attributedTo":"` + alice + `","x":[1.5,"\u20ac",{"":null}]}`,
	} {
		proved := must[[]byte](f)(signature.Prove([]byte(document), k, signature.ProofOptions{}))
		p, err := v.Verify(f.Context(), proved)
		if err != nil {
			f.Fatal(err)
		}
		known[string(p.Document)] = true
		f.Add(proved)
		f.Add(withMember(string(proved), "signature", "{}"))
		f.Add(bytes.Replace(proved, []byte(`"proof":{`), []byte(`"proof":[{"type":"x"},{`), 1))
	}
	f.Add(must[[]byte](f)(os.ReadFile("testdata/data-integrity/eddsa-jcs-2022/signedJCS.json")))
	f.Fuzz(func(t *testing.T, document []byte) {
		before := bytes.Clone(document)
		p, err := v.Verify(t.Context(), document)
		if !bytes.Equal(before, document) {
			t.Fatalf("%q became %q", before, document)
		}
		if err != nil {
			var e *signature.Error
			if !errors.As(err, &e) || e.Status < 400 || e.Status > 503 || e.Public() == "" || p.Document != nil {
				t.Fatalf("%#v", err)
			}
			return
		}
		// A did:key in a document of the fuzzer's would need a signature of the fuzzer's.
		if p.Owner != alice || p.Method != aliceEd || !known[string(p.Document)] {
			t.Fatalf("%q verified as %+v", document, p)
		}
		if owner, err := signature.OwnerOf(p.Document); err != nil || owner != alice {
			t.Fatalf("%s belongs to %q, %v", p.Document, owner, err)
		}
	})
}
