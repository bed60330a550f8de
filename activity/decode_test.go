package activity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json string }{
		{"nothing", ""},
		{"white space", " \n"},
		{"null", "null"},
		{"a string", `"https://a.example/1"`},
		{"a number", "1"},
		{"a list", `[{"type":"Note"}]`},
		{"half an object", `{"type":"Note"`},
		{"half a name", `{"type`},
		{"half a string", `{"type":"Note`},
		{"no value", `{"type":}`},
		{"a comma too many", `{"type":"Note",}`},
		{"a comment", `{"type":"Note"}//x`},
		{"a second document", `{"type":"Note"}{"type":"Note"}`},
		{"something after the end", `{"type":"Note"} x`},
		{"a null byte after the end", "{\"type\":\"Note\"}\x00"},
		{"a space that JSON does not know", "\u00a0{\"type\":\"Note\"}"},
		{"a byte order mark", "\ufeff{\"type\":\"Note\"}"},
		{"a name twice", `{"actor":"https://a.example/good","actor":"https://a.example/evil"}`},
		{"a name twice, once escaped", `{"actor":"https://a.example/good","\u0061ctor":"https://a.example/evil"}`},
		{"a name twice, deep inside", `{"object":[{"tag":{"x":1,"x":2}}]}`},
		{"a name twice in what has no field", `{"x:y":{"z":{"x":1,"x":2}}}`},
		{"invalid UTF-8 in a string", "{\"content\":\"\xff\"}"},
		{"invalid UTF-8 in a name", "{\"\xff\":1}"},
		{"invalid UTF-8 deep inside", "{\"object\":{\"x\":[\"\xed\xa0\x80\"]}}"},
		{"half a surrogate pair", `{"content":"\ud83d"}`},
		{"a control character", "{\"content\":\"a\nb\"}"},
		{"a number that is none", `{"x":01}`},
		{"not a number", `{"x":NaN}`},
		{"brackets that close what is not open", `]]]]{{{{`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := activity.Decode([]byte(tt.json))
			if !errors.Is(err, activity.ErrMalformed) || d != nil {
				t.Errorf("Decode: %v, %v, want ErrMalformed", d, err)
			}
			if tt.json == "null" {
				return // by the custom of encoding/json, null changes nothing
			}
			for _, into := range []json.Unmarshaler{new(activity.Object), new(activity.Activity), new(activity.Actor), new(activity.Collection), new(activity.Link)} {
				if err := into.UnmarshalJSON([]byte(tt.json)); !errors.Is(err, activity.ErrMalformed) {
					t.Errorf("%T: %v, want ErrMalformed", into, err)
				}
			}
		})
	}
}

func TestALimitIsReachedButNotExceeded(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return `{"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	zeros := func(n int) string { return `{"x":[` + strings.Repeat("0,", n-1) + `0]}` }
	long := func(n int) string { return `{"x":"` + strings.Repeat("a", n-len(`{"x":""}`)) + `"}` }
	for _, tt := range []struct {
		name         string
		decoder      activity.Decoder
		within, over string
	}{
		{"1 MiB", activity.Decoder{}, long(1 << 20), long(1<<20 + 1)},
		{"64 levels", activity.Decoder{}, nested(64), nested(65)},
		{"50,000 values", activity.Decoder{}, zeros(49_998), zeros(49_999)},
		{"20 bytes", activity.Decoder{MaxBytes: 20}, long(20), long(21)},
		{"2 MiB", activity.Decoder{MaxBytes: 2 << 20}, long(2 << 20), long(2<<20 + 1)},
		{"one level", activity.Decoder{MaxDepth: 1}, `{"x":1}`, `{"x":{}}`},
		{"100 levels", activity.Decoder{MaxDepth: 100}, nested(100), nested(101)},
		{"levels in a string are none", activity.Decoder{MaxDepth: 1}, `{"x":"[[{\"[{","[{":1}`, `{"x":"\\",  "y":[]}`},
		{"levels side by side", activity.Decoder{MaxDepth: 2}, `{"x":{},"y":[],"z":{"a":1}}`, `{"x":{},"y":[[]]}`},
		{"one value", activity.Decoder{MaxValues: 1}, `{}`, `{"x":1}`},
		{"a list and its elements", activity.Decoder{MaxValues: 4}, `{"x":[1, 2]}`, `{"x":[1,2,3]}`},
		{"empty lists hold nothing", activity.Decoder{MaxValues: 4}, `{"x":[ [], {} ]}`, `{"x":[ [], {"a":1} ]}`},
		{"lists of one", activity.Decoder{MaxValues: 5}, `{"x":[[["y"]]]}`, `{"x":[[[["y"]]]]}`},
		{"commas in a string are none", activity.Decoder{MaxValues: 2}, `{"x":",,,,\",,"}`, `{"x":",,,","y":0}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.decoder.Decode([]byte(tt.within)); err != nil {
				t.Errorf("within the limit: %v", err)
			}
			if _, err := tt.decoder.Decode([]byte(tt.over)); !errors.Is(err, activity.ErrTooLarge) {
				t.Errorf("over the limit: %v, want ErrTooLarge", err)
			}
		})
	}
	var o activity.Object
	if err := json.Unmarshal([]byte(nested(65)), &o); !errors.Is(err, activity.ErrTooLarge) {
		t.Errorf("UnmarshalJSON: %v, want ErrTooLarge", err)
	}
}

func TestNamesAreMatchedExactly(t *testing.T) {
	t.Parallel()
	const data = `{"TYPE":"Like","type":"Create","Id":"https://evil.example/1","id":"https://a.example/1","actor":"https://a.example/good","ACTOR":"https://a.example/evil"}`
	a := mustRoundTrip(t, []byte(data)).(*activity.Activity)
	if a.Actor.ID != "https://a.example/good" || a.ID != "https://a.example/1" || !a.Is("Create") || a.Is("Like") {
		t.Errorf("%+v", a)
	}
	if string(a.Extra["ACTOR"]) != `"https://a.example/evil"` || len(a.Extra) != 3 {
		t.Errorf("Extra: %q", a.Extra)
	}
	var again activity.Activity
	if err := json.Unmarshal([]byte(data), &again); err != nil || again.Actor.ID != "https://a.example/good" {
		t.Errorf("json.Unmarshal: %q, %v", again.Actor.ID, err)
	}
}

func TestAMisfitCostsOnlyItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, property, value string }{
		{"a date", "published", `"yesterday"`},
		{"a date that is a number", "updated", `1700000000`},
		{"a name that is an object", "name", `{"en":"x"}`},
		{"a summary that is a list", "summary", `["x","y"]`},
		{"a flag that is a string", "sensitive", `"true"`},
		{"a width with a fraction", "width", `640.5`},
		{"a width with an exponent", "width", `1e3`},
		{"a width beyond 63 bits", "width", `9223372036854775808`},
		{"a width as text", "width", `"640"`},
		{"minus zero", "votersCount", `-0`},
		{"a language map with an object", "contentMap", `{"en":{"x":1}}`},
		{"a language map that is a list", "contentMap", `[]`},
		{"a list of types with a number", "formerType", `["Note",1]`},
		{"a reference that is a number", "inReplyTo", `7`},
		{"a reference that is true", "replies", `true`},
		{"two references where one goes", "context", `["https://a.example/1","https://a.example/2"]`},
		{"a reference in two lists", "context", `[["https://a.example/1"]]`},
		{"an audience that is a number", "to", `0`},
		{"an empty address", "to", `""`},
		{"a tag that is false", "tag", `false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := mustRoundTrip(t, []byte(`{"type":"Note","id":"https://a.example/1","content":"x","`+tt.property+`":`+tt.value+`}`)).(*activity.Object)
			if string(o.Extra[tt.property]) != tt.value || len(o.Extra) != 1 {
				t.Errorf("Extra: %q", o.Extra)
			}
			if o.ID != "https://a.example/1" || o.Content != "x" || !o.Is("Note") {
				t.Errorf("the rest: %+v", o)
			}
		})
	}
}

func TestNumbersAreKeptExactly(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "123456789012345678901234567890", "1.10", "1E5", "0", "-0"} {
		c := mustRoundTrip(t, []byte(`{"type":"Collection","totalItems":`+number+`,"x:big":`+number+`}`)).(*activity.Collection)
		if fits := number != "9223372036854775808" && len(number) < 21 && !strings.ContainsAny(number, ".E") && number != "-0"; fits != (c.TotalItems != nil) {
			t.Errorf("%s: field %v, Extra %q", number, c.TotalItems, c.Extra)
		}
	}
}

func TestTheDocumentDoesNotShareMemoryWithItsBytes(t *testing.T) {
	t.Parallel()
	data := []byte(`{"type":"Create","id":"https://a.example/1","actor":"https://a.example/u","object":{"type":"Note","id":"https://a.example/n"},"x:y":{"z":1}}`)
	d := mustDecode(t, data)
	var o activity.Activity
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	before := mustMarshal(t, d)
	for i := range data {
		data[i] = 'X'
	}
	if after := mustMarshal(t, d); !bytes.Equal(before, after) {
		t.Errorf("Decode: %s became %s", before, after)
	}
	if after := mustMarshal(t, &o); !bytes.Equal(before, after) {
		t.Errorf("UnmarshalJSON: %s became %s", before, after)
	}
	// Appending to one value must not write into the next.
	a := d.(*activity.Activity)
	_ = append(a.Object[0].Raw, "XXXXXXXXXXXXXXXX"...)
	_ = append(a.Extra["x:y"], "XXXXXXXXXXXXXXXX"...)
	if after := mustMarshal(t, d); !bytes.Equal(before, after) {
		t.Errorf("append: %s became %s", before, after)
	}
}

func TestUnmarshalingReplacesWhatWasThere(t *testing.T) {
	t.Parallel()
	o := activity.Object{Name: "old", Extra: activity.Extra{"x:old": json.RawMessage("1")}}
	if err := json.Unmarshal([]byte(`{"type":"Note","content":"new"}`), &o); err != nil {
		t.Fatal(err)
	}
	if got := string(mustMarshal(t, &o)); got != `{"type":"Note","content":"new"}` {
		t.Error(got)
	}
	if err := json.Unmarshal([]byte(`{"type":"Note",`), &o); err == nil || o.Content != "new" {
		t.Errorf("a failure changed the object: %+v, %v", o, err)
	}
	if err := o.UnmarshalJSON([]byte("null")); err != nil || o.Content != "new" {
		t.Errorf("null changed the object: %+v, %v", o, err)
	}
}

func TestSharingReadsTheSame(t *testing.T) {
	t.Parallel()
	const document = `{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/1","type":"Create","actor":"https://a.example/a",` +
		`"x:y":[1],"object":{"type":"Note","content":"a\u003cb","contentMap":{"en":"caf\u00e9"},"tag":{"type":"Mention","href":"https://b.example/b"}}}`
	want, err := activity.Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(document)
	got, err := activity.Decoder{Sharing: true}.Decode(data)
	if err != nil || embeddedIn(t, got) != embeddedIn(t, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	raw := got.(*activity.Activity).Object[0].Raw
	if data[len(data)-3] = 'X'; raw[len(raw)-2] != 'X' {
		t.Error("it shares nothing")
	}
	if raw := want.(*activity.Activity).Object[0].Raw; raw[len(raw)-2] == 'X' {
		t.Error("without Sharing it shares")
	}
}

// embeddedIn is the note in a Create, and what the Create says beside.
func embeddedIn(t *testing.T, d activity.Document) [2]string {
	t.Helper()
	a, ok := d.(*activity.Activity)
	if !ok {
		t.Fatalf("%T", d)
	}
	note, err := a.Object[0].Document()
	if err != nil {
		t.Fatal(err)
	}
	o, ok := note.(*activity.Object)
	if !ok {
		t.Fatalf("%T", note)
	}
	return [2]string{a.ID + string(a.Extra["x:y"]), o.Content + o.ContentMap["en"] + strings.Join(o.Mentions(), "")}
}
