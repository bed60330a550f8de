package activity_test

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	vocab "github.com/go-ap/activitypub"
)

// filler fills every field of go-ap's structs with something else each time.
type filler struct {
	n     int
	tame  bool // only strings that go-ap's encoder can write
	fault func(format string, args ...any)
}

func (f *filler) text() string {
	f.n++
	if f.tame {
		return fmt.Sprintf("<p>text %d</p>", f.n)
	}
	return fmt.Sprintf("\"text\" \\n %d\n\t\\ \u2028 \"}],\U0001F41F\x7f", f.n)
}

func (f *filler) iri() vocab.IRI {
	f.n++
	if f.tame {
		return vocab.IRI(fmt.Sprintf("https://a.example/%d", f.n))
	}
	return vocab.IRI(fmt.Sprintf("tag:a.example,2026:%d?a=\"b\",\"actor\":\\#c", f.n))
}

// item makes one of the things that stand where an item can.
func (f *filler) item(depth int) vocab.Item {
	f.n++
	kinds := []func() vocab.Item{
		func() vocab.Item { return f.iri() },
		func() vocab.Item { return vocab.ItemCollection{f.iri(), f.iri()} },
	}
	if !f.tame { // go-ap writes a list of one bare, and one of none not at all
		kinds = append(kinds, func() vocab.Item { return vocab.ItemCollection{f.iri()} }, func() vocab.Item { return vocab.ItemCollection{} })
	}
	if depth > 0 {
		for _, name := range []vocab.ActivityVocabularyType{"Note", "Mention", "Person", "Create", "Question", "Place", "OrderedCollection"} {
			kinds = append(kinds, func() vocab.Item { return f.full(name, depth-1) })
		}
		kinds = append(kinds, func() vocab.Item {
			return vocab.ItemCollection{f.full("Image", depth-1), f.iri(), f.full("Link", depth-1)}
		})
	}
	return kinds[f.n%len(kinds)]()
}

// full makes an item of a type in which no field is zero.
func (f *filler) full(name vocab.ActivityVocabularyType, depth int) vocab.Item {
	it, err := vocab.GetItemByType(name)
	if err != nil {
		f.fault("%s: %v", name, err)
		return nil
	}
	f.fill(reflect.ValueOf(it).Elem(), depth)
	reflect.ValueOf(it).Elem().FieldByName("Type").SetString(string(name))
	return it
}

func (f *filler) fill(v reflect.Value, depth int) {
	for i := range v.NumField() {
		f.n++
		field := v.Field(i)
		switch field.Interface().(type) {
		case vocab.IRI:
			field.Set(reflect.ValueOf(f.iri()))
		case vocab.ItemCollection:
			field.Set(reflect.ValueOf(vocab.ItemCollection{f.iri(), f.item(depth)}))
		case vocab.NaturalLanguageValues:
			texts := vocab.NaturalLanguageValues{{Ref: vocab.NilLangRef, Value: vocab.Content(f.text())}}
			if !f.tame { // of several go-ap writes the plain one as the language "-"
				texts = append(texts, vocab.LangRefValue{Ref: "de", Value: vocab.Content(f.text())}, vocab.LangRefValue{Ref: "en", Value: vocab.Content(f.text())})
			}
			field.Set(reflect.ValueOf(texts))
		case time.Time:
			at := time.Date(2026, 5, 1, 12, 0, f.n%60, 0, time.UTC)
			if !f.tame {
				at = at.Add(time.Duration(f.n))
			}
			field.Set(reflect.ValueOf(at))
		case time.Duration:
			field.SetInt(int64(time.Duration(f.n)*time.Second + 90*time.Minute))
		default:
			f.fillKind(field, depth)
		}
	}
}

func (f *filler) fillKind(field reflect.Value, depth int) {
	switch field.Kind() {
	case reflect.Interface:
		field.Set(reflect.ValueOf(f.item(depth)))
	case reflect.Pointer:
		field.Set(reflect.New(field.Type().Elem()))
		f.fill(field.Elem(), depth)
	case reflect.Struct:
		f.fill(field, depth)
	case reflect.String:
		field.SetString(f.text())
	case reflect.Bool:
		field.SetBool(true)
	case reflect.Int64:
		field.SetInt(1<<53 + int64(f.n))
	case reflect.Uint:
		field.SetUint(1<<53 + uint64(f.n))
	case reflect.Float64:
		digits := fmt.Sprintf("%d.123456", f.n) // go-ap writes six digits, and nothing below zero
		if !f.tame {
			digits = fmt.Sprintf("%d.123456789", -f.n)
		}
		x, _ := strconv.ParseFloat(digits, 64)
		field.SetFloat(x)
	default:
		f.fault("go-ap has a field of a new kind: %s", field.Type())
	}
}

// deepDifference is reflect.DeepEqual which says where, and to which one item is as good as a list of one.
func deepDifference(path string, a, b reflect.Value) string {
	a, b = unwrap(a), unwrap(b)
	if a.IsValid() && b.IsValid() && a.Type() == b.Type() {
		switch {
		case a.Type() == reflect.TypeFor[vocab.ItemCollection]() && a.Len() == b.Len() && a.IsNil() == b.IsNil():
			for i := range a.Len() {
				if where := deepDifference(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); where != "" {
					return where
				}
			}
			return ""
		case a.Kind() == reflect.Struct && a.Type().PkgPath() != "time":
			for i := range a.NumField() {
				if where := deepDifference(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i)); where != "" {
					return where
				}
			}
			return ""
		case reflect.DeepEqual(a.Interface(), b.Interface()):
			return ""
		}
	} else if !a.IsValid() && !b.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s: %v became %v", path, a, b)
}

func unwrap(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.IsValid() && v.Type() == reflect.TypeFor[vocab.ItemCollection]() && v.Len() == 1 {
		return unwrap(v.Index(0))
	}
	return v
}
