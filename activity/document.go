package activity

import (
	"encoding/json"
	"fmt"

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

// Document is one of the five shapes. A type switch over them is complete: no other type
// can implement it.
type Document interface {
	json.Marshaler
	// DocumentID is the document's id, "" if it has none.
	DocumentID() string
	// Is reports whether name is among the document's types.
	Is(name string) bool

	// encode appends the document without what has no place on the wire, if wire is set:
	// its own @context. Blind copies it leaves to wireBody.
	encode(b []byte, wire bool) ([]byte, error)
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
	body, used, err := wireBody(d)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body)+512)
	out = append(out, `{"`+string(jsonld.ContextKw)+`":`...)
	if own := d.context(); len(own) > 0 {
		if out, err = appendRaw(out, own); err != nil {
			return nil, wrong(d.DocumentID(), string(jsonld.ContextKw), err)
		}
	} else {
		defined, err := contextFor(used)
		if err != nil {
			return nil, wrong(d.DocumentID(), string(jsonld.ContextKw), err)
		}
		out = append(out, defined...)
	}
	if len(body) > len("{}") {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// wireBody writes d without its @context and without blind copies, and lists the terms in it that
// need a definition.
func wireBody(d Document) (body []byte, used []string, err error) {
	if body, err = d.encode(nil, true); err != nil {
		return nil, nil, err
	}
	used, blind, err := survey(body)
	if err == nil && blind {
		if body, err = withoutBlind(body); err == nil {
			used, _, err = survey(body)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("activity: write %q: %w", d.DocumentID(), err)
	}
	return body, used, nil
}

// wrong says which property of which document could not be written.
func wrong(id, name string, err error) error {
	return fmt.Errorf("activity: write %q: property %q: %w", id, name, err)
}
