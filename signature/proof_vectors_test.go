package signature

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The published steps of the suite are looked at one by one, from inside.

const vectorDID = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"

// vectorTime is when the published proofs were made.
var vectorTime = time.Date(2023, 2, 24, 23, 36, 38, 0, time.UTC)

// vectorKey is the key of all published proofs, which comes as a private Multikey.
func vectorKey(t testing.TB, id string) Key {
	t.Helper()
	var pair struct{ PublicKeyMultibase, PrivateKeyMultibase string }
	load(t, "data-integrity/keyPair.json", &pair)
	raw, ok := decodeMultibase(pair.PrivateKeyMultibase)
	if !ok || !bytes.HasPrefix(raw, []byte{0x80, 0x26}) {
		t.Fatalf("% x", raw)
	}
	k := ed25519.NewKeyFromSeed(raw[2:])
	if text, err := MarshalMultikey(k.Public()); err != nil || text != pair.PublicKeyMultibase {
		t.Fatalf("public key %s, %v", text, err)
	}
	return Key{ID: id, Private: k}
}

func step(t *testing.T, name string) string {
	return strings.TrimSpace(string(read(t, "data-integrity/eddsa-jcs-2022/"+name)))
}

func TestEachStepOfTheSuiteIsAsPublished(t *testing.T) {
	t.Parallel()
	signed := read(t, "data-integrity/eddsa-jcs-2022/signedJCS.json")
	o, err := readObject(signed, 0)
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := proofsOf(o)
	if err != nil || len(proofs) != 1 {
		t.Fatal(proofs, err)
	}
	p := proofs[0]
	document, config := o.text(p.context, "proof"), p.members.text(nil, "proofValue")
	if string(document) != step(t, "canonDocJCS.txt") {
		t.Errorf("document %s", document)
	}
	if string(config) != step(t, "proofCanonJCS.txt") {
		t.Errorf("proof %s", config)
	}
	if given, err := canonicalize(read(t, "data-integrity/eddsa-jcs-2022/proofConfigJCS.json")); err != nil || !bytes.Equal(given, config) {
		t.Errorf("proof as given %s, %v", given, err)
	}
	first, second := sha256.Sum256(config), sha256.Sum256(document)
	combined := hex.EncodeToString(signedHash(config, document))
	if hex.EncodeToString(first[:]) != step(t, "proofHashJCS.txt") || hex.EncodeToString(second[:]) != step(t, "docHashJCS.txt") || combined != step(t, "combinedHashJCS.txt") {
		t.Errorf("hash %s", combined)
	}
	if hex.EncodeToString(p.value) != step(t, "sigHexJCS.txt") || "z"+encodeBase58(p.value) != step(t, "sigBTC58JCS.txt") {
		t.Errorf("signature %x", p.value)
	}
	// Proved again, it is the same. Its own id has no origin, which the rule is for.
	again, err := Prove(document, vectorKey(t, p.method), ProofOptions{Created: vectorTime})
	if err != nil || !sameJSON(t, again, signed) {
		t.Errorf("proved again: %s, %v", again, err)
	}
	v := &ProofVerifier{Owner: func([]byte) (string, error) { return vectorDID, nil }}
	if _, err := v.Verify(t.Context(), signed); !errors.Is(err, ErrOwner) {
		t.Errorf("a urn is of somebody's origin: %v", err)
	}
	got, err := v.VerifyWithoutRule(t.Context(), signed, "origin")
	if err != nil || got.Owner != vectorDID || !got.Created.Equal(vectorTime) || !bytes.Equal(got.Document, document) {
		t.Errorf("%+v, %v", got, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	first, err := canonicalize(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := canonicalize(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(first, second)
}

func TestPublishedProofsOfOtherSuitesMeanUnsigned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"signedDataInt", "proof-set-chain/signedProofSet2", "proof-set-chain/signedProofChain2"} {
		document := read(t, "data-integrity/"+name+".json")
		if !bytes.Contains(document, []byte("eddsa-rdfc-2022")) {
			t.Fatal(name)
		}
		if _, err := new(ProofVerifier).Verify(t.Context(), document); !errors.Is(err, ErrUnsigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// blocks returns the documents of a feature, which stand between three quotes.
func blocks(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?s)"""(.*?)"""`).FindAllStringSubmatch(string(read(t, name)), -1) {
		if !json.Valid([]byte(m[1])) {
			t.Fatalf("%s: %s", name, m[1])
		}
		out = append(out, m[1])
	}
	return out
}

func TestTheFeatureOfObjectIntegrityProofs(t *testing.T) {
	t.Parallel()
	const actor = "https://server.example/users/alice"
	parts := blocks(t, "fep/8b32/fep-8b32.feature")
	if len(parts) != 4 {
		t.Fatalf("%d documents", len(parts))
	}
	unsigned, signed, received, owner := parts[0], parts[1], parts[2], parts[3]
	got, err := Prove([]byte(unsigned), vectorKey(t, actor+"#ed25519-key"), ProofOptions{Created: vectorTime.In(time.FixedZone("", 7200))})
	if err != nil || !sameJSON(t, got, []byte(signed)) {
		t.Errorf("signed: %s, %v", got, err)
	}
	v := &ProofVerifier{Key: func(_ context.Context, method string) (PublicKey, error) {
		return AssertionKey([]byte(owner), method)
	}}
	p, err := v.Verify(t.Context(), []byte(received))
	if err != nil || p.Owner != actor || p.ID != "https://server.example/activities/1" || !sameJSON(t, p.Document, []byte(unsigned)) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, change := range [][2]string{{"Hello world", "Hello World"}, {"25.273962", "25.273963"}, {`"Create"`, `"Delete"`}, {"38Z", "39Z"}} {
		other := strings.Replace(received, change[0], change[1], 1)
		if _, err := v.Verify(t.Context(), []byte(other)); other == received || !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// A statement that a did:key and an actor are one: its owner is its subject.
func TestTheFeatureOfIdentityProofs(t *testing.T) {
	t.Parallel()
	parts := blocks(t, "fep/c390/fep-c390.feature")
	if len(parts) != 3 {
		t.Fatalf("%d documents", len(parts))
	}
	claim, statement := []byte(parts[0]), []byte(parts[1])
	got, err := Prove(claim, vectorKey(t, vectorDID), ProofOptions{Created: vectorTime})
	if err != nil || !sameJSON(t, got, statement) {
		t.Errorf("%s, %v", got, err)
	}
	actor, err := readObject([]byte(parts[2]), 0)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := elements(actor.get("attachment"))
	if err != nil || len(attached) != 1 || !sameJSON(t, attached[0], statement) {
		t.Fatal(attached, err)
	}
	v := &ProofVerifier{Owner: func(document []byte) (string, error) {
		var d struct{ Subject string }
		err := json.Unmarshal(document, &d)
		return d.Subject, err
	}}
	p, err := v.Verify(t.Context(), attached[0])
	if err != nil || p.Owner != vectorDID || p.Method != vectorDID || !sameJSON(t, p.Document, claim) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := new(ProofVerifier).Verify(t.Context(), statement); !errors.Is(err, ErrMalformed) {
		t.Errorf("a document that says of nobody that he is its owner: %v", err)
	}
	stolen := bytes.Replace(statement, []byte("users/alice"), []byte("users/mallory"), 1)
	if _, err := v.Verify(t.Context(), stolen); !errors.Is(err, ErrBadSignature) {
		t.Errorf("for another actor: %v", err)
	}
}

func TestFedify23Proves(t *testing.T) {
	t.Parallel()
	const actor = "https://fedify.example/users/alice"
	seed, err := hex.DecodeString("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842") // RFC 8410 §10.3
	if err != nil {
		t.Fatal(err)
	}
	v := &ProofVerifier{Key: func(_ context.Context, method string) (PublicKey, error) {
		return PublicKey{ID: method, Owner: actor, Key: ed25519.NewKeyFromSeed(seed).Public()}, nil
	}}
	document := read(t, "fep/fedify-2.3.6/create.json")
	p, err := v.Verify(t.Context(), document)
	if err != nil || p.Owner != actor || p.Method != actor+"#multikey-1" || !p.Authenticates("https://fedify.example/notes/1", actor) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := v.Verify(t.Context(), bytes.Replace(document, []byte("café"), []byte("cafe"), 1)); !errors.Is(err, ErrBadSignature) {
		t.Error(err)
	}
}
