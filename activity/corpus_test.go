package activity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// TestCorpus reads and writes every document below FEDIHOOK_CORPUS, or testdata/wire, and fails if any value was lost.
// To see that the fields are what is written, and not the bytes that were read, it sets each field of each document
// in turn, and checks that this alone changes.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("FEDIHOOK_CORPUS")
	if dir == "" {
		dir = "testdata/wire"
	}
	var documents, lossless, values, lost, fields int
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v, err := parse(data)
		if err != nil {
			t.Logf("%s: no JSON, left out: %v", path, err)
			return nil
		}
		top, _ := v.(map[string]any)
		if top["type"] == nil || top["id"] == nil && top["@context"] == nil {
			return nil
		}
		documents++
		values += count(withoutContext(v))
		losses, written := lossesOf(data)
		for _, one := range losses {
			t.Logf("%s: %s", path, one)
		}
		if lost += len(losses); len(losses) > 0 {
			return nil
		}
		lossless++
		document := mustDecode(t, data)
		if again := mustMarshal(t, copied(document)); !bytes.Equal(again, written) {
			t.Errorf("%s: a copy of its fields is written as\n%s\nwant\n%s", path, again, written)
		}
		fields += setEachField(t, path, document, written)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("documents=%d lossless=%d values=%d lost=%d fields=%d\n", documents, lossless, values, lost, fields)
	if lost > 0 || lossless != documents {
		t.Errorf("%d values of %d documents were lost", lost, documents-lossless)
	}
	if documents == 0 {
		t.Errorf("no documents below %s", dir)
	}
}

// lossesOf lists what is not the same after reading and writing, outside of @context.
func lossesOf(data []byte) (losses []string, written []byte) {
	d, err := activity.Decode(data)
	if err != nil {
		return []string{"$: " + err.Error()}, nil
	}
	if written, err = d.MarshalJSON(); err != nil {
		return []string{"$: " + err.Error()}, nil
	}
	before, _ := parse(data)
	after, err := parse(written)
	if err != nil {
		return []string{"$: " + err.Error()}, nil
	}
	compare("$", withoutContext(before), withoutContext(after), &losses)
	return losses, written
}

// withoutContext copies v less the contexts in it.
func withoutContext(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = withoutContext(one)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, one := range v {
			if name != "@context" {
				out[name] = withoutContext(one)
			}
		}
		return out
	}
	return v
}

// count is the number of strings, numbers and literals, empty lists and empty objects in v.
func count(v any) int {
	n := 0
	switch v := v.(type) {
	case nil:
		return 0
	case []any:
		for _, one := range v {
			n += count(one)
		}
	case map[string]any:
		for _, one := range v {
			n += count(one)
		}
	}
	return max(n, 1)
}

// copied makes a new value of the same shape with the same fields.
func copied(d activity.Document) activity.Document {
	old := reflect.ValueOf(d).Elem()
	fresh := reflect.New(old.Type())
	for i := range old.NumField() {
		fresh.Elem().Field(i).Set(old.Field(i)) // panics on a private one: there must be none
	}
	return fresh.Interface().(activity.Document)
}

// setEachField returns how many it has set.
func setEachField(t *testing.T, path string, d activity.Document, written []byte) int {
	t.Helper()
	names := propertyNames(t, d)
	before, err := parse(written)
	if err != nil {
		t.Fatal(err)
	}
	x := reflect.ValueOf(d).Elem()
	for _, field := range slices.Sorted(maps.Keys(names)) {
		at := x.FieldByName(field)
		old := reflect.ValueOf(at.Interface())
		at.Set(another(t, at))
		after, err := parse(mustMarshal(t, d))
		if err != nil {
			t.Fatal(err)
		}
		at.Set(old)
		var changes []string
		compare("$", before, after, &changes)
		if len(changes) == 0 {
			t.Errorf("%s: setting %s changed nothing", path, field)
		}
		for _, change := range changes {
			rest, ok := strings.CutPrefix(change, "$."+names[field])
			if !ok || !strings.ContainsAny(rest[:1], ".[:") {
				t.Errorf("%s: setting %s changed %s", path, field, change)
			}
		}
	}
	if again := mustMarshal(t, d); !bytes.Equal(again, written) {
		t.Errorf("%s: it is another after all was set back:\n%s\n%s", path, again, written)
	}
	return len(names)
}

// propertyNames finds out what each field of d's shape is called on the wire: it is what appears when nothing else is set.
func propertyNames(t *testing.T, d activity.Document) map[string]string {
	t.Helper()
	typ := reflect.TypeOf(d).Elem()
	out := make(map[string]string)
	for i := range typ.NumField() {
		field := typ.Field(i).Name
		if field == "AtContext" || field == "Extra" {
			continue
		}
		x := reflect.New(typ)
		at := x.Elem().Field(i)
		at.Set(another(t, at))
		var properties map[string]json.RawMessage
		if err := json.Unmarshal(mustMarshal(t, x.Interface().(activity.Document)), &properties); err != nil {
			t.Fatal(err)
		}
		if len(properties) != 1 {
			t.Errorf("%v.%s is written as %v", typ, field, properties)
		}
		for name := range properties {
			out[field] = name
		}
	}
	return out
}

// another is a value of v's type that differs from v.
func another(t *testing.T, v reflect.Value) reflect.Value {
	t.Helper()
	const id = "https://another.example/"
	switch old := v.Interface().(type) {
	case string:
		return reflect.ValueOf(old + "another")
	case bool:
		return reflect.ValueOf(!old)
	case int64:
		return reflect.ValueOf(max(old, 0) + 1)
	case *int64:
		n := int64(77)
		if old != nil {
			n = *old - 1
		}
		return reflect.ValueOf(&n)
	case time.Time:
		return reflect.ValueOf(time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC))
	case json.RawMessage:
		return reflect.ValueOf(json.RawMessage(`{"an":"other"}`))
	case activity.Types:
		return reflect.ValueOf(activity.Types{"Another"})
	case activity.Ref:
		return reflect.ValueOf(activity.IRI(id))
	case activity.Refs:
		return reflect.ValueOf(activity.Refs{activity.IRI(id)})
	case activity.List:
		return reflect.ValueOf(activity.List{activity.IRI(id)})
	case activity.Audience:
		return reflect.ValueOf(activity.To(id))
	case activity.LangMap:
		return reflect.ValueOf(activity.LangMap{"tlh": "another"})
	}
	t.Fatalf("no other value of a %v", v.Type())
	return v
}
