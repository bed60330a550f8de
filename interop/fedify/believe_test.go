//go:build interop

package fedify_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// believed is what of a document proves to Fedify whose it is.
type believed struct{ LD, Proof bool }

func (p *peer) believe(t *testing.T, document json.RawMessage) (b believed) {
	t.Helper()
	p.must(t, http.MethodPost, "/believe", with{"document": document}, &b)
	return b
}

// came returns the body in which Fedify was sent an activity of ours.
func (w *world) came(t *testing.T, id string) json.RawMessage {
	t.Helper()
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == "in" && e.Activity == id {
			return json.RawMessage(e.Body)
		}
	}
	t.Fatalf("%s did not come", id)
	return nil
}

func fedifyBelieves(t *testing.T, w *world) {
	alice := func(kind, object string) event {
		return w.fedifyHears(t, kind, "alice", func(e event) bool { return e.ObjectID == object })
	}
	id := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>Pass it on</p>"}))
	public := []string{alice("Create", id).ID}
	must(t)(w.o.f.Update(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>Pass it on!</p>"}))
	public = append(public, alice("Update", id).ID)
	note := w.fredPosts(t, "Share it")
	share := must(t)(w.o.f.Announce(t.Context(), "alice", note))
	public = append(public, alice("Announce", note).ID)
	must(t)(w.o.f.Undo(t.Context(), "alice", share))
	public = append(public, alice("Undo", share).ID)
	must(t)(w.o.f.Delete(t.Context(), "alice", id))
	public = append(public, alice("Delete", id).ID)
	for _, id := range public {
		body := w.came(t, id)
		if b := w.p.believe(t, body); b != (believed{LD: true, Proof: true}) {
			t.Errorf("Fedify believes %+v of %s", b, body)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatal(err)
		}
		members["to"] = json.RawMessage(`"` + w.p.Actor + `"`)
		changed, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if b := w.p.believe(t, changed); b != (believed{}) {
			t.Errorf("Fedify believes %+v of what was changed: %s", b, changed)
		}
	}

	private := must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>Keep it</p>", To: activity.To(activity.Followers)}))
	body := w.came(t, alice("Create", private).ID)
	if b := w.p.believe(t, body); b != (believed{}) {
		t.Errorf("Fedify believes %+v of what is for followers: %s", b, body)
	}
}
