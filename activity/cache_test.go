package activity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// forget copies d by its exported fields, so that nothing is left of what a Ref remembers.
func forget(d activity.Document) activity.Document {
	old := reflect.ValueOf(d).Elem()
	out := reflect.New(old.Type())
	for i := range old.NumField() {
		from, to := old.Field(i), out.Elem().Field(i)
		to.Set(from)
		switch {
		case from.Type() == reflect.TypeFor[activity.Ref]():
			to.Set(reflect.ValueOf(forgetRef(from.Interface().(activity.Ref))))
		case from.Kind() == reflect.Slice && from.Type().Elem() == reflect.TypeFor[activity.Ref]() && !from.IsNil():
			list := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
			for j := range from.Len() {
				list.Index(j).Set(reflect.ValueOf(forgetRef(from.Index(j).Interface().(activity.Ref))))
			}
			to.Set(list)
		}
	}
	return out.Interface().(activity.Document)
}

func forgetRef(r activity.Ref) activity.Ref {
	return activity.Ref{ID: r.ID, Raw: bytes.Clone(r.Raw)}
}

func TestWhatARefRemembersChangesNothing(t *testing.T) {
	t.Parallel()
	for name, data := range wire(t) {
		d := mustDecode(t, data)
		for _, d := range append(embedded(t, d), d) {
			bare := forget(d)
			if a, b := mustMarshal(t, d), mustMarshal(t, bare); !bytes.Equal(a, b) {
				t.Errorf("%s: MarshalJSON\n%s\n%s", name, a, b)
			}
			if a, b := mustEncode(t, d), mustEncode(t, bare); !bytes.Equal(a, b) {
				t.Errorf("%s: Encode\n%s\n%s", name, a, b)
			}
			if a, b := activity.Embed(d), activity.Embed(bare); !bytes.Equal(a.Raw, b.Raw) || a.ID != b.ID {
				t.Errorf("%s: Embed\n%s\n%s", name, a.Raw, b.Raw)
			}
			again := &activity.Activity{Object: activity.Refs{activity.Embed(d), {ID: "https://a.example/2"}}}
			if a, b := mustEncode(t, again), mustEncode(t, forget(again)); !bytes.Equal(a, b) {
				t.Errorf("%s: Encode what is embedded\n%s\n%s", name, a, b)
			}
		}
	}
}

// embedded lists what d embeds in the fields that servers use most, and what that embeds.
func embedded(t *testing.T, d activity.Document) (out []activity.Document) {
	t.Helper()
	var refs []activity.Ref
	switch d := d.(type) {
	case *activity.Activity:
		refs = append(append(refs, d.Object...), d.Actor, d.Target)
	case *activity.Object:
		refs = append(append(append(append(refs, d.Tag...), d.Attachment...), d.URL...), d.Replies, d.Location)
	case *activity.Actor:
		refs = append(append(append(refs, d.Icon...), d.PublicKey...), d.Attachment...)
	case *activity.Collection:
		refs = append(append(append(refs, d.Items...), d.OrderedItems...), d.First)
	}
	for _, r := range refs {
		if len(r.Raw) == 0 || r.Raw[0] != '{' {
			continue
		}
		one, err := r.Document()
		if err != nil {
			t.Fatal(err)
		}
		bare, err := forgetRef(r).Document()
		if err != nil || !bytes.Equal(mustMarshal(t, one), mustMarshal(t, bare)) {
			t.Errorf("%s, %v\n%s", mustMarshal(t, one), err, mustMarshal(t, bare))
		}
		out = append(append(out, one), embedded(t, one)...)
	}
	return out
}

func TestWhatIsWrittenIsWhatStandsInRaw(t *testing.T) {
	t.Parallel()
	const data = `{"type":"Create","object":{"type":"Note","content":"before","tag":[{"name":"before"}]}}`
	for _, tt := range []struct {
		name   string
		change func(r *activity.Ref)
		want   string // "" if it can't be written
	}{
		{"replaced", func(r *activity.Ref) { r.Raw = json.RawMessage(`{"content":"after"}`) }, `{"content":"after"}`},
		{"replaced by as many bytes", func(r *activity.Ref) { r.Raw = bytes.ReplaceAll(r.Raw, []byte("before"), []byte("behind")) }, `{"type":"Note","content":"behind","tag":[{"name":"behind"}]}`},
		{"cut short", func(r *activity.Ref) { r.Raw = r.Raw[:len(r.Raw)-1] }, ""},
		{"a part of it", func(r *activity.Ref) { r.Raw = r.Raw[bytes.Index(r.Raw, []byte(`{"name`)) : len(r.Raw)-2] }, `{"name":"before"}`},
		{"written into", func(r *activity.Ref) { copy(r.Raw[bytes.Index(r.Raw, []byte("before")):], "AFTER!") }, `{"type":"Note","content":"AFTER!","tag":[{"name":"before"}]}`},
		{"broken by writing into it", func(r *activity.Ref) { r.Raw[0] = '[' }, ""},
		{"taken away", func(r *activity.Ref) { r.Raw, r.ID = nil, "https://a.example/1" }, `"https://a.example/1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			read := mustDecode(t, []byte(data)).(*activity.Activity)
			note, err := read.Object[0].Document()
			if err != nil {
				t.Fatal(err)
			}
			made := &activity.Activity{Type: read.Type, Object: activity.Refs{activity.Embed(note)}}
			for _, a := range []*activity.Activity{read, made} {
				tt.change(&a.Object[0])
				for _, write := range []func() ([]byte, error){a.MarshalJSON, func() ([]byte, error) { return activity.Encode(a) }} {
					b, err := write()
					if tt.want == "" && err == nil {
						t.Errorf("written %s", b)
					}
					if tt.want != "" && (err != nil || !strings.HasSuffix(string(b), `"object":`+tt.want+`}`)) {
						t.Errorf("%s, %v, want %s", b, err, tt.want)
					}
				}
				d, err := a.Object[0].Document()
				if err == nil && !json.Valid(mustMarshal(t, d)) {
					t.Errorf("Document: %s", mustMarshal(t, d))
				}
				if strings.Contains(tt.name, "writ") {
					continue // Ref asks not to
				}
				if bare, bareErr := forgetRef(a.Object[0]).Document(); (err == nil) != (bareErr == nil) || err == nil && !bytes.Equal(mustMarshal(t, d), mustMarshal(t, bare)) {
					t.Errorf("Document: %v, %v, want %v, %v", d, err, bare, bareErr)
				}
			}
		})
	}
}

// Whether the outer document was read under other limits must make no difference.
func TestAnEmbeddedDocumentIsReadUnderTheLimitsOfTheZeroDecoder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, object string }{
		{"too deep", `{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`},
		{"too many", `{"x":[` + strings.Repeat("0,", 50_000) + `0]}`},
		{"too long", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`},
	} {
		d, err := activity.Decoder{MaxBytes: 2 << 20, MaxDepth: 100, MaxValues: 100_000}.Decode([]byte(`{"type":"Create","object":` + tt.object + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.(*activity.Activity).Object[0].Document(); !errors.Is(err, activity.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", tt.name, err)
		}
	}
}

// The lists of a document may lie side by side in memory.
func TestWhatIsAppendedToAListStaysThere(t *testing.T) {
	t.Parallel()
	a := mustDecode(t, []byte(`{"type":"Person","url":"https://a.example/1","icon":{"url":"x"},"image":[{"url":"y"},{"url":"z"}],"tag":["https://a.example/2"]}`)).(*activity.Actor)
	want := mustMarshal(t, &activity.Actor{Type: a.Type, Icon: a.Icon, Image: a.Image, Tag: a.Tag})
	a.URL = append(a.URL, activity.IRI("https://a.example/3"), activity.IRI("https://a.example/4"))
	if got := mustMarshal(t, &activity.Actor{Type: a.Type, Icon: a.Icon, Image: a.Image, Tag: a.Tag}); !bytes.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

// For the race detector.
func TestManyMayReadOneDocument(t *testing.T) {
	t.Parallel()
	a := mustDecode(t, wire(t)["mastodon-4.6.5/create-note-media.json"]).(*activity.Activity)
	want := mustEncode(t, a)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			d, err := a.Object[0].Document()
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range d.(*activity.Object).Attachment {
				if _, err := r.Document(); err != nil {
					t.Error(err)
				}
			}
			if got, err := activity.Encode(a); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	all.Wait()
}

func TestAnErrorNamesThePlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, place string }{
		{"a name twice", `{"object":[{"a":1},{"tag":{"x":1,"x":2}}]}`, `"/object/1/tag/x"`},
		{"a name twice after a name with a slash", `{"a/b~c":{"x":1,"x":2}}`, `"/a~1b~0c/x"`},
		{"invalid UTF-8", "{\"id\":\"x\",\"object\":{\"id\":\"y\",\"content\":\"\xff\"}}", `"/object/content"`},
		{"invalid UTF-8 in a name", "{\"id\":\"x\",\"object\":{\"id\":\"y\",\"\xff\":1}}", `"/object"`},
		{"half a surrogate pair", `{"to":["x","y","\ud800"]}`, `"/to/2"`},
		{"the first of a list", `{"to":[nope]}`, `"/to/0"`},
		{"a number", `{"a":{"b":[[],[1,01]]}}`, `"/a/b/1/1"`},
		{"no comma", `{"to":["x" "y"]}`, `"/to/0"`},
		{"no value", `{"a":1,"b":}`, `"/b"`},
		{"no name", `{"a":{"b":1,}}`, `"/a"`},
		{"no colon", `{"a":{"b" 1}}`, `"/a/b"`},
		{"the end is missing", `{"a":{"b":[1,{"c":"d"`, `"/a/b/1/c"`},
		{"in a context", `{"@context":[{"a":1,"a":2}]}`, `"/@context/0/a"`},
		{"behind the end", `{"a":1} x`, `""`},
		{"too deep", `{"a":[{"b":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}]}`, `"/a/0/b` + strings.Repeat("/0", 61) + `"`},
		{"too many", `{"a":[` + strings.Repeat("0,", 50_000) + `0]}`, `"/a/49998"`},
		{"a name without end", `{"` + strings.Repeat("x", 1000) + `":{"a":}}`, strings.Repeat("x", 199) + `…"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := activity.Decode([]byte(tt.json))
			if err == nil || !strings.Contains(err.Error(), tt.place) || len(err.Error()) > 400 {
				t.Errorf("%v, want one that names %s", err, tt.place)
			}
		})
	}
}
