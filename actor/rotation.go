package actor

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// ErrOtherKey: the actor has another key already, so that this one can't become its first. See
// [Keyring.Adopt].
var ErrOtherKey = errors.New("actor: the actor has another key")

// Rotation is a change of an actor's keys that is ready and not in force.
type Rotation struct {
	ActorID string

	// Serial is that of the keys in use, which the change retires.
	Serial int64

	// Keys are the next ones. They have the ids of those that they replace.
	Keys []signature.PublicKey
}

// Prepare makes the keys that are to replace those in use, or finds those that were made before and are not
// in use yet, so that all who rotate at once, in whatever process, end in the same. Nothing changes
// for anybody before [Keyring.Switch].
//
// In between an Update of the actor that shows the new keys is to be on its way, so that it can't get lost any
// more, to be signed with [Keyring.Retired]. Peers that get it take the new key, as Mastodon does with its own
// (seen 4.6, 2026); those that don't fetch the actor again when the first signature fails. A peer that never
// looks again is lost: rotate when there is a reason.
func (k *Keyring) Prepare(ctx context.Context, actorID string) (Rotation, error) {
	fail := func(err error) (Rotation, error) {
		return Rotation{}, fmt.Errorf("actor: rotate keys of %s: %w", actorID, err)
	}
	// The store's word, not memory's; and what is in use is there in both kinds, or what is missing of it could
	// not be added any more.
	h, err := k.fresh(ctx, actorID)
	if err != nil {
		return fail(err)
	}
	r := Rotation{ActorID: actorID, Serial: h.serial}
	for _, kind := range []KeyKind{KeyRSA, KeyEd25519} {
		next := KeyPair{ActorID: actorID, Serial: h.serial + 1, Kind: kind, KeyID: keyIDOf(k.Names, actorID, kind, h.pairs)}
		if i := indexOf(h.pairs, kind, next.Serial); i >= 0 {
			next = h.pairs[i]
		} else if next, err = k.add(ctx, next); err != nil {
			return fail(err)
		}
		if next.Serial != h.serial+1 {
			return fail(errors.New("they were rotated at the same time")) // twice
		}
		private, err := k.open(ctx, next, h)
		if err != nil {
			return fail(err)
		}
		r.Keys = append(r.Keys, signature.PublicKey{ID: next.KeyID, Owner: actorID, Key: private.Public()})
	}
	return r, nil
}

// Switch retires the keys in use and puts the next ones in their place, if there are any and it has not
// been done. This Keyring signs with them from then on, those of other processes within a second, or within a minute
// if the store is no [KeysVersions].
func (k *Keyring) Switch(ctx context.Context, actorID string, serial int64) error {
	h, err := k.fresh(ctx, actorID)
	if err == nil && indexOf(h.pairs, KeyRSA, serial+1) >= 0 {
		err = k.Store.RetireKeys(ctx, actorID, serial, time.Now())
	}
	k.forget(actorID)
	if err != nil {
		return fmt.Errorf("actor: rotate keys of %s: %w", actorID, err)
	}
	return nil
}

// Revoke replaces the actor's keys at once and forgets the old ones, those that are retired included: for keys that
// somebody else may have. Peers take what the old keys sign until they fetch the actor again, which most do when
// the first signature with the new one fails. This Keyring forgets at once, those of other processes
// within a second, or within a minute if the store is no [KeysVersions]. If it fails it is to be called again.
func (k *Keyring) Revoke(ctx context.Context, actorID string) error {
	r, err := k.Prepare(ctx, actorID)
	if err != nil {
		return err
	}
	err = k.Store.DropKeys(ctx, actorID, r.Serial)
	k.forget(actorID)
	if err != nil {
		return fmt.Errorf("actor: revoke keys of %s: %w", actorID, err)
	}
	return nil
}

// Adopt makes a key that the actor had elsewhere its first of that kind, under the id that peers know it by. Empty
// keyID means the one that we mint. It does nothing if the actor has that key already, in use or retired. The
// error wraps [ErrOtherKey] if the actor has another or another actor has this id, and signature.ErrBadKey
// if the key is neither RSA nor Ed25519.
func (k *Keyring) Adopt(ctx context.Context, actorID, keyID string, private crypto.Signer) error {
	err := k.adopt(ctx, actorID, keyID, private)
	k.init()
	k.forget(actorID)
	if err != nil {
		return fmt.Errorf("actor: adopt key of %s: %w", actorID, err)
	}
	return nil
}

func (k *Keyring) adopt(ctx context.Context, actorID, keyID string, private crypto.Signer) error {
	if err := k.check(); err != nil {
		return err
	}
	p := KeyPair{ActorID: actorID, Serial: 1, Kind: kindOf(private), KeyID: keyID}
	if keyID == "" {
		p.KeyID = keyIDOf(k.Names, actorID, p.Kind, nil)
	}
	switch {
	case p.Kind == 0:
		return fmt.Errorf("%w: a %T", signature.ErrBadKey, private)
	case !activity.SameAuthority(p.KeyID, actorID):
		// Misskey and Akkoma refuse an actor whose key lies on another host than its id.
		return fmt.Errorf("%w: its id %q is not on the actor's host", signature.ErrBadKey, p.KeyID)
	case strings.ContainsAny(p.KeyID, "\r\n\""):
		return fmt.Errorf("%w: its id is %q", signature.ErrBadKey, p.KeyID)
	}
	owner, err := k.Store.KeyOwner(ctx, p.KeyID)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case owner != actorID:
		return fmt.Errorf("%w: %s is %s's", ErrOtherKey, p.KeyID, owner)
	}
	pairs, err := k.Store.ActorKeys(ctx, actorID)
	if err != nil {
		return err
	}
	has := false
	for _, have := range pairs {
		if have.Kind != p.Kind {
			continue
		}
		has = true
		if same, err := k.same(ctx, have, p, private); same || err != nil {
			return err
		}
	}
	if has {
		return fmt.Errorf("%w than %s", ErrOtherKey, p.KeyID)
	}
	if serial := inUse(pairs); serial > 0 {
		p.Serial = serial
	}
	kept, err := k.keep(ctx, p, private)
	if err != nil {
		return err
	}
	if same, err := k.same(ctx, kept, p, private); same || err != nil {
		return err
	}
	return fmt.Errorf("%w than %s", ErrOtherKey, p.KeyID) // made at the same time
}

func (k *Keyring) same(ctx context.Context, have, p KeyPair, private crypto.Signer) (bool, error) {
	if have.KeyID != p.KeyID {
		return false, nil
	}
	theirs, err := k.open(ctx, have, nil)
	return err == nil && equalKeys(theirs.Public(), private.Public()), err
}

// Owner returns the actor that has a key with this id, or an error that wraps [ErrNotFound].
func (k *Keyring) Owner(ctx context.Context, keyID string) (actorID string, err error) {
	if err := k.check(); err != nil {
		return "", fmt.Errorf("actor: owner of key %s: %w", keyID, err)
	}
	return k.Store.KeyOwner(ctx, keyID)
}

// fresh is hold without memory.
func (k *Keyring) fresh(ctx context.Context, actorID string) (*held, error) {
	k.init()
	k.forget(actorID)
	return k.hold(ctx, actorID)
}

// Show puts the next keys into the actor's document in place of those in use.
func (r Rotation) Show(a *activity.Actor) error {
	var s shown
	if err := s.keys(r.ActorID, r.Keys); err != nil {
		return fmt.Errorf("actor: rotate keys of %s: %w", r.ActorID, err)
	}
	a.PublicKey, a.AssertionMethod = s.publicKey, s.assertionMethod
	return nil
}

// Name is made of the keys: it is the same for all who prepared this change, and no other's.
func (r Rotation) Name() (string, error) {
	sum := sha256.New()
	for _, key := range r.Keys {
		text, err := signature.MarshalMultikey(key.Key)
		if err != nil {
			return "", err
		}
		sum.Write([]byte(r.ActorID + "\n" + text + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
