package ldsig_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// Whoever changes a word on the way is found out.
func ExampleVerifier() {
	private, err := signature.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	const alice = "https://blog.example/users/alice"
	signed, err := ldsig.Sign([]byte(`{
		"@context": "https://www.w3.org/ns/activitystreams", "id": "https://blog.example/shares/1", "type": "Announce",
		"to": "https://www.w3.org/ns/activitystreams#Public",
		"actor": "https://blog.example/users/alice", "object": "https://there.example/posts/1"
	}`), signature.Key{ID: alice + "#main-key", Private: private}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	v := &ldsig.Verifier{Keys: oneKey{signature.PublicKey{Owner: alice, Key: &private.PublicKey}}} // *actor.Resolver
	ctx := context.Background()
	said, err := v.Verify(ctx, signed)
	fmt.Println(said.Owner, said.Type, said.Object, err)
	_, err = v.Verify(ctx, bytes.Replace(signed, []byte("posts/1"), []byte("posts/2"), 1))
	fmt.Println(errors.Is(err, signature.ErrBadSignature))
	// Output:
	// https://blog.example/users/alice Announce https://there.example/posts/1 <nil>
	// true
}
