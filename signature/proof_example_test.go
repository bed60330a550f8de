package signature_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/signature"
)

// A post that is proved can be passed on by anyone. The key stands in its author's document.
func ExampleProve() {
	private, _ := signature.GenerateEd25519Key()
	multikey, _ := signature.MarshalMultikey(private.Public())
	const id, method = "https://a.example/users/alice", "https://a.example/users/alice#ed25519-key"
	actor := fmt.Appendf(nil, `{"id":%q,"assertionMethod":[{"id":%q,"type":"Multikey","controller":%[1]q,"publicKeyMultibase":%[3]q}]}`, id, method, multikey)

	note := []byte(`{"id":"https://a.example/notes/1","attributedTo":"https://a.example/users/alice","content":"Hello"}`)
	proved, err := signature.Prove(note, signature.Key{ID: method, Private: private}, signature.ProofOptions{})
	if err != nil {
		panic(err)
	}

	// A real server fetches the actor from the method's address, and makes sure that it is the actor's.
	verifier := &signature.ProofVerifier{Key: func(_ context.Context, method string) (signature.PublicKey, error) {
		return signature.AssertionKey(actor, method)
	}}
	p, err := verifier.Verify(context.Background(), proved)
	fmt.Println(p.Owner, err)
	fmt.Printf("%s\n", p.Document)

	_, err = verifier.Verify(context.Background(), note)
	fmt.Println(errors.Is(err, signature.ErrUnsigned))
	// Output:
	// https://a.example/users/alice <nil>
	// {"attributedTo":"https://a.example/users/alice","content":"Hello","id":"https://a.example/notes/1"}
	// true
}

// Multikeys are how actors publish keys for proofs.
func ExampleParseMultikey() {
	key, err := signature.ParseMultikey("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
	fmt.Printf("%T %v\n", key, err)
	did, _ := signature.MarshalDIDKey(key)
	fmt.Println(did)
	// Output:
	// ed25519.PublicKey <nil>
	// did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2
}

// What may be believed of an embedded object whose wrapper is genuine.
func ExampleTrustsEmbedded() {
	const create, alice = "https://a.example/1", "https://a.example/users/alice"
	fmt.Println(signature.TrustsEmbedded(create, alice, "https://a.example/notes/1", alice))
	fmt.Println(signature.TrustsEmbedded(create, alice, "https://b.example/notes/1", "https://b.example/users/bob"))
	// Output:
	// true
	// false
}
