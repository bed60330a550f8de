package actor

import (
	"crypto/rsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

// Who signs with large keys gets fewer of them into memory.
func TestKeysInMemoryAreBoundedByTheirSize(t *testing.T) {
	t.Parallel()
	kept := func(bits uint) int {
		ks := newKeys(nil)
		key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
		for i := range 25_000 {
			id := fmt.Sprintf("https://crowd.example/users/%d#main-key", i)
			ks.put(id, keyed{key: signature.PublicKey{ID: id, Owner: id[:len(id)-9], Key: key}})
		}
		return len(ks.cache.items)
	}
	small, large := kept(2048), kept(8192)
	if small < 15_000 || small > 22_000 || large > small*2/3 || large == 0 {
		t.Errorf("%d keys of 2048 bits, %d of 8192", small, large)
	}
}
