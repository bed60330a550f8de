package ldsig_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// Each of these leaves the signature valid for the library alone, or so it says in the vectors.
func TestRestructuringsAreRefusedAndControlsTaken(t *testing.T) {
	t.Parallel()
	v := must[*vectors](t)(readVectors())
	kinds := map[string]error{
		"content-changed":                 signature.ErrBadSignature,
		"graph-wrap":                      ldsig.ErrRestructured,
		"graph-top":                       ldsig.ErrRestructured,
		"reverse":                         ldsig.ErrRestructured,
		"reverse-alias":                   ldsig.ErrContext,
		"reverse-term":                    ldsig.ErrContext,
		"included-hide-cc":                ldsig.ErrRestructured,
		"included-hide-sensitive":         ldsig.ErrRestructured,
		"split-object":                    ldsig.ErrRestructured,
		"repeat-node-under-existing-edge": ldsig.ErrRestructured,
		"move-props-to-other-mention":     ldsig.ErrRestructured,
		"unsigned-undefined-term":         ldsig.ErrUnprotected,
		"relative-iri":                    ldsig.ErrUnprotected,
		"null-context-entry":              ldsig.ErrContext,
		"type-shadow":                     ldsig.ErrContext,
		"at-keyword-shadow":               ldsig.ErrContext,
		"duplicate-set-member":            ldsig.ErrRestructured,
		"bool-as-typed":                   ldsig.ErrRestructured,
		"content-as-valueobject":          ldsig.ErrRestructured,
	}
	// These can't be told from what alice signed, and so are what she signed: the term that was
	// stripped was not, nor were arrays of one and the order of two attachments.
	same := map[string]bool{"remove-undefined": true, "attachment-order": true, "array-flatten": true, "type-array": true}
	honest, err := verifyAt(t, vectorTime, v.document(t, "honest-create"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cases {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			if valid := withoutRules(t).verify(c.Document, &v.private.PublicKey) == nil; valid != (c.Result == "signature still valid") {
				t.Errorf("%s: without rules valid is %v, but %s", c.What, valid, c.Result)
			}
			result, err := verifyAt(t, vectorTime, c.Document)
			kind, bad := kinds[c.ID]
			switch {
			case bad:
				refused(t, result, err, kind)
			case err != nil:
				t.Errorf("%s: %v", c.What, err)
			case c.Expect != "accept" && !same[c.ID]:
				t.Errorf("%s: accepted", c.What)
			case c.ID == "honest-undo":
				if !result.Verified || result.Object != "https://a.example/announce/1" || result.Type != "Undo" {
					t.Errorf("result is %+v", result)
				}
			default:
				one, other := must[[]byte](t)(json.Marshal(result)), must[[]byte](t)(json.Marshal(honest))
				if string(one) != string(other) || !result.MayRefetch || result.Verified {
					t.Errorf("result is\n%s, of what alice signed\n%s", one, other)
				}
			}
		})
	}
}

// What Mastodon made, Mastodon's own libraries canonicalised.
func TestMastodonsOwnSignatureIsVerified(t *testing.T) {
	t.Parallel()
	var recorded struct {
		PublicKeyPEM string `json:"publicKeyPem"`
		Document     json.RawMessage
	}
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("testdata/mastodon-4.2-create.json")), &recorded); err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParsePublicKey(recorded.PublicKeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	const who = "https://activitypub.academy/users/brauca_darradiul"
	at(t, "2024-09-13T16:50:46Z", func(t *testing.T) {
		v := &ldsig.Verifier{Keys: keyring{who + "#main-key": key}}
		result, err := v.Verify(t.Context(), recorded.Document)
		if err != nil {
			t.Fatal(err)
		}
		const note = who + "/statuses/113125611605598678"
		if !result.MayRefetch || !result.Verified || result.Owner != who || result.Object != note ||
			result.ID != note+"/activity" || result.Type != "Create" || result.Creator != who+"#main-key" ||
			result.Created.Unix() != 1726159846 || !result.Expires.IsZero() {
			t.Errorf("result is %+v", result)
		}
		const want = `{"actor":"` + who + `","cc":"` + who + `/followers","id":"` + note + `/activity","object":{` +
			`"atomUri":"` + note + `","attributedTo":"` + who + `","cc":"` + who + `/followers","content":"<p>Test</p>",` +
			`"contentMap":{"en":"<p>Test</p>"},"conversation":"tag:activitypub.academy,2024-09-12:objectId=187606:objectType=Conversation",` +
			`"id":"` + note + `","published":"2024-09-12T16:50:45Z","replies":{"first":{"next":"` + note + `/replies?only_other_accounts=true&page=true",` +
			`"partOf":"` + note + `/replies","type":"CollectionPage"},"id":"` + note + `/replies","type":"Collection"},"sensitive":false,` +
			`"to":"` + toPublic + `","type":"Note","url":"https://activitypub.academy/@brauca_darradiul/113125611605598678"},` +
			`"published":"2024-09-12T16:50:45Z","to":"` + toPublic + `","type":"Create"}`
		if string(result.Document) != want {
			t.Errorf("document is\n%s, want\n%s", result.Document, want)
		}
	})
}
