package actor

import (
	"context"
	"time"
)

// Remote is what is kept of a remote actor.
type Remote struct {
	// ID is the actor's id and the key.
	ID string

	// Document is the actor's document as it was received. Empty for one that is gone.
	Document []byte

	// KeyIDs are the ids of the keys that the document lists, all on the actor's own host.
	KeyIDs []string

	// Fetched is when the document was had from the actor's server.
	Fetched time.Time

	// Gone is when the actor's server said that the actor is no more. Zero: it is alive.
	Gone time.Time
}

// Remotes keeps remote actors. Its methods may be called by many goroutines, and from many processes,
// at once. The byte slices that it takes and returns are the caller's. Package storagetest checks
// this contract.
type Remotes interface {
	// Remote returns the actor with this id, or an error that wraps [ErrNotFound].
	Remote(ctx context.Context, id string) (Remote, error)

	// RemoteByKey returns the actor among whose KeyIDs this one is, any of several, or an error that
	// wraps [ErrNotFound].
	RemoteByKey(ctx context.Context, keyID string) (Remote, error)

	// PutRemote adds r or replaces the actor of its id, KeyIDs included.
	PutRemote(ctx context.Context, r Remote) error

	// DeleteRemote forgets the actor. There being none is no error.
	DeleteRemote(ctx context.Context, id string) error
}
