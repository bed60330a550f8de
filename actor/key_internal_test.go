package actor

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/fedihook/fedihook/signature"
)

// A name that is cut out of a request, or out of a document, keeps all of it in memory.
func TestAKeyInMemoryKeepsNothingElseOfWhereItCameFrom(t *testing.T) {
	t.Parallel()
	request := strings.Repeat("x", 8<<10) + "https://a.test/users/bob#main-key"
	document := strings.Repeat("x", 8<<10) + "https://a.test/users/bob"
	keyID, owner := request[8<<10:], document[8<<10:]
	ks := newKeys(known.requestKey)
	ks.put(keyID, keyed{key: signature.PublicKey{ID: keyID, Owner: owner}})
	got, ok := ks.cache.get(keyID)
	if !ok || got.key.ID != keyID || got.key.Owner != owner {
		t.Fatalf("%+v, %v", got, ok)
	}
	for id := range ks.cache.items {
		if unsafe.StringData(id) == unsafe.StringData(keyID) {
			t.Error("the cache is kept by a part of the request")
		}
	}
	if unsafe.StringData(got.key.ID) == unsafe.StringData(keyID) || unsafe.StringData(got.key.Owner) == unsafe.StringData(owner) {
		t.Error("a key has parts of the request or of the document")
	}
}
