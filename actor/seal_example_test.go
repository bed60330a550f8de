package actor_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/fedihook/fedihook/actor"
)

// Private keys are encrypted with AES-256-GCM under a secret that is not in the database. Who copies the database can't
// sign, and who can write to it can't give one actor another's key, as bound goes in as additional data.
func ExampleKeyring_seal() {
	secret := bytes.Repeat([]byte{7}, 32) // of an environment variable, a file or a vault
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	store := &memoryKeys{makeKeys: true} // package storage has real ones
	ring := &actor.Keyring{
		Store: store, Names: actor.Names{Origin: "https://blog.example"},
		Seal: func(_ context.Context, private, bound []byte) ([]byte, error) {
			return aead.Seal(nil, nil, private, bound), nil
		},
		Open: func(_ context.Context, sealed, bound []byte) ([]byte, error) {
			return aead.Open(nil, nil, sealed, bound)
		},
	}
	key, err := ring.Private(context.Background(), "https://blog.example/ap/users/alice")
	fmt.Println(key.ID, err)
	fmt.Println(bytes.Contains(store.pairs[0].Private, []byte("PRIVATE KEY")))

	store.pairs[0].ActorID, store.pairs[1].ActorID = "https://blog.example/ap/users/eve", "https://blog.example/ap/users/eve"
	_, err = ring.Private(context.Background(), "https://blog.example/ap/users/eve")
	fmt.Println(err)
	// Output:
	// https://blog.example/ap/users/alice#main-key <nil>
	// false
	// actor: key of https://blog.example/ap/users/eve: open https://blog.example/ap/users/alice#main-key: cipher: message authentication failed
}
