package activity

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"time"

	vocab "github.com/go-ap/activitypub"
)

// readItem makes an item of a JSON value, nil of what can't be one.
func readItem(v any) vocab.Item {
	switch v := v.(type) {
	case string:
		if v == "" || v == string(vocab.NilIRI) {
			return nil // go-ap takes both for nothing
		}
		return vocab.IRI(v)
	case map[string]any:
		return readItemStruct(v, shapeUnknown)
	case []any:
		return readItems(v)
	}
	return nil
}

// readItems makes a list, without what can't be an item.
func readItems(list []any) vocab.ItemCollection {
	out := make(vocab.ItemCollection, 0, len(list))
	for _, v := range list {
		if it := readItem(v); it != nil {
			out = append(out, it)
		}
	}
	return out
}

// readItemStruct fills one of go-ap's structs. The shape is for types that nobody knows; unknown: the properties
// decide.
func readItemStruct(properties map[string]any, otherwise shape) vocab.Item {
	var types []string
	for _, v := range listOf(properties["type"]) {
		if name, ok := v.(string); ok {
			types = append(types, name)
		}
	}
	name, s := chooseType(types)
	if s == shapeUnknown {
		s = otherwise
	}
	v := reflect.New(chooseStruct(name, s, properties))
	readFields(v.Elem(), properties)
	v.Elem().FieldByName("Type").SetString(name)
	return v.Interface().(vocab.Item)
}

func readFields(v reflect.Value, properties map[string]any) {
	for _, f := range itemStructs[v.Type()].fields {
		field := v.Field(f.index)
		if field.Type() == reflect.TypeFor[vocab.NaturalLanguageValues]() {
			if texts := readTexts(properties[f.name], properties[f.name+"Map"]); texts != nil {
				field.Set(reflect.ValueOf(texts))
			}
			continue
		}
		switch value := properties[f.name].(type) {
		case nil:
		case []any:
			if readItemsInto(field, value) {
				continue
			}
			// One place for several: the first that fits, and the others are lost.
			for _, one := range value {
				if readInto(field, one) {
					break
				}
			}
		default:
			readInto(field, value)
		}
	}
}

// readItemsInto sets a field that can hold a list.
func readItemsInto(field reflect.Value, list []any) bool {
	isList := field.Type() == reflect.TypeFor[vocab.ItemCollection]()
	if isList || field.Kind() == reflect.Interface {
		field.Set(reflect.ValueOf(readItems(list)))
		return true
	}
	return false
}

// readInto sets a field to a value, which is no list, and reports whether it fits.
func readInto(field reflect.Value, value any) bool {
	text, isText := value.(string)
	switch field.Addr().Interface().(type) {
	case *time.Time:
		t, ok := parseInstant(text)
		if ok {
			field.Set(reflect.ValueOf(t))
		}
		return ok
	case *time.Duration:
		d, err := ParseDuration(text)
		field.SetInt(int64(d))
		return err == nil
	case *vocab.ItemCollection:
		it := readItem(value)
		if it != nil {
			field.Set(reflect.ValueOf(vocab.ItemCollection{it}))
		}
		return it != nil
	}
	switch field.Kind() {
	case reflect.Interface:
		it := readItem(value)
		if it != nil {
			field.Set(reflect.ValueOf(it))
		}
		return it != nil
	case reflect.String:
		field.SetString(text)
		return isText
	case reflect.Bool:
		yes, ok := value.(bool)
		field.SetBool(yes)
		return ok
	case reflect.Pointer, reflect.Struct: // Endpoints, a PublicKey, a Source
		properties, ok := value.(map[string]any)
		if ok && field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		if ok {
			readFields(field, properties)
		}
		return ok
	}
	number, ok := value.(json.Number)
	return ok && readNumber(field, number)
}

func readNumber(field reflect.Value, number json.Number) bool {
	switch field.Kind() {
	case reflect.Int64:
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err == nil {
			field.SetInt(n)
		}
		return err == nil
	case reflect.Uint:
		n, err := strconv.ParseUint(number.String(), 10, field.Type().Bits())
		if err == nil {
			field.SetUint(n)
		}
		return err == nil
	case reflect.Float64:
		x, err := strconv.ParseFloat(number.String(), 64)
		if err == nil {
			field.SetFloat(x)
		}
		return err == nil
	}
	return false
}

// readTexts reads name and nameMap into one list, in which the plain text stands first.
func readTexts(plain, languages any) (out vocab.NaturalLanguageValues) {
	for _, v := range listOf(plain) {
		if text, ok := v.(string); ok {
			out = append(out, vocab.LangRefValue{Ref: vocab.NilLangRef, Value: vocab.Content(text)})
			break
		}
	}
	texts, _ := languages.(map[string]any)
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		value := vocab.LangRefValue{Ref: vocab.LangRef(tag)}
		if text, ok := texts[tag].(string); ok && !isPlain(value) {
			value.Value = vocab.Content(text)
			out = append(out, value)
		}
	}
	return out
}

// listOf is the list that v is, or else a list of v alone; of null none.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// instantForm is what time.Parse reads without dropping anything: at most nine digits after the point.
var instantForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$`)

func parseInstant(text string) (time.Time, bool) {
	if !instantForm.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05Z0700", text)
	}
	t = t.UTC()
	return t, err == nil && t.Year() >= 0 && t.Year() <= 9999
}
