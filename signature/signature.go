package signature

import (
	"context"
	"crypto"
	"time"
)

// Scheme is a way to sign an HTTP request. The zero value is [Cavage].
type Scheme uint8

const (
	// Cavage is draft-cavage-12, signed with RSASSA-PKCS1-v1_5 and SHA-256, which every peer understands.
	Cavage Scheme = iota
	// RFC9421 is RFC 9421, HTTP Message Signatures, in the closed profile of this package.
	RFC9421
)

// String names the scheme: "draft-cavage-12" or "RFC 9421".
func (s Scheme) String() string {
	switch s {
	case Cavage:
		return "draft-cavage-12"
	case RFC9421:
		return "RFC 9421"
	}
	return "unknown scheme"
}

// Key is a private key and the id under which others find its public half.
type Key struct {
	// ID goes into the signature as keyId or keyid: for ActivityPub the absolute URL
	// "<actor id>#main-key". At most 2048 bytes of printable ASCII without quote and backslash.
	ID string

	// Private signs; it may be a key in memory or stand for one in a machine elsewhere. For
	// [Cavage] its public key is an *rsa.PublicKey, for [RFC9421] that, an ed25519.PublicKey or
	// an *ecdsa.PublicKey on P-256. RSA keys have 2048 to 8192 bits. It is asked for what
	// crypto.Signer promises: PKCS#1 v1.5 with SHA-256, Ed25519 over the message itself, or
	// ECDSA in ASN.1 with SHA-256.
	Private crypto.Signer
}

// PublicKey is what a [KeySource] knows of a key.
type PublicKey struct {
	// ID is the key id that was asked for. A [Verifier] refuses a key that carries another one;
	// empty counts as the one asked for.
	ID string

	// Owner is the id of the actor to whom the key belongs. The source must have checked that
	// the owner lists this key with this material; the Verifier hands Owner on as it is.
	Owner string

	// Key is an *rsa.PublicKey, an ed25519.PublicKey or an *ecdsa.PublicKey on P-256, see
	// [ParsePublicKey]. The Verifier never changes it, so that one value may be given out many times.
	Key crypto.PublicKey
}

// KeySource finds public keys. A source may also be a [KeyRefresher] and a [KeyHolder].
type KeySource interface {
	// PublicKey returns the key with this id, an absolute URL that Allow has let pass. It may
	// be called by many goroutines at once. An error that wraps [ErrKeyGone] (the owner is gone)
	// or [ErrNoKey] (there is no such key, or it is malformed) makes the Verifier answer 401, one
	// that wraps [ErrRefused] 403, and any other 503, so that the sender tries again.
	PublicKey(ctx context.Context, keyID string) (PublicKey, error)
}

// KeyRefresher is what a [KeySource] with a cache also is: it lets a peer change its key.
type KeyRefresher interface {
	// RefreshKey is called when a signature did not fit the key that PublicKey returned. It
	// fetches the key anew, at most as often as it sees fit, and otherwise returns the key that
	// it has. The Verifier tries once more if the key differs. Errors mean what they mean for
	// PublicKey.
	RefreshKey(ctx context.Context, keyID string) (PublicKey, error)
}

// KeyHolder is what a [KeySource] with a cache may also be: it tells for whom nobody has to be asked.
type KeyHolder interface {
	// HoldsKey tells at once whether PublicKey would return this key from memory.
	HoldsKey(keyID string) bool
}

// Verified is what a [Verifier] has proved about a request.
type Verified struct {
	// KeyID is the id of the key that signed, Owner the actor to whom the [KeySource] says it
	// belongs.
	KeyID, Owner string

	// Scheme tells how the request was signed.
	Scheme Scheme

	// Covered lists in their order the names of the header fields and components that were
	// signed, in lower case. It is the caller's to keep.
	Covered []string

	// Created is when the request was signed: the created parameter if it was covered, else Date.
	Created time.Time

	// Expires is when the signature says that it ends. Zero if it does not say.
	Expires time.Time

	// Signature holds the bytes of the signature, which are the same however they were written:
	// with KeyID they make a key for a replay cache. They are the caller's to keep.
	Signature []byte

	// Until is when a Verifier with the same limits will refuse the signature as too old: as long
	// as that a replay cache must remember it.
	Until time.Time

	// QueryUnsigned says that the peer signed the path without its query, as many do. Under
	// [Strict] it is set for GET and HEAD alone.
	QueryUnsigned bool
}

// SignedBy tells whether the key belongs to this actor. The error wraps [ErrOwner]. A signature
// proves that its owner sent the request, not that what it says is the owner's to say: a server
// that leaves this out lets anyone who has a key speak for everyone.
func (v Verified) SignedBy(actor string) error {
	if actor == "" || v.Owner != actor {
		return newError(v.KeyID, fail(ErrOwner, "key of %.200q, not of %.200q", v.Owner, actor))
	}
	return nil
}
