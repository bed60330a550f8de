package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Ref points to a document by its id or holds it. In JSON it is a string or an object. In a list
// it may also be what nobody expects there, such as null: then it has no ID, and Raw keeps it.
type Ref struct {
	// ID is an IRI. With Raw set it is read from Raw, and what stands here is not written.
	ID string
	// Raw is an embedded document, verbatim. Empty is as good as nil. Replace it rather than write
	// into it.
	Raw json.RawMessage

	// from is where Raw was read or written, so that it need not be scanned again. It is only
	// believed as far as Raw is what stands there.
	from value

	// exact says that Raw is written as it is. See [Exact].
	exact bool
}

// IRI makes a Ref of an id.
func IRI(id string) Ref { return Ref{ID: id} }

// Embed makes a Ref that holds d, as it would stand inside another document on the wire: without
// a @context of its own, bto and bcc. What can't be written, such as an Extra that is no JSON,
// fails when the outer document is encoded. It panics only if d is nil.
func Embed(d Document) Ref {
	w := newWriter(true)
	defer w.release()
	if err := d.encode(w); err != nil {
		// It begins with "activity:", which is no JSON: writing it fails and shows it.
		return Ref{ID: d.DocumentID(), Raw: json.RawMessage(err.Error())}
	}
	text, used := string(w.b), w.used
	return Ref{ID: d.DocumentID(), Raw: json.RawMessage(text), from: value{in: &index{text: text, written: &used}}}
}

// Exact makes a Ref that holds a document as its bytes stand, whitespace, bto and bcc included, on the wire too: what somebody
// else signed, or what is passed on unchanged, as a group does with what its members send. FEP-1b12. It fails as [Decode] does,
// and on what is no object. The Ref keeps raw; reading it back from a document makes an ordinary one.
func Exact(raw json.RawMessage) (Ref, error) {
	r := Ref{exact: true}
	err := scanDocument(raw, noLimits, func(top value) { r.ID, r.Raw = top.id(), raw })
	return r, err
}

// ErrNotEmbedded is returned where a document is asked of a [Ref] that holds only its id.
var ErrNotEmbedded = errors.New("activity: the document is not embedded")

// Document decodes the embedded document with the limits of the zero [Decoder]. For other limits
// give Raw to a Decoder; what is embedded exceeds none that the outer document was read under.
func (r Ref) Document() (Document, error) {
	if len(r.Raw) == 0 {
		return nil, ErrNotEmbedded
	}
	if v, ok := r.known(); ok && v.in.modest {
		return documentOf(v), nil
	}
	return Decode(r.Raw)
}

// known is the value that Raw was read from, if it was read from an index and is still what it was.
func (r Ref) known() (v value, ok bool) {
	if r.from.in == nil || r.from.in.nodes == nil {
		return value{}, false
	}
	was := r.from.raw()
	return r.from, len(was) == len(r.Raw) && &was[0] == &r.Raw[0]
}

// value is the embedded document, scanned if it must be. Ok is false if there is none.
func (r Ref) value() (v value, ok bool) {
	if v, ok := r.known(); ok {
		return v, true
	}
	err := scanDocument(r.Raw, noLimits, func(top value) {
		top.keep()
		v = top
	})
	return v, err == nil
}

// IsZero reports whether r points nowhere and holds nothing. Such a Ref is not written.
func (r Ref) IsZero() bool { return r.ID == "" && len(r.Raw) == 0 }

// MarshalJSON writes the embedded document, else the id, else null.
func (r Ref) MarshalJSON() ([]byte, error) {
	if r.IsZero() {
		return []byte("null"), nil
	}
	return written(func(w *writer) error { return w.ref(r) })
}

// UnmarshalJSON reads a string, an object, or a list of one of these. null changes nothing.
func (r *Ref) UnmarshalJSON(data []byte) error { return unmarshal(data, r) }

// read does not take the empty string, which it could not tell from nothing.
func (r *Ref) read(v value) bool {
	switch v.kind() {
	case '"':
		id := v.text()
		if id == "" {
			return false
		}
		*r = Ref{ID: id}
		return true
	case '{':
		r.ID, r.Raw, r.from = v.id(), v.raw(), v
		v.keep()
		return true
	case '[':
		for one := range v.elements() {
			return one.node().next == v.node().next && one.kind() != '[' && r.read(one)
		}
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
func (r Refs) MarshalJSON() ([]byte, error) {
	return written(func(w *writer) error { return w.refs(r, true) })
}

// UnmarshalJSON reads one or many. null changes nothing.
func (r *Refs) UnmarshalJSON(data []byte) error { return unmarshal(data, r) }

// MarshalJSON writes a list.
func (l List) MarshalJSON() ([]byte, error) {
	return written(func(w *writer) error { return w.refs(l, false) })
}

// UnmarshalJSON reads one or many. null changes nothing.
func (l *List) UnmarshalJSON(data []byte) error { return unmarshal(data, l) }

// MarshalJSON writes a list, with the public collection by its full name.
func (a Audience) MarshalJSON() ([]byte, error) {
	return written(func(w *writer) error { return w.audience(a) })
}

// UnmarshalJSON reads one or many. null changes nothing.
func (a *Audience) UnmarshalJSON(data []byte) error { return unmarshal(data, a) }

// canStandBare is false for what would mean something else without the list around it.
func (r Ref) canStandBare() bool {
	if raw := bytes.TrimSpace(r.Raw); len(raw) > 0 {
		return raw[0] == '{'
	}
	return r.ID != ""
}

// readRefs reads one, as a Ref does, or a list of roleAny.
func readRefs(list *[]Ref, v value, room *refs) bool {
	if v.kind() != '[' {
		one := room.take(1)
		if !one[0].read(v) {
			return false
		}
		*list = one
		return true
	}
	out := room.take(v.count())
	i := 0
	for one := range v.elements() {
		if one.kind() == '[' || !out[i].read(one) {
			out[i] = Ref{Raw: one.raw()}
		}
		i++
	}
	*list = out
	return true
}

// refs is room for the lists of one document, most of which hold one: they are made together. Its zero value is none.
type refs struct {
	spare []Ref
	again bool // after the first five each list is made for itself
}

// take makes a list of n, to which nobody can append in place.
func (r *refs) take(n int) []Ref {
	if n == 0 {
		return []Ref{}
	}
	if n > len(r.spare) {
		if n > 2 || r.again {
			return make([]Ref, n)
		}
		r.spare, r.again = make([]Ref, 5), true
	}
	list := r.spare[:n:n]
	r.spare = r.spare[n:]
	return list
}

// reader is a value that reads its own JSON and says whether that fitted; if not, it stays as it was.
type reader interface{ read(v value) bool }

func (r *Refs) read(v value) bool     { return readRefs((*[]Ref)(r), v, new(refs)) }
func (l *List) read(v value) bool     { return readRefs((*[]Ref)(l), v, new(refs)) }
func (a *Audience) read(v value) bool { return readRefs((*[]Ref)(a), v, new(refs)) }

// unmarshal is UnmarshalJSON for the types that are no documents.
func unmarshal(data []byte, into reader) error {
	s := scanners.Get().(*scanner)
	defer s.release()
	in, err := s.scan(data, noLimits)
	if err != nil {
		return err
	}
	v := value{in, 0}
	if v.kind() == 'n' {
		return nil
	}
	in.data = bytes.Clone(data)
	if !into.read(v) {
		return fmt.Errorf("activity: %w: a property of another kind", ErrMalformed)
	}
	in.settle()
	return nil
}
