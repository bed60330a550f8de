package signature

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What the members of a proof hold that this package makes and checks (FEP-8b32, Data Integrity §3.1).
const (
	proofType    = "DataIntegrityProof"
	proofSuite   = "eddsa-jcs-2022"
	proofPurpose = "assertionMethod"
)

// maxProofs bounds the proofs of one document: each costs a key.
const maxProofs = 4

// ProofOptions say what a proof says besides who made it. The zero value makes a proof of now that never
// expires.
type ProofOptions struct {
	// Created is when the proof was made, in seconds. Zero means now.
	Created time.Time

	// Expires is when the proof ends, in seconds. Zero: it does not. Fedify 2.3.6 (seen 2026-11) takes no
	// proof that expires.
	Expires time.Time
}

// Prove adds an object integrity proof (FEP-8b32) with the suite eddsa-jcs-2022 to a JSON object. All
// else stays as it is, byte by byte: the member proof is put after the last one. The proof is by k, whose
// ID is the verification method: the id of an Ed25519 key that the document's owner lists as its
// assertionMethod, "<actor id>#ed25519-key" by custom.
//
// What a [ProofVerifier] would not read Prove does not sign: a document of more than 1 MiB, with members of
// one name, with numbers of 2^53 and beyond, nested more than 64 deep. Nor does it sign one that has a proof already
// or a member signature: the proof comes before an LD signature, and covers none. A processor of JSON-LD
// sees the proof only if the document's @context lists "https://w3id.org/security/data-integrity/v1" or
// another one that defines it; Prove does not add that.
//
// The error wraps [ErrBadKey], [ErrMalformed], [ErrTooLarge] or [ErrExpired]. Prove may be called by many
// goroutines at once.
func Prove(document []byte, k Key, options ProofOptions) ([]byte, error) {
	proved, err := prove(document, k, options)
	if err != nil {
		return nil, fmt.Errorf("signature: prove: %w", err)
	}
	return proved, nil
}

func prove(document []byte, k Key, options ProofOptions) ([]byte, error) {
	if k.ID == "" || len(k.ID) > maxKeyID || !every(k.ID, isQuotable) {
		return nil, fail(ErrBadKey, "key id %.80q", k.ID)
	}
	public, err := publicOf(k.Private)
	if err != nil {
		return nil, err
	}
	if _, ok := public.(ed25519.PublicKey); !ok {
		return nil, fail(ErrBadKey, "%s signs with an Ed25519 key, not with %T", proofSuite, public)
	}
	o, err := readObject(document, 0)
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"proof", "signature"} {
		if o.get(name) != nil {
			return nil, fail(ErrMalformed, "the document has a %s already", name)
		}
	}
	created := options.Created
	if created.IsZero() {
		created = time.Now()
	}
	if !options.Expires.IsZero() && options.Expires.Unix() <= created.Unix() {
		return nil, fail(ErrExpired, "the proof would be over before it is made")
	}
	context := o.get("@context")
	if _, ok := contexts(context); context != nil && !ok {
		return nil, fail(ErrMalformed, "@context is neither an id nor a definition, nor a list of these")
	}
	config := proofConfig(context, k.ID, created, options.Expires)
	value, err := k.Private.Sign(rand.Reader, signedHash(config.text(nil), o.text(nil)), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ID, err)
	}
	signed := slices.Insert(config, len(config)-afterValue, member{[]byte(`"proofValue"`), quoted("z" + encodeBase58(value))})
	out := insert(document, len(o) > 0, "proof", signed.text(nil))
	if len(out) > maxDocument {
		return nil, fail(ErrTooLarge, "document of %d bytes with its proof", len(out))
	}
	return out, nil
}

// afterValue is how many members of a proof follow its value: type and verificationMethod.
const afterValue = 2

// proofConfig returns a proof without its value, its members in canonical order.
func proofConfig(context []byte, method string, created, expires time.Time) object {
	var o object
	if context != nil {
		o = append(o, member{[]byte(`"@context"`), context})
	}
	// No fractions of seconds: programs that rewrite the time before they check it agree on this form.
	o = append(o, member{[]byte(`"created"`), quoted(created.UTC().Format(time.RFC3339))})
	o = append(o, member{[]byte(`"cryptosuite"`), quoted(proofSuite)})
	if !expires.IsZero() {
		o = append(o, member{[]byte(`"expires"`), quoted(expires.UTC().Format(time.RFC3339))})
	}
	return append(o,
		member{[]byte(`"proofPurpose"`), quoted(proofPurpose)},
		member{[]byte(`"type"`), quoted(proofType)},
		member{[]byte(`"verificationMethod"`), quoted(method)})
}

// quoted writes a string that needs no escapes.
func quoted(plain string) []byte { return []byte(`"` + plain + `"`) }

// insert puts a member after the last one of a JSON object, whatever follows its closing brace.
func insert(document []byte, comma bool, name string, value []byte) []byte {
	end := bytes.LastIndexByte(document, '}')
	out := make([]byte, 0, len(document)+len(name)+len(value)+4)
	out = append(out, document[:end]...)
	if comma {
		out = append(out, ',')
	}
	out = append(append(append(append(out, '"'), name...), '"', ':'), value...)
	return append(out, document[end:]...)
}

// signedHash is what eddsa-jcs-2022 signs: the hashes of both canonical forms, the proof's first.
func signedHash(config, document []byte) []byte {
	first, second := sha256.Sum256(config), sha256.Sum256(document)
	return append(first[:], second[:]...)
}

// proof is one proof of a document, parsed, and nothing of it proved.
type proof struct {
	members object
	context []byte // nil: it has none
	method  string // verificationMethod
	purpose string
	value   []byte

	// The zero Time means that the member is absent.
	created, expires time.Time
}

// proofsOf returns the proofs of a document that are of our suite. None is [ErrUnsigned]: what other
// suites say is not known, and a document is not the worse for it. A proof of our suite that is malformed
// is an error.
func proofsOf(o object) ([]proof, error) {
	value := o.get("proof")
	if value == nil {
		return nil, ErrUnsigned
	}
	list, err := elements(value)
	if err != nil {
		return nil, err
	}
	if len(list) > maxProofs {
		return nil, fail(ErrMalformed, "%d proofs, want at most %d", len(list), maxProofs)
	}
	var proofs []proof
	for _, text := range list {
		if text[0] != '{' {
			continue // an id, or null
		}
		m, err := members(text)
		if err != nil {
			return nil, err
		}
		if !m.ofOurSuite() {
			continue
		}
		p, err := parseProof(m)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, p)
	}
	if len(proofs) == 0 {
		return nil, fail(ErrUnsigned, "no proof with %s", proofSuite)
	}
	return proofs, nil
}

// ofOurSuite tells whether a proof is one that this package understands. A link of a chain covers other
// proofs too, and one for a domain is meant for whoever asked for it.
func (o object) ofOurSuite() bool {
	for _, name := range [...]string{"previousProof", "domain", "challenge"} {
		if o.get(name) != nil {
			return false
		}
	}
	kind, _ := stringOf(o.get("type"))
	suite, _ := stringOf(o.get("cryptosuite"))
	return kind == proofType && suite == proofSuite
}

func parseProof(o object) (p proof, err error) {
	p = proof{members: o, context: o.get("@context")}
	texts := map[string]string{}
	for _, name := range [...]string{"verificationMethod", "proofPurpose", "proofValue", "created", "expires"} {
		value := o.get(name)
		if value == nil && (name == "created" || name == "expires") {
			continue
		}
		text, ok := stringOf(value)
		if !ok {
			return p, fail(ErrMalformed, "%s of the proof is missing or no string", name)
		}
		texts[name] = text
	}
	p.method, p.purpose = texts["verificationMethod"], texts["proofPurpose"]
	if p.method == "" || len(p.method) > maxKeyID || !every(p.method, isQuotable) {
		p.method = ""
		return p, fail(ErrMalformed, "verificationMethod is empty, too long or no URI")
	}
	if p.value, err = parseProofValue(texts["proofValue"]); err != nil {
		return p, err
	}
	for name, into := range map[string]*time.Time{"created": &p.created, "expires": &p.expires} {
		if text, ok := texts[name]; ok {
			if *into, err = parseProofTime(text); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// parseProofValue reads an Ed25519 signature in base58btc, the one form that the suite has.
func parseProofValue(text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, "z")
	// 64 bytes are 64 digits if they are all zero, and 88 at most.
	if !ok || len(rest) > 88 {
		return nil, fail(ErrMalformed, "proofValue is not an Ed25519 signature in base58btc")
	}
	value, ok := decodeBase58(rest)
	if !ok || len(value) != ed25519.SignatureSize {
		return nil, fail(ErrMalformed, "proofValue of %d bytes, want %d", len(value), ed25519.SignatureSize)
	}
	return value, nil
}

// parseProofTime reads a dateTimeStamp (Data Integrity §2.1): a time with its zone.
// The zero Time, which would mean that there is none, is refused.
func parseProofTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || len(text) > 40 || strings.Contains(text, ",") || t.IsZero() {
		return time.Time{}, fail(ErrMalformed, "time %.40q of the proof is not as RFC 3339 has it", text)
	}
	return t, nil
}
