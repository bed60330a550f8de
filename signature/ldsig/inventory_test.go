package ldsig

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/piprate/json-gold/ld"
)

// If two names had one definition, whoever forwards a document could put one for the other.
func TestNoTwoNamesMeanTheSame(t *testing.T) {
	t.Parallel()
	k, err := know()
	if err != nil {
		t.Fatal(err)
	}
	// These mean one IRI, but have values that are told apart: with a language, in a list, an id.
	apart := []string{
		"content contentMap", "name nameMap", "summary summaryMap", "items orderedItems", "movedTo movedToUri",
	}
	names := make(map[string][]string)
	for name, terms := range k.known {
		for _, term := range terms {
			if term.iri[0] != '@' && !term.isPrefix() && !k.shared[term] && !slices.Contains(names[term.iri], name) {
				names[term.iri] = append(names[term.iri], name)
			}
		}
	}
	if len(names) < 200 {
		t.Fatalf("only %d terms are known", len(names))
	}
	for iri, same := range names {
		slices.Sort(same)
		if len(same) > 1 && !slices.Contains(apart, strings.Join(same, " ")) {
			t.Errorf("%s is %q", iri, same)
		}
	}
	for _, shared := range []string{"CryptographicKey", "Key", "expires", "expiration"} {
		if !k.shared[k.known[shared][0]] {
			t.Errorf("%s could be put for another", shared)
		}
	}
	for _, pair := range apart {
		one, other, _ := strings.Cut(pair, " ")
		for _, a := range k.known[one] {
			for _, b := range k.known[other] {
				if a == b {
					t.Errorf("%s and %s: %+v", one, other, a)
				}
			}
		}
	}
}

// Under these inspect tells 4 from "4" and true from "true". xsd:integer, say, would need a rule too.
func TestTermsHaveTypesThatTellValuesApart(t *testing.T) {
	t.Parallel()
	k, err := know()
	if err != nil {
		t.Fatal(err)
	}
	types := []string{"", "@id", xsd + "dateTime", xsd + "duration", xsd + "float", xsd + "boolean", xsd + "string", xsd + "nonNegativeInteger"}
	for name, terms := range k.known {
		for _, term := range terms {
			if !slices.Contains(types, term.kind) {
				t.Errorf("%s has values of the type %s", name, term.kind)
			}
		}
	}
}

func TestEveryContextFileIsRead(t *testing.T) {
	t.Parallel()
	k, err := know()
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(contextFiles, "contexts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(published)+2 { // inline and identity-v1 are for other uses
		t.Errorf("files are %q", files)
	}
	for _, name := range []string{"creator", "created", "expires", "nonce", "domain"} {
		if !isIRI(k.options[name].iri) {
			t.Errorf("%s of signatures is not defined", name)
		}
	}
	for _, name := range []string{"object", "actor", "id", "type", "publicKeyPem", "Hashtag", "sensitive", "focalPoint", "_misskey_content"} {
		if len(k.known[name]) == 0 {
			t.Errorf("%s is not known", name)
		}
	}
	for name := range places {
		if len(k.known[name]) == 0 {
			t.Errorf("place %s is not known", name)
		}
	}
	for name := range unordered {
		if len(k.known[name]) == 0 {
			t.Errorf("unordered %s is not known", name)
		}
	}
}

func TestPanicsOfTheLibraryAreErrors(t *testing.T) {
	t.Parallel()
	if _, err := understand(map[string]any{"x": "y"}, vocabulary{"x": {}}); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("understanding nonsense: %v", err)
	}
	nonsense := &reading{expanded: map[string]any{"@type": 1, "@id": 2}}
	if _, err := nonsense.compact(); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("compacting nonsense: %v", err)
	}
	if _, err := nonsense.graph(); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("statements of nonsense: %v", err)
	}
	if _, err := (&graph{[]*ld.Quad{nil}}).canonical(); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("canonicalising nonsense: %v", err)
	}
}

func TestWhatCompactionSaysIsHeard(t *testing.T) {
	t.Parallel()
	tree, used := map[string]any{"a": "x:y"}, vocabulary{"a": {iri: "x:a", kind: "@id"}}
	text, err := canonical(tree, used, 1, func(compacted any) error {
		if got := compacted.(map[string]any); got["a"] != "x:y" || len(got) != 1 {
			t.Errorf("compacted to %v", got)
		}
		return nil
	})
	if err != nil || text != "_:c14n0 <x:a> <x:y> .\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := canonical(tree, used, 1, func(any) error { return ErrRestructured }); !errors.Is(err, ErrRestructured) {
		t.Errorf("an objection: %v", err)
	}
	if _, err := canonical(tree, used, 2, nil); !errors.Is(err, ErrUnprotected) {
		t.Errorf("a statement is missing: %v", err)
	}
	named := &reading{options: ld.NewJsonLdOptions(""), expanded: map[string]any{
		"@id": "x:y", "@graph": []any{map[string]any{"@id": "x:z", "x:a": []any{map[string]any{"@id": "x:y"}}}},
	}}
	if _, err := named.graph(); !errors.Is(err, ErrRestructured) {
		t.Errorf("two graphs: %v", err)
	}
}

// The checks after the library has expanded and compacted a document stand behind those before it,
// which leave them nothing to find in any test that goes through Verify.
func TestWhatTheLibraryMakesIsCheckedAgain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"@reverse", "@graph", "@included", "@index", "@set", "@nest", "_:x", "relative"} {
		expanded := []any{map[string]any{"x:a": []any{map[string]any{name: []any{}}}}}
		if err := checkExpanded(expanded); !errors.Is(err, ErrRestructured) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkExpanded(map[string]any{"@id": "x:y", "x:a": []any{map[string]any{"@list": []any{map[string]any{"@value": 1.0, "@type": "x:t"}}}}}); err != nil {
		t.Error(err)
	}
	s := &shape{used: vocabulary{}, tree: map[string]any{"to": []any{"x:a", "x:b"}, "n": 1.5}}
	for _, c := range []struct {
		name string
		tree map[string]any
		same bool
	}{
		{"itself", map[string]any{"to": []any{"x:a", "x:b"}, "n": 1.5}, true},
		{"another order", map[string]any{"to": []any{"x:b", "x:a"}, "n": 1.5}, true},
		{"an empty set more", map[string]any{"to": []any{"x:b", "x:a"}, "n": 1.5, "cc": []any{}}, true},
		{"a member less", map[string]any{"to": []any{"x:a", "x:b"}}, false},
		{"a member more", map[string]any{"to": []any{"x:a", "x:b"}, "n": 1.5, "cc": "x:c"}, false},
		{"another value", map[string]any{"to": []any{"x:a", "x:c"}, "n": 1.5}, false},
		{"a value of another kind", map[string]any{"to": []any{"x:a", "x:b"}, "n": "1.5"}, false},
	} {
		if err := s.sameAs(c.tree); (err == nil) != c.same || err != nil && !errors.Is(err, ErrRestructured) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestIRIsAreWrittenOneWay(t *testing.T) {
	t.Parallel()
	for iri, want := range map[string]bool{
		"https://a.example/": true, "acct:alice@a.example": true, "x:y": true, "https://a.example/é": true,
		"": false, ":x": false, "x": false, "x:": false, "1x:y": false, "_:b": false, "x y:z": false,
		"x:a b": false, "x:a>b": false, "x:a<b": false, "x:\\u0041": false, "x:\"": false, "x:{": false, "x:}": false,
		"x:|": false, "x:^": false, "x:`": false, "x:\x00": false, "x:\n": false, "x:\x7f": false, "x:\u0085": false,
		"/relative": false, "//a.example/": false, "x:" + strings.Repeat("y", maxIRI): false,
	} {
		if isIRI(iri) != want {
			t.Errorf("%.80q: %v", iri, !want)
		}
	}
}
