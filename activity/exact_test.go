package activity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestWhatIsPassedOnExactlyKeepsItsBytes(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"white space":   "{ \"type\" : \"Create\",\n\t\"id\":\"https://a.example/1\" }",
		"blind copies":  `{"id":"https://a.example/1","type":"Create","bto":["https://b.example/1"]}`,
		"spelling":      `{"id":"https://a.example/1","type":"Create","summary":"\u00e9","x":1.50}`,
		"one's context": `{"@context":["https://www.w3.org/ns/activitystreams",{"x":"https://x.example/#"}],"id":"https://a.example/1","type":"Create"}`,
	} {
		ref, err := activity.Exact(json.RawMessage(raw))
		if err != nil {
			t.Fatal(name, err)
		}
		if doc, err := ref.Document(); ref.ID != "https://a.example/1" || err != nil || !doc.Is("Create") {
			t.Errorf("%s: %q, %v, %v", name, ref.ID, doc, err)
		}
		a := &activity.Activity{ID: "https://g.example/1", Type: activity.Types{"Announce"}, Object: activity.Refs{ref}}
		wire, err := activity.Encode(a)
		if err != nil || !bytes.Contains(wire, []byte(`"object":`+raw)) {
			t.Errorf("%s: wire %s, %v", name, wire, err)
		}
		kept, err := json.Marshal(struct{ A *activity.Activity }{a})
		if err != nil || !json.Valid(kept) {
			t.Errorf("%s: %s, %v", name, kept, err)
		}
		stored, err := a.MarshalJSON()
		if err != nil || !bytes.Contains(stored, []byte(raw)) {
			t.Errorf("%s: stored %s, %v", name, stored, err)
		}
		again, err := activity.Decode(wire)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := string(again.(*activity.Activity).Object[0].Raw); got != raw {
			t.Errorf("%s: read back %s", name, got)
		}
	}
	for _, raw := range []string{"", "1", `"https://a.example/1"`, `[]`, `{"a":1,"a":2}`, `{`} {
		if _, err := activity.Exact(json.RawMessage(raw)); !errors.Is(err, activity.ErrMalformed) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
