package ldsig_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// vectorCreated is when the vectors were signed.
const vectorCreated = "2026-01-01T00:00:00Z"

// update is an Update with the members given, under contexts that define them.
func update(members string) string {
	return `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1","https://gotosocial.org/ns",
		{"Key":"https://w3id.org/security#Key","toot":"http://joinmastodon.org/ns#","votersCount":"toot:votersCount",
		"focalPoint":{"@id":"toot:focalPoint","@container":"@list"}}],
		"id":"https://a.example/1","type":"Update","actor":"` + alice + `","object":"https://a.example/2",` + members + `}`
}

// Each pair makes the same statements. Either both are taken for one document, or what nobody signed
// that way is refused.
func TestOneSignatureStandsForOneDocument(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	for _, c := range []struct {
		name, signed, other string
		kind                error // of other; nil: taken, as signed
	}{
		{"an integer with a fraction", `"votersCount":7`, `"votersCount":7.0`, nil},
		{"an integer with an exponent", `"votersCount":7`, `"votersCount":70e-1`, nil},
		{"a zero below zero", `"votersCount":0`, `"votersCount":-0.0`, nil},
		{"a fraction's last bit", `"votersCount":0.3`, `"votersCount":0.30000000000000004`, nil},
		{"null", `"summary":"x"`, `"summary":"x","name":null`, nil},
		{"an empty array", `"summary":"x"`, `"summary":"x","tag":[]`, nil},
		{"an empty map of languages", `"summary":"x"`, `"summary":"x","nameMap":{}`, nil},
		{"an array of one", `"summary":"x"`, `"summary":["x"]`, nil},
		{"a list without its array", `"focalPoint":[1]`, `"focalPoint":1`, nil},
		{"a language in capitals", `"summaryMap":{"pt-br":"x"}`, `"summaryMap":{"pt-BR":"x"}`, nil},
		{"tags in another order", `"tag":[{"name":"a"},{"name":"b"}]`, `"tag":[{"name":"b"},{"name":"a"}]`, nil},
		{"an empty object that has null", `"target":{}`, `"target":{"name":null}`, nil},
		{"true for a text", `"published":"true"`, `"published":true`, ldsig.ErrRestructured},
		{"a text for true", `"hidesToPublicFromUnauthedWeb":true`, `"hidesToPublicFromUnauthedWeb":"true"`, ldsig.ErrRestructured},
		{"a text for a number", `"totalItems":7`, `"totalItems":"7"`, ldsig.ErrRestructured},
		{"a number for a text", `"published":"7"`, `"published":7`, ldsig.ErrRestructured},
		{"a language twice", `"summaryMap":{"en":"x"}`, `"summaryMap":{"en":"x","EN":"x"}`, ldsig.ErrRestructured},
		{"an array in a map of languages", `"summaryMap":{"en":"x"}`, `"summaryMap":{"en":["x"]}`, ldsig.ErrRestructured},
		{"an object for a string", `"target":"x:y"`, `"target":{"id":"x:y"}`, ldsig.ErrRestructured},
		{"a node in two parts", `"target":{"id":"x:y","name":"a","summary":"b"}`,
			`"target":[{"id":"x:y","name":"a"},{"id":"x:y","summary":"b"}]`, ldsig.ErrRestructured},
		{"a node described elsewhere", `"tag":"x:y","target":{"id":"x:y","name":"a"}`,
			`"target":"x:y","tag":{"id":"x:y","name":"a"}`, ldsig.ErrRestructured},
		{"a node described as author", `"attributedTo":"x:y","target":{"id":"x:y","name":"a"}`,
			`"target":"x:y","attributedTo":{"id":"x:y","name":"a"}`, ldsig.ErrRestructured},
		{"another name of a type", `"publicKey":{"type":"Key","publicKeyPem":"x"}`,
			`"publicKey":{"type":"CryptographicKey","publicKeyPem":"x"}`, ldsig.ErrUnprotected},
		{"another name of a property", `"target":{"expires":"2027-01-01T00:00:00Z"}`,
			`"target":{"expiration":"2027-01-01T00:00:00Z"}`, ldsig.ErrUnprotected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			signed := withoutRules(t).sign(t, []byte(update(c.signed)), key, aliceKey, vectorCreated)
			var proof struct{ Signature json.RawMessage }
			if err := json.Unmarshal(signed, &proof); err != nil {
				t.Fatal(err)
			}
			other := []byte(update(c.other + `,"signature":` + string(proof.Signature)))
			if err := withoutRules(t).verify(other, &key.PublicKey); err != nil {
				t.Fatalf("without rules: %v", err)
			}
			result, err := verifyAt(t, vectorTime, other)
			if c.kind != nil {
				refused(t, result, err, c.kind)
				return
			}
			honest, wrong := verifyAt(t, vectorTime, signed)
			if err != nil || wrong != nil || honest.Document == nil || string(result.Document) != string(honest.Document) {
				t.Errorf("%v\n%s\nas signed: %v\n%s", err, result.Document, wrong, honest.Document)
			}
		})
	}
}

func TestWhatCouldStandForSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	for _, c := range []struct {
		name, members string
		kind          error
	}{
		{"a prefix as a property", `"toot":"x"`, ldsig.ErrUnprotected},
		{"an object for a time", `"published":{"name":"x"}`, ldsig.ErrRestructured},
		{"an object for a number", `"totalItems":{"name":"x"}`, ldsig.ErrRestructured},
		{"a number below zero", `"totalItems":-1`, ldsig.ErrRestructured},
		{"a fraction for an integer", `"totalItems":1.5`, ldsig.ErrRestructured},
		{"a number for an id", `"target":1`, ldsig.ErrRestructured},
		{"null in a list", `"focalPoint":[1,null]`, ldsig.ErrRestructured},
		{"a list in a list", `"focalPoint":[[1],[2]]`, ldsig.ErrRestructured},
		{"a text as a map of languages", `"summaryMap":"x"`, ldsig.ErrRestructured},
		{"a language that is none", `"summaryMap":{"e n":"x"}`, ldsig.ErrRestructured},
		{"a number as id", `"target":{"id":1,"name":"x"}`, ldsig.ErrRestructured},
		{"a number as type", `"target":{"type":1}`, ldsig.ErrUnprotected},
		{"a property as type", `"target":{"type":"target"}`, ldsig.ErrUnprotected},
		{"a keyword as type", `"target":{"type":"id"}`, ldsig.ErrUnprotected},
		{"an anonymous id", `"target":{"id":"_:x","name":"x"}`, ldsig.ErrUnprotected},
		{"the document in itself", `"target":{"id":"https://a.example/1","name":"x"}`, ldsig.ErrRestructured},
		{"a huge number", `"votersCount":1e400`, ldsig.ErrUnprotected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := ldsig.Sign([]byte(update(c.members+`,"to":"`+toPublic+`"`)), signature.Key{ID: aliceKey, Private: key}, 0)
			refused(t, ldsig.Result{}, err, c.kind)
		})
	}
}

func TestContextsAreReadAsTheyStand(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	const as = `"https://www.w3.org/ns/activitystreams"`
	for _, c := range []struct {
		name, context, members string
		kind                   error
	}{
		{"alone", as, ``, nil},
		{"in an array", `[` + as + `]`, ``, nil},
		{"with a prefix from an earlier entry", `[` + as + `,{"toot":"http://joinmastodon.org/ns#"},{"blurhash":"toot:blurhash"}]`, `"blurhash":"x",`, nil},
		{"with a prefix of its own", `[` + as + `,{"blurhash":"toot:blurhash","toot":"http://joinmastodon.org/ns#"}]`, `"blurhash":"x",`, nil},
		{"with whole IRIs", `[` + as + `,{"blurhash":"http://joinmastodon.org/ns#blurhash"}]`, `"blurhash":"x",`, nil},
		{"with a prefix that nobody defined", `[` + as + `,{"blurhash":"toot:blurhash"}]`, `"blurhash":"x",`, ldsig.ErrContext},
		{"with a prefix for another IRI", `[` + as + `,{"toot":"http://evil.example/ns#","blurhash":"toot:blurhash"}]`, `"blurhash":"x",`, ldsig.ErrContext},
		{"with a definition that is not used", `[` + as + `,{"isCat":"https://misskey-hub.net/ns#isCat"}]`, ``, nil},
		{"without one that is used", as, `"blurhash":"x",`, ldsig.ErrUnprotected},
		{"twice", `[` + as + `,` + as + `]`, ``, ldsig.ErrContext},
		{"and nine entries", `[` + as + strings.Repeat(`,{}`, 8) + `]`, ``, ldsig.ErrContext},
		{"and eight entries", `[` + as + strings.Repeat(`,{}`, 6) + `]`, ``, nil}, // Sign adds one
		{"with a number", `[` + as + `,1]`, ``, ldsig.ErrContext},
		{"with an array", `[[` + as + `]]`, ``, ldsig.ErrContext},
		{"with a number as definition", `[` + as + `,{"blurhash":1}]`, ``, ldsig.ErrContext},
		{"with a number in a definition", `[` + as + `,{"movedTo":{"@id":"as:movedTo","@type":1}}]`, ``, ldsig.ErrContext},
		{"with a type that is not known", `[` + as + `,{"movedTo":{"@id":"as:movedTo","@type":"@vocab"}}]`, ``, ldsig.ErrContext},
		{"with a container that is not known", `[` + as + `,{"movedTo":{"@id":"as:movedTo","@container":"@index"}}]`, ``, ldsig.ErrContext},
		{"with an alias of id", `[` + as + `,{"id":"@id"}]`, ``, ldsig.ErrContext},
		{"identity/v1, which is of signatures", `[` + as + `,"https://w3id.org/identity/v1"]`, ``, ldsig.ErrContext},
		{"empty", `[]`, ``, ldsig.ErrUnprotected},
		{"null", `null`, ``, ldsig.ErrContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			document := `{"@context":` + c.context + `,` + c.members + `"id":"https://a.example/1","type":"Delete","actor":"` + alice +
				`","object":"https://a.example/2","to":"` + toPublic + `"}`
			signed, err := ldsig.Sign([]byte(document), signature.Key{ID: aliceKey, Private: key}, 0)
			if c.kind != nil {
				refused(t, ldsig.Result{}, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := withoutRules(t).verify(signed, &key.PublicKey); err != nil {
				t.Errorf("by the bare algorithm: %v", err)
			}
		})
	}
}
