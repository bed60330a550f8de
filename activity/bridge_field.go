package activity

import (
	"reflect"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"
)

// itemField is a field of one of go-ap's structs that holds a property.
type itemField struct {
	name   string // of the property
	index  int
	always bool // its zero value says something too
}

// itemStruct is one of go-ap's structs. Its fields are those that go-ap tags for jsonld, so that an upgrade
// which adds a property is followed.
type itemStruct struct {
	shape  shape // unknown for what is no item of its own
	fields []itemField
}

// itemStructs are all structs of go-ap's vocabulary. We read and write them by their tags and not with go-ap's own
// codec, which (seen 2025-08) escapes neither ids nor quotes at the start of a string, so that a stranger's id could
// add properties to a document; writes units as a second radius and the preview of a link as a second rel, and of a
// Profile only what it describes; reads no contentMap, no xsd:duration, no single tag and nothing of a type that it does
// not know; replaces \n inside of a text by a line end; takes time quadratic in the length of a list; and overflows the
// stack on an item that contains itself. TestGoAPsCodecIsWhatWeSayItIs tries what can be tried.
var itemStructs = func() map[reflect.Type]itemStruct {
	m := make(map[reflect.Type]itemStruct)
	for _, one := range []struct {
		shape shape
		zero  any
	}{
		{shapeObject, vocab.Object{}},
		{shapeObject, vocab.Place{}},
		{shapeObject, vocab.Profile{}},
		{shapeObject, vocab.Relationship{}},
		{shapeObject, vocab.Tombstone{}},
		{shapeObject, vocab.Question{}}, // see shapes
		{shapeActivity, vocab.Activity{}},
		{shapeActivity, vocab.IntransitiveActivity{}},
		{shapeActor, vocab.Actor{}},
		{shapeCollection, vocab.Collection{}},
		{shapeCollection, vocab.CollectionPage{}},
		{shapeCollection, vocab.OrderedCollection{}},
		{shapeCollection, vocab.OrderedCollectionPage{}},
		{shapeLink, vocab.Link{}},
		{shapeUnknown, vocab.Source{}},
		{shapeUnknown, vocab.PublicKey{}},
		{shapeUnknown, vocab.Endpoints{}},
	} {
		t := reflect.TypeOf(one.zero)
		m[t] = itemStruct{one.shape, itemFields(t)}
	}
	return m
}()

func itemFields(t reflect.Type) (fields []itemField) {
	for i := range t.NumField() {
		tag, ok := jsonld.LoadTag(t.Field(i).Tag)
		if !ok || tag.Ignore {
			continue
		}
		// Only a number says something by being zero. A source without a text has none.
		always := !tag.OmitEmpty && t.Field(i).Type.Kind() == reflect.Uint
		if tag.Name == "hrefLang" {
			tag.Name = "hreflang" // ActivityStreams Vocabulary §4; go-ap writes a name that nobody reads
		}
		fields = append(fields, itemField{tag.Name, i, always})
	}
	return fields
}

// shapeOfItem says what kind of thing it is by its Go type.
func shapeOfItem(it vocab.Item) shape {
	t := reflect.TypeOf(it)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return itemStructs[t].shape
}

// chooseType picks, among the types of a document, the one that decides its shape, and the first if we know none.
func chooseType(types []string) (name string, best shape) {
	for _, t := range types {
		if s := shapes[t]; s > best {
			name, best = t, s
		}
	}
	if best == shapeUnknown && len(types) > 0 {
		name = types[0]
	}
	return name, best
}

// chooseStruct finds the struct for a document with these properties: by its type if go-ap knows that,
// else by its shape, unknown for what shows by the properties.
func chooseStruct(name string, s shape, properties map[string]any) reflect.Type {
	has := func(name string) bool { return properties[name] != nil }
	// For a type that it does not know it returns a struct without one.
	theirs := vocab.ActivityVocabularyType(name)
	if it, err := vocab.GetItemByType(theirs); err == nil && name != "" && it.GetType() == theirs {
		if t := reflect.TypeOf(it).Elem(); itemStructs[t].shape != shapeUnknown {
			return t
		}
	}
	if s == shapeUnknown {
		switch {
		case has("inbox"):
			s = shapeActor
		case has("actor"):
			s = shapeActivity
		case has("items"), has("orderedItems"), has("totalItems"):
			s = shapeCollection
		case has("href") && !has("id"):
			s = shapeLink
		}
	}
	page := has("partOf") || has("next") || has("prev")
	switch {
	case s == shapeActor:
		return reflect.TypeFor[vocab.Actor]()
	case s == shapeActivity:
		return reflect.TypeFor[vocab.Activity]()
	case s == shapeLink:
		return reflect.TypeFor[vocab.Link]()
	case s == shapeCollection && has("orderedItems") && page:
		return reflect.TypeFor[vocab.OrderedCollectionPage]()
	case s == shapeCollection && has("orderedItems"):
		return reflect.TypeFor[vocab.OrderedCollection]()
	case s == shapeCollection && page:
		return reflect.TypeFor[vocab.CollectionPage]()
	case s == shapeCollection:
		return reflect.TypeFor[vocab.Collection]()
	}
	return reflect.TypeFor[vocab.Object]()
}
