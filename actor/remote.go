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

	// Fetched is when the document was had from the actor's server, or the server last said that it is unchanged.
	Fetched time.Time

	// ETag and LastModified are what the server said of the document, to be sent back when it is asked again. Each is at
	// most 256 bytes long, and empty if the server said nothing. RFC 9110 §8.8.
	ETag, LastModified string

	// Handle is the actor's handle as user@host, as WebFinger proved it at the time Proved. Empty and zero: it was not proved.
	Handle string
	Proved time.Time

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

	// RemoteIDs returns the ids, ascending byte by byte, that are greater than after, at most limit, of actors that are not gone.
	RemoteIDs(ctx context.Context, after string, limit int) ([]string, error)

	// DeleteRemote forgets the actor. There being none is no error.
	DeleteRemote(ctx context.Context, id string) error

	// PruneRemotes deletes at most limit actors whose Fetched and whose Gone both lie before the time, or are zero, and
	// returns how many it has deleted; fewer than limit means that there are no more.
	PruneRemotes(ctx context.Context, before time.Time, limit int) (int, error)
}
