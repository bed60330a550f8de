package ldsig

import (
	"math"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// RDF is a set of statements. It does not say in which order values came, whether one stood in an
// array, nor where in the JSON a node with an id was described. So a document is taken only if it is
// written in a way that follows from its statements: then nobody can rearrange it and keep the
// signature. The two tables below say what a reader of the JSON expects where.

// places are the properties whose value may describe a node that has an id. Elsewhere such a node
// is only named, by a string. A described node is mentioned in exactly one such place, or is the
// document itself and mentioned in none: else its description could be moved to the other mention.
var places = map[string]bool{
	"object": true, "target": true, "origin": true, "result": true, "instrument": true,
	"attachment": true, "tag": true, "icon": true, "image": true, "location": true, "preview": true,
	"generator": true, "replies": true, "likes": true, "shares": true, "first": true, "items": true,
	"orderedItems": true, "oneOf": true, "anyOf": true, "publicKey": true,
}

// unordered are the properties of which no reader asks in what order their values came. Where
// another has several values, their order is what the last one to pass the document on made it.
var unordered = map[string]bool{
	"to": true, "cc": true, "bto": true, "bcc": true, "audience": true, "tag": true,
	"alsoKnownAs": true, "automaticApproval": true, "manualApproval": true,
}

// shape is a document that passed, and what was learned on the way.
type shape struct {
	terms vocabulary // of the document
	used  vocabulary // of these, the ones it uses

	tree       map[string]any // the document as its statements have it
	statements int            // that it makes
	ordered    bool           // no order that is not signed could matter

	proof []*ld.Quad // the statements of its proof, which are a graph of their own, and that it has this proof

	described map[string]bool // ids of nodes that have more than an id
	mentioned map[string]int  // ids, how often in one of the places
}

// inspect checks a document without its signature, and brings it into the form that follows from
// its statements: no null, no empty array, arrays of one as their element, sets sorted.
func inspect(document map[string]any, terms vocabulary) (*shape, error) {
	s := &shape{
		terms: terms, used: make(vocabulary), ordered: true,
		described: make(map[string]bool), mentioned: make(map[string]int),
	}
	tree, err := s.node(document, "", true)
	if err != nil {
		return nil, err
	}
	id, _ := tree["id"].(string)
	for described := range s.described {
		want := 1
		if described == id {
			want = 0
		}
		if s.mentioned[described] != want {
			return nil, fail(ErrRestructured, "%.200q could be described elsewhere", described)
		}
	}
	s.tree = tree
	return s, nil
}

// node checks one JSON object that stands for a node, as a value of property.
func (s *shape) node(m map[string]any, property string, root bool) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for name, value := range m {
		if root && name == "@context" {
			continue
		}
		if strings.HasPrefix(name, "@") {
			return nil, fail(ErrRestructured, "keyword %.80q", name)
		}
		t, ok := s.terms[name]
		if !ok || t.isPrefix() {
			return nil, fail(ErrUnprotected, "%.80q is not defined", name)
		}
		if t.container == "@graph" {
			if !root {
				return nil, fail(ErrUnprotected, "a proof of something inside")
			}
			if err := s.integrity(t, m, value); err != nil {
				return nil, err
			}
			continue
		}
		s.used[name] = t
		v, err := s.member(name, t, value)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[name] = v
		}
	}
	id, named := out["id"].(string)
	switch {
	case named && len(out) == 1:
		// A reference. Where a term's values are ids it is a string.
		if s.terms[property].kind == "@id" {
			return nil, fail(ErrRestructured, "%.80q has an object where a string does", property)
		}
	case named:
		if !root && !places[property] {
			return nil, fail(ErrRestructured, "%.80q describes a node", property)
		}
		s.described[id] = true
	}
	if named && places[property] {
		s.mentioned[id]++
	}
	return out, nil
}

// member checks the value of one member. What it returns is nil if the member makes no statement.
func (s *shape) member(name string, t term, value any) (any, error) {
	switch {
	case t.iri == "@id":
		return s.iri(name, value)
	case value == nil:
		return nil, nil
	case t.container == "@language":
		return s.languages(name, value)
	}
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	if t.container == "@list" {
		s.statements += 1 + 2*len(list)
	} else if len(list) == 0 {
		return nil, nil
	}
	out := make([]any, len(list))
	for i, v := range list {
		var err error
		if t.iri == "@type" {
			out[i], err = s.class(v)
		} else {
			out[i], err = s.value(name, t, v)
		}
		if err != nil {
			return nil, err
		}
	}
	if t.container == "@list" {
		return out, nil
	}
	s.statements += len(out)
	twice, err := sortSet(out)
	if err != nil {
		return nil, err
	}
	if twice {
		return nil, fail(ErrRestructured, "%.80q has a value twice", name)
	}
	if len(out) == 1 {
		return out[0], nil
	}
	s.ordered = s.ordered && unordered[name]
	return out, nil
}

// value checks one value against the type of its term.
func (s *shape) value(name string, t term, v any) (any, error) {
	wrong := fail(ErrRestructured, "%.80q has a value of another kind", name)
	switch v := v.(type) {
	case map[string]any:
		if t.kind != "" && t.kind != "@id" {
			return nil, wrong
		}
		return s.node(v, name, false)
	case string:
		if t.kind == "@id" {
			id, err := s.iri(name, v)
			if err == nil && places[name] {
				s.mentioned[v]++
			}
			return id, err
		}
		if isNumeric(t.kind) || t.kind == xsd+"boolean" { // "true" and true would make one statement
			return nil, wrong
		}
		return v, text(name, v)
	case float64:
		// "3" and 3 make one statement where the term says that it is a number, 3 and 3.0 anywhere.
		if t.kind != "" && (!isNumeric(t.kind) || t.kind == xsd+"nonNegativeInteger" && (v < 0 || v != math.Trunc(v))) {
			return nil, wrong
		}
		return round(v), nil
	case bool:
		if t.kind != "" && t.kind != xsd+"boolean" {
			return nil, wrong
		}
		return v, nil
	}
	return nil, wrong // null and arrays in arrays
}

const xsd = "http://www.w3.org/2001/XMLSchema#"

func isNumeric(kind string) bool { return kind == xsd+"nonNegativeInteger" || kind == xsd+"float" }

// iri checks an id. One whose scheme is a term would be read as abbreviated.
func (s *shape) iri(name string, v any) (any, error) {
	id, ok := v.(string)
	if !ok {
		return nil, fail(ErrRestructured, "%.80q is not a string", name)
	}
	if !isIRI(id) {
		return nil, fail(ErrUnprotected, "%.80q is not an absolute IRI", name)
	}
	scheme, _, _ := strings.Cut(id, ":")
	if t, ok := s.terms[scheme]; ok && t.isPrefix() && !strings.HasPrefix(id[len(scheme):], "://") {
		return nil, fail(ErrRestructured, "%.80q has an abbreviated IRI", name)
	}
	return id, nil
}

// class checks a type, which must be a name that the context defines.
func (s *shape) class(v any) (any, error) {
	name, ok := v.(string)
	t, defined := s.terms[name]
	if !ok || !defined || t.isPrefix() || t.iri[0] == '@' || t.kind != "" || t.container != "" {
		return nil, fail(ErrUnprotected, "type %.80q is not defined", v)
	}
	s.used[name] = t
	return name, nil
}

// languages checks a map from languages to texts. The case of a language is not signed.
func (s *shape) languages(name string, value any) (any, error) {
	m, ok := value.(map[string]any)
	if !ok {
		return nil, fail(ErrRestructured, "%.80q is not a map of languages", name)
	}
	out := make(map[string]any, len(m))
	for language, v := range m {
		content, ok := v.(string)
		if !ok || !isLanguage(language) || out[strings.ToLower(language)] != nil {
			return nil, fail(ErrRestructured, "%.80q has no text, or several, for %.80q", name, language)
		}
		if err := text(name, content); err != nil {
			return nil, err
		}
		out[strings.ToLower(language)] = content
	}
	s.statements += len(out)
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// isLanguage tells well-formed tags, RFC 5646 §2.1, as far as RDF needs it.
func isLanguage(tag string) bool {
	for i, part := range strings.Split(tag, "-") {
		if len(part) == 0 || len(part) > 8 || strings.ContainsFunc(part, func(c rune) bool {
			return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9')
		}) {
			return false
		}
	}
	return true
}

// text refuses the control characters that RDF libraries escape each in their own way. A tab is one:
// json-gold writes \t, jsonld.js the tab itself.
func text(name, s string) error {
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' || c == 0x7f }) {
		return fail(ErrUnprotected, "%.80q has a control character", name)
	}
	return nil
}
