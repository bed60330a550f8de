package actor

import (
	"strings"
	"testing"
)

// FuzzCut compares the short way with parsing.
func FuzzCut(f *testing.F) {
	for _, rest := range []string{
		"", "/", "//", "/ap/users/alice", "/ap/users/al%69ce", "/ap/users/alice?x", "/a b", "/a\\b", "/..", ":443/", "x/", "@x/", "/*", "/ö", "/a;b",
	} {
		f.Add("https://blog.example" + rest)
		f.Add("https://blog7.example" + rest)
		f.Add("https://blog7.example:8443" + rest)
	}
	for _, odd := range []string{"http://blog7.example/x", "https://.example/", "https://blog7..example/", "https://BLOG7.example/", "ftp://blog7.example/", "://blog7.example/", "https://blog.example./x"} {
		f.Add(odd)
	}
	n := Names{Origin: "https://blog.example", More: func(host string) bool { return strings.HasPrefix(host, "blog") }}
	f.Fuzz(func(t *testing.T, iri string) {
		origin, path, plain := n.cut(iri)
		if !plain {
			return
		}
		u, err := parseID(iri)
		if err != nil {
			if n.hasOrigin(origin) {
				t.Errorf("%q is on %q, and can't be parsed: %v", iri, origin, err)
			}
			return
		}
		if u.Scheme+"://"+authority(u) != origin || u.EscapedPath() != path || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			t.Errorf("%q is cut into %q and %q, and parsed to %v", iri, origin, path, u)
		}
		slow, _, ok := n.locate(u.Scheme + "://" + u.Host + ":443" + u.EscapedPath()) // which is not cut
		if u.Scheme == "https" && (ok != n.hasOrigin(origin) || ok && slow != origin) {
			t.Errorf("%q is on %q, with the port on %q, %t", iri, origin, slow, ok)
		}
	})
}
