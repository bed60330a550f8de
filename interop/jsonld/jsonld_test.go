package jsonld_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/piprate/json-gold/ld"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/interop/jsonld"
)

// offline is a loader that knows the contexts that our documents may name, as they were published, and no others.
type offline struct{}

func (offline) LoadDocument(address string) (*ld.RemoteDocument, error) {
	file, ok := map[string]string{
		"https://www.w3.org/ns/activitystreams": "activitystreams.json",
		"https://w3id.org/security/v1":          "security-v1.json",
	}[address]
	if !ok {
		return nil, fmt.Errorf("a remote context that is not needed: %s", address)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "activity", "testdata", "contexts", file))
	if err != nil {
		return nil, err
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	return &ld.RemoteDocument{DocumentURL: address, Document: doc}, nil
}

func expand(t *testing.T, d activity.Document) []any {
	t.Helper()
	raw, err := activity.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = offline{}
	expanded, err := ld.NewJsonLdProcessor().Expand(doc, options)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return expanded
}

func TestEveryIRIIsReadBackAsAnIRI(t *testing.T) {
	t.Parallel()
	cases := jsonld.Cases()
	if len(cases) < 80 {
		t.Errorf("%d fields refer to something, there were more", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if expanded := expand(t, c.Document); !slices.Contains(jsonld.IRIs(expanded), c.IRI) {
				t.Errorf("%s is no IRI any more: %v", c.IRI, expanded)
			}
		})
	}
}

func TestTypesThatActivityStreamsLacksAreDefined(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{
		"Hashtag", "Emoji", "PropertyValue", "EmojiReact", "QuoteRequest", "QuoteAuthorization", "ChatMessage", "Multikey",
	} {
		expanded := expand(t, &activity.Object{Type: activity.Types{typ}})
		if got := fmt.Sprint(expanded[0].(map[string]any)["@type"]); !strings.Contains(got, "://") {
			t.Errorf("%s expands to %s", typ, got)
		}
	}
}
