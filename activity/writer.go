package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// writer puts JSON together. What is written twice is written alike: without white space, and strings
// that came from somewhere else in the spelling that they came in.
type writer struct {
	b []byte
	// wire leaves out blind copies at every depth and the @context of the document itself, and
	// collects in used the terms that were written.
	wire bool
	used termSet
}

// writers spares each document a buffer that grows.
var writers = sync.Pool{New: func() any { return new(writer) }}

func newWriter(wire bool) *writer {
	w := writers.Get().(*writer)
	w.b, w.wire, w.used = w.b[:0], wire, termSet{}
	return w
}

// release gives w back. What it wrote must have been copied.
func (w *writer) release() {
	if cap(w.b) <= 64<<10 {
		writers.Put(w)
	}
}

// written is the result of write.
func written(write func(w *writer) error) ([]byte, error) {
	w := newWriter(false)
	defer w.release()
	if err := write(w); err != nil {
		return nil, err
	}
	return slices.Clone(w.b), nil
}

// role is what the writer looks for in a value that goes on the wire.
type role uint8

const (
	roleAny     role = iota
	roleTypes        // what stands under type: its strings are terms
	roleContext      // what stands under @context: nothing in it is a member of a document
)

func roleOf(name string) role {
	switch name {
	case "type":
		return roleTypes
	case contextName:
		return roleContext
	}
	return roleAny
}

// note adds a name or a type, whose nameHash is hash, to the terms that were written.
func (w *writer) note(name string, hash uint16) {
	if needs := dictionary.find(name, hash); needs != nil {
		w.used.add(needs)
	}
}

// next begins a member or an element of what was opened at open.
func (w *writer) next(open int) {
	if len(w.b) > open {
		w.b = append(w.b, ',')
	}
}

// name begins a member of the object that was opened at open.
func (w *writer) name(open int, name string) error {
	w.next(open)
	if err := w.string(name); err != nil {
		return err
	}
	w.b = append(w.b, ':')
	return nil
}

func (w *writer) string(s string) (err error) {
	if needsNoEscape(s) {
		w.b = append(append(append(w.b, '"'), s...), '"')
		return nil
	}
	b, err := jsontext.AppendQuote(w.b, s)
	if err == nil {
		w.b = b
	}
	return err
}

// needsNoEscape reports whether s means in JSON what it is: printable ASCII without quotes and backslashes.
func needsNoEscape[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// time writes UTC with Z, which is the one form that every peer reads.
func (w *writer) time(t time.Time) error {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return errors.New("a time outside the years 0 to 9999")
	}
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
	return nil
}

// types writes one bare and many as a list.
func (w *writer) types(t Types, as role) error {
	if w.wire && as == roleTypes {
		for _, name := range t {
			w.note(name, nameHash(name))
		}
	}
	if len(t) == 1 {
		return w.string(t[0])
	}
	w.b = append(w.b, '[')
	open := len(w.b)
	for _, name := range t {
		w.next(open)
		if err := w.string(name); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}

// langMap writes a member for each language, sorted. A language may be called like a term.
func (w *writer) langMap(l LangMap) error {
	w.b = append(w.b, '{')
	open := len(w.b)
	for _, tag := range slices.Sorted(maps.Keys(l)) {
		if w.wire {
			if isBlind(tag) {
				continue
			}
			w.note(tag, nameHash(tag))
		}
		if err := w.name(open, tag); err != nil {
			return err
		}
		if err := w.string(l[tag]); err != nil {
			return err
		}
	}
	w.b = append(w.b, '}')
	return nil
}

func (w *writer) ref(r Ref) error {
	if len(r.Raw) == 0 {
		return w.string(r.ID)
	}
	in := r.from.in
	switch {
	case r.exact:
		if err := scanDocument(r.Raw, noLimits, func(value) {}); err != nil {
			return err
		}
		w.b = append(w.b, r.Raw...)
		return nil
	case in == nil:
	case in.nodes != nil:
		if string(r.Raw) == r.from.source() {
			w.value(r.from, roleAny)
			return nil
		}
	case string(r.Raw) == in.text:
		w.b = append(w.b, in.text...)
		w.used.add(in.written)
		return nil
	}
	return w.raw(r.Raw, roleAny)
}

// refs leaves out what points nowhere.
func (w *writer) refs(list []Ref, bare bool) error {
	if bare && len(list) == 1 && list[0].canStandBare() {
		return w.ref(list[0])
	}
	w.b = append(w.b, '[')
	open := len(w.b)
	for _, r := range list {
		if r.IsZero() {
			continue
		}
		w.next(open)
		if err := w.ref(r); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}

// audience writes the public collection by its full name.
func (w *writer) audience(a Audience) error {
	w.b = append(w.b, '[')
	open := len(w.b)
	for _, r := range a {
		if r.IsZero() {
			continue
		}
		if len(r.Raw) == 0 && IsPublic(r.ID) {
			r.ID = Public
		}
		w.next(open)
		if err := w.ref(r); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}

// raw writes a value that anybody may have made. It refuses what Decode would not read back.
func (w *writer) raw(raw json.RawMessage, as role) error {
	if n := len(raw); n >= 2 && as == roleAny && raw[0] == '"' && raw[n-1] == '"' && needsNoEscape(raw[1:n-1]) {
		w.b = append(w.b, raw...)
		return nil
	}
	s := scanners.Get().(*scanner)
	defer s.release()
	in, err := s.scan(raw, noLimits)
	if err != nil {
		return fmt.Errorf("%w in %.200q", err, raw)
	}
	w.value(value{in, 0}, as)
	return nil
}

// value writes what stands in an index.
func (w *writer) value(v value, as role) {
	if !w.wire || as == roleContext {
		w.verbatim(v)
		return
	}
	switch v.kind() {
	case '{':
		w.b = append(w.b, '{')
		open := len(w.b)
		for name, member := range v.members() {
			text := name.text()
			if isBlind(text) {
				continue
			}
			w.note(text, name.node().hash)
			w.next(open)
			w.b = append(append(w.b, name.source()...), ':')
			w.value(member, roleOf(text))
		}
		w.b = append(w.b, '}')
	case '[':
		w.b = append(w.b, '[')
		open := len(w.b)
		for element := range v.elements() {
			w.next(open)
			w.value(element, as)
		}
		w.b = append(w.b, ']')
	default:
		if as == roleTypes {
			w.note(v.text(), nameHash(v.text()))
		}
		w.b = append(w.b, v.source()...)
	}
}

// verbatim writes a value as it is, but without white space between its tokens.
func (w *writer) verbatim(v value) {
	text := v.source()
	if !v.in.spaced {
		w.b = append(w.b, text...)
		return
	}
	for text != "" {
		// Outside of strings white space stands for nothing. text begins there.
		n := strings.IndexAny(text, "\" \n\t\r")
		if n < 0 {
			n = len(text)
		} else if text[n] == '"' {
			for n++; text[n] != '"'; n++ {
				if text[n] == '\\' {
					n++
				}
			}
			n++
		}
		w.b = append(w.b, text[:n]...)
		text = strings.TrimLeft(text[n:], " \n\t\r")
	}
}

// isBlind tells the properties that never leave the server. ActivityPub §6.
func isBlind(name string) bool { return name == "bto" || name == "bcc" }
