package activity

import (
	"encoding/json"
	"iter"
)

// index is a JSON text with the place of every value in it. A document and all that it embeds share
// one, so that no byte is scanned again. Once built it is not changed and may be read by many
// goroutines at once.
type index struct {
	// data is the text. Parts of it are handed out as json.RawMessage, and their owner may write to them.
	data []byte
	// text is the text again, which nobody can change, from base on, so that every string without escapes is
	// a part of it. What stands before base is the @context with which most documents begin: its strings are nobody's.
	text  string
	base  uint32
	nodes []node // in the order of the text; a name is the node before its value

	spaced bool // there is white space between the values
	blind  bool // a member at some depth isBlind
	modest bool // within the limits of the zero Decoder

	// first is the place of nodes[0]. Once settled, an index has only the nodes from the first to the last that a Ref
	// refers to, which is what keep was called with.
	first          uint32
	keepAt, keepTo uint32

	// written is set, and nodes is not, where we wrote the text ourselves. See [Embed].
	written *termSet
}

// node is a value or a name. What an object or a list under the name @context holds has no nodes:
// nobody looks into it.
type node struct {
	start, end uint32 // in data, with its quotes or brackets
	next       uint32 // the node after it and all that is in it
	hash       uint16 // of a name
	kind       kind
	escaped    bool // a string that does not mean what stands there
}

// kind is the first byte of a value, and '0' for all numbers.
type kind uint8

// value is one value, or name, of an index.
type value struct {
	in *index
	at uint32
}

func (v value) node() *node { return v.in.at(v.at) }

func (v value) kind() kind { return v.in.at(v.at).kind }

func (in *index) at(at uint32) *node { return &in.nodes[at-in.first] }

// raw is the value verbatim. Nobody can append to it.
func (v value) raw() json.RawMessage {
	n := v.node()
	return v.in.data[n.start:n.end:n.end]
}

// source is raw as a string, unless it begins before base.
func (v value) source() string {
	n := v.node()
	return v.in.text[n.start-v.in.base : n.end-v.in.base]
}

// text is what a string means, and "" for what is no string, or the zero value.
func (v value) text() string {
	if v.in == nil {
		return ""
	}
	if n := v.node(); n.kind == '"' {
		return v.in.meaning(n)
	}
	return ""
}

// meaning is what the string in n means.
func (in *index) meaning(n *node) string {
	if n.start < in.base {
		return contextName
	}
	text := in.text[n.start+1-in.base : n.end-1-in.base]
	if n.escaped {
		var room [2][1 << 10]byte // on the stack, and enough for most texts
		return string(appendMeaning(room[0][:0], append(room[1][:0], text...)))
	}
	return text
}

// members yields what is in an object, and nothing of another value.
func (v value) members() iter.Seq2[value, value] {
	return func(yield func(name, member value) bool) {
		n := v.node()
		if n.kind != '{' {
			return
		}
		for at := v.at + 1; at < n.next; at = v.in.at(at + 1).next {
			if !yield(value{v.in, at}, value{v.in, at + 1}) {
				return
			}
		}
	}
}

// elements yields what is in a list, and nothing of another value.
func (v value) elements() iter.Seq[value] {
	return func(yield func(element value) bool) {
		n := v.node()
		if n.kind != '[' {
			return
		}
		for at := v.at + 1; at < n.next; at = v.in.at(at).next {
			if !yield(value{v.in, at}) {
				return
			}
		}
	}
}

// count is the number of elements.
func (v value) count() (n int) {
	for range v.elements() {
		n++
	}
	return n
}

// get is the member of an object with this name.
func (v value) get(name string) (value, bool) {
	return v.find(name, nameHash(name))
}

// find is get with the nameHash of name.
func (v value) find(name string, hash uint16) (value, bool) {
	for n, member := range v.members() {
		if at := n.node(); at.hash == hash && v.in.meaning(at) == name {
			return member, true
		}
	}
	return value{}, false
}

// The names that are looked for in every document.
var idHash, hrefHash, typeHash = nameHash("id"), nameHash("href"), nameHash("type")

// isType tells whether this is the type of an object, or among its types, as [Types] reads them.
func (v value) isType(name string) bool {
	t, ok := v.find("type", typeHash)
	if !ok || t.kind() == '"' {
		return ok && t.text() == name
	}
	found := false
	for one := range t.elements() {
		if one.kind() != '"' {
			return false
		}
		found = found || one.text() == name
	}
	return found
}

// id is "id", or else "href" of a Link, of an object.
func (v value) id() string {
	if id, ok := v.find("id", idHash); ok && id.text() != "" {
		return id.text()
	}
	href, _ := v.find("href", hrefHash)
	return href.text()
}

// refID is the id in a property that is an id or an embedded document, "" if it is neither.
func (v value) refID(name string) string {
	var r Ref
	if member, ok := v.get(name); ok {
		r.read(member)
	}
	return r.ID
}

// keep says that a Ref refers to v. What was kept when in was settled may be kept again by many at once.
func (v value) keep() {
	in, next := v.in, v.node().next
	switch {
	case in.keepAt <= v.at && next <= in.keepTo:
	case in.keepTo == 0:
		in.keepAt, in.keepTo = v.at, next
	default:
		in.keepAt, in.keepTo = min(in.keepAt, v.at), max(in.keepTo, next)
	}
}

// settle makes in independent of the scanner that made it.
func (in *index) settle() {
	if in.keepTo == 0 {
		in.nodes = nil
		return
	}
	in.nodes, in.first = cloned(in.nodes[in.keepAt:in.keepTo]), in.keepAt
}

// cloned is a copy of list without room for more. What slices.Clone makes has some, which it must clear.
func cloned[T any](list []T) []T {
	out := make([]T, len(list))
	copy(out, list) // The compiler knows these two lines and clears nothing.
	return out
}
