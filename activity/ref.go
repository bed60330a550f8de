package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Ref points to a document by its id or holds it. In JSON it is a string or an object. In a list
// it may also be what nobody expects there, such as null: then it has no ID, and Raw keeps it.
type Ref struct {
	// ID is an IRI. With Raw set it is read from Raw, and what stands here is not written.
	ID string
	// Raw is an embedded document, verbatim. Empty is as good as nil.
	Raw json.RawMessage
}

// IRI makes a Ref of an id.
func IRI(id string) Ref { return Ref{ID: id} }

// Embed makes a Ref that holds d, as it would stand inside another document on the wire: without
// a @context of its own, bto and bcc. What can't be written, such as an Extra that is no JSON,
// fails when the outer document is encoded. It panics only if d is nil.
func Embed(d Document) Ref {
	raw, _, err := wireBody(d)
	if err != nil {
		raw = []byte(err.Error()) // begins with "activity:", which is no JSON: appendRaw fails and shows it
	}
	return Ref{ID: d.DocumentID(), Raw: raw}
}

// ErrNotEmbedded is returned where a document is asked of a [Ref] that holds only its id.
var ErrNotEmbedded = errors.New("activity: the document is not embedded")

// Document decodes the embedded document with the limits of the zero [Decoder]. For other limits
// give Raw to a Decoder; what is embedded exceeds none that the outer document was read under.
func (r Ref) Document() (Document, error) {
	if len(r.Raw) == 0 {
		return nil, ErrNotEmbedded
	}
	return Decode(r.Raw)
}

// IsZero reports whether r points nowhere and holds nothing. Such a Ref is not written.
func (r Ref) IsZero() bool { return r.ID == "" && len(r.Raw) == 0 }

// MarshalJSON writes the embedded document, else the id, else null.
func (r Ref) MarshalJSON() ([]byte, error) {
	if r.IsZero() {
		return []byte("null"), nil
	}
	return r.append(nil)
}

// UnmarshalJSON reads a string, an object, or a list of one of these. null changes nothing.
func (r *Ref) UnmarshalJSON(data []byte) error { return unmarshal(data, r) }

func (r Ref) append(b []byte) ([]byte, error) {
	if len(r.Raw) > 0 {
		return appendRaw(b, r.Raw)
	}
	return appendString(b, r.ID)
}

// read does not take the empty string, which it could not tell from nothing.
func (r *Ref) read(raw []byte) bool {
	switch raw[0] {
	case '"':
		id, ok := readString(raw)
		if !ok || id == "" {
			return false
		}
		*r = Ref{ID: id}
		return true
	case '{':
		*r = Ref{ID: idOf(raw), Raw: json.RawMessage(raw)}
		return true
	case '[':
		values, ok := elements(raw)
		return ok && len(values) == 1 && values[0][0] != '[' && r.read(values[0])
	}
	return false
}

// Refs is a property that holds one or many. It reads null, one or many, and writes one bare.
type Refs []Ref

// List is a property of which peers expect a list even of one, such as tag and attachment. It reads
// null, one or many, and always writes a list.
type List []Ref

// Audience is a property that says for whom a document is: to, cc, bto, bcc. It reads null, one or
// many, and always writes a list. ActivityPub §5.6.
type Audience []Ref

// First is the id of the first, "" if there is none.
func (r Refs) First() string { return first(r) }

// IDs lists the ids of those that have one.
func (r Refs) IDs() []string { return ids(r) }

// Has reports whether one of r has this id.
func (r Refs) Has(id string) bool { return has(r, id) }

// IDs lists the ids of those that have one.
func (l List) IDs() []string { return ids(l) }

// IDs lists the ids of those that have one, the public collection by its full name.
func (a Audience) IDs() []string {
	list := ids(a)
	for i, id := range list {
		if IsPublic(id) {
			list[i] = Public
		}
	}
	return list
}

// Has reports whether a addresses id. The three spellings of [Public] are one.
func (a Audience) Has(id string) bool {
	if IsPublic(id) {
		return slices.ContainsFunc(a, func(r Ref) bool { return IsPublic(r.ID) })
	}
	return has(a, id)
}

func first(list []Ref) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].ID
}

func ids(list []Ref) []string {
	var out []string
	for _, r := range list {
		if r.ID != "" {
			out = append(out, r.ID)
		}
	}
	return out
}

func has(list []Ref, id string) bool {
	return slices.ContainsFunc(list, func(r Ref) bool { return r.ID == id })
}

// MarshalJSON writes one bare and many as a list.
func (r Refs) MarshalJSON() ([]byte, error) { return appendRefs(nil, r, true) }

// UnmarshalJSON reads one or many. null changes nothing.
func (r *Refs) UnmarshalJSON(data []byte) error { return unmarshal(data, r) }

// MarshalJSON writes a list.
func (l List) MarshalJSON() ([]byte, error) { return appendRefs(nil, l, false) }

// UnmarshalJSON reads one or many. null changes nothing.
func (l *List) UnmarshalJSON(data []byte) error { return unmarshal(data, l) }

// MarshalJSON writes a list, with the public collection by its full name.
func (a Audience) MarshalJSON() ([]byte, error) { return appendAudience(nil, a) }

// UnmarshalJSON reads one or many. null changes nothing.
func (a *Audience) UnmarshalJSON(data []byte) error { return unmarshal(data, a) }

func appendAudience(b []byte, a Audience) ([]byte, error) {
	out := slices.Clone(a)
	for i, r := range out {
		if len(r.Raw) == 0 && IsPublic(r.ID) {
			out[i].ID = Public
		}
	}
	return appendRefs(b, out, false)
}

// appendRefs leaves out what points nowhere.
func appendRefs(b []byte, list []Ref, bare bool) (_ []byte, err error) {
	if bare && len(list) == 1 && list[0].canStandBare() {
		return list[0].append(b)
	}
	b = append(b, '[')
	first := true
	for _, r := range list {
		if r.IsZero() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b, err = r.append(b); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// canStandBare is false for what would mean something else without the list around it.
func (r Ref) canStandBare() bool {
	if raw := bytes.TrimSpace(r.Raw); len(raw) > 0 {
		return raw[0] == '{'
	}
	return r.ID != ""
}

// readRefs reads one, as a Ref does, or a list of anything.
func readRefs(list *[]Ref, raw []byte) bool {
	if raw[0] != '[' {
		var one Ref
		if !one.read(raw) {
			return false
		}
		*list = []Ref{one}
		return true
	}
	values, ok := elements(raw)
	if !ok {
		return false
	}
	out := make([]Ref, len(values))
	for i, v := range values {
		if v[0] == '[' || !out[i].read(v) {
			out[i] = Ref{Raw: json.RawMessage(v)}
		}
	}
	*list = out
	return true
}

// reader is a value that reads its own JSON and says whether that fitted; if not, it stays as it was.
type reader interface{ read(raw []byte) bool }

func (r *Refs) read(raw []byte) bool     { return readRefs((*[]Ref)(r), raw) }
func (l *List) read(raw []byte) bool     { return readRefs((*[]Ref)(l), raw) }
func (a *Audience) read(raw []byte) bool { return readRefs((*[]Ref)(a), raw) }

// unmarshal is UnmarshalJSON for the types that are no documents.
func unmarshal(data []byte, into reader) error {
	data = bytes.Clone(bytes.TrimSpace(data))
	if string(data) == "null" {
		return nil
	}
	if !jsontext.Value(data).IsValid() || !into.read(data) {
		return fmt.Errorf("activity: %w: a property of another kind", ErrMalformed)
	}
	return nil
}
