package ldsig

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/piprate/json-gold/ld"
)

// The graphs here can't be written in documents that inspect lets through. The check must stand by
// itself, though: it alone knows what canonicalisation costs.
func TestGraphsAreCheckedBeforeTheyAreCanonicalised(t *testing.T) {
	t.Parallel()
	poison, err := os.ReadFile("testdata/poison-clique.nq")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, quads string
		kind        error
	}{
		{"the poison clique", string(poison), ErrTooComplex},
		{"two nodes that each have two like parents", "_:a <x:p> _:c .\n_:b <x:p> _:c .\n_:d <x:p> _:f .\n_:e <x:p> _:f .\n", ErrTooComplex},
		{"two nodes that each have two like children", "_:c <x:p> _:a .\n_:c <x:p> _:b .\n_:f <x:p> _:d .\n_:f <x:p> _:e .\n", ErrTooComplex},
		{"two nodes that each have two children", "_:c <x:p> _:a .\n_:c <x:q> _:b .\n_:f <x:p> _:d .\n_:f <x:q> _:e .\n", nil},
		{"one node that has two like children", "_:c <x:p> _:a .\n_:c <x:p> _:b .\n", nil},
		{"a ring", "_:a <x:p> _:b .\n_:b <x:p> _:c .\n_:c <x:p> _:a .\n", nil},
	} {
		dataset, err := ld.ParseNQuads(c.quads)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = (&graph{dataset.GetQuads("@default")}).canonical()
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}
