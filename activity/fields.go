package activity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
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
		return jsontext.AppendQuote(nil, s) // encoding/json would quietly change invalid UTF-8
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
	at   func(*T) any // one of the types that set, isAbsent and writer.field know
}

// table is the list of a struct's fields in the order in which they are written.
type table[T any] struct {
	fields []field[T]
	names  nameList
	begins []string   // for each field how it begins, with a comma: ,"name":
	needs  []*termSet // for each field the terms that it needs, nil if none
}

func newTable[T any](fields ...field[T]) table[T] {
	t := table[T]{fields: fields, begins: make([]string, len(fields)), needs: make([]*termSet, len(fields))}
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
		t.begins[i] = `,"` + f.name + `":`
		t.needs[i] = dictionary.find(f.name, nameHash(f.name))
	}
	t.names = newNameList(list)
	return t
}

// shaped is what the five structs have in common with the codec.
type shaped[T any] interface {
	*T
	Document
	table() *table[T]
	common() (context *json.RawMessage, extra *Extra)
}

// fill moves the members of v to the fields of x. null is what a property that is absent is.
func fill[T any, P shaped[T]](x P, v value) P {
	context, extra := x.common()
	t := x.table()
	in := v.in
	var room refs
	for at, end := v.at+1, v.node().next; at < end; {
		name, member := in.at(at), value{in, at + 1}
		text := in.meaning(name)
		n := member.node()
		at = n.next
		if n.kind == 'n' {
			continue
		}
		if i := t.names.find(text, name.hash); i >= 0 {
			if set(t.fields[i].at((*T)(x)), member, &room) {
				continue
			}
		} else if text == contextName {
			*context = member.raw()
			continue
		}
		if *extra == nil {
			*extra = make(Extra)
		}
		(*extra)[text] = member.raw()
	}
	return x
}

// unmarshalDocument is UnmarshalJSON for the five structs. What x held before is gone.
func unmarshalDocument[T any, P shaped[T]](data []byte, x P) error {
	if string(data) == "null" {
		return nil
	}
	return scanDocument(data, zeroLimits, func(v value) {
		*x = *new(T)
		fill(x, v)
	})
}

// writeDocument writes the fields of x and then its Extra, sorted. On the wire there is
// no @context here, the outermost document brings it.
func writeDocument[T any, P shaped[T]](w *writer, x P) error {
	context, extra := x.common()
	t := x.table()
	w.b = append(w.b, '{')
	open := len(w.b)
	if len(*context) > 0 && !w.wire {
		w.b = append(w.b, `"`+contextName+`":`...)
		if err := w.raw(*context, roleAny); err != nil {
			return wrong(x.DocumentID(), contextName, err)
		}
	}
	others := make([]string, 0, 16) // of Extra, without a field
	misfits := make([]int, 0, 16)   // the fields of the rest of Extra
	for name, raw := range *extra {
		if i := t.names.find(name, nameHash(name)); i >= 0 {
			misfits = append(misfits, i)
		} else if len(raw) > 0 && name != contextName && !(w.wire && isBlind(name)) {
			others = append(others, name)
		}
	}
	slices.Sort(misfits)
	for i := range t.fields {
		f := &t.fields[i]
		src := f.at((*T)(x))
		var misfit json.RawMessage
		if len(misfits) > 0 && misfits[0] == i {
			misfits = misfits[1:]
			misfit = (*extra)[f.name]
		}
		absent := isAbsent(src)
		if absent && len(misfit) == 0 || w.wire && isBlind(f.name) {
			continue
		}
		if w.wire && t.needs[i] != nil {
			w.used.add(t.needs[i])
		}
		begin := t.begins[i]
		if len(w.b) == open {
			begin = begin[1:]
		}
		w.b = append(w.b, begin...)
		var err error
		if absent {
			err = w.raw(misfit, roleOf(f.name))
		} else {
			err = w.field(src, f.name)
		}
		if err != nil {
			return wrong(x.DocumentID(), f.name, err)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		err := w.name(open, name)
		if err == nil {
			if w.wire {
				w.note(name, nameHash(name))
			}
			err = w.raw((*extra)[name], roleAny)
		}
		if err != nil {
			return wrong(x.DocumentID(), name, err)
		}
	}
	w.b = append(w.b, '}')
	return nil
}

// set reads v into the field that dst points to. It reports false, and leaves the field
// alone, if v does not fit or if the field could not tell it from an absent value.
func set(dst any, v value, room *refs) bool {
	switch dst := dst.(type) {
	case *string:
		s := v.text()
		if s == "" {
			return false
		}
		*dst = s
	case *Ref:
		return dst.read(v)
	case *Refs:
		return readRefs((*[]Ref)(dst), v, room)
	case *List:
		return readRefs((*[]Ref)(dst), v, room)
	case *Audience:
		return readRefs((*[]Ref)(dst), v, room)
	case *Types:
		return dst.read(v)
	case *LangMap:
		return dst.read(v)
	case *bool:
		if v.kind() != 't' {
			return false
		}
		*dst = true
	case *int64:
		n, ok := readInt(v)
		if !ok || n == 0 {
			return false
		}
		*dst = n
	case **int64:
		n, ok := readInt(v)
		if !ok {
			return false
		}
		*dst = &n
	case *time.Time:
		t, ok := parseTime(v.text())
		if !ok || t.IsZero() {
			return false
		}
		*dst = t
	case *json.RawMessage:
		*dst = v.raw()
	default:
		return false
	}
	return true
}

// readInt takes no integer that would be written in another way.
func readInt(v value) (int64, bool) {
	if v.kind() != '0' {
		return 0, false
	}
	text := v.source()
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && text != "-0"
}

// isAbsent reports whether the field that src points to holds its zero value.
func isAbsent(src any) bool {
	switch v := src.(type) {
	case *string:
		return *v == ""
	case *Ref:
		return v.IsZero()
	case *Refs:
		return *v == nil
	case *List:
		return *v == nil
	case *Audience:
		return *v == nil
	case *Types:
		return *v == nil
	case *LangMap:
		return *v == nil
	case *bool:
		return !*v
	case *int64:
		return *v == 0
	case **int64:
		return *v == nil
	case *time.Time:
		return v.IsZero()
	case *json.RawMessage:
		return len(*v) == 0
	}
	return false
}

// field writes the value of the field that src points to, which is not absent.
func (w *writer) field(src any, name string) error {
	switch v := src.(type) {
	case *string:
		return w.string(*v)
	case *Ref:
		return w.ref(*v)
	case *Refs:
		return w.refs(*v, true)
	case *List:
		return w.refs(*v, false)
	case *Audience:
		return w.audience(*v)
	case *Types:
		return w.types(*v, roleOf(name))
	case *LangMap:
		return w.langMap(*v)
	case *bool:
		w.b = strconv.AppendBool(w.b, *v)
	case *int64:
		w.b = strconv.AppendInt(w.b, *v, 10)
	case **int64:
		w.b = strconv.AppendInt(w.b, **v, 10)
	case *time.Time:
		return w.time(*v)
	case *json.RawMessage:
		return w.raw(*v, roleOf(name))
	default:
		return fmt.Errorf("no way to write a field of type %T", src)
	}
	return nil
}
