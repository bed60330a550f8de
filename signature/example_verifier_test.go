package signature_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fedihook/fedihook/signature"
)

// A proof holds for what was proved, whoever brings it, and for nothing else.
func ExampleProofVerifier() {
	private, err := signature.GenerateEd25519Key()
	if err != nil {
		log.Fatal(err)
	}
	const alice = "https://a.example/users/alice"
	note := []byte(`{"id":"https://a.example/notes/1","attributedTo":"` + alice + `","content":"I like it"}`)
	proved, err := signature.Prove(note, signature.Key{ID: alice + "#ed25519-key", Private: private}, signature.ProofOptions{})
	if err != nil {
		log.Fatal(err)
	}
	verifier := &signature.ProofVerifier{Key: func(_ context.Context, method string) (signature.PublicKey, error) {
		return signature.PublicKey{ID: method, Owner: alice, Key: private.Public()}, nil // actor.Resolver.ProofKey
	}}
	ctx := context.Background()
	by, err := verifier.Verify(ctx, proved)
	fmt.Println(by.Owner, err)
	_, err = verifier.Verify(ctx, bytes.Replace(proved, []byte("like"), []byte("hate"), 1))
	fmt.Println(errors.Is(err, signature.ErrBadSignature))
	// Output:
	// https://a.example/users/alice <nil>
	// true
}
