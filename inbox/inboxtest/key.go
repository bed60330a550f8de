package inboxtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	_ "embed" // the keys
	"encoding/pem"
	"sync"

	"github.com/fedihook/fedihook/signature"
)

//go:embed keys.pem
var published []byte

// published keys, parsed once: making an RSA key takes longer than most tests.
var keys = sync.OnceValues(func() (out []*rsa.PrivateKey, err error) {
	for rest := published; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out, nil
		}
		k, err := signature.ParsePrivateKey(string(bytes.TrimSpace(pem.EncodeToMemory(block))))
		if err != nil {
			return nil, err
		}
		out = append(out, k.(*rsa.PrivateKey))
	}
})

// rsaKey is one that no other actor of the Net has. The first twelve take no time, each further one some 100 ms.
func (n *Net) rsaKey() *rsa.PrivateKey {
	n.helper()
	n.mu.Lock()
	i := n.actors
	n.actors++
	n.mu.Unlock()
	ready, err := keys()
	if err == nil && i < len(ready) {
		return ready[i]
	}
	k, err := signature.GenerateKey()
	if err != nil {
		n.fatalf("inboxtest: %v", err)
	}
	return k
}

// edKey is the second key of an actor, the same in each run.
func edKey(keyID string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(keyID))
	return ed25519.NewKeyFromSeed(seed[:])
}
