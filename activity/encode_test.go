package activity_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// The media type and the keywords come from a library; here they are literals.
func TestMediaTypesAndKeywordsAreWhatPeersExpect(t *testing.T) {
	t.Parallel()
	if activity.ContentType != "application/activity+json" {
		t.Error(activity.ContentType)
	}
	if want := `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`; activity.LDContentType != want {
		t.Error(activity.LDContentType)
	}
	got := string(mustEncode(t, &activity.Object{
		Type:       activity.Types{"Image"},
		FocalPoint: json.RawMessage(`[0.1,0.2]`),
		Extra:      activity.Extra{"quote": json.RawMessage(`"https://b.example/2"`)},
	}))
	want := `{"@context":["https://www.w3.org/ns/activitystreams",{` +
		`"focalPoint":{"@container":"@list","@id":"toot:focalPoint"},` +
		`"quote":{"@id":"https://w3id.org/fep/044f#quote","@type":"@id"},` +
		`"toot":"http://joinmastodon.org/ns#"}],` +
		`"type":"Image","quote":"https://b.example/2","focalPoint":[0.1,0.2]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	d := mustDecode(t, []byte(`{"@context":"x:y","type":"Note"}`))
	if got := mustEncode(t, d); string(got) != `{"@context":"x:y","type":"Note"}` {
		t.Errorf("@context was not recognised: %s", got)
	}
}

func TestTheContextDefinesWhatIsUsedAndNoMore(t *testing.T) {
	t.Parallel()
	const as = `"https://www.w3.org/ns/activitystreams"`
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, tt := range []struct {
		name string
		d    activity.Document
		want string
	}{
		{"plain", &activity.Object{Type: activity.Types{"Note"}, Content: "x"}, as},
		{"empty", &activity.Object{}, as},
		{"a property", &activity.Object{Sensitive: true}, `[` + as + `,{"sensitive":"as:sensitive"}]`},
		{"a false property in Extra", &activity.Object{Extra: activity.Extra{"sensitive": raw("false")}}, `[` + as + `,{"sensitive":"as:sensitive"}]`},
		{"two with one prefix", &activity.Actor{Discoverable: true, Indexable: true}, `[` + as + `,{"discoverable":"toot:discoverable","indexable":"toot:indexable","toot":"http://joinmastodon.org/ns#"}]`},
		{"a type", &activity.Object{Tag: activity.List{activity.Embed(activity.Hashtag("https://a.example/t", "x"))}}, `[` + as + `,{"Hashtag":"as:Hashtag"}]`},
		{"a type in a list", &activity.Object{Type: activity.Types{"Note", "Emoji"}}, `[` + as + `,{"Emoji":"toot:Emoji","toot":"http://joinmastodon.org/ns#"}]`},
		{"a name that is only a value", &activity.Object{Type: activity.Types{"Note"}, Name: "Hashtag", Content: "sensitive"}, as},
		{"a value after an object with a type", &activity.Object{Tag: activity.List{{Raw: raw(`{"type":"Mention"}`)}, {ID: "Hashtag"}}}, as},
		{"a value in an object under type", &activity.Object{Extra: activity.Extra{"type": raw(`{"x":"Hashtag"}`)}}, as},
		{"a context inside defines for itself", &activity.Object{Extra: activity.Extra{"x:y": raw(`{"@context":{"Emoji":"toot:Emoji","type":"Hashtag"},"z":1}`)}}, as},
		{"a key", &activity.Actor{PublicKey: activity.Refs{activity.PublicKey{ID: "https://a.example/#k", Owner: "https://a.example/", PEM: "P"}.Ref()}}, `[` + as + `,"https://w3id.org/security/v1"]`},
		{"a key and a property", &activity.Actor{ManuallyApprovesFollowers: true, PublicKey: activity.Refs{activity.PublicKey{ID: "https://a.example/#k"}.Ref()}}, `[` + as + `,"https://w3id.org/security/v1",{"manuallyApprovesFollowers":"as:manuallyApprovesFollowers"}]`},
		{"lists and ids", &activity.Actor{AssertionMethod: activity.List{activity.IRI("https://a.example/#m")}}, `[` + as + `,{"assertionMethod":{"@container":"@set","@id":"sec:assertionMethod","@type":"@id"},"sec":"https://w3id.org/security#"}]`},
		{"one that is already known elsewhere", &activity.Actor{Webfinger: "a@a.example"}, `[` + as + `,{"webfinger":{"@id":"wf:webfinger","@type":"xsd:string"},"wf":"https://purl.archive.org/socialweb/webfinger#"}]`},
		{"its own", &activity.Object{AtContext: raw(`[ "x:y", {"a" : "b"} ]`), Sensitive: true}, `["x:y",{"a":"b"}]`},
		{"blind copies define nothing", &activity.Object{BTo: activity.Audience{{Raw: raw(`{"type":"Person","discoverable":true}`)}}}, as},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := string(mustEncode(t, tt.d))
			if prefix := `{"@context":` + tt.want; !strings.HasPrefix(got, prefix+",") && got != prefix+"}" {
				t.Errorf("got  %s\nwant %s", got, prefix)
			}
		})
	}
}

func TestASetFieldWinsOverExtra(t *testing.T) {
	t.Parallel()
	o := &activity.Object{Type: activity.Types{"Note"}, Content: "field", Sensitive: true, Extra: activity.Extra{
		"content": json.RawMessage(`"extra"`), "sensitive": json.RawMessage(`false`),
		"summary": json.RawMessage(`"only extra"`), "x:y": json.RawMessage(` [ 1 ] `), "@context": json.RawMessage(`"x"`), "x:none": nil,
	}}
	if got, want := string(mustMarshal(t, o)), `{"type":"Note","summary":"only extra","content":"field","sensitive":true,"x:y":[1]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSpelledOutZeroValuesAreKept(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"type":"Person","manuallyApprovesFollowers":false,"discoverable":false,"name":"","summary":"","attachment":[],"tag":[]}`,
		`{"type":"Note","content":"","sensitive":false,"to":[],"cc":[],"contentMap":{},"width":0,"votersCount":0,"url":[],"inReplyTo":""}`,
		`{"type":"Collection","totalItems":0,"items":[]}`,
		`{"type":[],"id":""}`,
		`{"type":"Link","href":"","height":0,"rel":[]}`,
	} {
		mustRoundTrip(t, []byte(data))
	}
}

func TestBlindCopiesNeverLeave(t *testing.T) {
	t.Parallel()
	const secret = "https://secret.example/"
	blind := activity.To(secret + "1")
	note := &activity.Object{ID: "https://a.example/n", Type: activity.Types{"Note"}, Content: "x", BTo: blind, BCC: blind}
	misfit := &activity.Object{ID: "https://a.example/n", Type: activity.Types{"Note"}, Content: "x", Extra: activity.Extra{"bto": json.RawMessage(`{"deep":["` + secret + `"]}`), "bcc": json.RawMessage(`5`)}}
	verbatim := mustMarshal(t, note)
	actor := &activity.Actor{ID: "https://a.example/u", Extra: activity.Extra{"bcc": json.RawMessage(`"` + secret + `"`), "name": json.RawMessage(`"x"`)}}
	for _, tt := range []struct {
		name string
		d    activity.Document
		want string // without "@context"
	}{
		{"of an object", note, `{"id":"https://a.example/n","type":"Note","content":"x"}`},
		{"that fit no field", misfit, `{"id":"https://a.example/n","type":"Note","content":"x"}`},
		{"of an actor, who has none", actor, `{"id":"https://a.example/u","name":"x"}`},
		{"of an activity and of what it embeds", &activity.Activity{Type: activity.Types{"Create"}, BTo: blind, BCC: blind, Object: activity.Refs{activity.Embed(note), activity.Embed(misfit)}},
			`{"type":"Create","object":[{"id":"https://a.example/n","type":"Note","content":"x"},{"id":"https://a.example/n","type":"Note","content":"x"}]}`},
		{"of what came embedded", &activity.Activity{Type: activity.Types{"Create"}, Object: activity.Refs{{Raw: verbatim}}},
			`{"type":"Create","object":{"id":"https://a.example/n","type":"Note","content":"x"}}`},
		{"deep in Extra", &activity.Object{Extra: activity.Extra{"x:y": json.RawMessage(`[{"bto":1,"bcc":2,"z":[{"bcc":{}}]}]`)}},
			`{"x:y":[{"z":[{}]}]}`},
		{"spelled with escapes", &activity.Object{Extra: activity.Extra{"x:y": json.RawMessage(`{"\u0062to":"` + secret + `","z":"\u0062to"}`)}},
			`{"x:y":{"z":"\u0062to"}}`},
		{"alone", &activity.Object{BTo: blind}, `{}`},
		{"that are only values and contexts", &activity.Object{Name: "bto", Extra: activity.Extra{"x:y": json.RawMessage(`{"@context":{"bto":"as:bto"},"bcc":1}`)}},
			`{"name":"bto","x:y":{"@context":{"bto":"as:bto"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Replace(string(mustEncode(t, tt.d)), `"@context":"https://www.w3.org/ns/activitystreams"`, "", 1)
			if got = strings.Replace(got, "{,", "{", 1); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if raw := activity.Embed(tt.d).Raw; string(raw) != tt.want {
				t.Errorf("embedded %s\nwant     %s", raw, tt.want)
			}
		})
	}
	if stored := string(verbatim); strings.Count(stored, secret) != 2 {
		t.Errorf("MarshalJSON lost what it should keep: %s", stored)
	}
}

func TestListsAreListsEvenOfOne(t *testing.T) {
	t.Parallel()
	one := activity.IRI("https://b.example/2")
	o := &activity.Object{
		To: activity.To(one.ID), CC: activity.To("as:Public"), Tag: activity.List{one}, Attachment: activity.List{one},
		URL: activity.Refs{one}, AttributedTo: activity.Refs{one}, OneOf: activity.List{{}, one, {}},
	}
	want := `{"attributedTo":"https://b.example/2","to":["https://b.example/2"],"cc":["https://www.w3.org/ns/activitystreams#Public"],` +
		`"url":"https://b.example/2","tag":["https://b.example/2"],"attachment":["https://b.example/2"],"oneOf":["https://b.example/2"]}`
	if got := string(mustMarshal(t, o)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatCannotBeWrittenIsAnErrorThatSaysWhere(t *testing.T) {
	t.Parallel()
	const id = "https://a.example/1"
	for _, tt := range []struct {
		name     string
		d        activity.Document
		property string
	}{
		{"invalid UTF-8", &activity.Object{ID: id, Content: "\xff"}, "content"},
		{"invalid UTF-8 in a list", &activity.Object{ID: id, To: activity.To("https://b.example/\xff")}, "to"},
		{"invalid UTF-8 in a type", &activity.Object{ID: id, Type: activity.Types{"a", "\xff"}}, "type"},
		{"invalid UTF-8 in a language", &activity.Object{ID: id, ContentMap: activity.LangMap{"\xff": "x"}}, "contentMap"},
		{"invalid UTF-8 in a translation", &activity.Object{ID: id, ContentMap: activity.LangMap{"en": "\xff"}}, "contentMap"},
		{"invalid UTF-8 in a name", &activity.Object{ID: id, Extra: activity.Extra{"\xff": json.RawMessage("1")}}, `\xff`},
		{"invalid UTF-8 in Extra", &activity.Object{ID: id, Extra: activity.Extra{"x:y": json.RawMessage("\"\xff\"")}}, "x:y"},
		{"invalid UTF-8 in what is embedded verbatim", &activity.Activity{ID: id, Object: activity.Refs{{Raw: json.RawMessage("{\"a\":\"\xff\"}")}}}, "object"},
		{"a name twice in what is embedded verbatim", &activity.Activity{ID: id, Object: activity.Refs{{Raw: json.RawMessage(`{"a":1,"a":2}`)}}}, "object"},
		{"two values in one", &activity.Object{ID: id, Extra: activity.Extra{"x:y": json.RawMessage(`1,"evil":2`)}}, "x:y"},
		{"a value that ends early", &activity.Object{ID: id, Extra: activity.Extra{"content": json.RawMessage(`"x`)}}, "content"},
		{"no JSON in a kept value", &activity.Object{ID: id, Source: json.RawMessage("nope")}, "source"},
		{"no JSON in the context", &activity.Object{ID: id, AtContext: json.RawMessage("nope")}, "@context"},
		{"a time after the year 9999", &activity.Object{ID: id, Published: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "published"},
		{"a time before the year 0", &activity.Object{ID: id, Published: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}, "published"},
		{"what was embedded and could not be", &activity.Activity{ID: id, Object: activity.Refs{activity.Embed(&activity.Object{ID: "https://a.example/n", Content: "\xff"})}}, "content"},
		{"endpoints that could not be", &activity.Actor{ID: id, Endpoints: activity.Endpoints("https://a.example/\xff")}, "sharedInbox"},
		{"a key that could not be", &activity.Actor{ID: id, PublicKey: activity.Refs{activity.PublicKey{ID: id + "#k", PEM: "\xff"}.Ref()}}, "publicKeyPem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for what, write := range map[string]func() ([]byte, error){
				"Encode":       func() ([]byte, error) { return activity.Encode(tt.d) },
				"MarshalJSON":  tt.d.MarshalJSON,
				"json.Marshal": func() ([]byte, error) { return json.Marshal(tt.d) },
			} {
				b, err := write()
				if err == nil {
					t.Errorf("%s wrote %s", what, b)
				} else if !strings.Contains(err.Error(), tt.property) || !strings.Contains(err.Error(), id) {
					t.Errorf("%s: the error does not name %s of %s: %v", what, tt.property, id, err)
				}
			}
		})
	}
}

func TestExtraRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	var o activity.Object
	for name, v := range map[string]any{"x:func": func() {}, "x:utf8": "\xff"} {
		if err := o.Extra.Set(name, v); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o.Extra != nil {
		t.Errorf("Extra: %q", o.Extra)
	}
	for name, v := range map[string]any{"x:a": "https://a.example/?a=1&b=<2>", "x:b": map[string]any{"c": []any{1, "<&>"}}, "x:c": false} {
		if err := o.Extra.Set(name, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, want := string(mustMarshal(t, &o)), `{"x:a":"https://a.example/?a=1&b=<2>","x:b":{"c":[1,"<&>"]},"x:c":false}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A method on pointers only would be passed over in silence here.
func TestAValueIsWrittenLikeAPointerToIt(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(struct {
		O activity.Object
		A activity.Activity
		P activity.Actor
		C activity.Collection
		L activity.Link
		R activity.Refs
		T activity.List
		U activity.Audience
		Y activity.Types
		Z activity.Ref
		N *activity.Object
	}{activity.Object{Name: "o"}, activity.Activity{Name: "a"}, activity.Actor{Name: "p"}, activity.Collection{Name: "c"}, activity.Link{Name: "l"},
		activity.Refs{activity.IRI("r")}, activity.List{activity.IRI("t")}, activity.To("Public"), activity.Types{"y"}, activity.Ref{}, nil})
	want := `{"O":{"name":"o"},"A":{"name":"a"},"P":{"name":"p"},"C":{"name":"c"},"L":{"name":"l"},"R":"r","T":["t"],` +
		`"U":["https://www.w3.org/ns/activitystreams#Public"],"Y":"y","Z":null,"N":null}`
	if err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
}

func TestWhatIsEmptyIsNotWritten(t *testing.T) {
	t.Parallel()
	o := &activity.Object{AtContext: json.RawMessage{}, Source: json.RawMessage{}, InReplyTo: activity.Ref{Raw: json.RawMessage{}}, URL: activity.Refs{{}}, Extra: activity.Extra{}}
	if got := string(mustMarshal(t, o)); got != `{"url":[]}` {
		t.Error(got)
	}
	if got := string(mustEncode(t, o)); got != `{"@context":"https://www.w3.org/ns/activitystreams","url":[]}` {
		t.Error(got)
	}
}

func TestNullIsAsGoodAsAbsent(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, []byte(`{"@context":null,"type":"Note","id":null,"inReplyTo":null,"summary":null,"x:y":null}`)).(*activity.Object)
	if got := string(mustMarshal(t, o)); got != `{"type":"Note"}` || o.Extra != nil || o.AtContext != nil {
		t.Errorf("%s, Extra %q", got, o.Extra)
	}
}

func TestWritingChangesNothing(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(`{ "id" : "https://a.example/1" }`)
	o := &activity.Object{To: activity.To("as:Public"), BTo: activity.To("Public"), Source: raw, InReplyTo: activity.Ref{Raw: raw}, Extra: activity.Extra{"x:y": raw}}
	mustMarshal(t, o)
	mustEncode(t, o)
	activity.Embed(o)
	if o.To[0].ID != "as:Public" || o.BTo[0].ID != "Public" || string(raw) != `{ "id" : "https://a.example/1" }` {
		t.Errorf("%+v", o)
	}
}
