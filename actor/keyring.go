package actor

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fedihook/fedihook/signature"
)

const (
	maxKeys = 4096 // actors whose parsed private keys are in memory, some 8 KiB each

	// keyAge is how long keys are used without a look at the store: that long a process may go on with
	// keys that another one has replaced, if the store is no KeysVersions, and else for keyPoll.
	keyAge  = time.Minute
	keyPoll = time.Second

	// keepRetired is how long a retired key is kept. It signs nothing but the Update that announces its
	// successor, which is not worth sending for longer.
	keepRetired = 7 * 24 * time.Hour
)

// Keyring makes and holds the keys of local actors: for each an RSA key of 2048 bits and an Ed25519 key, made
// when first asked for and changed by [Keyring.Prepare] and [Keyring.Switch] or [Keyring.Revoke]. Peers
// remember keys, so the [Keys] must be kept as long as the actors. It may be used by many goroutines
// at once, and must not be copied after its first use.
type Keyring struct {
	// Store keeps the keys. It must be set.
	Store Keys

	// Names gives new keys their ids.
	Names Names

	// Seal encrypts a private key before it is given to Store, and Open decrypts what Seal made. bound
	// names the actor and the key; it is not secret, and what was sealed with one must not open with another,
	// so that nobody who can write to the store can give one actor another's key: it is the additional data
	// of a cipher.AEAD. Keys that the store has already stay as they are until they are rotated; so
	// Open is shown those too, and may let pass what begins as PEM. Nil: private keys are kept as PEM. One without
	// the other is an error.
	Seal func(ctx context.Context, private, bound []byte) ([]byte, error)
	Open func(ctx context.Context, sealed, bound []byte) ([]byte, error)

	// Generate makes RSA keys. Nil means signature.GenerateKey.
	Generate func() (*rsa.PrivateKey, error)

	// Spares is how many RSA keys [Keyring.Run] makes ahead. Zero means 2; less than zero none.
	Spares int

	// MaxWaiting bounds how many wait for an RSA key to be made: one is made at a time, each of which keeps
	// a core busy for a tenth of a second and more. Beyond it there is [ErrBusy]. Zero means 64.
	MaxWaiting int

	once   sync.Once
	held   *cache[*held]
	flight singleflight.Group
	maker  keyMaker

	mu      sync.Mutex // held while changes and held change together
	changes int64      // counts what this Keyring has changed in the store

	polled  time.Time // when the store's version was last asked for
	version int64     // what it was
	since   time.Time // when that was first seen: what was read before may be out of use
}

// held is what is in memory of an actor's keys. It does not change.
type held struct {
	pairs   []KeyPair // as the store has them
	parsed  []crypto.Signer
	read    time.Time
	serial  int64 // of those in use
	rsa, ed signature.Key
	public  []signature.PublicKey
	shown   shown
}

// Private returns the RSA key with which the actor signs, and makes one if there is none. It asks nobody
// whether there is such an actor. The error wraps [ErrBusy] if too many keys are being made.
func (k *Keyring) Private(ctx context.Context, actorID string) (signature.Key, error) {
	h, err := k.hold(ctx, actorID)
	if err != nil {
		return signature.Key{}, err
	}
	return h.rsa, nil
}

// Ed25519 returns the actor's Ed25519 key, as Private does the other.
func (k *Keyring) Ed25519(ctx context.Context, actorID string) (signature.Key, error) {
	h, err := k.hold(ctx, actorID)
	if err != nil {
		return signature.Key{}, err
	}
	return h.ed, nil
}

// Public returns the public halves of the actor's keys, as its document shows them: the RSA key first.
// The slice is not to be changed.
func (k *Keyring) Public(ctx context.Context, actorID string) ([]signature.PublicKey, error) {
	h, err := k.hold(ctx, actorID)
	if err != nil {
		return nil, err
	}
	return h.public, nil
}

// Retired returns the RSA key with this Serial, which is no longer in use, for up to a week after it was
// replaced. Peers that have not heard of its successor verify what it signs, which is to be the news of
// that and nothing else. If it is gone, or was revoked, it is the key in use.
func (k *Keyring) Retired(ctx context.Context, actorID string, serial int64) (signature.Key, error) {
	h, err := k.hold(ctx, actorID)
	if err != nil {
		return signature.Key{}, err
	}
	for i, pair := range h.pairs {
		if pair.Kind == KeyRSA && pair.Serial == serial && h.parsed[i] != nil {
			return signature.Key{ID: pair.KeyID, Private: h.parsed[i]}, nil
		}
	}
	return h.rsa, nil
}

func (k *Keyring) init() {
	k.once.Do(func() {
		k.held = newCache[*held](maxKeys)
		k.maker.init(k.Generate, k.Spares, k.MaxWaiting)
	})
}

// hold returns an actor's keys from memory, or from the store.
func (k *Keyring) hold(ctx context.Context, actorID string) (*held, error) {
	k.init()
	if h, ok := k.held.get(actorID); ok && k.current(ctx, h) {
		return h, nil
	}
	done := k.flight.DoChan(actorID, func() (any, error) {
		// Many may be waiting: the first of them to leave must not take it away from the others.
		return k.load(context.WithoutCancel(ctx), actorID)
	})
	select {
	case r := <-done:
		h, _ := r.Val.(*held)
		return h, r.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("actor: key of %s: %w", actorID, ctx.Err())
	}
}

// current tells whether what is held may be used without a look at the store. Once a second it asks for the version.
func (k *Keyring) current(ctx context.Context, h *held) bool {
	if time.Since(h.read) >= keyAge {
		return false
	}
	versions, ok := k.Store.(KeysVersions)
	if !ok {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.polled) >= keyPoll {
		k.polled = time.Now() // others go on meanwhile
		k.mu.Unlock()
		v, err := versions.KeysVersion(ctx)
		k.mu.Lock()
		switch {
		case err != nil:
			k.polled = time.Time{}
			return false // the store is asked for the keys, and says what is wrong
		case v != k.version || k.since.IsZero():
			k.version, k.since = v, time.Now()
		}
	}
	return !h.read.Before(k.since)
}

func (k *Keyring) load(ctx context.Context, actorID string) (*held, error) {
	before, ok := k.held.get(actorID)
	if ok && k.current(ctx, before) {
		return before, nil // read between our caller's look and now
	}
	k.mu.Lock()
	changes := k.changes
	k.mu.Unlock()
	h, err := k.read(ctx, actorID, before)
	if err != nil {
		return nil, fmt.Errorf("actor: key of %s: %w", actorID, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changes == changes { // else what was read may be from before the change
		k.held.put(actorID, h, 1)
	}
	return h, nil
}

// forget makes the next one who asks look at the store.
func (k *Keyring) forget(actorID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes++
	k.flight.Forget(actorID)
	k.held.delete(actorID)
}

// read reads an actor's keys and makes those that it lacks. Of before, which may be nil, it takes what is
// still the same.
func (k *Keyring) read(ctx context.Context, actorID string, before *held) (*held, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	now := time.Now()
	pairs, err := k.Store.ActorKeys(ctx, actorID)
	if err != nil {
		return nil, err
	}
	// Each round adds one key at most; the third is for what another process did meanwhile.
	for range 4 {
		missing, serial, id := lacks(k.Names, actorID, pairs)
		if missing == 0 {
			return k.parse(ctx, pairs, serial, now, before)
		}
		kept, err := k.add(ctx, KeyPair{ActorID: actorID, Serial: serial, Kind: missing, KeyID: id})
		if err != nil {
			return nil, err
		}
		if kept.Serial == serial {
			pairs = append(pairs, kept)
		} else if pairs, err = k.Store.ActorKeys(ctx, actorID); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("its keys change all the time")
}

func (k *Keyring) check() error {
	switch {
	case k.Store == nil:
		return errors.New("Keyring.Store is nil")
	case (k.Seal == nil) != (k.Open == nil):
		return errors.New("Keyring.Seal needs Keyring.Open, and the other way round")
	}
	return nil
}

// inUse is the Serial of the keys in use, 0 if there are none: the lowest of the RSA keys that are not
// retired. A higher one waits for its turn.
func inUse(pairs []KeyPair) (serial int64) {
	for _, p := range pairs {
		if p.Kind == KeyRSA && p.Retired.IsZero() && (serial == 0 || p.Serial < serial) {
			serial = p.Serial
		}
	}
	return serial
}

// lacks tells which kind of key an actor needs next, if any, with which Serial and id.
func lacks(n Names, actorID string, pairs []KeyPair) (missing KeyKind, serial int64, keyID string) {
	serial = inUse(pairs)
	if serial == 0 {
		for _, p := range pairs {
			serial = max(serial, p.Serial)
		}
		return KeyRSA, serial + 1, keyIDOf(n, actorID, KeyRSA, pairs)
	}
	if indexOf(pairs, KeyEd25519, serial) < 0 {
		return KeyEd25519, serial, keyIDOf(n, actorID, KeyEd25519, pairs)
	}
	return 0, serial, ""
}

// keyIDOf is the id that an actor's keys of this kind have had so far, or else the one that we mint.
func keyIDOf(n Names, actorID string, kind KeyKind, pairs []KeyPair) string {
	for _, p := range pairs {
		if p.Kind == kind {
			return p.KeyID
		}
	}
	if kind == KeyEd25519 {
		return n.Ed25519KeyID(actorID)
	}
	return n.KeyID(actorID)
}

func indexOf(pairs []KeyPair, kind KeyKind, serial int64) int {
	for i, p := range pairs {
		if p.Kind == kind && p.Serial == serial {
			return i
		}
	}
	return -1
}

func expired(p KeyPair) bool { return !p.Retired.IsZero() && time.Since(p.Retired) > keepRetired }

// parse reads the keys in use and those of which something may still be signed.
func (k *Keyring) parse(ctx context.Context, pairs []KeyPair, serial int64, now time.Time, before *held) (*held, error) {
	h := &held{pairs: pairs, parsed: make([]crypto.Signer, len(pairs)), read: now, serial: serial}
	var old int64
	for i, p := range pairs {
		if expired(p) {
			old = max(old, p.Serial)
			continue
		}
		if p.Serial > serial {
			continue // it waits for its turn
		}
		private, err := k.open(ctx, p, before)
		if p.Serial < serial {
			h.parsed[i] = private // or nil: the key in use will do for what it would have signed
			continue
		}
		if err != nil {
			return nil, err
		}
		h.parsed[i] = private
		key := signature.Key{ID: p.KeyID, Private: private}
		if p.Kind == KeyRSA {
			h.rsa = key
		} else {
			h.ed = key
		}
	}
	for _, key := range []signature.Key{h.rsa, h.ed} {
		h.public = append(h.public, signature.PublicKey{ID: key.ID, Owner: pairs[0].ActorID, Key: key.Private.Public()})
	}
	var err error
	if h.shown, err = showing(k.Names, pairs[0].ActorID, h.public); err != nil {
		return nil, err
	}
	if old > 0 {
		// If that fails it is tried again with the next read: nothing is signed with them any more.
		_ = k.Store.DropKeys(ctx, pairs[0].ActorID, min(old, serial-1))
	}
	return h, nil
}

// open decrypts and parses a private key, unless before has it: that costs a tenth of a millisecond.
func (k *Keyring) open(ctx context.Context, p KeyPair, before *held) (crypto.Signer, error) {
	if before != nil {
		i := indexOf(before.pairs, p.Kind, p.Serial)
		if i >= 0 && before.parsed[i] != nil && before.pairs[i].KeyID == p.KeyID && bytes.Equal(before.pairs[i].Private, p.Private) {
			return before.parsed[i], nil
		}
	}
	plain := p.Private
	if k.Open != nil {
		var err error
		if plain, err = k.Open(ctx, p.Private, bound(p)); err != nil {
			return nil, fmt.Errorf("open %s: %w", p.KeyID, err)
		}
	}
	private, err := signature.ParsePrivateKey(string(plain))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.KeyID, err)
	}
	if kindOf(private) != p.Kind {
		return nil, fmt.Errorf("%s: %w: a %T is no %v key", p.KeyID, signature.ErrBadKey, private, p.Kind)
	}
	return private, nil
}

func kindOf(private crypto.Signer) KeyKind {
	switch private.Public().(type) {
	case *rsa.PublicKey:
		return KeyRSA
	case ed25519.PublicKey:
		return KeyEd25519
	}
	return 0
}

// bound names a key to Seal and Open. No id has a line break, so that no two keys have one name.
func bound(p KeyPair) []byte {
	return []byte("fedihook key\n" + p.ActorID + "\n" + p.KeyID + "\n" + p.Kind.String() + "\n" + strconv.FormatInt(p.Serial, 10))
}

// add makes a key for p, which lacks but that, and returns the one that is kept.
func (k *Keyring) add(ctx context.Context, p KeyPair) (KeyPair, error) {
	var private crypto.Signer
	var err error
	if p.Kind == KeyRSA {
		private, err = k.maker.take(ctx)
	} else {
		private, err = signature.GenerateEd25519Key()
	}
	if err != nil {
		return KeyPair{}, err
	}
	return k.keep(ctx, p, private)
}

// keep gives a private key to the store, unless that has one for p already.
func (k *Keyring) keep(ctx context.Context, p KeyPair, private crypto.Signer) (KeyPair, error) {
	text, err := signature.MarshalPrivateKey(private)
	if err != nil {
		return KeyPair{}, err
	}
	p.Private, p.Created = []byte(text), time.Now()
	if k.Seal != nil {
		if p.Private, err = k.Seal(ctx, p.Private, bound(p)); err != nil {
			return KeyPair{}, fmt.Errorf("seal %s: %w", p.KeyID, err)
		}
	}
	return k.Store.AddKey(ctx, p)
}
