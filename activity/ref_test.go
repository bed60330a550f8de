package activity_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestARefIsAnIDOrADocument(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, id, written string }{
		{"an id", `"https://a.example/1"`, "https://a.example/1", `"https://a.example/1"`},
		{"a document", `{"type":"Note", "id":"https://a.example/1"}`, "https://a.example/1", `{"type":"Note","id":"https://a.example/1"}`},
		{"a link", `{"type":"Link","href":"https://a.example/2"}`, "https://a.example/2", `{"type":"Link","href":"https://a.example/2"}`},
		{"a link with an id", `{"href":"https://a.example/2","id":"https://a.example/1"}`, "https://a.example/1", `{"href":"https://a.example/2","id":"https://a.example/1"}`},
		{"an id that is null", `{"id":null,"href":"https://a.example/2"}`, "https://a.example/2", `{"id":null,"href":"https://a.example/2"}`},
		{"an id with escapes", `{"\u0069d":"https:\/\/a.example\/1"}`, "https://a.example/1", `{"\u0069d":"https:\/\/a.example\/1"}`},
		{"an id in another case", `{"ID":"https://a.example/1"}`, "", `{"ID":"https://a.example/1"}`},
		{"an id further down", `{"object":{"id":"https://a.example/1"}}`, "", `{"object":{"id":"https://a.example/1"}}`},
		{"an empty document", `{}`, "", `{}`},
		{"a list of one", ` [ "https://a.example/1" ] `, "https://a.example/1", `"https://a.example/1"`},
		{"a list of one document", `[{"id":"https://a.example/1"}]`, "https://a.example/1", `{"id":"https://a.example/1"}`},
		{"null", `null`, "", `null`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r activity.Ref
			if err := r.UnmarshalJSON([]byte(tt.json)); err != nil || r.ID != tt.id {
				t.Fatalf("id %q, %v, want %q", r.ID, err, tt.id)
			}
			b, err := r.MarshalJSON()
			if err != nil || string(b) != tt.written {
				t.Errorf("written %s, %v, want %s", b, err, tt.written)
			}
			if r.IsZero() != (tt.json == "null") {
				t.Errorf("IsZero: %v", r.IsZero())
			}
		})
	}
}

func TestWhatIsNoRefIsRefused(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, ` `, `""`, `1`, `true`, `[]`, `[""]`, `[1]`, `[null]`, `[["https://a.example/1"]]`, `["a","b"]`, `"a" "b"`, `{"id":"a"} x`, `["a"] x`, `{"id":"a","id":"b"}`, "\"\xff\"", `{"id":`, `[`} {
		r := activity.IRI("https://a.example/before")
		if err := r.UnmarshalJSON([]byte(data)); !errors.Is(err, activity.ErrMalformed) || r.ID != "https://a.example/before" {
			t.Errorf("%s: %+v, %v", data, r, err)
		}
	}
	for _, into := range []json.Unmarshaler{new(activity.Refs), new(activity.List), new(activity.Audience), new(activity.Types)} {
		for _, data := range []string{``, `1`, `true`, `["a"] x`, `["a"`, `[{"a":1,"a":2}]`} {
			if err := into.UnmarshalJSON([]byte(data)); !errors.Is(err, activity.ErrMalformed) {
				t.Errorf("%T: %s: %v", into, data, err)
			}
		}
	}
}

// One stray element must not cost the others, and must not change on the way.
func TestWhatNobodyExpectsInAListIsKept(t *testing.T) {
	t.Parallel()
	for _, elements := range []string{`null`, `""`, `7`, `true`, `["https://a.example/1"]`, `[]`, `[[null]]`} {
		for _, list := range []string{`[` + elements + `]`, `["https://a.example/1",` + elements + `]`} {
			for _, property := range []string{"to", "tag", "url"} {
				mustRoundTrip(t, []byte(`{"type":"Note","`+property+`":`+list+`}`))
			}
		}
	}
	var refs activity.Refs
	if err := json.Unmarshal([]byte(`[null,"https://a.example/1",7,{"id":"https://a.example/2"}]`), &refs); err != nil {
		t.Fatal(err)
	}
	if got := refs.IDs(); !slices.Equal(got, []string{"https://a.example/1", "https://a.example/2"}) || len(refs) != 4 {
		t.Errorf("%q of %d", got, len(refs))
	}
	if _, err := refs[0].Document(); !errors.Is(err, activity.ErrMalformed) {
		t.Errorf("null as a document: %v", err)
	}
}

func TestAnEmbeddedDocumentIsDecodedOnRequest(t *testing.T) {
	t.Parallel()
	note := &activity.Object{AtContext: json.RawMessage(`"x:y"`), ID: "https://a.example/n", Type: activity.Types{"Note"}, Content: "x"}
	r := activity.Embed(note)
	if r.ID != note.ID || string(r.Raw) != `{"id":"https://a.example/n","type":"Note","content":"x"}` {
		t.Errorf("%q %s", r.ID, r.Raw)
	}
	d, err := r.Document()
	if err != nil {
		t.Fatal(err)
	}
	if got := d.(*activity.Object); got.Content != "x" || got.ID != note.ID {
		t.Errorf("%+v", got)
	}
	if _, err := activity.IRI("https://a.example/n").Document(); !errors.Is(err, activity.ErrNotEmbedded) {
		t.Errorf("an id: %v", err)
	}
	if _, err := (activity.Ref{Raw: json.RawMessage("[]")}).Document(); !errors.Is(err, activity.ErrMalformed) {
		t.Errorf("a list: %v", err)
	}
}

func TestTheIDBesideADocumentIsNotWritten(t *testing.T) {
	t.Parallel()
	a := &activity.Activity{Actor: activity.Ref{ID: "https://a.example/claimed", Raw: json.RawMessage(`{"id":"https://a.example/real"}`)}}
	if got := string(mustMarshal(t, a)); got != `{"actor":{"id":"https://a.example/real"}}` {
		t.Error(got)
	}
}

func TestListsFindIDs(t *testing.T) {
	t.Parallel()
	refs := activity.Refs{{Raw: json.RawMessage(`{}`)}, activity.IRI("a"), activity.IRI("b")}
	if refs.First() != "" || !refs.Has("b") || refs.Has("c") || activity.Refs(nil).First() != "" || activity.Refs(refs[1:]).First() != "a" {
		t.Errorf("%+v", refs)
	}
	if got := activity.List(refs).IDs(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
}
