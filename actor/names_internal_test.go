package actor

import "testing"

// FuzzPlainlyOurs compares the short way with parsing.
func FuzzPlainlyOurs(f *testing.F) {
	n := Names{Origin: "https://blog.example"}
	for _, rest := range []string{"", "/", "//", "/ap/users/alice", "/ap/users/al%69ce", "/ap/users/alice?x", "/a b", "/a\\b", "/..", ":443/", "x/", "@x/", "/*", "/ö", "/a;b"} {
		f.Add(rest)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		iri := n.Origin + rest
		if !n.plainlyOurs(iri) {
			return
		}
		u, err := parseID(iri)
		if err != nil || !n.ours(u) || u.RawQuery != "" || u.ForceQuery || n.Origin+u.EscapedPath() != iri {
			t.Errorf("%q is not plain: %v, %v", iri, u, err)
		}
	})
}
