package activity

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// meaning is what a definition comes to, all names expanded.
type meaning struct{ iri, kind, holds string }

// meanings reads the definitions of a context and of those inside its types.
func meanings(t *testing.T, context any, out map[string][]meaning) {
	t.Helper()
	switch context := context.(type) {
	case []any:
		for _, one := range context {
			meanings(t, one, out)
		}
	case map[string]any:
		expand := func(v any) string {
			text, _ := v.(string)
			prefix, rest, ok := strings.Cut(text, ":")
			if base, isPrefix := context[prefix].(string); ok && isPrefix && !strings.HasPrefix(rest, "//") {
				return base + rest
			}
			return expandOurs(text)
		}
		for name, definition := range context {
			if strings.HasPrefix(name, "@") || prefixes[name] != "" {
				continue
			}
			var m meaning
			switch definition := definition.(type) {
			case string:
				m.iri = expand(definition)
			case map[string]any:
				m = meaning{expand(definition["@id"]), expand(definition["@type"]), expand(definition["@container"])}
				meanings(t, definition["@context"], out)
			}
			out[name] = append(out[name], m)
		}
	}
}

// expandOurs knows the prefixes of ours and those of the ActivityStreams context.
func expandOurs(text string) string {
	prefix, rest, _ := strings.Cut(text, ":")
	switch {
	case prefix == "as":
		return Namespace + "#" + rest
	case prefix == "xsd":
		return "http://www.w3.org/2001/XMLSchema#" + rest
	case prefixes[prefix] != "":
		return prefixes[prefix] + rest
	}
	return text
}

func (t term) meaning() meaning {
	return meaning{expandOurs(t.iri), expandOurs(t.kind), string(t.holds)}
}

func contextOf(t *testing.T, file string) any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document["@context"]
}

// A name must mean to peers what its inventor means by it: the IRI, whether its values are IRIs, and whether their order counts.
func TestTermsMeanWhatTheirPublishersSay(t *testing.T) {
	t.Parallel()
	departures := map[string]string{
		"attributionDomains": "the names of hosts are no IRIs; Mastodon itself writes @set and no @type",
	}
	compared := make(map[string]bool)
	for _, file := range []string{"gotosocial", "joinmastodon", "miscellany", "webfinger", "join-lemmy", "fep-7aa9", "fep-844e", "security-multikey-v1"} {
		published := make(map[string][]meaning)
		meanings(t, contextOf(t, "testdata/contexts/"+file+".json"), published)
		if len(published) == 0 {
			t.Errorf("%s defines nothing", file)
		}
		for name, all := range published {
			ours, ok := terms[name]
			if !ok || ours.remote != "" || departures[name] != "" {
				continue
			}
			compared[name] = true
			for _, theirs := range all {
				if ours.meaning() != theirs {
					t.Errorf("%s: %q is\n%+v, to us\n%+v", file, name, theirs, ours.meaning())
				}
			}
		}
	}
	if len(compared) < 50 {
		t.Errorf("only %d terms were compared", len(compared))
	}
}

// What servers write in their documents is the other witness. They often leave out that values are IRIs, and we don't.
func TestTermsMeanWhatServersWrite(t *testing.T) {
	t.Parallel()
	departures := map[meaning]string{
		{"https://misskey-hub.net/ns/#_misskey_quote", "", ""}: "a slip in FEP-044f",
	}
	written := make(map[string][]meaning)
	err := filepath.WalkDir("testdata/wire", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".json") {
			meanings(t, contextOf(t, path), written)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for name, all := range written {
		ours, ok := terms[name]
		if !ok || ours.remote != "" {
			continue
		}
		compared++
		for _, theirs := range all {
			m := ours.meaning()
			if departures[theirs] == "" && (m.iri != theirs.iri || theirs.kind != "" && m.kind != theirs.kind || theirs.holds != "" && m.holds != theirs.holds) {
				t.Errorf("%q is written as\n%+v, by us as\n%+v", name, theirs, m)
			}
		}
	}
	if compared < 30 {
		t.Errorf("only %d terms were compared", compared)
	}
}
