package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-ap/jsonld"
	"github.com/go-json-experiment/json/jsontext"
)

// Term defines a name of an app's own for peers that process JSON-LD, Friendica above all, for whom an undefined
// name does not exist. JSON-LD 1.1 §9.15.1.
type Term struct {
	// ID is the IRI that the name stands for: "https://blog.example/ns#mood".
	ID string
	// Type is the type of its values: "@id" if they are IRIs or documents, or the IRI of a datatype. "" if there
	// is nothing to say.
	Type string
	// Container is "@list" if the order of several values matters, "@set" if it does not but there may be several,
	// "@language" if it is a [LangMap]. "" if there is nothing to say.
	Container string
}

// ErrTerm is wrapped by errors about a [Term] that defines nothing.
var ErrTerm = errors.New("no definition of a term")

// Encoder writes documents whose Extra has names of the app's own. Its zero value is [Encode]. It may be used by
// many goroutines at once while nobody changes Terms.
type Encoder struct {
	// Terms are the definitions of names, of properties and types, by name. Those that a document uses are put in its
	// @context, unless it brings one of its own. A definition here goes before one that this package has for the name.
	Terms map[string]Term
}

// Encode writes d as the function [Encode] does, with the terms of e defined where they are used. It fails with
// [ErrTerm] if one that is used has no ID that is an IRI, or a Container that is no keyword.
func (e Encoder) Encode(d Document) ([]byte, error) {
	out, err := Encode(d)
	if err != nil || len(e.Terms) == 0 || len(d.context()) > 0 {
		return out, err
	}
	context, used, start, end, err := e.find(out)
	if err != nil {
		return nil, fmt.Errorf("activity: write %q: %w", d.DocumentID(), err)
	}
	if len(used) == 0 {
		return out, nil
	}
	if context, err = e.extend(context, used); err != nil {
		return nil, wrong(d.DocumentID(), string(jsonld.ContextKw), err)
	}
	return slices.Concat(out[:start], context, out[end:]), nil
}

// find takes from a document, whose first member is its @context, that context and where it stands, and lists
// which terms of e the rest uses.
func (e Encoder) find(document []byte) (context []byte, used []string, start, end int64, err error) {
	found := make(map[string]bool)
	d := jsontext.NewDecoder(bytes.NewBuffer(document), trusted...)
	var inType []bool // for each open object and list: a string that comes now is a type
	for {
		t, err := d.ReadToken()
		if err == io.EOF {
			return context, slices.Sorted(maps.Keys(found)), start, end, nil
		}
		if err != nil {
			return nil, nil, 0, 0, err
		}
		last := len(inType) - 1
		switch t.Kind() {
		case '{':
			inType = append(inType, false)
		case '[':
			inType = append(inType, last >= 0 && inType[last])
		case '}', ']':
			inType = inType[:last]
		case '"':
			kind, n := d.StackIndex(d.StackDepth())
			isName, text := kind == '{' && n%2 == 1, t.String()
			if _, ok := e.Terms[text]; ok && (isName || inType[last]) {
				found[text] = true
			}
			if !isName {
				continue
			}
			inType[last] = text == "type"
			if text == string(jsonld.ContextKw) {
				v, err := d.ReadValue()
				if err != nil {
					return nil, nil, 0, 0, err
				}
				if context == nil {
					context, end = bytes.Clone(v), d.InputOffset()
					start = end - int64(len(v))
				}
			}
		}
	}
}

// extend adds definitions to a context that this package has made.
func (e Encoder) extend(context []byte, used []string) ([]byte, error) {
	var list []any
	if json.Unmarshal(context, &list) != nil {
		list = []any{json.RawMessage(context)}
	}
	inline, ok := list[len(list)-1].(map[string]any)
	if !ok {
		inline = make(map[string]any)
		list = append(list, inline)
	}
	for _, name := range used {
		t := e.Terms[name]
		if !strings.Contains(t.ID, ":") || t.Container != "" && t.Container[0] != '@' {
			return nil, fmt.Errorf("%w: %q: %+v", ErrTerm, name, t)
		}
		inline[name] = term{iri: t.ID, kind: t.Type, holds: jsonld.Term(t.Container)}.definition()
	}
	return marshal(list)
}
