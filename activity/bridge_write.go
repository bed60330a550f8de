package activity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"
	"github.com/go-json-experiment/json/jsontext"
)

// The limits of the zero Decoder, which reads what is written.
const (
	itemBytes = 1 << 20
	itemDepth = 64
)

// itemWriter writes go-ap's items as JSON. Items may share others, or contain themselves: every step into one
// writes something or goes deeper, and both are bounded.
type itemWriter struct {
	b        []byte
	depth    int
	maxBytes int // 0: without a limit
	maxDepth int // 0: without a limit
	walked   int // values that items of foreign types reach

	path []string // where an error was: steps are taken back only by what succeeds
}

// item writes it, or nothing if there is nothing: nil of any kind, an empty id.
func (w *itemWriter) item(it any) error {
	switch it := it.(type) {
	case nil:
		return nil
	case vocab.IRI:
		return w.text(string(it), "-")
	case vocab.IRIs:
		return writeItems(w, it)
	case vocab.ItemCollection:
		return writeItems(w, it)
	}
	v := reflect.ValueOf(it)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
		switch it := it.(type) {
		case *vocab.IRI:
			return w.item(*it)
		case *vocab.IRIs:
			return w.item(*it)
		case *vocab.ItemCollection:
			return w.item(*it)
		}
	}
	if s, ok := itemStructs[v.Type()]; ok {
		return w.object(v, s.fields)
	}
	return w.foreign(it)
}

// writeItems writes a list, without what is nothing. A list that is nil is nothing itself.
func writeItems[T vocab.Item](w *itemWriter, list []T) error {
	if list == nil {
		return nil
	}
	if err := w.open('['); err != nil {
		return err
	}
	for i, it := range list {
		start := w.next()
		before := len(w.b)
		w.path = append(w.path, "["+strconv.Itoa(i)+"]")
		if err := w.item(it); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
		if len(w.b) == before {
			w.b = w.b[:start]
		}
	}
	w.close(']')
	return nil
}

func (w *itemWriter) object(v reflect.Value, fields []itemField) error {
	if err := w.open('{'); err != nil {
		return err
	}
	for _, f := range fields {
		field := v.Field(f.index)
		if field.IsZero() && !f.always {
			continue
		}
		var err error
		if texts, ok := field.Interface().(vocab.NaturalLanguageValues); ok {
			err = w.texts(f.name, texts)
		} else {
			err = w.member(f.name, func() error { return w.value(field) })
		}
		if err != nil {
			return err
		}
	}
	w.close('}')
	return nil
}

// member writes a property, or nothing if its value is nothing.
func (w *itemWriter) member(name string, value func() error) error {
	start := w.next()
	w.path = append(w.path, memberPath(name))
	if err := w.string(name); err != nil {
		return err
	}
	w.b = append(w.b, ':')
	before := len(w.b)
	if err := value(); err != nil {
		return err
	}
	w.path = w.path[:len(w.path)-1]
	if len(w.b) == before {
		w.b = w.b[:start]
	}
	return nil
}

func (w *itemWriter) value(v reflect.Value) error {
	switch one := v.Interface().(type) {
	case time.Time:
		one = one.UTC()
		if one.Year() < 0 || one.Year() > 9999 {
			return fmt.Errorf("%w: a time in the year %d", ErrMalformed, one.Year())
		}
		return w.string(one.Format(time.RFC3339Nano))
	case time.Duration:
		return w.text(FormatDuration(one), "")
	case vocab.IRI, vocab.ItemCollection:
		return w.item(one)
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return w.item(v.Interface())
	case reflect.Struct: // a Source or a PublicKey, which is there if something is in it
		before := len(w.b)
		if err := w.object(v, itemStructs[v.Type()].fields); err != nil {
			return err
		}
		if string(w.b[before:]) == "{}" {
			w.b = w.b[:before]
		}
		return nil
	case reflect.String:
		nothing := ""
		if v.Type() == reflect.TypeFor[vocab.LangRef]() {
			nothing = string(vocab.NilLangRef)
		}
		return w.text(v.String(), nothing)
	default: // a number or a bool
		return w.append(appendNumber(w.b, v))
	}
}

func appendNumber(b []byte, v reflect.Value) ([]byte, error) {
	data, err := json.Marshal(v.Interface()) // fails for what is no number in JSON, such as infinity
	return append(b, data...), err
}

// texts writes name and nameMap. The first text of a language counts, as it does for vocab.NaturalLanguageValues.Get.
func (w *itemWriter) texts(name string, texts vocab.NaturalLanguageValues) error {
	if len(texts) == 0 {
		return nil
	}
	plain := texts[0]
	for _, t := range texts {
		if isPlain(t) {
			plain = t
			break
		}
	}
	if err := w.member(name, func() error { return w.string(string(plain.Value)) }); err != nil {
		return err
	}
	return w.member(name+"Map", func() error {
		before := len(w.b)
		if err := w.open('{'); err != nil {
			return err
		}
		seen := make(map[vocab.LangRef]bool)
		for _, t := range texts {
			if isPlain(t) || seen[t.Ref] {
				continue
			}
			seen[t.Ref] = true
			if err := w.member(string(t.Ref), func() error { return w.string(string(t.Value)) }); err != nil {
				return err
			}
		}
		if w.close('}'); len(seen) == 0 {
			w.b = w.b[:before]
		}
		return nil
	})
}

func isPlain(t vocab.LangRefValue) bool { return t.Ref == "" || t.Ref == vocab.NilLangRef }

// text writes a string unless it is empty or what go-ap has for nothing.
func (w *itemWriter) text(s, nothing string) error {
	if s == "" || s == nothing {
		return nil
	}
	return w.string(s)
}

func (w *itemWriter) string(s string) error {
	if w.maxBytes > 0 && len(w.b)+len(s) > w.maxBytes {
		return ErrTooLarge
	}
	return w.append(jsontext.AppendQuote(w.b, s))
}

// append takes what was appended to w.b, if that worked.
func (w *itemWriter) append(b []byte, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	w.b = b
	if w.maxBytes > 0 && len(b) > w.maxBytes {
		return ErrTooLarge
	}
	return nil
}

func (w *itemWriter) open(bracket byte) error {
	if w.depth++; w.maxDepth > 0 && w.depth > w.maxDepth {
		return fmt.Errorf("nested more than %d deep: %w", w.maxDepth, ErrTooLarge)
	}
	return w.append(append(w.b, bracket), nil)
}

func (w *itemWriter) close(bracket byte) {
	w.depth--
	w.b = append(w.b, bracket)
}

// next writes a comma if something is before it, and returns where to go back to if nothing follows.
func (w *itemWriter) next() (start int) {
	start = len(w.b)
	if last := w.b[start-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
	return start
}

// foreign writes an item of a type that is not go-ap's: an app's own, with properties of its own. Its code may
// do anything, but is asked only about what is finite.
func (w *itemWriter) foreign(it any) (err error) {
	if !w.isFinite(reflect.ValueOf(it), 1_000) {
		return fmt.Errorf("%w: more values than an encoder could walk", ErrTooLarge)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: its MarshalJSON panics: %v", ErrMalformed, p)
		}
	}()
	var data []byte
	if m, ok := it.(json.Marshaler); ok {
		data, err = m.MarshalJSON() // not by jsonld: go-ap's way to say nothing is to write nothing
	} else {
		data, err = jsonld.Marshal(it)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	if !jsontext.Value(data).IsValid() {
		return fmt.Errorf("%w: %.200q", ErrMalformed, data)
	}
	return w.append(append(w.b, data...), nil)
}

// isFinite walks what an encoder does: through exported fields, and through shared things again each time.
func (w *itemWriter) isFinite(v reflect.Value, depth int) bool {
	if w.walked++; depth == 0 || w.walked > itemBytes {
		return false
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || w.isFinite(v.Elem(), depth-1)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); (f.IsExported() || f.Anonymous) && !w.isFinite(v.Field(i), depth-1) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true
		}
		for i := range v.Len() {
			if !w.isFinite(v.Index(i), depth-1) {
				return false
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !w.isFinite(entries.Value(), depth-1) {
				return false
			}
		}
	}
	return true
}
