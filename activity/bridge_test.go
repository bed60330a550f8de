package activity_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

// everyType lists the types of go-ap, and those that its structs have without being in vocab.Types.
func everyType() []vocab.ActivityVocabularyType {
	return slices.Concat(vocab.Types, vocab.GenericTypes)
}

func TestEveryPropertyOfEveryTypeCrossesTheBridgeBothWays(t *testing.T) {
	t.Parallel()
	if len(everyType()) < 50 {
		t.Fatalf("go-ap has only %d types", len(everyType()))
	}
	for _, name := range everyType() {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			f := &filler{fault: t.Fatalf, n: len(name)}
			for range 3 { // other kinds of values in each place
				it := f.full(name, 1)
				d, err := activity.FromItem(it)
				if err != nil {
					t.Fatalf("FromItem: %v", err)
				}
				again, lost, err := activity.ToItem(d)
				if err != nil || len(lost) > 0 {
					t.Fatalf("ToItem: lost %q, %v", lost, err)
				}
				if where := deepDifference("", reflect.ValueOf(it), reflect.ValueOf(again)); where != "" {
					t.Fatalf("%.300s\nby %.2000s", where, mustMarshal(t, d))
				}
				if !d.Is(string(name)) || activity.IsActivityType(string(name)) != is[*activity.Activity](d) || activity.IsActorType(string(name)) != is[*activity.Actor](d) {
					t.Errorf("%s became %T", name, d)
				}
			}
		})
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// ours is an app's own type, as go-ap's extensions are made.
type ours struct {
	vocab.Object
	Mood string
}

func (o ours) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"id":%q,"type":%q,"x:mood":%q}`, string(o.ID), string(o.Type), o.Mood), nil
}

// tagged has no encoding of its own, but tags for package jsonld.
type tagged struct {
	Name vocab.IRI  `jsonld:"id"`
	Mood string     `jsonld:"x:mood,omitempty"`
	Next vocab.Item `jsonld:"next,omitempty"`
}

func (o *tagged) GetID() vocab.ID                       { return o.Name }
func (o *tagged) GetLink() vocab.IRI                    { return o.Name }
func (o *tagged) GetType() vocab.ActivityVocabularyType { return "" }
func (o *tagged) IsLink() bool                          { return false }
func (o *tagged) IsObject() bool                        { return true }
func (o *tagged) IsCollection() bool                    { return false }

// base is embedded, and its fields are the app's too although its name is not.
type base struct{ Friend vocab.Item }

type derived struct {
	vocab.IRI
	base
}

type panicking struct{ vocab.IRI }

func (panicking) MarshalJSON() ([]byte, error) { panic("no ink") }

type lying struct{ vocab.IRI }

func (lying) MarshalJSON() ([]byte, error) { return []byte(`{"id":"a","id":"b"}`), nil }

type silent struct{ vocab.IRI }

func (silent) MarshalJSON() ([]byte, error) { return nil, nil }

// pair may share, so that it is finite but far too much to walk.
type pair struct {
	vocab.IRI
	Left, Right vocab.Item
}

// mirror reaches itself by a field of any kind.
type mirror struct {
	vocab.IRI
	Self any
}

func TestItemsThatAreHardToWriteAreWrittenOrRefused(t *testing.T) {
	t.Parallel()
	itself := &vocab.Object{ID: "https://a.example/1", Type: "Note"}
	itself.InReplyTo = itself
	ring := &vocab.Activity{Type: "Undo"}
	ring.Object = &vocab.Activity{Type: "Like", Object: vocab.ItemCollection{vocab.IRI("https://a.example/1"), ring}}
	list := vocab.ItemCollection{nil}
	list[0] = &list
	wide := vocab.Item(vocab.IRI("https://a.example/1"))
	for range 40 { // 2^40 when written out
		wide = &vocab.Object{Tag: vocab.ItemCollection{wide, wide}}
	}
	wideLists := vocab.Item(vocab.ItemCollection{})
	for range 40 {
		wideLists = vocab.ItemCollection{wideLists, wideLists}
	}
	pairs := &pair{IRI: "https://a.example/1"}
	for range 40 {
		pairs = &pair{Left: pairs, Right: pairs}
	}
	tower := &vocab.Object{}
	for range 100_000 {
		tower = &vocab.Object{InReplyTo: tower}
	}
	self := &mirror{}
	self.Self = self
	iri, items, iris := vocab.IRI("https://a.example/1"), vocab.ItemCollection{vocab.IRI("https://a.example/1")}, vocab.IRIs{"https://a.example/1"}
	for _, tt := range []struct {
		name string
		item vocab.Item
		want string // the document, or what the error says
		err  error
	}{
		{"nil", nil, "item <nil>: no document", activity.ErrNoDocument},
		{"a nil object", (*vocab.Object)(nil), "item *activitypub.Object: no document", activity.ErrNoDocument},
		{"a nil link", (*vocab.Link)(nil), "", activity.ErrNoDocument},
		{"a nil id", (*vocab.IRI)(nil), "", activity.ErrNoDocument},
		{"a nil list of ids", (*vocab.IRIs)(nil), "", activity.ErrNoDocument},
		{"a nil list", (*vocab.ItemCollection)(nil), "", activity.ErrNoDocument},
		{"a nil of an app's own", (*ours)(nil), "", activity.ErrNoDocument},
		{"an id", iri, "item activitypub.IRI: no document", activity.ErrNoDocument},
		{"an empty id", vocab.IRI(""), "", activity.ErrNoDocument},
		{"a pointer to an id", &iri, "", activity.ErrNoDocument},
		{"a list", items, "", activity.ErrNoDocument},
		{"a pointer to a list", &items, "", activity.ErrNoDocument},
		{"a list of ids", iris, "", activity.ErrNoDocument},
		{"nothing", &vocab.Object{}, `{}`, nil},
		{"a value", vocab.Object{ID: iri, Type: "Note"}, `{"id":"https://a.example/1","type":"Note"}`, nil},
		{"a nil inside", &vocab.Activity{Type: "Like", Actor: (*vocab.Actor)(nil), Object: (*vocab.IRI)(nil), Target: (*vocab.ItemCollection)(nil)}, `{"type":"Like"}`, nil},
		{"what go-ap takes for nil", &vocab.Activity{Type: "Like", Object: vocab.NilIRI, Actor: vocab.EmptyIRI}, `{"type":"Like"}`, nil},
		{"nils in a list", &vocab.Object{To: vocab.ItemCollection{nil, iri, (*vocab.Object)(nil), vocab.NilIRI}}, `{"to":["https://a.example/1"]}`, nil},
		{"only nils in a list", &vocab.Object{To: vocab.ItemCollection{nil, nil}}, `{"to":[]}`, nil},
		{"pointers to ids and lists", &vocab.Activity{Actor: &iri, Object: &items, Target: &iris}, `{"actor":"https://a.example/1","object":["https://a.example/1"],"target":["https://a.example/1"]}`, nil},
		{"a list in a list", &vocab.Activity{Actor: iri, Object: vocab.ItemCollection{items}}, `{"actor":"https://a.example/1","object":[["https://a.example/1"]]}`, nil},
		{"an empty collection", &vocab.OrderedCollection{Type: "OrderedCollection"}, `{"type":"OrderedCollection","totalItems":0}`, nil},
		{"a text in languages only", &vocab.Object{Name: vocab.NaturalLanguageValues{{Ref: "fr", Value: []byte("f")}, {Ref: "de", Value: []byte("d")}, {Ref: "fr", Value: []byte("g")}}}, `{"name":"f","nameMap":{"de":"d","fr":"f"}}`, nil},
		{"a text without a language after others", &vocab.Object{Name: vocab.NaturalLanguageValues{{Ref: "de", Value: []byte("d")}, {Value: []byte("p")}}}, `{"name":"p","nameMap":{"de":"d"}}`, nil},
		{"a type that nobody knows", &vocab.Activity{Type: "x:Odd", Target: iri}, `{"type":"x:Odd","target":"https://a.example/1"}`, nil},
		{"a collection of a type that nobody knows", &vocab.OrderedCollection{Type: "x:Odd"}, `{"type":"x:Odd","totalItems":0}`, nil},

		{"a time elsewhere, deep inside", &vocab.Activity{Type: "Create", Object: &vocab.Object{Published: time.Date(2026, 5, 1, 12, 0, 0, 0, time.FixedZone("", 7200))}},
			`{"type":"Create","object":{"published":"2026-05-01T10:00:00Z"}}`, nil},
		{"a source and a key that say nothing", &vocab.Actor{Source: vocab.Source{Content: vocab.NaturalLanguageValues{}}, PublicKey: vocab.PublicKey{Owner: vocab.NilIRI}}, `{}`, nil},

		{"an object that replies to itself", itself, "item *activitypub.Object: $.inReplyTo.inReplyTo.inReplyTo.", activity.ErrTooLarge},
		{"activities that undo each other", ring, "$.object.object[1].object", activity.ErrTooLarge},
		{"a list that contains itself", list, "$[0][0][0]", activity.ErrTooLarge},
		{"a list that contains itself, inside", &vocab.Object{Tag: list}, "$.tag[0][0]", activity.ErrTooLarge},
		{"what shares too much", wide, "", activity.ErrTooLarge},
		{"lists that share too much", &vocab.Object{Attachment: wideLists}, "", activity.ErrTooLarge},
		{"what is too deep", tower, "nested more than 64 deep", activity.ErrTooLarge},
		{"what is too long", &vocab.Object{Content: vocab.DefaultNaturalLanguageValue(strings.Repeat("x", 1<<20))}, "$.content: ", activity.ErrTooLarge},
		{"what is too much", &vocab.Object{To: slices.Repeat(vocab.ItemCollection{vocab.IRI("x")}, 60_000)}, "more than 50000 values", activity.ErrTooLarge},
		{"invalid UTF-8", &vocab.Object{Tag: vocab.ItemCollection{iri, &vocab.Object{Name: vocab.DefaultNaturalLanguageValue("\xff")}}}, "$.tag[1].name: ", activity.ErrMalformed},
		{"an id of invalid UTF-8", &vocab.Object{ID: "\xff"}, "$.id: ", activity.ErrMalformed},
		{"a language of invalid UTF-8", &vocab.Object{Name: vocab.NaturalLanguageValues{{Ref: "\xff", Value: []byte("x")}}}, "", activity.ErrMalformed},
		{"a year that JSON has not", &vocab.Object{Published: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "$.published: ", activity.ErrMalformed},
		{"a year that JSON has not, in UTC", &vocab.Object{Published: time.Date(9999, 12, 31, 23, 59, 0, 0, time.FixedZone("", -3600))}, "$.published: ", activity.ErrMalformed},
		{"infinity", &vocab.Place{Altitude: inf()}, "$.altitude: ", activity.ErrMalformed},

		{"an app's own", &ours{Object: vocab.Object{ID: "https://a.example/1", Type: "Note"}, Mood: "sunny"}, `{"id":"https://a.example/1","type":"Note","x:mood":"sunny"}`, nil},
		{"an app's own inside", &vocab.Activity{Type: "Create", Object: ours{Mood: "dim"}}, `{"type":"Create","object":{"id":"","type":"","x:mood":"dim"}}`, nil},
		{"an app's own that contains itself", func() vocab.Item { o := &ours{}; o.InReplyTo = o; return o }(), "more values than an encoder could walk", activity.ErrTooLarge},
		{"an app's own without an encoding", &vocab.Object{InReplyTo: &tagged{Name: iri, Mood: "sunny", Next: vocab.IRI("https://a.example/2")}},
			`{"inReplyTo":{"id":"https://a.example/1","x:mood":"sunny","next":"https://a.example/2"}}`, nil},
		{"an app's own without an encoding that contains itself", func() vocab.Item { o := &tagged{}; o.Next = o; return o }(), "", activity.ErrTooLarge},
		{"an app's own that shares too much", pairs, "", activity.ErrTooLarge},
		{"an app's own that contains itself by what it embeds", func() vocab.Item { d := &derived{}; d.Friend = d; return d }(), "", activity.ErrTooLarge},
		{"an app's own that panics", &vocab.Object{InReplyTo: panicking{}}, "$.inReplyTo: malformed document: its MarshalJSON panics: no ink", activity.ErrMalformed},
		{"an app's own that writes a name twice", &vocab.Object{InReplyTo: lying{}}, "$.inReplyTo: ", activity.ErrMalformed},
		{"an app's own that writes nothing", &vocab.Object{InReplyTo: silent{}}, `{}`, nil},
		{"an app's own that reaches itself", &vocab.Object{InReplyTo: self}, "$.inReplyTo: ", activity.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := activity.FromItem(tt.item)
			if tt.err == nil {
				if err != nil {
					t.Fatalf("FromItem: %v", err)
				}
				mustBe(t, mustMarshal(t, d), tt.want)
				return
			}
			if !errorIs(err, tt.err) || !strings.Contains(err.Error(), tt.want) || d != nil {
				t.Errorf("FromItem: %v, %.300v; want %v and %q", d, err, tt.err, tt.want)
			}
			if !strings.HasPrefix(err.Error(), "activity: item ") {
				t.Errorf("the error does not say what was attempted: %.300v", err)
			}
		})
	}
}

func TestAnItemOfAnUnknownTypeHasTheShapeOfItsStruct(t *testing.T) {
	t.Parallel()
	for want, it := range map[string]vocab.Item{
		"*activity.Activity":   &vocab.Activity{Type: "x:Odd"},
		"*activity.Actor":      &vocab.Actor{Type: "x:Odd"},
		"*activity.Collection": &vocab.CollectionPage{Type: "x:Odd"},
		"*activity.Link":       &vocab.Link{Type: "x:Odd", ID: "https://a.example/1"},
		"*activity.Object":     vocab.Place{Type: "x:Odd"},
	} {
		d, err := activity.FromItem(it)
		if got := fmt.Sprintf("%T", d); err != nil || got != want {
			t.Errorf("%T became %s, %v", it, got, err)
		}
	}
	// A type that is known decides, as it does everywhere else.
	if d, err := activity.FromItem(&vocab.Object{Type: "EmojiReact"}); err != nil || !is[*activity.Activity](d) {
		t.Errorf("%T, %v", d, err)
	}
}

// go-ap writes ids as they are, so that this one would become two properties.
func TestAnIDCanNotAddProperties(t *testing.T) {
	t.Parallel()
	evil := vocab.IRI(`https://a.example/1","attributedTo":"https://b.example/victim`)
	d, err := activity.FromItem(&vocab.Object{Type: "Note", InReplyTo: evil, URL: evil, Tag: vocab.ItemCollection{&vocab.Link{Type: "Mention", Href: evil}}})
	if err != nil {
		t.Fatal(err)
	}
	note := d.(*activity.Object)
	if note.InReplyTo.ID != string(evil) || note.URL.First() != string(evil) || len(note.AttributedTo) > 0 {
		t.Errorf("%+v", note)
	}
	again, lost, err := activity.ToItem(note)
	if err != nil || len(lost) > 0 || again.(*vocab.Object).InReplyTo != vocab.Item(evil) {
		t.Errorf("%v, lost %q, %v", again, lost, err)
	}
}
