package actor

import (
	"context"
	"fmt"
	"time"
)

// KeyKind tells for which algorithm a key is. Its numbers may be stored; they will not change.
type KeyKind uint8

// The kinds of keys that an actor has, one of each.
const (
	// KeyRSA keys have 2048 bits or more and stand in publicKey. Every peer takes them.
	KeyRSA KeyKind = iota + 1
	// KeyEd25519 keys stand in assertionMethod as Multikeys (FEP-521a). They sign requests to hosts that
	// say they verify them, and proofs.
	KeyEd25519
)

// String is "RSA" or "Ed25519".
func (k KeyKind) String() string {
	switch k {
	case KeyRSA:
		return "RSA"
	case KeyEd25519:
		return "Ed25519"
	}
	return fmt.Sprintf("key kind %d", uint8(k))
}

// KeyPair is a local actor's key as it is kept. ActorID, Serial and Kind are the key of the record.
type KeyPair struct {
	ActorID string

	// Serial tells an actor's keys of one kind apart: the first has 1, and each that replaces it one
	// more. Keys of both kinds with one Serial are in use together.
	Serial int64

	Kind  KeyKind
	KeyID string // as signatures name it; a key that replaces another has the same

	// Private is PEM with PKCS#8, as signature.MarshalPrivateKey writes it, or what [Keyring.Seal] made
	// of that. Who reads the PEM can sign as the actor.
	Private []byte

	Created time.Time

	// Retired is when another key took its place. Zero: it is in use, or waits to be.
	Retired time.Time
}

// Keys keeps the keys of local actors. Its methods may be called by many goroutines, and from many
// processes, at once. The byte slices that it takes and returns are the caller's. Package storagetest
// checks this contract.
type Keys interface {
	// ActorKeys returns all keys of an actor, ascending by Serial and then by Kind. None is no error.
	ActorKeys(ctx context.Context, actorID string) ([]KeyPair, error)

	// AddKey keeps k unless the actor has a key of this Kind with this Serial or a higher one, and
	// returns the one that is kept: of several, the one with the lowest Serial from k's on. Of all who
	// add a key at once each gets the same.
	AddKey(ctx context.Context, k KeyPair) (KeyPair, error)

	// RetireKeys sets Retired to at where it is zero, in all keys of the actor up to and including
	// serial, of both kinds, all or none. There being none is no error.
	RetireKeys(ctx context.Context, actorID string, serial int64, at time.Time) error

	// DropKeys forgets all keys of the actor up to and including serial, all or none. There being none
	// is no error.
	DropKeys(ctx context.Context, actorID string, serial int64) error

	// KeyOwner returns the actor that has a key with this id, or an error that wraps [ErrNotFound]. If
	// several have, which nobody should let happen, it is any of them.
	KeyOwner(ctx context.Context, keyID string) (actorID string, err error)
}

// KeysVersions is what a [Keys] may be as well. With it a process ceases within a second to use keys that another one has
// rotated away or revoked; without it, within a minute. Package storagetest checks this contract.
type KeysVersions interface {
	// KeysVersion returns a number that ascends whenever keys of any actor are retired or dropped. It is asked once a second
	// while something is being signed, and should be quick.
	KeysVersion(ctx context.Context) (int64, error)
}
