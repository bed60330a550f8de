package signature

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// ProofVerifier checks object integrity proofs (FEP-8b32) with the suite eddsa-jcs-2022. Its fields are
// not changed after first use; Verify may then be called by many goroutines at once.
type ProofVerifier struct {
	// Key finds the key of a verification method, an http or https id. It returns one that its Owner, an
	// actor, lists under assertionMethod with this id, and whose controller is that actor; [AssertionKey]
	// finds it in an actor's document. A key under publicKey alone is for requests and will not do.
	// Errors mean what they mean for a [KeySource]. It may be called by many goroutines at once. Nil: all
	// but a did:key, which is its own key, is refused with status 503.
	Key func(ctx context.Context, method string) (PublicKey, error)

	// Refresh, if not nil, is asked when a proof does not fit the key that Key returned; see
	// [KeyRefresher].
	Refresh func(ctx context.Context, method string) (PublicKey, error)

	// Owner tells to whom a document belongs; the proof must be made with a key of this owner. It gets the
	// document in canonical form, without the proof. Nil means [OwnerOf].
	Owner func(document []byte) (string, error)

	// Skew is how far the clocks of peers may differ from ours. Zero or less means 5 minutes.
	Skew time.Duration

	// MaxAge is how old a proof may be; Skew is added, and a proof that does not say when it was created
	// is refused. Zero or less: any age, for objects are fetched and passed on years later. What may only
	// happen once has to be remembered by its id.
	MaxAge time.Duration

	// MaxSize bounds a document, in bytes. Zero or less means 1 MiB.
	MaxSize int
}

// Proved is what a [ProofVerifier] has proved about a document.
type Proved struct {
	// Method is the verification method, the id of the key; Owner the actor to whom it belongs. The
	// document belongs to the same actor; for a did:key it is the DID.
	Method, Owner string

	// ID is the document's id, which has the origin of Owner. Empty if the document has none.
	ID string

	// Created and Expires are what the proof says. Zero if it does not.
	Created, Expires time.Time

	// Document is what was signed, in canonical form (RFC 8785): without proof and without signature,
	// which anyone may add, and with the @context that was signed, to which anyone may append. Read this
	// rather than what arrived. It is the caller's to keep.
	Document []byte
}

// Authenticates tells whether the proof also speaks for an object that is embedded in the document: see
// [TrustsEmbedded]. Id and owner are the embedded object's, empty where it has none. A proof of the
// embedded object's own is not looked at; to check it, hand the object to [ProofVerifier.Verify].
func (p Proved) Authenticates(id, owner string) bool {
	return TrustsEmbedded(p.ID, p.Owner, id, owner)
}

// Verify checks the proof of a document: that the key belongs to the document's owner and fits, that the
// document's id is of the same origin, and that the proof is in time and meant as an assertion. Only the
// document's own proof counts, never one of an object in it, nor the other way round. Of several proofs
// of the suite all must hold.
//
// A document without a proof, or with proofs of other suites alone, is an error that wraps [ErrUnsigned],
// whatever else is the matter with it: it is neither better nor worse than any other. Any other error means that the document must not be
// believed, however it came (FEP-8b32: the proof is given precedence over an HTTP signature). The error is
// always an [*Error].
func (v *ProofVerifier) Verify(ctx context.Context, document []byte) (Proved, error) {
	if err := v.claimsProof(document); err != nil {
		return Proved{}, newError("", err)
	}
	o, err := readObject(document, v.MaxSize)
	if err != nil {
		return Proved{}, newError("", err)
	}
	return v.verify(ctx, o, proofRules[:])
}

// claimsProof returns ErrUnsigned if no member proof of a document mentions our suite. It is lax: what is
// not proved need not be strict, and costs little here. Who hides a proof has none.
func (v *ProofVerifier) claimsProof(document []byte) error {
	if limit := orLimit(v.MaxSize); len(document) > limit {
		return fail(ErrTooLarge, "document of %d bytes, want at most %d", len(document), limit)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(document), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return fail(ErrMalformed, "not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	claimed := false
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		isProof := name.String() == "proof"
		value, err := d.ReadValue()
		if err != nil {
			return syntaxError(err)
		}
		claimed = claimed || isProof && bytes.Contains(value, []byte(proofSuite))
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	if !claimed {
		return fail(ErrUnsigned, "no proof with %s", proofSuite)
	}
	return nil
}

func (v *ProofVerifier) verify(ctx context.Context, o object, rules []proofRule) (Proved, error) {
	proofs, err := proofsOf(o)
	if err != nil {
		return Proved{}, newError("", err)
	}
	var first Proved
	for i, p := range proofs {
		c, err := v.candidate(o, p)
		if err == nil {
			err = v.judge(ctx, &c, rules)
		}
		if err != nil {
			return Proved{}, newError(p.method, err)
		}
		if i == 0 {
			first = Proved{
				Method: p.method, Owner: c.key.Owner, ID: c.id,
				Created: p.created, Expires: p.expires, Document: c.document,
			}
		}
	}
	return first, nil
}

// candidate is a proof on its way, with what it is about.
type candidate struct {
	proof
	document  []byte // what must have been signed
	whole     []byte // the @context of the whole document, nil if it has none
	id, owner string
	key       PublicKey // once it is known
}

func (v *ProofVerifier) candidate(o object, p proof) (c candidate, err error) {
	c = candidate{proof: p, whole: o.get("@context"), document: o.text(p.context, "proof", "signature")}
	if value := o.get("id"); value != nil {
		if c.id, _ = stringOf(value); c.id == "" {
			return c, fail(ErrMalformed, "the document's id is no string, or empty")
		}
	}
	if v.Owner == nil {
		c.owner, err = o.owner()
	} else {
		c.owner, err = v.Owner(bytes.Clone(c.document))
	}
	return c, err
}

// judge applies the rules, asks for the key and does the arithmetic, once more with a newer key if there
// is one.
func (v *ProofVerifier) judge(ctx context.Context, c *candidate, rules []proofRule) (err error) {
	for _, r := range rules {
		if !r.withKey {
			if err := r.check(v, c); err != nil {
				return err
			}
		}
	}
	if c.key, err = v.key(ctx, c.method, v.Key); err != nil {
		return err
	}
	err = c.fits(v, rules)
	if err == nil || !errors.Is(err, ErrBadSignature) || v.Refresh == nil || strings.HasPrefix(c.method, didKey) {
		return err
	}
	if c.key, err = v.key(ctx, c.method, v.Refresh); err != nil {
		return err
	}
	return c.fits(v, rules)
}

func (v *ProofVerifier) key(ctx context.Context, method string, ask func(context.Context, string) (PublicKey, error)) (PublicKey, error) {
	if strings.HasPrefix(method, didKey) {
		did, _, _ := strings.Cut(method, "#")
		key, err := ParseDIDKey(method)
		if err != nil {
			return PublicKey{}, fail(ErrNoKey, "%v", err)
		}
		return PublicKey{ID: method, Owner: did, Key: key}, nil
	}
	if ask == nil {
		return PublicKey{}, fail(ErrKeyUnavailable, "ProofVerifier.Key is nil")
	}
	return takeKey(ctx, method, ask)
}

func (c *candidate) fits(v *ProofVerifier, rules []proofRule) error {
	for _, r := range rules {
		if r.withKey {
			if err := r.check(v, c); err != nil {
				return err
			}
		}
	}
	public, ok := c.key.Key.(ed25519.PublicKey)
	if !ok || !ed25519.Verify(public, signedHash(c.members.text(nil, "proofValue"), c.document), c.value) {
		return fail(ErrBadSignature, "proof with a key of type %T", c.key.Key)
	}
	return nil
}

// proofRule is a rule that a proof must keep besides its arithmetic.
type proofRule struct {
	name    string
	withKey bool // needs the key; all others come first, for a key may have to be fetched
	check   func(*ProofVerifier, *candidate) error
}

var proofRules = [...]proofRule{
	{"purpose", false, (*ProofVerifier).checkPurpose},
	{"context", false, (*ProofVerifier).checkContext},
	{"time", false, (*ProofVerifier).checkProofTime},
	{"origin", false, (*ProofVerifier).checkOrigin},
	{"owner", true, (*ProofVerifier).checkOwner},
}

// checkPurpose: a key may be good for logging in and not for this (FEP-8b32, Data Integrity §4.4).
func (v *ProofVerifier) checkPurpose(c *candidate) error {
	if c.purpose != proofPurpose {
		return fail(ErrUnsupported, "proofPurpose %.40q, want %s", c.purpose, proofPurpose)
	}
	return nil
}

// checkContext: the @context of a proof begins that of the document, and stands for it in what was
// signed; so a relay may append to the document's, and not change what was there.
func (v *ProofVerifier) checkContext(c *candidate) error {
	if c.context == nil {
		return nil
	}
	signed, ok := contexts(c.context)
	all, also := contexts(c.whole)
	if !ok || !also || len(signed) > len(all) {
		return fail(ErrCoverage, "the proof was made for another @context")
	}
	for i, entry := range signed {
		if !bytes.Equal(entry, all[i]) {
			return fail(ErrCoverage, "the proof was made for another @context, entry %d", i)
		}
	}
	return nil
}

// contexts returns the entries of an @context: one, or a list of ids and definitions.
func contexts(value []byte) ([][]byte, bool) {
	if value == nil {
		return nil, false
	}
	list, err := elements(value)
	if err != nil {
		return nil, false
	}
	for _, entry := range list {
		if entry[0] != '"' && entry[0] != '{' {
			return nil, false
		}
	}
	return list, true
}

// checkProofTime: not in the future, and not over.
func (v *ProofVerifier) checkProofTime(c *candidate) error {
	now, skew := time.Now(), orDefault(v.Skew, 5*time.Minute)
	switch {
	case c.created.After(now.Add(skew)):
		return fail(ErrExpired, "proof created at %s, in the future", c.created.UTC().Format(time.RFC3339))
	case !c.expires.IsZero() && !c.expires.After(c.created):
		return fail(ErrExpired, "proof expires before it was created")
	case !c.expires.IsZero() && now.After(c.expires.Add(skew)):
		return fail(ErrExpired, "proof expired at %s", c.expires.UTC().Format(time.RFC3339))
	case v.MaxAge > 0 && now.After(c.created.Add(v.MaxAge+skew)):
		return fail(ErrExpired, "proof created at %s, too long ago", c.created.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkOrigin: document, owner and key are of one origin (FEP-fe34). A did:key has none, and speaks for
// documents without one.
func (v *ProofVerifier) checkOrigin(c *candidate) error {
	if c.id != "" && !SameOrigin(c.id, c.owner) {
		return fail(ErrOwner, "document %.80q is not of its owner's origin, %.80q", c.id, c.owner)
	}
	if !strings.HasPrefix(c.method, didKey) && !SameOrigin(c.method, c.owner) {
		return fail(ErrOwner, "the key is not of the origin of the owner, %.80q", c.owner)
	}
	return nil
}

// checkOwner: the key's controller is the document's owner (FEP-fe34).
func (v *ProofVerifier) checkOwner(c *candidate) error {
	if !SameOwner(c.key.Owner, c.owner) {
		return fail(ErrOwner, "the key belongs to %.80q, the document to %.80q", c.key.Owner, c.owner)
	}
	return nil
}
