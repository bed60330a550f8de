package actor

import (
	"context"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// Observer is told what happens, for metrics. Its methods are called by many goroutines at once and must return at once;
// they must not call the [Resolver].
type Observer interface {
	// Keyed is called after a key was asked for.
	Keyed(Keyed)
}

// Keyed tells of a key that was asked for.
type Keyed struct {
	From KeySource
	Took time.Duration
	Err  error
}

// KeySource says where a key came from.
type KeySource string

// The values of KeySource.
const (
	FromMemory  KeySource = "memory"
	FromStore   KeySource = "store"   // or from a document in memory
	FromServer  KeySource = "server"  // its own, which was asked; perhaps by another who waited too
	FromPast    KeySource = "past"    // an old one, because its server could not be asked
	FromRefresh KeySource = "refresh" // it was to be fetched anew, and was if that was not done just before
)

// key returns a key and tells the Observer, if there is one.
func (r *Resolver) key(ctx context.Context, ks *keys, keyID string) (signature.PublicKey, error) {
	if r.config.Observer == nil {
		k, _, err := r.findKey(ctx, ks, keyID)
		return k, err
	}
	began := time.Now()
	k, from, err := r.findKey(ctx, ks, keyID)
	r.config.Observer.Keyed(Keyed{from, time.Since(began), err})
	return k, err
}

func (r *Resolver) refreshKey(ctx context.Context, ks *keys, keyID string) (signature.PublicKey, error) {
	if r.config.Observer == nil {
		return r.renewKey(ctx, ks, keyID)
	}
	began := time.Now()
	k, err := r.renewKey(ctx, ks, keyID)
	r.config.Observer.Keyed(Keyed{FromRefresh, time.Since(began), err})
	return k, err
}
