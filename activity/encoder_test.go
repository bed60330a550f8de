package activity_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestAnEncoderDefinesTheTermsOfItsApp(t *testing.T) {
	t.Parallel()
	const as = `"https://www.w3.org/ns/activitystreams"`
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	e := activity.Encoder{Terms: map[string]activity.Term{
		"mood":   {ID: "https://a.example/ns#mood"},
		"place":  {ID: "https://a.example/ns#place", Type: "@id"},
		"steps":  {ID: "as:steps", Type: "xsd:integer", Container: "@list"},
		"Recipe": {ID: "https://a.example/ns#Recipe"},
		"value":  {ID: "https://schema.org/value?a=1&b=2"},
	}}
	for _, tt := range []struct {
		name string
		d    activity.Document
		want string
	}{
		{"none used", &activity.Object{Content: "mood", Name: "Recipe"}, as},
		{"one", &activity.Object{Extra: activity.Extra{"mood": raw(`1`)}}, `[` + as + `,{"mood":"https://a.example/ns#mood"}]`},
		{"long ones", &activity.Object{Extra: activity.Extra{"place": raw(`1`), "steps": raw(`[1]`)}}, `[` + as + `,{"place":{"@id":"https://a.example/ns#place","@type":"@id"},"steps":{"@container":"@list","@id":"as:steps","@type":"xsd:integer"}}]`},
		{"a type", &activity.Object{Type: activity.Types{"Note", "Recipe"}}, `[` + as + `,{"Recipe":"https://a.example/ns#Recipe"}]`},
		{"beside ours", &activity.Object{Sensitive: true, Extra: activity.Extra{"mood": raw(`1`)}}, `[` + as + `,{"mood":"https://a.example/ns#mood","sensitive":"as:sensitive"}]`},
		{"beside a context at an address", &activity.Object{PublicKeyPEM: "P", Extra: activity.Extra{"mood": raw(`1`)}}, `[` + as + `,"https://w3id.org/security/v1",{"mood":"https://a.example/ns#mood"}]`},
		{"instead of ours", &activity.Object{Value: "x"}, `[` + as + `,{"schema":"http://schema.org#","value":"https://schema.org/value?a=1&b=2"}]`},
		{"deep inside", &activity.Activity{Object: activity.Refs{activity.Embed(&activity.Object{Extra: activity.Extra{"x": raw(`[{"mood":1}]`)}})}}, `[` + as + `,{"mood":"https://a.example/ns#mood"}]`},
		{"in a context inside", &activity.Object{Extra: activity.Extra{"x": raw(`{"@context":{"mood":"x:y"}}`)}}, as},
		{"beside a context inside", &activity.Object{Extra: activity.Extra{"mood": raw(`1`), "x": raw(`{"@context":"x:y","z":1}`)}}, `[` + as + `,{"mood":"https://a.example/ns#mood"}]`},
		{"a context of its own", &activity.Object{AtContext: raw(`"x:y"`), Extra: activity.Extra{"mood": raw(`1`)}}, `"x:y"`},
		{"blind", &activity.Object{BTo: activity.Audience{{Raw: raw(`{"mood":1}`)}}}, as},
	} {
		got, err := e.Encode(tt.d)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if prefix := `{"@context":` + tt.want; !strings.HasPrefix(string(got), prefix+",") && string(got) != prefix+"}" {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, prefix)
		}
		plain := mustEncode(t, tt.d)
		var a, b map[string]json.RawMessage
		if json.Unmarshal(got, &a) != nil || json.Unmarshal(plain, &b) != nil {
			t.Fatalf("%s: no JSON: %s", tt.name, got)
		}
		delete(a, "@context")
		delete(b, "@context")
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		mustKeep(t, y, x)
		if zero, err := (activity.Encoder{}).Encode(tt.d); err != nil || string(zero) != string(plain) {
			t.Errorf("%s: the zero Encoder writes %s, %v", tt.name, zero, err)
		}
	}
}

func TestATermThatDefinesNothingIsRefusedWhereItIsUsed(t *testing.T) {
	t.Parallel()
	e := activity.Encoder{Terms: map[string]activity.Term{"mood": {ID: "mood"}, "steps": {ID: "x:y", Container: "list"}}}
	for _, name := range []string{"mood", "steps"} {
		o := &activity.Object{ID: "https://a.example/1", Extra: activity.Extra{name: json.RawMessage(`1`)}}
		if _, err := e.Encode(o); !errors.Is(err, activity.ErrTerm) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), o.ID) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := e.Encode(&activity.Object{}); err != nil {
		t.Errorf("not used: %v", err)
	}
	if _, err := e.Encode(&activity.Object{Content: "\xff"}); err == nil {
		t.Error("what can't be written was written")
	}
}
