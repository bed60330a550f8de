package activity_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"testing"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
)

func benchFile(b *testing.B, name string) []byte {
	b.Helper()
	data, err := os.ReadFile("testdata/wire/mastodon-4.6.5/" + name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// decodeAll decodes data and the documents that the objects of an activity embed.
func decodeAll(b *testing.B, data []byte) activity.Document {
	d, err := activity.Decode(data)
	if err != nil {
		b.Fatal(err)
	}
	if a, ok := d.(*activity.Activity); ok {
		for _, r := range a.Object {
			if _, err := r.Document(); err != nil {
				b.Fatal(err)
			}
		}
	}
	return d
}

// go-ap loses about a third of what it reads and looks into every embedded document; encoding/json
// keeps all, knows nothing, and does not see a name that comes twice. The ratios are those of BenchmarkRatio, in runs
// of 3,000 turns on two cores that others kept busy, Go 1.26, 2026-11:
//
//	Create{Note}, the Note too:  4.4 to 4.5 times as fast as go-ap; here 15 allocations, 16 KB   go-ap 200, 45 KB   map 336, 16 KB
//	actor:                       4.1 to 4.4 times as fast as go-ap; here  9 allocations, 11 KB   go-ap 181, 41 KB   map 333, 19 KB
//
// About half of it is the scan, two thirds if no garbage is collected meanwhile.
//
// Which library reads the JSON was decided by these, on a quiet core, for the 4.2 KB of each: jsontext says
// that it is valid, strictly, in 4.0 and 4.3 µs and gives its tokens in 8.6 and 9.1; encoding/json says so in 14, and not
// strictly; fastjson makes its tree in 3.3 and 2.8 and says so in 6.8 and 4.0, both without seeing duplicate names, invalid UTF-8
// and lone surrogates, and keeps no places. The scanner of this package took 3.1 and 3.2 µs with the index made,
// before it looked at sixteen bytes at once, which is why it is ours; jsontext is what its tests compare it with, and quotes what is written.
func BenchmarkDecode(b *testing.B) {
	for _, file := range []string{"create-note-media.json", "actor-person.json"} {
		data := benchFile(b, file)
		run := func(name string, decode func()) {
			b.Run(file+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					decode()
				}
			})
		}
		run("fedihook", func() { decodeAll(b, data) })
		run("encoding-json-map", func() {
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		})
		run("go-ap", func() {
			if it, err := vocab.UnmarshalJSON(data); err != nil || it == nil {
				b.Fatal(it, err)
			}
		})
		valid := func(name string, check func() bool) {
			run(name, func() {
				if !check() {
					b.Fatal("no JSON")
				}
			})
		}
		valid("jsontext-valid", func() bool { return jsontext.Value(data).IsValid() })
		valid("encoding-json-valid", func() bool { return json.Valid(data) })
		run("jsontext-tokens", func() {
			for d := jsontext.NewDecoder(bytes.NewBuffer(data)); ; {
				if _, err := d.ReadToken(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Only ours finds the @context; go-ap writes a fixed one and less of the document; the map writes the
// one it read. Measured as above:
//
//	Create{Note}, embedded anew:  4.2 times as fast as go-ap;        here 11 allocations, 7 KB   go-ap 146, 24 KB   map 217, 10 KB
//	actor:                        4.6 to 5.0 times as fast as go-ap; here  7 allocations, 4 KB   go-ap 112, 13 KB   map 209, 11 KB
func BenchmarkEncode(b *testing.B) {
	for _, file := range []string{"create-note-media.json", "actor-person.json"} {
		data := benchFile(b, file)
		run := func(name string, encode func() ([]byte, error)) {
			b.Run(file+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if out, err := encode(); err != nil || len(out) == 0 {
						b.Fatal(err)
					}
				}
			})
		}
		d := decodeAll(b, data)
		switch d := d.(type) { // as an app makes it: the context is for us to find
		case *activity.Activity:
			d.AtContext = nil
			inner, err := d.Object[0].Document()
			if err != nil {
				b.Fatal(err)
			}
			run("fedihook", func() ([]byte, error) {
				d.Object[0] = activity.Embed(inner)
				return activity.Encode(d)
			})
		case *activity.Actor:
			d.AtContext = nil
			run("fedihook", func() ([]byte, error) { return activity.Encode(d) })
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			b.Fatal(err)
		}
		run("encoding-json-map", func() ([]byte, error) { return json.Marshal(m) })
		it, err := vocab.UnmarshalJSON(data)
		if err != nil {
			b.Fatal(err)
		}
		run("go-ap", func() ([]byte, error) {
			return jsonld.WithContext(jsonld.IRI(activity.Namespace), jsonld.IRI("https://w3id.org/security/v1")).Marshal(it)
		})
	}
}
