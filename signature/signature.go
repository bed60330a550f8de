// Package signature proves who sent an HTTP request, and checks such proofs, in the two ways
// the fediverse uses: draft-cavage-12 with RSA-SHA256, and RFC 9421.
//
// Most programs need two names. A [Transport] signs what an http.Client sends. A [Verifier]
// checks what arrives: its Handler stands before any http.Handler, its Verify takes a request
// and the bytes of its body. Underneath are [Sign], [KeyID] and the import and export of keys,
// each of which works alone. Which suite is used when:
//
//	request            suite            key        covered
//	outgoing, POST     draft-cavage-12  RSA        (request-target) host date digest [content-type]
//	outgoing, GET      draft-cavage-12  RSA        (request-target) host date
//	outgoing, RFC9421  RFC 9421         any below  @method @target-uri @authority [content-digest content-type]
//	incoming, without  draft-cavage-12  RSA        at least (request-target) host, date or (created),
//	Signature-Input                                digest if it has a body or is neither GET nor HEAD
//	incoming, with     RFC 9421         RSA,       at least @method, @target-uri or its parts, content-digest
//	Signature-Input                     Ed25519    under the same condition; created and keyid
//
// The arithmetic of draft-cavage signatures over a Date is github.com/go-fed/httpsig's; the
// grammar, the policy and RFC 9421 are this package's. It fetches no keys and knows no
// ActivityPub: a [KeySource] brings keys and their owners, and whether that owner may say what
// the body says is for the caller to judge. It writes no logs; every refusal is an [*Error].
package signature

import (
	"context"
	"crypto"
	"time"
)

// Scheme is a way to sign an HTTP request. The zero value is [Cavage].
type Scheme uint8

const (
	// Cavage is draft-cavage-12 with RSASSA-PKCS1-v1_5 and SHA-256, which every peer understands.
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

	// Private signs. For [Cavage] it is an *rsa.PrivateKey; for [RFC9421] it is any signer whose
	// public key is an *rsa.PublicKey or an ed25519.PublicKey. RSA keys have 2048 to 8192 bits.
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

	// Key is an *rsa.PublicKey or an ed25519.PublicKey, see [ParsePublicKey]. The Verifier never
	// changes it, so that one value may be given out many times.
	Key crypto.PublicKey
}

// KeySource finds public keys. A source may also be a [KeyRefresher].
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

	// QueryUnsigned says that the peer signed the path of a GET or HEAD without its query, as
	// many do. It is never set for other methods.
	QueryUnsigned bool
}
