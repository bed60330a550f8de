//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// writes makes somebody say something to fred alone, which Fedify must verify at the first attempt.
func (w *world) writes(t *testing.T, handle, text string) {
	t.Helper()
	id := must(t)(w.o.f.Publish(t.Context(), handle, &activity.Object{Content: "<p>" + text + "</p>", To: activity.To(w.p.Actor)}))
	w.fedifyHears(t, "Create", handle, func(e event) bool { return e.ObjectID == id })
}

// fetchedKey lists how Fedify asked for somebody's key since the cell began.
func (w *world) fetchedKey(t *testing.T, handle string) []string {
	t.Helper()
	return w.asked(t, "out", w.o.actor(handle), anything)
}

func kimRotates(t *testing.T, w *world) {
	w.fredIsFollower(t, "kim")
	w.writes(t, "kim", "Under the old key")
	before := w.publicKey(t, "kim")
	w.begin(t)
	update := must(t)(w.o.f.RotateKeys(t.Context(), "kim"))
	e := w.fedifyHearsID(t, "Update", "kim", update)
	after := w.publicKey(t, "kim")
	if pem := e.publicKeyOf(t); after == before || pem != after {
		t.Errorf("the key was\n%s\nis\n%s\nand Fedify was told\n%s", before, after, pem)
	}
	if asked := w.fetchedKey(t, "kim"); len(asked) != 0 {
		t.Errorf("Fedify could not verify the Update with the key that it had: %q", asked)
	}
	w.writes(t, "kim", "Under the new key")
	if asked := w.fetchedKey(t, "kim"); len(asked) == 0 {
		t.Error("Fedify did not fetch the new key: was the old one used?")
	}
}

// publicKeyOf is the key of the actor that an Update carries.
func (e event) publicKeyOf(t *testing.T) string {
	t.Helper()
	var update struct {
		Object struct {
			PublicKey struct{ PublicKeyPem string }
		}
	}
	if err := json.Unmarshal(e.Activity, &update); err != nil {
		t.Fatalf("%s: %v in %s", e.ID, err, e.Activity)
	}
	return update.Object.PublicKey.PublicKeyPem
}

func louRotates(t *testing.T, w *world) {
	w.writes(t, "lou", "Under the first key")
	for _, change := range []struct {
		name string
		keys func() (string, error)
	}{
		{"rotated", func() (string, error) { return w.o.f.RotateKeys(t.Context(), "lou") }},
		{"revoked", func() (string, error) { return w.o.f.RevokeKeys(t.Context(), "lou") }},
	} {
		before := w.publicKey(t, "lou")
		must(t)(change.keys())
		if w.publicKey(t, "lou") == before {
			t.Fatalf("%s, the key is the same", change.name)
		}
		w.begin(t)
		w.writes(t, "lou", "Under a key that was "+change.name)
		if asked := w.fetchedKey(t, "lou"); len(asked) == 0 {
			t.Errorf("%s: Fedify did not fetch the new key", change.name)
		}
	}
}

// ages makes ours have fred's key since an hour ago: what is younger than five minutes is not fetched again for a signature that
// does not fit.
func (w *world) ages(t *testing.T) {
	t.Helper()
	w.fredPosts(t, "Under the old key")
	r, err := w.o.storage.Remotes.Remote(t.Context(), w.p.Actor)
	if err != nil {
		t.Fatal(err)
	}
	r.Fetched = r.Fetched.Add(-time.Hour)
	if err := w.o.storage.Remotes.PutRemote(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.o.restart(t)
}

func fredRotates(t *testing.T, w *world) {
	w.ages(t)
	w.begin(t)
	update := w.p.doWith(t, "rotate", with{"announce": true})
	h := w.oursHears(t, "Update", update.ID)
	if a, ok := h.Object.(*activity.Actor); !ok || a.ID != w.p.Actor || len(a.Keys()) != 1 {
		t.Errorf("the Update is of %+v", h.Object)
	}
	w.fredPosts(t, "Under the new key")
	if asked := w.asked(t, "in", w.p.Actor, anything); len(asked) != 1 {
		t.Errorf("ours fetched the new key so: %q, want once", asked)
	}
}

// fredRotatesSilently is fredRotates where nobody is told.
func fredRotatesSilently(t *testing.T, w *world) {
	w.ages(t)
	w.begin(t)
	w.p.doWith(t, "rotate", with{})
	w.fredPosts(t, "Under the new key")
	asked := w.asked(t, "in", w.p.Actor, func(e exchange) bool { return e.Status == http.StatusOK })
	if len(asked) != 1 {
		t.Errorf("ours fetched the new key so: %q, want once", asked)
	}
}
