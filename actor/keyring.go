package actor

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fedihook/fedihook/signature"
)

// KeyPair is a local actor's key as it is kept. Who reads Private can sign as the actor.
type KeyPair struct {
	ActorID string
	KeyID   string
	Private []byte // PEM with PKCS#8, as signature.MarshalPrivateKey writes it
	Created time.Time
}

// Keys keeps the keys of local actors. Its methods may be called by many goroutines, and from many
// processes, at once. Package storagetest checks this contract.
type Keys interface {
	// Key returns the key of an actor, or an error that wraps [ErrNotFound].
	Key(ctx context.Context, actorID string) (KeyPair, error)

	// AddKey keeps k unless the actor has a key already, and returns the one that is kept.
	AddKey(ctx context.Context, k KeyPair) (KeyPair, error)
}

const maxKeys = 4096 // parsed private keys in memory, some 4 KiB each

// Keyring makes and holds the keys of local actors: RSA keys of 2048 bits, made when first asked for
// and never changed. A peer that has seen a key may hold on to it for ever (GoToSocial does, seen
// 2026-08), so the [Keys] must be kept as long as the actors. It may be used by many goroutines at
// once, and must not be copied after its first use.
type Keyring struct {
	// Store keeps the keys. It must be set.
	Store Keys

	// Names gives new keys their ids.
	Names Names

	once   sync.Once
	parsed *cache[signature.Key]
	flight singleflight.Group
	making sync.Mutex // one at a time: each keeps a core busy for a tenth of a second and more
}

// Private returns the key with which the actor signs, and makes it if there is none. It asks nobody
// whether there is such an actor.
func (k *Keyring) Private(ctx context.Context, actorID string) (signature.Key, error) {
	k.once.Do(func() { k.parsed = newCache[signature.Key](maxKeys) })
	if key, ok := k.parsed.get(actorID); ok {
		return key, nil
	}
	done := k.flight.DoChan(actorID, func() (any, error) {
		// Many may be waiting: the first of them to leave must not take it away from the others.
		return k.load(context.WithoutCancel(ctx), actorID)
	})
	select {
	case r := <-done:
		key, _ := r.Val.(signature.Key)
		return key, r.Err
	case <-ctx.Done():
		return signature.Key{}, fmt.Errorf("actor: key of %s: %w", actorID, ctx.Err())
	}
}

// Public returns the public halves of the actor's keys, as its document shows them.
func (k *Keyring) Public(ctx context.Context, actorID string) ([]signature.PublicKey, error) {
	key, err := k.Private(ctx, actorID)
	if err != nil {
		return nil, err
	}
	return []signature.PublicKey{{ID: key.ID, Owner: actorID, Key: key.Private.Public()}}, nil
}

func (k *Keyring) load(ctx context.Context, actorID string) (signature.Key, error) {
	if k.Store == nil {
		return signature.Key{}, errors.New("actor: Keyring.Store is nil")
	}
	if key, ok := k.parsed.get(actorID); ok {
		return key, nil // made between our caller's look and now
	}
	pair, err := k.Store.Key(ctx, actorID)
	if errors.Is(err, ErrNotFound) {
		if pair, err = k.make(actorID); err == nil {
			pair, err = k.Store.AddKey(ctx, pair)
		}
	}
	if err != nil {
		return signature.Key{}, fmt.Errorf("actor: key of %s: %w", actorID, err)
	}
	private, err := signature.ParsePrivateKey(string(pair.Private))
	if err != nil {
		return signature.Key{}, fmt.Errorf("actor: key of %s: %w", actorID, err)
	}
	key := signature.Key{ID: pair.KeyID, Private: private}
	k.parsed.put(actorID, key, 1)
	return key, nil
}

func (k *Keyring) make(actorID string) (KeyPair, error) {
	k.making.Lock()
	defer k.making.Unlock()
	var private crypto.Signer
	private, err := signature.GenerateKey()
	if err != nil {
		return KeyPair{}, err
	}
	pem, err := signature.MarshalPrivateKey(private)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{ActorID: actorID, KeyID: k.Names.KeyID(actorID), Private: []byte(pem), Created: time.Now()}, nil
}
