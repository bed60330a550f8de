package signature_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/signature"
)

const (
	mallory   = "https://evil.example/users/mallory"
	aliceEd   = alice + "#ed25519-key"
	malloryEd = mallory + "#ed25519-key"
	aliceNote = `{"id":"https://peer.example/notes/1","type":"Note","attributedTo":"` + alice + `","content":"good"}`
)

// actors holds one Ed25519 key per actor, whose id is the actor's with #ed25519-key.
type actors map[string]ed25519.PrivateKey

func newActors(t testing.TB, ids ...string) actors {
	t.Helper()
	a := actors{}
	for _, id := range ids {
		a[id] = must[ed25519.PrivateKey](t)(signature.GenerateEd25519Key())
	}
	return a
}

func (a actors) key(_ context.Context, method string) (signature.PublicKey, error) {
	owner, _, _ := strings.Cut(method, "#")
	k, ok := a[owner]
	if !ok || method != owner+"#ed25519-key" {
		return signature.PublicKey{}, fmt.Errorf("%s: %w", method, signature.ErrNoKey)
	}
	return signature.PublicKey{ID: method, Owner: owner, Key: k.Public()}, nil
}

func (a actors) verifier() *signature.ProofVerifier { return &signature.ProofVerifier{Key: a.key} }

// forgeProof adds a proof to a document without the package under test but for the canonical form: with
// whatever members, and over whatever the document holds. The configuration is the proof without its
// value, to which what the suite requires is added where it is missing.
func forgeProof(t testing.TB, k ed25519.PrivateKey, document, config string) []byte {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(config), &p); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
		"verificationMethod": aliceEd, "created": time.Now().UTC().Format(time.RFC3339),
	} {
		if _, ok := p[name]; !ok {
			p[name] = value
		}
	}
	signed := map[string]any{}
	d := json.NewDecoder(strings.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&signed); err != nil {
		t.Fatal(err)
	}
	if c, ok := p["@context"]; ok {
		signed["@context"] = c
	}
	hash := signature.SignedHash(lax(t, p), lax(t, signed))
	p["proofValue"] = "z" + signature.Base58(ed25519.Sign(k, hash))
	return withMember(document, "proof", string(must[[]byte](t)(json.Marshal(p))))
}

func lax(t testing.TB, v any) []byte {
	t.Helper()
	return must[[]byte](t)(signature.LaxJCS(must[[]byte](t)(json.Marshal(v))))
}

// withMember puts a member after the last one of an object.
func withMember(document, name, value string) []byte {
	return []byte(strings.TrimSuffix(document, "}") + `,"` + name + `":` + value + "}")
}

// attackProof asserts that a verifier without the rule accepts, and that ours refuses with this error.
func attackProof(t *testing.T, name string, v *signature.ProofVerifier, document []byte, without error, want error) {
	t.Helper()
	if without != nil {
		t.Errorf("%s: without the rule: %v", name, without)
	}
	p, err := v.Verify(t.Context(), document)
	var e *signature.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Status < 400 || p.Owner != "" || p.Document != nil {
		t.Errorf("%s: got %+v, %v, want %v", name, p, err, want)
	}
}

func proveAs(t testing.TB, a actors, owner, document string) []byte {
	t.Helper()
	return must[[]byte](t)(signature.Prove([]byte(document), signature.Key{ID: owner + "#ed25519-key", Private: a[owner]}, signature.ProofOptions{}))
}

func TestAttack39TwoReadingsOfOneDocumentAreRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	for name, change := range map[string]struct{ signed, sent string }{
		"duplicate name":            {`"x":"good"`, `"x":"evil","x":"good"`},
		"duplicate name in escapes": {`"x":"good"`, `"\u0078":"evil","x":"good"`},
		"lone surrogate":            {`"x":"\ufffd"`, `"x":"\ud800"`},
		"surrogates the wrong way":  {`"x":"\ufffd\ufffd"`, `"x":"\udc00\ud800"`},
		"invalid UTF-8":             {`"x":"\ufffd"`, "\"x\":\"\xff\""},
		"integer beyond 2^53":       {`"x":9007199254740992`, `"x":9007199254740993`},
		"float beyond 2^53":         {`"x":1e21`, `"x":1000000000000000000001`},
		"minus zero":                {`"x":0`, `"x":-0`},
		"minus zero as a float":     {`"x":0`, `"x":-0.0e7`},
		"1e999":                     {`"x":1.7976931348623157e308`, `"x":1e999`},
		"too small for a double":    {`"x":0`, `"x":1e-999`},
	} {
		genuine := forgeProof(t, a[alice], strings.Replace(aliceNote, `"content":"good"`, change.signed, 1), `{}`)
		at := bytes.LastIndex(genuine, []byte(change.signed))
		sent := append(append(bytes.Clone(genuine[:at]), change.sent...), genuine[at+len(change.signed):]...)
		_, without := a.verifier().VerifyLaxJSON(t.Context(), sent)
		attackProof(t, name, a.verifier(), sent, without, signature.ErrMalformed)
	}
}

func TestAttack40AProofForAnotherContextIsRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	const as, di = `"https://www.w3.org/ns/activitystreams"`, `"https://w3id.org/security/data-integrity/v2"`
	for name, sent := range map[string]string{
		"other entry":   `[` + as + `,"https://evil.example/ns"]`,
		"other order":   `[` + di + `,` + as + `]`,
		"put before":    `["https://evil.example/ns",` + as + `,` + di + `]`,
		"shorter":       `[` + as + `]`,
		"only one":      as,
		"another type":  `[` + as + `,{"di":` + di + `}]`,
		"null":          `null`,
		"null in a row": `[` + as + `,` + di + `,null]`,
	} {
		document := `{"@context":` + sent + `,` + aliceNote[1:]
		sentProof := forgeProof(t, a[alice], document, `{"@context":[`+as+`,`+di+`]}`)
		_, without := a.verifier().VerifyWithoutRule(t.Context(), sentProof, "context")
		attackProof(t, name, a.verifier(), sentProof, without, signature.ErrCoverage)
	}
	// A document that has lost its @context is not the one that was signed, rule or no rule.
	_, err := a.verifier().Verify(t.Context(), forgeProof(t, a[alice], aliceNote, `{"@context":[`+as+`]}`))
	if !errors.Is(err, signature.ErrCoverage) {
		t.Error(err)
	}
	appended := forgeProof(t, a[alice], `{"@context":[`+as+`,"https://relay.example/ns"],`+aliceNote[1:], `{"@context":`+as+`}`)
	p, err := a.verifier().Verify(t.Context(), appended)
	if err != nil || !bytes.HasPrefix(p.Document, []byte(`{"@context":`+as+`,`)) {
		t.Errorf("appended: %s, %v", p.Document, err)
	}
}

func TestAttack41AKeyForSomethingElseOrOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice, mallory, "https://peer.example/users/bob")
	login := forgeProof(t, a[alice], aliceNote, `{"proofPurpose":"authentication"}`)
	_, without := a.verifier().VerifyWithoutRule(t.Context(), login, "purpose")
	attackProof(t, "purpose", a.verifier(), login, without, signature.ErrUnsupported)

	neighbour := forgeProof(t, a["https://peer.example/users/bob"], aliceNote, `{"verificationMethod":"https://peer.example/users/bob#ed25519-key"}`)
	_, without = a.verifier().VerifyWithoutRule(t.Context(), neighbour, "owner")
	attackProof(t, "a neighbour's key", a.verifier(), neighbour, without, signature.ErrOwner)

	// A key for logging in is no key for assertions. Without the rule any key of the document will do.
	document := func(purpose string) []byte {
		multikey := must[string](t)(signature.MarshalMultikey(a[alice].Public()))
		return fmt.Appendf(nil, `{"id":%q,%q:[{"id":%q,"type":"Multikey","controller":%[1]q,"publicKeyMultibase":%[4]q}]}`, alice, purpose, aliceEd, multikey)
	}
	byPurpose := func(purpose string) *signature.ProofVerifier {
		return &signature.ProofVerifier{Key: func(_ context.Context, method string) (signature.PublicKey, error) {
			return signature.AssertionKey(document(purpose), method)
		}}
	}
	genuine := proveAs(t, a, alice, aliceNote)
	_, without = byPurpose("assertionMethod").Verify(t.Context(), genuine)
	attackProof(t, "listed for another purpose", byPurpose("authentication"), genuine, without, signature.ErrNoKey)
}

func TestAttack42AnInnerProofIsNotTheOuterOnesNorTheReverse(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice, mallory)
	wrapped := []byte(`{"type":"Update","actor":"` + alice + `","object":` + string(proveAs(t, a, alice, aliceNote)) + `}`)
	_, without := a.verifier().VerifyAnyDepth(t.Context(), wrapped)
	attackProof(t, "inner for outer", a.verifier(), wrapped, without, signature.ErrUnsigned)

	outer := proveAs(t, a, mallory, `{"id":"https://evil.example/1","type":"Announce","actor":"`+mallory+`","object":`+aliceNote+`}`)
	p, without := a.verifier().Verify(t.Context(), outer)
	attackProof(t, "outer for inner", a.verifier(), []byte(aliceNote), without, signature.ErrUnsigned)
	if p.Authenticates("https://peer.example/notes/1", alice) {
		t.Error("the outer proof speaks for the inner object")
	}
}

func TestAttack43AProofOutOfItsTimeIsRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for name, config := range map[string]string{
		"expired":                     `{"created":"` + at(-2*time.Hour) + `","expires":"` + at(-time.Hour) + `"}`,
		"created in the future":       `{"created":"` + at(time.Hour) + `"}`,
		"over before it was made":     `{"created":"` + at(0) + `","expires":"` + at(-time.Second) + `"}`,
		"expired, creation not known": `{"created":"0001-01-01T00:00:01Z","expires":"` + at(-time.Hour) + `"}`,
	} {
		document := forgeProof(t, a[alice], aliceNote, config)
		_, without := a.verifier().VerifyWithoutRule(t.Context(), document, "time")
		attackProof(t, name, a.verifier(), document, without, signature.ErrExpired)
	}
}

func TestAttack44OneGoodProofAmongBadOnesIsRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice, mallory)
	proof := func(document []byte) string {
		var d struct{ Proof json.RawMessage }
		if err := json.Unmarshal(document, &d); err != nil {
			t.Fatal(err)
		}
		return string(d.Proof)
	}
	good := proof(proveAs(t, a, alice, aliceNote))
	for name, c := range map[string]struct {
		bad  string
		want error
	}{
		"of another document": {proof(proveAs(t, a, alice, strings.Replace(aliceNote, "good", "evil", 1))), signature.ErrBadSignature},
		"of somebody else":    {proof(forgeProof(t, a[mallory], aliceNote, `{"verificationMethod":"`+malloryEd+`"}`)), signature.ErrOwner},
		"malformed":           {`{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022"}`, signature.ErrMalformed},
	} {
		for _, set := range []string{good + "," + c.bad, c.bad + "," + good} {
			document := withMember(aliceNote, "proof", "["+set+"]")
			_, without := a.verifier().VerifyAnyProof(t.Context(), document)
			attackProof(t, name, a.verifier(), document, without, c.want)
		}
	}
}

func TestAttack45AProofValueInAnotherBaseOrLengthIsRefused(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	genuine := string(proveAs(t, a, alice, aliceNote))
	_, rest, _ := strings.Cut(genuine, `"proofValue":"`)
	value, _, _ := strings.Cut(rest, `"`)
	raw, ok := signature.Multibase(value)
	if !ok || len(raw) != 64 {
		t.Fatal(value)
	}
	for name, other := range map[string]string{
		"base64url":       "u" + base64.RawURLEncoding.EncodeToString(raw),
		"a byte too many": "z" + signature.Base58(append(bytes.Clone(raw), 0)),
		"twice as long":   "z" + signature.Base58(append(bytes.Clone(raw), raw...)),
	} {
		document := []byte(strings.Replace(genuine, value, other, 1))
		_, without := a.verifier().VerifyAnyMultibase(t.Context(), document)
		attackProof(t, name, a.verifier(), document, without, signature.ErrMalformed)
	}
}

func TestAttack46ASignatureIsNoPartOfWhatIsProved(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	ld := `{"type":"RsaSignature2017","creator":"` + mallory + `","signatureValue":"AAAA"}`
	// A proof over the signature would let its maker's word stand for what the signature says.
	over := forgeProof(t, a[alice], string(withMember(aliceNote, "signature", ld)), `{}`)
	attackProof(t, "signed with the proof", a.verifier(), over, a.verifier().VerifyWithSignature(t.Context(), over), signature.ErrBadSignature)

	p, err := a.verifier().Verify(t.Context(), withMember(string(proveAs(t, a, alice, aliceNote)), "signature", ld))
	if err != nil || bytes.Contains(p.Document, []byte("signature")) {
		t.Errorf("added after the proof: %s, %v", p.Document, err)
	}
	if _, err := signature.Prove(withMember(aliceNote, "signature", ld), signature.Key{ID: aliceEd, Private: a[alice]}, signature.ProofOptions{}); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("proved after the signature: %v", err)
	}
}

func TestAttack47ADIDKeyDoesNotSpeakForAnActor(t *testing.T) {
	t.Parallel()
	a := newActors(t, mallory)
	did := must[string](t)(signature.MarshalDIDKey(a[mallory].Public()))
	for name, method := range map[string]string{"bare": did, "with its fragment": did + "#" + strings.TrimPrefix(did, "did:key:")} {
		document := forgeProof(t, a[mallory], aliceNote, `{"verificationMethod":"`+method+`"}`)
		_, without := a.verifier().VerifyWithoutRule(t.Context(), document, "owner")
		attackProof(t, name, a.verifier(), document, without, signature.ErrOwner)
	}
	own := forgeProof(t, a[mallory], `{"type":"Note","attributedTo":"`+did+`"}`, `{"verificationMethod":"`+did+`"}`)
	if p, err := a.verifier().Verify(t.Context(), own); err != nil || p.Owner != did {
		t.Errorf("the DID's own: %+v, %v", p, err)
	}
	taken := forgeProof(t, a[mallory], `{"id":"https://peer.example/notes/1","attributedTo":"`+did+`"}`, `{"verificationMethod":"`+did+`"}`)
	if _, err := a.verifier().Verify(t.Context(), taken); !errors.Is(err, signature.ErrOwner) {
		t.Errorf("the DID's, with an id of another's: %v", err)
	}
}

func TestAttack48AnUnknownSuiteMeansUnsignedAndIsNotTakenForOurs(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice)
	for name, config := range map[string]string{
		"eddsa-rdfc-2022":     `{"cryptosuite":"eddsa-rdfc-2022"}`,
		"mldsa44-jcs-2024":    `{"cryptosuite":"mldsa44-jcs-2024"}`,
		"another type":        `{"type":"Ed25519Signature2020"}`,
		"a list of types":     `{"type":["DataIntegrityProof"]}`,
		"no suite":            `{"cryptosuite":null}`,
		"a link of a chain":   `{"previousProof":"urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544"}`,
		"for another domain":  `{"domain":"https://bank.example"}`,
		"answer to challenge": `{"challenge":"1"}`,
	} {
		document := forgeProof(t, a[alice], aliceNote, config)
		attackProof(t, name, a.verifier(), document, a.verifier().VerifyAnySuite(t.Context(), document), signature.ErrUnsigned)
	}
}

func TestAttack49AProofSpeaksForItsOwnersOriginAlone(t *testing.T) {
	t.Parallel()
	a := newActors(t, alice, mallory)
	stolen := forgeProof(t, a[mallory], `{"id":"https://peer.example/notes/1","type":"Note","attributedTo":"`+mallory+`"}`, `{"verificationMethod":"`+malloryEd+`"}`)
	_, without := a.verifier().VerifyWithoutRule(t.Context(), stolen, "origin")
	attackProof(t, "id of another origin", a.verifier(), stolen, without, signature.ErrOwner)

	// The key is where its owner is, whatever a source says.
	elsewhere := &signature.ProofVerifier{Key: func(_ context.Context, method string) (signature.PublicKey, error) {
		return signature.PublicKey{ID: method, Owner: alice, Key: a[mallory].Public()}, nil
	}}
	lent := forgeProof(t, a[mallory], aliceNote, `{"verificationMethod":"`+malloryEd+`"}`)
	_, without = elsewhere.VerifyWithoutRule(t.Context(), lent, "origin")
	attackProof(t, "key of another origin", elsewhere, lent, without, signature.ErrOwner)

	p, err := a.verifier().Verify(t.Context(), proveAs(t, a, mallory, `{"id":"https://evil.example/1","type":"Create","actor":"`+mallory+`","object":`+aliceNote+`}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, inner := range []struct {
		id, owner string
		want      bool
	}{
		{"https://evil.example/2", mallory, true},
		{"", mallory, true},
		{"https://evil.example/1#fragment", "", true},
		{"https://peer.example/notes/1", alice, false},
		{"https://peer.example/notes/1", mallory, false},
		{"https://evil.example/2", alice, false},
		{"https://evil.example/2", "https://evil.example/users/other", false},
		{"https://evil.example:8443/2", mallory, false},
	} {
		if p.Authenticates(inner.id, inner.owner) != inner.want {
			t.Errorf("speaks for %q of %q: %v", inner.id, inner.owner, !inner.want)
		}
	}
}
