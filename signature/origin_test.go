package signature_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
)

func TestOriginsAreSchemeHostAndPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/1", "https://a.example/users/x?y#z", true},
		{"https://a.example", "https://a.example/1", true},
		{"HTTPS://A.Example/1", "https://a.example/1", true},
		{"https://a.example:443/1", "https://a.example/1", true},
		{"http://a.example:80/1", "http://a.example/1", true},
		{"https://a.example:8443/1", "https://a.example:8443/2", true},
		{"https://[::1]/1", "https://[::1]:443/2", true},
		{"https://a.example?x", "https://a.example#x", true},
		{"https://a.example/1", "http://a.example/1", false},
		{"https://a.example/1", "https://a.example:80/1", false},
		{"https://a.example/1", "https://a.example:8443/1", false},
		{"https://a.example/1", "https://b.example/1", false},
		{"https://a.example/1", "https://a.example.b.example/1", false},
		{"https://a.example/1", "https://sub.a.example/1", false},
		{"https://a.example/1", "https://a.example@b.example/1", false},
		{"https://a.example/1", "https://b.example\\@a.example/1", false},
		{"https://a.example/1", " https://a.example/1", false},
		{"https://a.example/1", "https://a.example\n/1", false},
		{"https://a.example/1", "https://a.example/a b", false},
		{"https://a.example/1", "https://a.example/a\\b", false},
		{"https://a.example/1", "https://a.example/a#\x7f", false},
		{"https://a.example/1", "//a.example/1", false},
		{"https://a.example/1", "https:a.example/1", false},
		{"https://a.example/1", "https:///1", false},
		{"https://a.example/1", "https://a.example:/1", false},
		{"https://a.example/1", "https://a.example/%zz", false},
		{"https://a.example/1", "https://a.example/" + strings.Repeat("x", 2048), false},
	} {
		if signature.SameOrigin(c.a, c.b) != c.want || signature.SameOrigin(c.b, c.a) != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, !c.want)
		}
	}
	for _, none := range []string{"", "acct:a@a.example", "did:key:z6Mk", "urn:uuid:1", "ftp://a.example/", "https://", "https://é.example/", "https://a@a.example/", "ap://did:key:z6Mk/actor"} {
		if signature.SameOrigin(none, none) {
			t.Errorf("%q has an origin", none)
		}
	}
}

func TestOwnersAreEqualButForTheCaseOfTheirHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/u", "https://a.example/u", true},
		{"HTTPS://A.EXAMPLE/u", "https://a.example/u", true},
		{"did:key:z6Mk", "did:key:z6Mk", true},
		{"https://a.example/u", "https://a.example/U", false},
		{"https://a.example/u", "https://a.example/u/", false},
		{"https://a.example/u", "https://a.example/u#", false},
		{"https://a.example/u", "https://a.example:443/u", false}, // only case is said to differ
		{"https://a.example/u", "http://a.example/u", false},
		{"did:key:z6Mk", "DID:key:z6Mk", false},
		{"", "", false},
		{"", "https://a.example/u", false},
	} {
		if signature.SameOwner(c.a, c.b) != c.want || signature.SameOwner(c.b, c.a) != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, !c.want)
		}
	}
}

func TestEmbeddedObjectsAreTrustedWithinTheirOwnersOrigin(t *testing.T) {
	t.Parallel()
	const outer, owner = "https://a.example/1", "https://a.example/users/x"
	for _, c := range []struct {
		name, outer, id, owner string
		want                   bool
	}{
		{"anonymous", outer, "", "", true},
		{"anonymous, same owner", outer, "", owner, true},
		{"anonymous, another owner", outer, "", "https://b.example/users/y", false},
		{"a fragment", outer, outer + "#f", "", true},
		{"a fragment, another owner", outer, outer + "#f", "https://a.example/users/y", false},
		{"a fragment of something else", outer, outer + "0#f", "", false},
		{"same origin, same owner", outer, "https://a.example/2", owner, true},
		{"same origin, no owner", outer, "https://a.example/2", "", false},
		{"same origin, another owner", outer, "https://a.example/2", "https://a.example/users/y", false},
		{"another origin, same owner", outer, "https://b.example/2", owner, false},
		{"another origin, its owner", outer, "https://b.example/2", "https://b.example/users/y", false},
		{"in an anonymous one", "", "https://a.example/2", owner, true},
		{"in an anonymous one, another origin", "", "https://b.example/2", owner, false},
		{"in an anonymous one, a fragment of nothing", "", "#f", "", false},
	} {
		if signature.TrustsEmbedded(c.outer, owner, c.id, c.owner) != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
	}
	for _, id := range []string{"https://b.example/2", "https://a.example/2"} {
		if signature.TrustsEmbedded("https://b.example/1", owner, id, owner) {
			t.Errorf("%s in a document of another origin than its owner", id)
		}
	}
}

func TestOwnersOfDocuments(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"type":"Create","actor":"https://a.example/u"}`:                        "https://a.example/u",
		`{"type":"Create","actor":{"id":"https://a.example/u","inbox":"x"}}`:     "https://a.example/u",
		`{"type":"Note","attributedTo":["https://a.example/u"]}`:                 "https://a.example/u",
		`{"type":"Note","attributedTo":[{"id":"https://a.example/u"}]}`:          "https://a.example/u",
		`{"type":"Note","attributed\u0054o":"https:\/\/a.example\/u"}`:           "https://a.example/u",
		`{"id":"https://a.example/u","inbox":"https://a.example/u/i"}`:           "https://a.example/u",
		`{"id":"https://a.example/k","owner":"o","publicKeyPem":"x"}`:            "o",
		`{"id":"https://a.example/k","controller":"c","publicKeyMultibase":"z"}`: "c",
		// Names of another case are other names.
		`{"actor":"https://a.example/u","ACTOR":"https://b.example/u"}`: "https://a.example/u",
	} {
		if got, err := signature.OwnerOf([]byte(document)); err != nil || got != want {
			t.Errorf("%s: %q, %v", document, got, err)
		}
	}
	for name, document := range map[string]string{
		"nobody's":                    `{"type":"Note"}`,
		"several actors":              `{"actor":["https://a.example/u","https://b.example/u"]}`,
		"no actors":                   `{"actor":[]}`,
		"no actor":                    `{"actor":null}`,
		"a number":                    `{"actor":7}`,
		"an empty id":                 `{"actor":""}`,
		"an actor without an id":      `{"actor":{"type":"Person"}}`,
		"a list in a list":            `{"actor":[["https://a.example/u"]]}`,
		"actor and activity":          `{"id":"https://a.example/u","inbox":"x","actor":"https://b.example/u"}`,
		"key and activity":            `{"publicKeyPem":"x","owner":"https://a.example/u","actor":"https://b.example/u"}`,
		"activity that has an author": `{"actor":"https://a.example/u","attributedTo":"https://a.example/u"}`,
		"an actor without id":         `{"inbox":"https://a.example/u/i"}`,
		"a link":                      `{"href":"https://a.example/","attributedTo":"https://a.example/u"}`,
		"no object":                   `"https://a.example/u"`,
		"two readings":                `{"actor":"https://a.example/u","actor":"https://b.example/u"}`,
		"nothing":                     ``,
		"more than one":               `{"actor":"https://a.example/u"} {}`,
	} {
		if got, err := signature.OwnerOf([]byte(document)); !errors.Is(err, signature.ErrMalformed) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
