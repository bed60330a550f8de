package activity

import (
	"encoding/json"
	"maps"
	"math/bits"
	"slices"

	"github.com/go-ap/jsonld"
)

// termSet is a set of places in the dictionary.
type termSet [4]uint64

func (s *termSet) add(other *termSet) {
	for i, word := range other {
		s[i] |= word
	}
}

func (s *termSet) set(id int) { s[id/64] |= 1 << (id % 64) }

// dictionary is terms and prefixes, made ready for writing a @context.
var dictionary = newDictionary(terms, prefixes)

type words struct {
	terms []word   // and prefixes, sorted by name
	names nameList // of terms, "" for a prefix
}

type word struct {
	needs  termSet // itself and its prefix
	remote []byte  // the address of the context that defines it, in JSON, or nil; else:
	define []byte  // the member that defines it
}

// newDictionary panics if there are more names than a termSet holds.
func newDictionary(terms map[string]term, prefixes map[string]string) words {
	all := slices.Concat(slices.Collect(maps.Keys(terms)), slices.Collect(maps.Keys(prefixes)))
	slices.Sort(all)
	known := slices.Clone(all)
	d := words{terms: make([]word, len(all))}
	for id, name := range all {
		d.terms[id].needs.set(id)
		t, ok := terms[name]
		if !ok {
			d.terms[id].define = definition(name, prefixes[name])
			known[id] = ""
			continue
		}
		if t.remote != "" {
			d.terms[id].remote = mustMarshal(t.remote)
			continue
		}
		d.terms[id].define = definition(name, t.definition())
		if at, ok := slices.BinarySearch(all, t.prefix); ok {
			d.terms[id].needs.set(at)
		}
	}
	d.names = newNameList(known)
	return d
}

// find is what a name that is no prefix needs, nil if it is no term.
func (d *words) find(name string, hash uint16) *termSet {
	id := d.names.find(name, hash)
	if id < 0 || name == "" {
		return nil
	}
	return &d.terms[id].needs
}

func (t term) definition() any {
	if t.kind == "" && t.holds == "" {
		return t.iri
	}
	long := map[string]string{string(jsonld.IdKw): t.iri}
	if t.kind != "" {
		long[string(jsonld.TypeKw)] = t.kind
	}
	if t.holds != "" {
		long[string(jsonld.ContainerKw)] = string(t.holds)
	}
	return long
}

func definition(name string, v any) []byte {
	return slices.Concat(mustMarshal(name), []byte(":"), mustMarshal(v))
}

// mustMarshal is for the tables of this package, which hold strings only.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// appendContext writes the smallest @context that defines what is in used.
func (d *words) appendContext(b []byte, used *termSet) []byte {
	begin := len(b)
	b = append(b, `["`+Namespace+`"`...)
	alone := len(b)
	var remotes [][]byte
	for w := range d.in(used) {
		if w.remote != nil && !slices.ContainsFunc(remotes, func(r []byte) bool { return string(r) == string(w.remote) }) {
			remotes = append(remotes, w.remote)
			b = append(append(b, ','), w.remote...)
		}
	}
	first := true
	for w := range d.in(used) {
		if w.define == nil {
			continue
		}
		if first {
			b = append(b, `,{`...)
		} else {
			b = append(b, ',')
		}
		first = false
		b = append(b, w.define...)
	}
	switch {
	case !first:
		return append(b, `}]`...)
	case len(b) > alone:
		return append(b, ']')
	}
	return append(b[:begin], b[begin+1:]...)
}

// in yields the words of a set in the order of their names.
func (d *words) in(set *termSet) func(yield func(*word) bool) {
	return func(yield func(*word) bool) {
		for i, rest := range set {
			for ; rest != 0; rest &= rest - 1 {
				if !yield(&d.terms[i*64+bits.TrailingZeros64(rest)]) {
					return
				}
			}
		}
	}
}
