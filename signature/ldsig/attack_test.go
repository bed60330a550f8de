package ldsig_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
	"github.com/piprate/json-gold/ld"
)

// attack is a document that the bare algorithm takes, and what is then wrong about it.
type attack struct {
	name     string
	document []byte
	kind     error
}

// refuseAll shows that each document is valid without the rules, and refused with them.
func refuseAll(t *testing.T, attacks []attack) {
	t.Helper()
	v := must[*vectors](t)(readVectors())
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			if err := withoutRules(t).verify(a.document, &v.private.PublicKey); err != nil {
				t.Fatalf("without rules: %v", err)
			}
			result, err := verifyAt(t, vectorTime, a.document)
			refused(t, result, err, a.kind)
		})
	}
}

// inline changes the inline part of the vectors' @context.
func inline(name string, definition any) func(map[string]any) {
	return func(doc map[string]any) { doc["@context"].([]any)[2].(map[string]any)[name] = definition }
}

func TestAttack27DoubleSpelling(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	refuseAll(t, []attack{
		// CVE-2022-24307: what was signed goes on under another name, what is read says something else.
		{"the signed content under another name", v.document(t, "honest-create", inline("content", nil), func(doc map[string]any) {
			object(doc)["as:content"], object(doc)["content"] = "hello", "evil"
		}), ldsig.ErrContext},
		{"under its whole IRI", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["https://www.w3.org/ns/activitystreams#content"] = "hello"
			delete(object(doc), "content")
		}), ldsig.ErrUnprotected},
		{"a type under its whole IRI", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["type"] = "https://www.w3.org/ns/activitystreams#Note"
		}), ldsig.ErrUnprotected},
		{"an id abbreviated", v.document(t, "honest-create", func(doc map[string]any) { doc["to"] = "as:Public" }), ldsig.ErrRestructured},
		{"the type under a term of its own", v.document(t, "type-shadow"), ldsig.ErrContext},
	})
}

func TestAttack28KeywordsThatMoveNodes(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	refuseAll(t, []attack{
		{"@graph", v.document(t, "graph-top"), ldsig.ErrRestructured},
		{"@reverse", v.document(t, "reverse"), ldsig.ErrRestructured},
		{"@included", v.document(t, "included-hide-cc"), ldsig.ErrRestructured},
		{"@included in an object", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["@included"] = []any{map[string]any{"id": "https://a.example/s/1", "sensitive": true}}
			delete(object(doc), "sensitive")
		}), ldsig.ErrRestructured},
		{"@set", v.document(t, "honest-create", func(doc map[string]any) {
			doc["cc"] = map[string]any{"@set": doc["cc"]}
		}), ldsig.ErrRestructured},
		{"@id for id", v.document(t, "honest-create", func(doc map[string]any) {
			doc["@id"] = doc["id"]
			delete(doc, "id")
		}), ldsig.ErrRestructured},
		{"@index", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["@index"] = "evil"
		}), ldsig.ErrRestructured},
		// Without any keyword: Update(actor) with the description moved to the other mention.
		{"a description moved to another mention", withoutRules(t).sign(t, edit(t, []byte(updateActor), func(doc map[string]any) {
			doc["actor"], doc["object"] = doc["object"], doc["actor"]
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrRestructured},
	})
}

const updateActor = `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"],
	"id":"https://a.example/u/1","type":"Update","actor":"` + alice + `","to":"` + toPublic + `",
	"object":{"id":"` + alice + `","type":"Person","name":"Alice"}}`

// The signature of that attack is the one of the honest document.
func TestMovedDescriptionsHaveTheSameStatements(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	signed := withoutRules(t).sign(t, []byte(updateActor), v.private, aliceKey, "2026-01-01T00:00:00Z")
	moved := edit(t, signed, func(doc map[string]any) { doc["actor"], doc["object"] = doc["object"], doc["actor"] })
	if err := withoutRules(t).verify(moved, &v.private.PublicKey); err != nil {
		t.Fatal(err)
	}
	result, err := verifyAt(t, vectorTime, moved)
	refused(t, result, err, ldsig.ErrRestructured)
	if result, err := verifyAt(t, vectorTime, signed); err != nil || !result.Verified {
		t.Errorf("as alice wrote it: %+v, %v", result, err)
	}
}

func TestAttack29ContextsThatRedefine(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	refuseAll(t, []attack{
		{"an alias of @reverse", v.document(t, "reverse-alias"), ldsig.ErrContext},
		{"a reverse term", v.document(t, "reverse-term"), ldsig.ErrContext},
		{"a term nulled", v.document(t, "null-context-entry"), ldsig.ErrContext},
		{"an alias of a keyword that is not used", v.document(t, "honest-create", inline("kind", "@type")), ldsig.ErrContext},
		{"an unknown term", v.document(t, "honest-create", inline("evil", "https://evil.example/ns#evil")), ldsig.ErrContext},
		{"a known term for another IRI", v.document(t, "honest-create", inline("blurhash", "as:summary")), ldsig.ErrContext},
		{"@vocab", v.document(t, "honest-create", inline("@vocab", "https://evil.example/")), ldsig.ErrContext},
		{"@base", v.document(t, "honest-create", inline("@base", "https://evil.example/")), ldsig.ErrContext},
		{"a scoped context", v.document(t, "honest-create", inline("generator", map[string]any{
			"@id": "as:generator", "@type": "@id", "@context": map[string]any{"content": nil},
		})), ldsig.ErrContext},
		{"a nested context", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["@context"] = map[string]any{"content": "as:content"}
		}), ldsig.ErrRestructured},
		{"null before all", v.document(t, "honest-create", func(doc map[string]any) {
			doc["@context"] = append([]any{nil}, doc["@context"].([]any)...)
		}), ldsig.ErrContext},
	})
}

func TestAttack30WhatTheStatementsLack(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	refuseAll(t, []attack{
		{"an undefined term", v.document(t, "unsigned-undefined-term"), ldsig.ErrUnprotected},
		{"a relative IRI, CVE-2026-50128", v.document(t, "relative-iri"), ldsig.ErrUnprotected},
		// ActivityStreams makes an anonymous node of it, whose name is not signed.
		{"an undefined type", edit(t, withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["type"] = []any{"Note", "Good"}
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), func(doc map[string]any) {
			object(doc)["type"] = []any{"Note", "Evil"}
		}), ldsig.ErrUnprotected},
		// The library drops what it holds for no URL.
		{"an address with a strange host", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["url"] = "https://-evil-.example/"
		}), ldsig.ErrUnprotected},
		{"an address with a broken escape", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["url"] = "https://evil.example/%zz"
		}), ldsig.ErrUnprotected},
		{"a long address", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["url"] = "https://evil.example/" + strings.Repeat("x", 2083)
		}), ldsig.ErrUnprotected},
		{"a language that is none", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["contentMap"] = map[string]any{"e_n": "evil"}
		}), ldsig.ErrRestructured},
		{"another property of the signature", v.document(t, "honest-create", func(doc map[string]any) {
			doc["signature"].(map[string]any)["evil"] = "x"
		}), ldsig.ErrUnprotected},
	})
}

func TestAttack31ContextThatChangesBetweenLoads(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	const address = "https://evil.example/context"
	honest := v.document(t, "honest-create", func(doc map[string]any) { doc["@context"].([]any)[2] = address })
	loads := 0
	loader := make(offline)
	for a, doc := range must[offline](t)(contexts()) {
		loader[a] = doc
	}
	loader[address] = func() any {
		loads++
		definitions := map[string]any{"sensitive": "as:sensitive"}
		if loads > 1 { // the one who reads it after the one who checked it
			definitions["content"] = nil
		}
		return map[string]any{"@context": definitions}
	}
	if err := (bare{loader}).verify(honest, &v.private.PublicKey); err != nil {
		t.Fatalf("without rules: %v", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(honest, &doc); err != nil {
		t.Fatal(err)
	}
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = loader
	compacted, err := ld.NewJsonLdProcessor().Compact(doc, map[string]any{"@context": "https://www.w3.org/ns/activitystreams"}, options)
	if err != nil {
		t.Fatal(err)
	}
	if object(compacted)["content"] != nil {
		t.Fatalf("the second load changed nothing: %v", compacted)
	}
	result, err := verifyAt(t, vectorTime, honest)
	refused(t, result, err, ldsig.ErrContext)
}

func TestAttack32RemoteContextsAreFetched(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", "application/ld+json")
		_, _ = fmt.Fprint(w, `{"@context":{"sensitive":"https://www.w3.org/ns/activitystreams#sensitive"}}`)
	}))
	t.Cleanup(server.Close)
	lured := v.document(t, "honest-create", func(doc map[string]any) { doc["@context"].([]any)[2] = server.URL })
	known := must[offline](t)(contexts())
	fallback := ld.NewDefaultDocumentLoader(server.Client())
	fetching := loaderFunc(func(address string) (*ld.RemoteDocument, error) {
		if _, ok := known[address]; ok {
			return known.LoadDocument(address)
		}
		return fallback.LoadDocument(address)
	})
	if err := (bare{fetching}).verify(lured, &v.private.PublicKey); err != nil || hits.Load() == 0 {
		t.Fatalf("without rules: %v, %d fetches", err, hits.Load())
	}
	hits.Store(0)
	result, err := verifyAt(t, vectorTime, lured)
	refused(t, result, err, ldsig.ErrContext)
	if hits.Load() > 0 {
		t.Errorf("%d fetches", hits.Load())
	}
}

type loaderFunc func(string) (*ld.RemoteDocument, error)

func (f loaderFunc) LoadDocument(address string) (*ld.RemoteDocument, error) { return f(address) }

func TestAttack33SetsHaveNoOrderAndNoDuplicates(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	refuseAll(t, []attack{
		{"an id twice", v.document(t, "duplicate-set-member"), ldsig.ErrRestructured},
		{"a text twice", v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["content"] = []any{"hello", "hello"}
		}), ldsig.ErrRestructured},
		{"an array in an array", v.document(t, "honest-create", func(doc map[string]any) {
			doc["cc"] = []any{doc["cc"]}
		}), ldsig.ErrRestructured},
		{"null in an array", v.document(t, "honest-create", func(doc map[string]any) {
			doc["cc"] = append(doc["cc"].([]any), nil)
		}), ldsig.ErrRestructured},
	})
	// Two attachments in another order are two attachments all the same: nothing of their order is
	// handed on.
	reordered := v.document(t, "attachment-order")
	if err := withoutRules(t).verify(reordered, &v.private.PublicKey); err != nil {
		t.Fatalf("without rules: %v", err)
	}
	result, err := verifyAt(t, vectorTime, reordered)
	if err != nil || !result.MayRefetch || result.Verified || result.Document != nil {
		t.Errorf("attachments in another order: %+v, %v", result, err)
	}
}

func TestAttack34ValueObjectsForScalars(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	published := func(value any) []byte {
		return v.document(t, "honest-create", func(doc map[string]any) { doc["published"] = value })
	}
	signed := withoutRules(t).sign(t, published("7"), v.private, aliceKey, "2026-01-01T00:00:00Z")
	refuseAll(t, []attack{
		{"a boolean", v.document(t, "bool-as-typed"), ldsig.ErrRestructured},
		{"a text", v.document(t, "content-as-valueobject"), ldsig.ErrRestructured},
		{"an id", v.document(t, "repeat-node-under-existing-edge"), ldsig.ErrRestructured},
		{"a number for a time", edit(t, signed, func(doc map[string]any) { doc["published"] = 7 }), ldsig.ErrRestructured},
		{"a text for a number", withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			doc["totalItems"] = "7"
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrRestructured},
		{"an integer that is another one", withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			doc["totalItems"] = json.Number("9007199254740993")
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrUnprotected},
	})
}

func TestAttack35KeyOfSomebodyElse(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	const mallory, neighbour = "https://evil.example/users/mallory#main-key", "https://a.example/users/mallory#main-key"
	for _, creator := range []string{mallory, neighbour} {
		forged := withoutRules(t).sign(t, v.document(t, "honest-create"), v.private, creator, "2026-01-01T00:00:00Z")
		if err := withoutRules(t).verify(forged, &v.private.PublicKey); err != nil {
			t.Fatalf("without rules: %v", err)
		}
		at(t, vectorTime, func(t *testing.T) {
			v := &ldsig.Verifier{Keys: keyring{creator: &v.private.PublicKey}}
			result, err := v.Verify(t.Context(), forged)
			refused(t, result, err, ldsig.ErrCreator)
		})
	}
}

func TestAttack36ReplayForEver(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	created := v.document(t, "honest-create")
	deleted := withoutRules(t).sign(t, []byte(`{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/d/1",
		"type":"Delete","actor":"`+alice+`","object":"https://a.example/s/1"}`), v.private, aliceKey, "2026-01-01T00:00:00Z")
	for _, c := range []struct {
		name, when string
		document   []byte
		kind       error
	}{
		{"ten years later", "2036-01-01T00:00:00Z", created, signature.ErrExpired},
		{"after 48 hours", "2026-01-03T00:05:01Z", created, signature.ErrExpired},
		{"just before", "2026-01-03T00:05:00Z", created, nil},
		{"a Delete after 48 hours", "2026-01-03T00:05:01Z", deleted, nil},
		{"a Delete after 14 days", "2026-01-15T00:05:01Z", deleted, signature.ErrExpired},
		{"ahead of time", "2025-12-31T23:54:59Z", created, signature.ErrExpired},
		{"a little ahead", "2025-12-31T23:55:00Z", created, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := withoutRules(t).verify(c.document, &v.private.PublicKey); err != nil {
				t.Fatalf("without rules: %v", err)
			}
			result, err := verifyAt(t, c.when, c.document)
			if c.kind != nil {
				refused(t, result, err, c.kind)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAttack38CharactersThatLibrariesEscapeDifferently(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	// An IRI that closes its bracket writes the statement of another graph: two documents, one text.
	injected := []byte(`{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/1","type":"Delete",
		"actor":"` + alice + `","object":"urn:a> <urn:evil"}`)
	graphs := []byte(`{"@context":"https://www.w3.org/ns/activitystreams","@graph":[
		{"id":"https://a.example/1","type":"Delete","actor":"` + alice + `"},
		{"id":"urn:evil","@graph":[{"id":"https://a.example/1","object":"urn:a"}]}]}`)
	other := withoutRules(t).sign(t, graphs, v.private, aliceKey, "2026-01-01T00:00:00Z")
	refuseAll(t, []attack{
		{"an IRI that closes its bracket", edit(t, other, func(doc map[string]any) {
			delete(doc, "@graph")
			var d map[string]any
			if err := json.Unmarshal(injected, &d); err != nil {
				t.Fatal(err)
			}
			for name, value := range d {
				doc[name] = value
			}
		}), ldsig.ErrUnprotected},
		{"a control character", withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["content"] = "hel\blo"
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrUnprotected},
		{"a tab", withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["content"] = "hel\tlo"
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrUnprotected},
		{"a control character in a map of languages", withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["contentMap"] = map[string]any{"en": "hel\x7flo"}
		}), v.private, aliceKey, "2026-01-01T00:00:00Z"), ldsig.ErrUnprotected},
		{"a lone surrogate", []byte(strings.Replace(string(withoutRules(t).sign(t, v.document(t, "honest-create", func(doc map[string]any) {
			object(doc)["content"] = "hello\ufffd"
		}), v.private, aliceKey, "2026-01-01T00:00:00Z")), "hello\ufffd", `hello\ud800`, 1)), signature.ErrMalformed},
		{"a name twice", []byte(strings.Replace(string(v.document(t, "honest-create")), `"content":"hello"`, `"content":"evil","content":"hello"`, 1)), signature.ErrMalformed},
	})
}

func TestTheAttacksAreToldApart(t *testing.T) {
	t.Parallel()
	for _, one := range []error{ldsig.ErrContext, ldsig.ErrUnprotected, ldsig.ErrRestructured, ldsig.ErrTooComplex,
		ldsig.ErrKind, ldsig.ErrCreator, ldsig.ErrBusy, ldsig.ErrPrivate} {
		err := error(&ldsig.Error{Creator: aliceKey, Err: fmt.Errorf("%w: x", one)})
		if !errors.Is(err, one) || !strings.HasPrefix(err.Error(), "ldsig: signature by ") {
			t.Errorf("%v", err)
		}
	}
}
