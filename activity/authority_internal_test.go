package activity

import (
	"strings"
	"testing"
)

func FuzzPlainIdsAreSplitAsAnyOther(f *testing.F) {
	for _, id := range []string{
		"https://a.example/1", "http://a.example:8080", "https://a.example:443/", "https://a.example:/1", "https://a.example?x#y",
		"https://a.example/%zz", "https://a.example/%41", "https://-.a/1", "https://a..b/", "https://1.2.3.4:5/", "https://a@b/", "https://", "https://:1/",
		"https://a.example:99999/", "https://a.example:08/", "http://a.example:443/x", "https://a.example:1:2/",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		scheme, authority, ok := split(id)
		if !ok {
			return
		}
		if _, plain, isPlain := splitPlain(id); !isPlain {
			return
		} else if plain != authority {
			t.Fatalf("%q: %q and %q", id, plain, authority)
		}
		// The same id, written so that it has to be parsed.
		odd := strings.Replace(id, scheme, strings.ToUpper(scheme), 1)
		if s, a, ok := split(odd); !ok || s != scheme || a != authority {
			t.Fatalf("%q is of %s and %q, %q of %s and %q, %v", id, scheme, authority, odd, s, a, ok)
		}
	})
}
