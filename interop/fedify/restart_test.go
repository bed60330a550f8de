//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func aliceComesBack(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	before := w.publicKey(t, "alice")
	w.o.restart(t)
	if after := w.publicKey(t, "alice"); after != before {
		t.Errorf("her key was\n%s\nand is\n%s", before, after)
	}
	w.begin(t)
	// To her followers, of whom Fedify's fred is still one; verified with the key that Fedify has kept.
	w.alicePosts(t, "Back again")
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == "out" && strings.HasPrefix(e.URL, alice) {
			t.Errorf("Fedify fetched her key anew: %s %s %d", e.Method, e.URL, e.Status)
		}
	}
	w.acceptedHere(t, "alice")
}

// publicKey is a user's as everyone can read it.
func (w *world) publicKey(t *testing.T, handle string) string {
	t.Helper()
	var document struct {
		PublicKey struct{ ID, Owner, PublicKeyPem string }
	}
	status, body := w.o.read(t, w.o.actor(handle), "")
	if err := json.Unmarshal([]byte(body), &document); err != nil || status != http.StatusOK || !strings.Contains(document.PublicKey.PublicKeyPem, "PUBLIC KEY") {
		t.Fatalf("%s is %d %s", w.o.actor(handle), status, body)
	}
	return document.PublicKey.PublicKeyPem
}

func oursRemembers(t *testing.T, w *world) {
	published, like := w.fredReacts(t, "like", "Like")
	w.o.restart(t)
	w.begin(t)
	w.replay(t, w.o.waitPosts(t, like, 1)[0])
	w.heardOnce(t, like)
	// What was published before is still there to be answered.
	s := w.p.post(t, post{ID: published, Content: "Welcome back"})
	if h := w.oursHears(t, "Create", s.ID); h.object(t).InReplyTo.ID != published || !slices.Contains(h.To, w.o.actor("alice")) {
		t.Errorf("the reply is to %s, for %v", h.object(t).InReplyTo.ID, h.To)
	}
}
