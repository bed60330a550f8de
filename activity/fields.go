package activity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/go-ap/jsonld"
)

// Extra holds every property that has no field, every value that did not fit its field, and
// every value that the field could not tell from an absent one, such as false. A field that is
// set wins over an Extra of its name. A nil Extra may be read; an empty value is not written, and
// neither is one under "@context", which has a field of its own.
type Extra map[string]json.RawMessage

// Set keeps v, which must be something that encoding/json can write, under name. A string must be
// valid UTF-8.
func (e *Extra) Set(name string, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return fmt.Errorf("activity: property %q: %w", name, err)
	}
	if *e == nil {
		*e = make(Extra)
	}
	(*e)[name] = raw
	return nil
}

// marshal leaves & and < as they are: in URLs and HTML they are frequent, and no one puts a
// document into a script.
func marshal(v any) ([]byte, error) {
	if s, ok := v.(string); ok {
		return appendString(nil, s) // encoding/json would quietly change invalid UTF-8
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// field ties the name of a property to its place in a struct of type T.
type field[T any] struct {
	name string
	at   func(*T) any // one of the types that set and appendField know
}

// table is the list of a struct's fields in the order in which they are written.
type table[T any] struct {
	fields []field[T]
	byName map[string]int
}

func newTable[T any](fields ...field[T]) table[T] {
	t := table[T]{fields, make(map[string]int, len(fields))}
	for i, f := range fields {
		t.byName[f.name] = i
	}
	return t
}

// shaped is what the five structs have in common with the codec.
type shaped[T any] interface {
	*T
	Document
	table() *table[T]
	common() (context *json.RawMessage, extra *Extra)
}

// fill moves members to the fields of x. null is what a property that is absent is.
func fill[T any, P shaped[T]](x P, top members) P {
	context, extra := x.common()
	t := x.table()
	for _, m := range top {
		if m.value.Kind() == 'n' {
			continue
		}
		if m.name == string(jsonld.ContextKw) {
			*context = json.RawMessage(m.value)
			continue
		}
		if i, ok := t.byName[m.name]; ok && set(t.fields[i].at((*T)(x)), m.value) {
			continue
		}
		if *extra == nil {
			*extra = make(Extra)
		}
		(*extra)[m.name] = json.RawMessage(m.value)
	}
	return x
}

// unmarshalDocument is UnmarshalJSON for the five structs. What x held before is gone.
func unmarshalDocument[T any, P shaped[T]](data []byte, x P) error {
	if string(data) == "null" {
		return nil
	}
	if err := (Decoder{}).check(data); err != nil {
		return err
	}
	var top members
	if err := top.read(bytes.Clone(data)); err != nil {
		return err
	}
	*x = *new(T)
	fill(x, top)
	return nil
}

// appendDocument writes the fields of x and then its Extra, sorted. On the wire there is
// no @context here, the outermost document brings it.
func appendDocument[T any, P shaped[T]](b []byte, x P, wire bool) (_ []byte, err error) {
	context, extra := x.common()
	t := x.table()
	b = append(b, '{')
	open := len(b)
	if len(*context) > 0 && !wire {
		if b, err = appendName(b, open, string(jsonld.ContextKw)); err == nil {
			b, err = appendRaw(b, *context)
		}
		if err != nil {
			return nil, wrong(x.DocumentID(), string(jsonld.ContextKw), err)
		}
	}
	for i := range t.fields {
		f := &t.fields[i]
		src := f.at((*T)(x))
		raw := (*extra)[f.name]
		absent := isAbsent(src)
		if absent && len(raw) == 0 {
			continue
		}
		if b, err = appendName(b, open, f.name); err == nil {
			if absent {
				b, err = appendRaw(b, raw)
			} else {
				b, err = appendField(b, src)
			}
		}
		if err != nil {
			return nil, wrong(x.DocumentID(), f.name, err)
		}
	}
	if len(*extra) == 0 {
		return append(b, '}'), nil
	}
	for _, key := range slices.Sorted(maps.Keys(*extra)) {
		raw := (*extra)[key]
		if _, ok := t.byName[key]; ok || key == string(jsonld.ContextKw) || len(raw) == 0 {
			continue
		}
		if b, err = appendName(b, open, key); err == nil {
			b, err = appendRaw(b, raw)
		}
		if err != nil {
			return nil, wrong(x.DocumentID(), key, err)
		}
	}
	return append(b, '}'), nil
}

// appendName begins a member of the object whose members begin at open.
func appendName(b []byte, open int, name string) (_ []byte, err error) {
	if len(b) > open {
		b = append(b, ',')
	}
	if b, err = appendString(b, name); err != nil {
		return nil, err
	}
	return append(b, ':'), nil
}
