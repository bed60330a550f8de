package activity

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// definitions reads the names that a published JSON-LD context defines.
func definitions(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile("testdata/contexts/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Context map[string]any `json:"@context"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document.Context
}

func names[T any](t table[T]) (out []string) {
	for _, f := range t.fields {
		out = append(out, f.name)
	}
	return out
}

// A name of ours that no context defines means nothing to a peer that processes JSON-LD.
func TestEveryNameOfOursIsDefined(t *testing.T) {
	t.Parallel()
	as := definitions(t, "activitystreams.json")
	remote := map[string]map[string]any{
		securityContext:  definitions(t, "security-v1.json"),
		integrityContext: definitions(t, "security-data-integrity-v1.json"),
	}
	var all []string
	for _, list := range [][]string{names(objectFields), names(activityFields), names(actorFields), names(collectionFields), names(linkFields)} {
		all = append(all, list...)
	}
	for name := range shapes {
		if name != "ItemCollection" && name != "Actor" { // go-ap's own names, which nobody writes
			all = append(all, name)
		}
	}
	if len(all) < 150 {
		t.Errorf("only %d names", len(all))
	}
	for _, name := range all {
		if _, ok := terms[name]; !ok && as[name] == nil {
			t.Errorf("%q is defined neither by ActivityStreams nor by us", name)
		}
	}
	for name, term := range terms {
		if as[name] != nil && name != "alsoKnownAs" {
			t.Errorf("%q is defined by ActivityStreams already", name)
		}
		if term.remote != "" {
			if remote[term.remote][name] == nil {
				t.Errorf("%q is not defined by %s", name, term.remote)
			}
			continue
		}
		for _, compact := range []string{term.iri, term.kind} {
			prefix, _, _ := strings.Cut(compact, ":")
			switch {
			case compact == "", compact == "@id", prefix == "https", prefix == term.prefix && prefixes[prefix] != "":
			case as[prefix] != nil || prefix == "as":
			default:
				t.Errorf("%q: nothing defines the prefix of %q", name, compact)
			}
		}
		if _, ok := prefixes[name]; ok {
			t.Errorf("%q is a term and a prefix", name)
		}
	}
}

// A field of a type that the codec does not know would never be read.
func TestTheCodecKnowsTheTypeOfEveryField(t *testing.T) {
	t.Parallel()
	checkTable(t, objectFields)
	checkTable(t, activityFields)
	checkTable(t, actorFields)
	checkTable(t, collectionFields)
	checkTable(t, linkFields)
}

func checkTable[T any](t *testing.T, fields table[T]) {
	t.Helper()
	distinct := make(map[string]bool)
	for _, name := range names(fields) {
		distinct[name] = true
	}
	if len(distinct) != len(fields.fields) {
		t.Errorf("%T has a name twice", *new(T))
	}
	seen := make(map[any]string)
	x := new(T)
	for _, f := range fields.fields {
		at := f.at(x)
		if other, ok := seen[at]; ok {
			t.Errorf("%T: %s and %s are one field", x, f.name, other)
		}
		seen[at] = f.name
		if !isAbsent(at) {
			t.Errorf("%T: the zero value of %s is not absent", x, f.name)
		}
		fits := false
		for _, sample := range []string{`"x"`, `true`, `7`, `"2024-01-01T00:00:00Z"`, `{"en":"x"}`} {
			if set(at, valueOf(t, sample), new(refs)) {
				fits = true
				break
			}
		}
		if !fits || isAbsent(at) {
			t.Errorf("%T: %s of type %T takes nothing", x, f.name, at)
			continue
		}
		if b, err := written(func(w *writer) error { return w.field(at, f.name) }); err != nil || len(b) == 0 {
			t.Errorf("%T: %s of type %T is not written: %v", x, f.name, at, err)
		}
	}
	if _, err := written(func(w *writer) error { return w.field(new(float64), "x") }); err == nil {
		t.Error("a type that nobody knows was written")
	}
}

// valueOf scans one JSON value.
func valueOf(t *testing.T, text string) value {
	t.Helper()
	in, err := new(scanner).scan([]byte(text), noLimits)
	if err != nil {
		t.Fatal(err)
	}
	return value{in, 0}
}
