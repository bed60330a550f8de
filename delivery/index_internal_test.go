package delivery

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestIndexFindsWhatAMapWouldFind(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	x, list, want := newIndex(), []string(nil), make(map[string]bool)
	for range 20_000 {
		s := fmt.Sprint(random.IntN(8000))
		hash, found := x.find(list, s)
		if found != want[s] {
			t.Fatalf("%q found: %v, want %v", s, found, want[s])
		}
		if !found {
			list, want[s] = append(list, s), true
			x.put(hash, len(list)-1)
		}
	}
	if len(list) != len(want) || len(list) < 7000 {
		t.Errorf("%d strings were put, want %d", len(list), len(want))
	}
}

func TestIndexTellsStringsOfOneHashApart(t *testing.T) {
	t.Parallel()
	x := newIndex()
	list := []string{"a", "b", "c"}
	hash, _ := x.find(nil, "c")
	for i := range list {
		x.put(hash, i)
	}
	if _, found := x.find(list, "c"); !found {
		t.Error("the third string of one hash was not found")
	}
	if _, found := x.find([]string{"a", "b", "d"}, "c"); found {
		t.Error("another string of the same hash was taken for it")
	}
}
