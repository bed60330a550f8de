package activity

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-ap/jsonld"
)

// ContentType is the media type under which documents are served and sent: ActivityPub §3.2
// makes it equal to [LDContentType], and every peer takes it.
const ContentType = "application/activity+json"

// LDContentType is the longer spelling of [ContentType], with its profile. ActivityPub §3.2.
const LDContentType = jsonld.ContentType

// Namespace is the name of the ActivityStreams vocabulary and the address of its context.
// ActivityStreams §2.1.
const Namespace = "https://www.w3.org/ns/activitystreams"

// contextName is the name of the property that says what the names of the others mean.
const contextName = string(jsonld.ContextKw)

// Document is one of the five shapes. A type switch over them is complete: no other type
// can implement it.
type Document interface {
	json.Marshaler
	// DocumentID is the document's id, "" if it has none.
	DocumentID() string
	// Is reports whether name is among the document's types.
	Is(name string) bool

	// encode writes the document. On the wire it leaves the @context to the outermost.
	encode(w *writer) error
	context() json.RawMessage
}

var (
	_ Document = (*Object)(nil)
	_ Document = (*Activity)(nil)
	_ Document = (*Actor)(nil)
	_ Document = (*Collection)(nil)
	_ Document = (*Link)(nil)
)

// Encode writes d as it goes on the wire: with the @context that d brings or else the smallest one
// that defines the terms in it, without bto and bcc at any depth (ActivityPub §6), keys in a stable
// order. It is not for storing a document that must keep its bto; use json.Marshal for that.
//
// It fails if a property holds what JSON can't: invalid UTF-8, an Extra that is no JSON, a time
// outside the years 0 to 9999. It panics only if d is nil.
func Encode(d Document) ([]byte, error) {
	w := newWriter(true)
	defer w.release()
	if err := d.encode(w); err != nil {
		return nil, err
	}
	body := len(w.b) // the @context is known last and stands first
	w.b = append(w.b, `{"`+contextName+`":`...)
	if own := d.context(); len(own) == 0 {
		w.b = dictionary.appendContext(w.b, &w.used)
	} else if err := w.raw(own, roleContext); err != nil {
		return nil, wrong(d.DocumentID(), contextName, err)
	}
	if body > len("{}") {
		w.b = append(w.b, ',')
	}
	return slices.Concat(w.b[body:], w.b[1:body]), nil
}

// wrong says which property of which document could not be written.
func wrong(id, name string, err error) error {
	return fmt.Errorf("activity: write %q: property %q: %w", id, name, err)
}
