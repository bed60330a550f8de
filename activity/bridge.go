package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	vocab "github.com/go-ap/activitypub"
)

// ErrNoDocument is wrapped by errors about what holds no document: nil, only an id, or a list.
var ErrNoDocument = errors.New("no document")

// FromItem reads an item of github.com/go-ap/activitypub. Every property of every type of go-ap's is kept,
// with these spellings: a text that is given in languages only is also written plainly, in the first of
// them, since most servers read nothing else; and a collection has totalItems, since go-ap's always does.
// A type that is not go-ap's is written by its own MarshalJSON, or as package jsonld writes it.
//
// The result shares no memory with it, and its AtContext is nil: [Encode] makes one.
//
// It fails with [ErrNoDocument]; with [ErrTooLarge] if the item exceeds the limits of the zero [Decoder],
// as one does that contains itself; and with [ErrMalformed] if JSON can't hold it. It does not panic.
func FromItem(it vocab.Item) (Document, error) {
	w := itemWriter{maxBytes: itemBytes, maxDepth: itemDepth}
	if err := w.item(it); err != nil {
		return nil, fmt.Errorf("activity: item %T: $%s: %w", it, strings.Join(w.path, ""), err)
	}
	if len(w.b) == 0 || w.b[0] != '{' {
		return nil, fmt.Errorf("activity: item %T: %w", it, ErrNoDocument)
	}
	d, err := Decode(w.b)
	if err != nil {
		return nil, fmt.Errorf("activity: item %T: %w", it, err)
	}
	// Of a type that nobody knows, go-ap's struct says what kind of thing it is.
	if byGo := shapeOfItem(it); byGo != shapeUnknown && byGo != shapeOfDocument(d) && !hasKnownType(d) {
		d = newDocument(byGo)
		if err := json.Unmarshal(w.b, d); err != nil {
			return nil, fmt.Errorf("activity: item %T: %w", it, err)
		}
	}
	return d, nil
}

// ToItem makes an item of github.com/go-ap/activitypub: a pointer to one of its structs, chosen by the type,
// or for a type that go-ap does not know, such as Hashtag, by the shape. What is embedded becomes an item of
// its own; a list becomes a vocab.ItemCollection.
//
// lost lists what the item does not hold as the document does, in paths like $.tag[1].value and $["x:mood"] into
// what d's MarshalJSON writes: properties that go-ap has no field for, values that do not fit it, and what go-ap says
// although the document does not (totalItems of a collection that leaves it out, a plain text where there are only
// languages). It is found by writing the item as [FromItem] reads it and comparing, where one is as good as a list of
// one, null as nothing, and an instant, a duration or a number in another spelling is the same. An @context is
// neither held nor listed. What is below a lost value is not listed.
//
// The item does not depend on go-ap's process-wide hooks, such as vocab.ItemTyperFunc. ToItem fails with
// [ErrNoDocument] if d is nil, and where d can't be written as JSON.
func ToItem(d Document) (it vocab.Item, lost []string, err error) {
	if d == nil || reflect.ValueOf(d).IsNil() {
		return nil, nil, fmt.Errorf("activity: to item: %w", ErrNoDocument)
	}
	data, err := d.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	ours, err := readTree(data)
	if err != nil {
		return nil, nil, fmt.Errorf("activity: to item %q: %w", d.DocumentID(), err)
	}
	properties, _ := ours.(map[string]any)
	it = readItemStruct(properties, shapeOfDocument(d))
	w := itemWriter{} // what we made is as finite as d
	if err := w.item(it); err != nil {
		return nil, nil, fmt.Errorf("activity: to item %q: %w", d.DocumentID(), err)
	}
	theirs, err := readTree(w.b)
	if err != nil {
		return nil, nil, fmt.Errorf("activity: to item %q: %w", d.DocumentID(), err)
	}
	compareItem("$", ours, theirs, &lost)
	return it, lost, nil
}

// readTree reads JSON that was written by us: no name is in an object twice.
func readTree(data []byte) (tree any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&tree)
	return tree, err
}

func hasKnownType(d Document) bool {
	var types Types
	switch d := d.(type) {
	case *Object:
		types = d.Type
	case *Activity:
		types = d.Type
	case *Actor:
		types = d.Type
	case *Collection:
		types = d.Type
	case *Link:
		types = d.Type
	}
	_, s := chooseType(types)
	return s != shapeUnknown
}

func shapeOfDocument(d Document) shape {
	switch d.(type) {
	case *Activity:
		return shapeActivity
	case *Actor:
		return shapeActor
	case *Collection:
		return shapeCollection
	case *Link:
		return shapeLink
	}
	return shapeObject
}

func newDocument(s shape) Document {
	switch s {
	case shapeActivity:
		return &Activity{}
	case shapeActor:
		return &Actor{}
	case shapeCollection:
		return &Collection{}
	case shapeLink:
		return &Link{}
	}
	return &Object{}
}
