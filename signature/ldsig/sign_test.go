package ldsig_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// wireKey is the key of the actor of testdata/mastodon-4.6.5.
const wireKey = "https://mastodon.example/users/alice#main-key"

func wire(t testing.TB, name string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(filepath.Join("testdata/mastodon-4.6.5", name+".json")))
}

func TestWhatMastodonForwardsIsSignedAndVerified(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	paths := must[[]string](t)(filepath.Glob("testdata/mastodon-4.6.5/*.json"))
	if len(paths) != 25 {
		t.Fatalf("%d documents", len(paths))
	}
	// What is not here is verified. Ordered: only the object may be fetched, since it has attachments
	// or choices whose order is not signed.
	ordered := []string{"create-note-media", "create-question-anyof-closed", "create-question-oneof", "update-question-tally"}
	refusals := map[string]error{
		"create-note-direct":            ldsig.ErrPrivate,
		"create-note-followers-only":    ldsig.ErrPrivate,
		"announce-self-private-inlined": ldsig.ErrPrivate,
		"add-pin":                       ldsig.ErrPrivate, // it is addressed to nobody
		"remove-pin":                    ldsig.ErrPrivate,
		"like":                          ldsig.ErrKind,
		"follow":                        ldsig.ErrKind,
		"quote-request":                 ldsig.ErrKind,
		"add-featured-hashtag":          ldsig.ErrKind,        // its object has no id
		"update-actor":                  ldsig.ErrUnprotected, // featuredCollections is not defined by it
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at(t, "2026-06-21T00:00:00Z", func(t *testing.T) {
				document := wire(t, name)
				signed, err := ldsig.Sign(document, signature.Key{ID: wireKey, Private: key}, 48*time.Hour)
				if kind := refusals[name]; kind != nil {
					refused(t, ldsig.Result{}, err, kind)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := withoutRules(t).verify(signed, &key.PublicKey); err != nil {
					t.Errorf("by the bare algorithm: %v", err)
				}
				result, err := (&ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}}).Verify(t.Context(), signed)
				if err != nil {
					t.Fatal(err)
				}
				if !result.MayRefetch || result.Verified == slices.Contains(ordered, name) || result.Creator != wireKey ||
					result.Expires.Sub(result.Created) != 48*time.Hour || !result.Created.Equal(time.Now()) {
					t.Errorf("result is %+v", result)
				}
				// What comes out says what went in, but for null, empty arrays and arrays of one.
				if result.Verified {
					var in, out any
					for text, v := range map[string]*any{string(document): &in, string(result.Document): &out} {
						if err := json.Unmarshal([]byte(text), v); err != nil {
							t.Fatal(err)
						}
					}
					delete(in.(map[string]any), "@context")
					delete(in.(map[string]any), "signature")
					one, other := must[[]byte](t)(json.Marshal(plain(in))), must[[]byte](t)(json.Marshal(plain(out)))
					if !bytes.Equal(one, other) {
						t.Errorf("document is\n%s, was\n%s", other, one)
					}
				}
			})
		})
	}
}

// Mastodon signs these though they say neither to whom they go nor what their id is.
func TestMastodonsPinsAreVerified(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	for _, name := range []string{"add-pin", "remove-pin"} {
		at(t, vectorTime, func(t *testing.T) {
			signed := withoutRules(t).sign(t, wire(t, name), key, wireKey, "2026-01-01T00:00:00Z")
			result, err := (&ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}}).Verify(t.Context(), signed)
			if err != nil || !result.Verified || result.ID != "" || result.Object == "" {
				t.Errorf("%s: %+v, %v", name, result, err)
			}
		})
	}
}

// plain drops null and empty arrays, opens arrays of one, and sorts the others.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range maps.Clone(v) {
			if v[name] = plain(e); v[name] == nil {
				delete(v, name)
			}
		}
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, plain(e))
		}
		if len(out) == 0 {
			return nil
		}
		if len(out) == 1 {
			return out[0]
		}
		slices.SortFunc(out, func(a, b any) int {
			one, _ := json.Marshal(a)
			other, _ := json.Marshal(b)
			return bytes.Compare(one, other)
		})
		return out
	}
	return v
}

func TestSignKeepsTheBytesOfMembers(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).key()
	const members = `"id":"https:\/\/a.example\/1", "type":"Delete","actor":"` + alice + `","object": "https://a.example/2" ,"to":["` + toPublic + `"],"cc":[ ]`
	for _, c := range []struct{ name, document, want string }{
		{"one context", `{"@context":"https://www.w3.org/ns/activitystreams",` + members + `}`,
			`{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"],`},
		{"an object as context", `{"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive"}],` + members + `}`,
			`{"@context":["https://www.w3.org/ns/activitystreams",{"sensitive":"as:sensitive"},"https://w3id.org/security/v1"],`},
		{"the context is there", ` {"@context":["https://w3id.org/security/v1","https://www.w3.org/ns/activitystreams"],` + members + `} `,
			`{"@context":["https://w3id.org/security/v1","https://www.w3.org/ns/activitystreams"],`},
		{"an older signature", `{"@context":"https://www.w3.org/ns/activitystreams","signature":{"type":"x"},` + members + `}`,
			`{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"],`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			signed := string(must[[]byte](t)(ldsig.Sign([]byte(c.document), key, 0)))
			rest, ok := strings.CutPrefix(signed, c.want)
			if !ok {
				t.Fatalf("begins %s", signed)
			}
			for _, member := range []string{`"id":"https:\/\/a.example\/1"`, `"to":["` + toPublic + `"]`, `"cc":[ ]`, `"signature":{`} {
				if strings.Count(rest, member) != 1 {
					t.Errorf("no %s in %s", member, rest)
				}
			}
			var doc struct{ Signature map[string]string }
			if err := json.Unmarshal([]byte(signed), &doc); err != nil {
				t.Fatal(err)
			}
			s := doc.Signature
			if s["type"] != "RsaSignature2017" || s["creator"] != aliceKey || len(s["signatureValue"]) != 344 || len(s) != 4 {
				t.Errorf("signature is %v", s)
			}
			if result, err := verifier(t).Verify(t.Context(), []byte(signed)); err != nil || !result.Verified {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestWhatVerifyWouldRefuseIsNotSigned(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	const context = `{"@context":"https://www.w3.org/ns/activitystreams",`
	const good = context + `"id":"https://a.example/1","type":"Delete","actor":"` + alice + `","object":"https://a.example/2","to":"` + toPublic + `"}`
	ours := signature.Key{ID: aliceKey, Private: key}
	for _, c := range []struct {
		name, document string
		key            signature.Key
		kind           error
	}{
		{"good", good, ours, nil},
		{"nothing", ``, ours, signature.ErrMalformed},
		{"an array", `[` + good + `]`, ours, signature.ErrMalformed},
		{"two objects", good + good, ours, signature.ErrMalformed},
		{"half an object", good[:len(good)-1], ours, signature.ErrMalformed},
		{"a name twice", context + `"id":"x:a","id":"x:b"}`, ours, signature.ErrMalformed},
		{"no UTF-8", strings.Replace(good, "2", "\xff", 1), ours, signature.ErrMalformed},
		{"no context", strings.Replace(good, `"@context":"https://www.w3.org/ns/activitystreams",`, "", 1), ours, ldsig.ErrContext},
		{"an unknown context", strings.Replace(good, "www.w3.org/ns", "evil.example", 1), ours, ldsig.ErrContext},
		{"an undefined term", strings.Replace(good, `"to"`, `"evil":1,"to"`, 1), ours, ldsig.ErrUnprotected},
		{"a proof of the object", strings.Replace(good, `"https://a.example/2"`, `{"id":"https://a.example/2","proof":{"type":"DataIntegrityProof"}}`, 1), ours, ldsig.ErrUnprotected},
		{"a relative id", strings.Replace(good, "https://a.example/2", "2", 1), ours, ldsig.ErrUnprotected},
		{"no id", strings.Replace(good, `"id":"https://a.example/1",`, "", 1), ours, nil},
		{"nothing but an id", context + `"id":"https://a.example/1"}`, ours, ldsig.ErrKind},
		{"two objects of one activity", strings.Replace(good, `"https://a.example/2"`, `["x:1","x:2"]`, 1), ours, ldsig.ErrKind},
		{"an object without id", strings.Replace(good, `"https://a.example/2"`, `{"type":"Note"}`, 1), ours, ldsig.ErrKind},
		{"two types", strings.Replace(good, `"Delete"`, `["Delete","Create"]`, 1), ours, ldsig.ErrKind},
		{"two actors", strings.Replace(good, `"`+alice+`"`, `["`+alice+`","x:1"]`, 1), ours, ldsig.ErrKind},
		{"followers only", strings.Replace(good, toPublic, alice+"/followers", 1), ours, ldsig.ErrPrivate},
		{"to nobody", strings.Replace(good, `,"to":"`+toPublic+`"`, "", 1), ours, ldsig.ErrPrivate},
		{"no key", good, signature.Key{ID: aliceKey}, signature.ErrBadKey},
		{"an Ed25519 key", good, signature.Key{ID: aliceKey, Private: ed}, signature.ErrBadKey},
		{"a key elsewhere", good, signature.Key{ID: "https://b.example/users/alice#main-key", Private: key}, ldsig.ErrCreator},
		{"a key without address", good, signature.Key{ID: "main-key", Private: key}, ldsig.ErrCreator},
		{"large", strings.Replace(good, `"to"`, `"content":"`+strings.Repeat("x", 64<<10)+`","to"`, 1), ours, signature.ErrTooLarge},
		{"large once signed", strings.Replace(good, `"to"`, `"content":"`+strings.Repeat("x", 64<<10-len(good)-100)+`","to"`, 1), ours, signature.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			signed, err := ldsig.Sign([]byte(c.document), c.key, 0)
			if c.kind == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, ldsig.Result{}, err, c.kind)
			if signed != nil {
				t.Errorf("signed nevertheless: %s", signed)
			}
		})
	}
}

func ExampleSign() {
	private, err := signature.GenerateKey()
	if err != nil {
		panic(err)
	}
	const alice = "https://blog.example/users/alice"
	signed, err := ldsig.Sign([]byte(`{
		"@context": "https://www.w3.org/ns/activitystreams",
		"id": "https://blog.example/d/1",
		"type": "Delete",
		"actor": "https://blog.example/users/alice",
		"to": "https://www.w3.org/ns/activitystreams#Public",
		"object": "https://blog.example/posts/1"
	}`), signature.Key{ID: alice + "#main-key", Private: private}, 48*time.Hour)
	if err != nil {
		panic(err)
	}
	// Somebody else brings it.
	v := &ldsig.Verifier{Keys: oneKey{signature.PublicKey{Owner: alice, Key: &private.PublicKey}}}
	result, err := v.Verify(context.Background(), signed)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(result.Owner + " said " + result.Type + " " + result.Object + "\n")
	// Output: https://blog.example/users/alice said Delete https://blog.example/posts/1
}

// oneKey is a KeySource that has one key under every id. In an app it is *actor.Resolver.
type oneKey struct{ key signature.PublicKey }

func (k oneKey) PublicKey(context.Context, string) (signature.PublicKey, error) { return k.key, nil }

// What Sign makes of a document with a proof a whole JSON-LD processor finds too, which loads the contexts as published.
func TestASignatureCoversTheProof(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	contexts := maps.Clone(must[offline](t)(contexts()))
	for _, version := range []string{"v1", "v2"} {
		var doc any
		text := must[[]byte](t)(os.ReadFile("testdata/contexts/security-data-integrity-" + version + ".json"))
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		contexts["https://w3id.org/security/data-integrity/"+version] = doc
	}
	v := &ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}}
	proved := func(version string, edits ...func(proof map[string]any)) []byte {
		return edit(t, wire(t, "create-note-public"), func(doc map[string]any) {
			doc["@context"] = append(doc["@context"].([]any), "https://w3id.org/security/data-integrity/"+version, "https://w3id.org/security/v1")
			proof := map[string]any{
				"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "created": "2026-06-20T12:00:00Z",
				"expires": "2027-06-20T12:00:00Z", "proofPurpose": "assertionMethod", "proofValue": "z4oey",
				"verificationMethod": "https://mastodon.example/users/alice#ed25519-key",
			}
			if version == "v1" {
				proof["@context"] = doc["@context"] // some repeat it there
			}
			for _, e := range edits {
				e(proof)
			}
			doc["proof"] = proof
		})
	}
	sign := func(document []byte) ([]byte, error) {
		return ldsig.Sign(document, signature.Key{ID: wireKey, Private: key}, 0)
	}
	for _, version := range []string{"v1", "v2"} {
		signed := must[[]byte](t)(sign(proved(version)))
		if err := (bare{contexts}).verify(signed, &key.PublicKey); err != nil {
			t.Errorf("%s: by the bare algorithm: %v", version, err)
		}
		r, err := v.Verify(t.Context(), signed)
		if err != nil || !r.Verified || bytes.Contains(r.Document, []byte(`"proof"`)) {
			t.Errorf("%s: %+v, %v", version, r, err)
		}
		for name, value := range map[string]any{
			"cryptosuite": "eddsa-rdfc-2022", "created": "2026-06-20T12:00:01Z", "expires": "2028-06-20T12:00:00Z", "proofValue": "z4oez",
			"verificationMethod": "https://mastodon.example/users/alice#other",
		} {
			r, err := v.Verify(t.Context(), edit(t, signed, func(doc map[string]any) { doc["proof"].(map[string]any)[name] = value }))
			refused(t, r, err, signature.ErrBadSignature)
		}
		r, err = v.Verify(t.Context(), edit(t, signed, func(doc map[string]any) { delete(doc, "proof") }))
		refused(t, r, err, signature.ErrBadSignature)
		r, err = v.Verify(t.Context(), edit(t, signed, func(doc map[string]any) { doc["object"].(map[string]any)["proof"] = doc["proof"] }))
		refused(t, r, err, ldsig.ErrUnprotected)
		r, err = v.Verify(t.Context(), edit(t, signed, func(doc map[string]any) {
			doc["object"].(map[string]any)["proof"] = doc["proof"]
			delete(doc, "proof")
		}))
		refused(t, r, err, ldsig.ErrUnprotected)
	}
	for what, e := range map[string]func(map[string]any){
		"of another type":         func(p map[string]any) { p["type"] = "Ed25519Signature2020" },
		"for another purpose":     func(p map[string]any) { p["proofPurpose"] = "authentication" },
		"with another context":    func(p map[string]any) { p["@context"] = "https://www.w3.org/ns/activitystreams" },
		"with an id":              func(p map[string]any) { p["id"] = "https://mastodon.example/proof" },
		"with a list":             func(p map[string]any) { p["proofValue"] = []any{"z4oey"} },
		"with a number":           func(p map[string]any) { p["created"] = 2026 },
		"with a control sign":     func(p map[string]any) { p["proofValue"] = "z\t" },
		"whose key is no IRI":     func(p map[string]any) { p["verificationMethod"] = "#ed25519-key" },
		"with what is not signed": func(p map[string]any) { p["nickname"] = "p" },
	} {
		if _, err := sign(proved("v1", e)); !errors.Is(err, ldsig.ErrUnprotected) && !errors.Is(err, ldsig.ErrRestructured) {
			t.Errorf("a proof %s: %v", what, err)
		}
	}
	for what, c := range map[string]struct {
		edit func(map[string]any)
		want error
	}{
		"no context defines it": {func(doc map[string]any) { doc["@context"] = doc["@context"].([]any)[:1] }, ldsig.ErrUnprotected},
		"two contexts define it": {func(doc map[string]any) {
			doc["@context"] = append(doc["@context"].([]any), "https://w3id.org/security/data-integrity/v2")
			doc["proof"].(map[string]any)["@context"] = doc["@context"]
		}, ldsig.ErrContext},
		"several":           {func(doc map[string]any) { doc["proof"] = []any{doc["proof"], doc["proof"]} }, ldsig.ErrUnprotected},
		"none":              {func(doc map[string]any) { doc["proof"] = nil }, ldsig.ErrUnprotected},
		"of what has no id": {func(doc map[string]any) { delete(doc, "id") }, ldsig.ErrUnprotected},
	} {
		_, err := sign(edit(t, proved("v1"), c.edit))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
