package ldsig_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
	"github.com/piprate/json-gold/ld"
)

const (
	alice    = "https://a.example/users/alice"
	aliceKey = alice + "#main-key"
	toPublic = "https://www.w3.org/ns/activitystreams#Public"
)

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// vectors is testdata/restructure.json.
type vectors struct {
	PrivateKeyPEM string `json:"private_key_pem"`
	PublicKeyPEM  string `json:"public_key_pem"`
	Cases         []struct {
		ID       string          `json:"id"`
		What     string          `json:"what"`
		Expect   string          `json:"expect"`
		Result   string          `json:"json_gold_result"`
		Document json.RawMessage `json:"document"`
	} `json:"cases"`
	private *rsa.PrivateKey
}

var readVectors = sync.OnceValues(func() (*vectors, error) {
	text, err := os.ReadFile("testdata/restructure.json")
	if err != nil {
		return nil, err
	}
	v := new(vectors)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	private, err := signature.ParsePrivateKey(v.PrivateKeyPEM)
	if err != nil {
		return nil, err
	}
	v.private = private.(*rsa.PrivateKey)
	return v, nil
})

// document returns the document of a case, changed by edits.
func (v *vectors) document(t testing.TB, id string, edits ...func(doc map[string]any)) []byte {
	t.Helper()
	for _, c := range v.Cases {
		if c.ID == id {
			return edit(t, c.Document, edits...)
		}
	}
	t.Fatalf("no case %q", id)
	return nil
}

func edit(t testing.TB, document []byte, edits ...func(doc map[string]any)) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		e(doc)
	}
	return must[[]byte](t)(json.Marshal(doc))
}

func object(doc map[string]any) map[string]any { return doc["object"].(map[string]any) }

func (v *vectors) key() signature.Key { return signature.Key{ID: aliceKey, Private: v.private} }

// keyring is a KeySource with one key per id, whose owner is the id without its fragment.
type keyring map[string]crypto.PublicKey

func (k keyring) PublicKey(_ context.Context, keyID string) (signature.PublicKey, error) {
	key, ok := k[keyID]
	if !ok {
		return signature.PublicKey{}, fmt.Errorf("%s: %w", keyID, signature.ErrNoKey)
	}
	owner, _, _ := strings.Cut(keyID, "#")
	return signature.PublicKey{ID: keyID, Owner: owner, Key: key}, nil
}

// verifier knows the key of the vectors as alice's.
func verifier(t testing.TB) *ldsig.Verifier {
	t.Helper()
	return &ldsig.Verifier{Keys: keyring{aliceKey: &must[*vectors](t)(readVectors()).private.PublicKey}}
}

// vectorTime is an hour after the vectors were signed.
const vectorTime = "2026-01-01T01:00:00Z"

// at runs f at a time.
func at(t *testing.T, when string, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(must[time.Time](t)(time.Parse(time.RFC3339, when))))
		f(t)
	})
}

// verifyAt verifies a document with the vectors' key at a time.
func verifyAt(t *testing.T, when string, document []byte) (result ldsig.Result, err error) {
	t.Helper()
	at(t, when, func(t *testing.T) { result, err = verifier(t).Verify(t.Context(), document) })
	return result, err
}

// refused says whether err is an *Error of the kind, with a result that grants nothing.
func refused(t testing.TB, result ldsig.Result, err error, kind error) {
	t.Helper()
	var typed *ldsig.Error
	if !errors.Is(err, kind) || !errors.As(err, &typed) {
		t.Errorf("error is %v, want an *Error that wraps %v", err, kind)
	}
	if result.MayRefetch || result.Verified || result.Document != nil || result.Owner != "" {
		t.Errorf("refused, but %+v", result)
	}
}

// offline has the published contexts, and what a test adds.
type offline map[string]any

func (o offline) LoadDocument(address string) (*ld.RemoteDocument, error) {
	doc, ok := o[address]
	if !ok {
		return nil, fmt.Errorf("no %s", address)
	}
	if f, ok := doc.(func() any); ok {
		doc = f()
	}
	return &ld.RemoteDocument{DocumentURL: address, Document: ld.CloneDocument(doc)}, nil
}

var contexts = sync.OnceValues(func() (offline, error) {
	o := make(offline)
	for address, name := range map[string]string{
		"https://www.w3.org/ns/activitystreams":        "activitystreams",
		"https://w3id.org/security/v1":                 "security-v1",
		"https://w3id.org/identity/v1":                 "identity-v1",
		"https://purl.archive.org/socialweb/webfinger": "webfinger",
		"http://joinmastodon.org/ns":                   "joinmastodon",
		"https://purl.archive.org/miscellany":          "miscellany",
		"https://gotosocial.org/ns":                    "gotosocial",
		"https://w3id.org/fep/7aa9":                    "fep-7aa9",
	} {
		text, err := os.ReadFile(filepath.Join("contexts", name+".json"))
		if err != nil {
			return nil, err
		}
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, err
		}
		o[address] = doc
	}
	return o, nil
})

const sha256Hash = crypto.SHA256

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// bare does RsaSignature2017 with the library alone and none of this package's rules: what it
// accepts shows what they are there for, and what Sign makes must satisfy it.
type bare struct{ loader ld.DocumentLoader }

func withoutRules(t testing.TB) bare { return bare{must[offline](t)(contexts())} }

func (b bare) quads(doc map[string]any) (string, error) {
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = b.loader
	options.Algorithm = ld.AlgorithmURDNA2015
	options.Format = "application/n-quads"
	out, err := ld.NewJsonLdProcessor().Normalize(doc, options)
	if err != nil {
		return "", err
	}
	return out.(string), nil
}

func (b bare) digest(document []byte) (sum, value []byte, err error) {
	var doc map[string]any
	if err := json.NewDecoder(bytes.NewReader(document)).Decode(&doc); err != nil {
		return nil, nil, err
	}
	options, ok := doc["signature"].(map[string]any)
	if !ok {
		return nil, nil, errors.New("not signed")
	}
	delete(doc, "signature")
	options = maps.Clone(options)
	if text, ok := options["signatureValue"].(string); ok {
		if value, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range []string{"type", "id", "signatureValue"} {
		delete(options, name)
	}
	options["@context"] = "https://w3id.org/identity/v1"
	var hashes string
	for _, part := range []map[string]any{options, doc} {
		text, err := b.quads(part)
		if err != nil {
			return nil, nil, err
		}
		hash := sha256.Sum256([]byte(text))
		hashes += hex.EncodeToString(hash[:])
	}
	hash := sha256.Sum256([]byte(hashes))
	return hash[:], value, nil
}

func (b bare) verify(document []byte, key *rsa.PublicKey) error {
	sum, value, err := b.digest(document)
	if err != nil {
		return err
	}
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, value)
}

// sign signs anything at all.
func (b bare) sign(t testing.TB, document []byte, key *rsa.PrivateKey, creator, created string) []byte {
	t.Helper()
	own := map[string]any{"type": "RsaSignature2017", "creator": creator, "created": created}
	unsigned := edit(t, document, func(doc map[string]any) { doc["signature"] = own })
	sum, _, err := b.digest(unsigned)
	if err != nil {
		t.Fatal(err)
	}
	value := must[[]byte](t)(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum))
	own["signatureValue"] = base64.StdEncoding.EncodeToString(value)
	return edit(t, unsigned, func(doc map[string]any) { doc["signature"] = own })
}
