// Package jsonld holds the documents that JSON-LD processors no one here wrote are given to read: what the @context does not
// define is gone after they expanded it, and what it defines without @type is a text.
//
// Our peers read names as they stand; Friendica expands, and whoever checks LD signatures does.
package jsonld

import (
	"reflect"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// Case is a document with one field set, to an IRI.
type Case struct {
	Name     string // Struct.Field
	Document activity.Document
	IRI      string
}

// Cases sets each field of the five structs that refers to something.
func Cases() []Case {
	var out []Case
	for _, typ := range []reflect.Type{
		reflect.TypeFor[activity.Object](), reflect.TypeFor[activity.Activity](), reflect.TypeFor[activity.Actor](),
		reflect.TypeFor[activity.Collection](), reflect.TypeFor[activity.Link](),
	} {
		for i := range typ.NumField() {
			name := typ.Name() + "." + typ.Field(i).Name
			document := reflect.New(typ)
			if iri := "https://id.example/" + name; set(document.Elem().Field(i), name, iri) {
				out = append(out, Case{name, document.Interface().(activity.Document), iri})
			}
		}
	}
	return out
}

func set(field reflect.Value, name, iri string) bool {
	_, own, _ := strings.Cut(name, ".")
	switch own {
	case "BTo", "BCC": // never on the wire
		return false
	case "AttributionDomains": // bare domains: read as IRIs they would be relative ones, and vanish
		return false
	case "QuoteURI", "QuoteURL", "MisskeyQuote": // texts to all who write them
		return false
	}
	switch p := field.Addr().Interface().(type) {
	case *activity.Ref:
		*p = activity.IRI(iri)
	case *activity.Refs:
		*p = activity.Refs{activity.IRI(iri)}
	case *activity.List:
		*p = activity.List{activity.IRI(iri)}
	case *activity.Audience:
		*p = activity.To(iri)
	case *string:
		if own != "Href" {
			return false
		}
		*p = iri
	default:
		return false
	}
	return true
}

// IRIs lists what an expanded document holds under @id.
func IRIs(expanded any) []string {
	var out []string
	switch v := expanded.(type) {
	case []any:
		for _, one := range v {
			out = append(out, IRIs(one)...)
		}
	case map[string]any:
		for name, one := range v {
			if id, ok := one.(string); ok && name == "@id" {
				out = append(out, id)
				continue
			}
			out = append(out, IRIs(one)...)
		}
	}
	return out
}
