package actor

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// keyed is a key that its owner lists.
type keyed struct {
	key     signature.PublicKey
	fetched time.Time
	tried   time.Time // when a refresh was last tried
}

// PublicKey returns the key with this id and its owner: from memory or the store if it was fetched in
// the last 24 hours, else from its server. The document at the key's id is the owner's and lists the
// key, or it is the key's own (a stub of the owner counts as such) and the owner on the same host lists
// the same key. What was fetched is kept in memory only, see [Resolver.Trust]. The error tells a
// signature.Verifier what to answer: gone or no such key 401, refused 403, all else 503.
func (r *Resolver) PublicKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	k, have, err := r.recallKey(ctx, keyID)
	if err != nil {
		return signature.PublicKey{}, err
	}
	if have && time.Since(k.fetched) < r.config.MaxAge {
		return k.key, nil
	}
	got, err := r.fetchKey(ctx, keyID, r.config.MaxAge)
	var e *Error
	if err != nil && have && errors.As(err, &e) && e.Passing && !errors.Is(err, ErrBlocked) {
		return k.key, nil
	}
	return got.key, err
}

// RefreshKey fetches a key anew, if five minutes or more have passed since it was last fetched or that
// was tried. Otherwise it returns what it has. See [Resolver.PublicKey] for the errors.
func (r *Resolver) RefreshKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	k, have, err := r.recallKey(ctx, keyID)
	if err != nil {
		return signature.PublicKey{}, err
	}
	if have && (time.Since(k.fetched) < refreshAge || time.Since(k.tried) < refreshAge) {
		return k.key, nil
	}
	if have {
		k.tried = time.Now()
		r.keys.put(keyID, k, 1)
	}
	got, err := r.fetchKey(ctx, keyID, refreshAge)
	return got.key, err
}

// recallKey looks in memory and in the store. A key that is gone or ours is an error.
func (r *Resolver) recallKey(ctx context.Context, keyID string) (keyed, bool, error) {
	if _, err := parseID(keyID); err != nil {
		return keyed{}, false, &Error{ID: keyID, Err: err}
	}
	if r.config.Names.Ours(keyID) {
		return keyed{}, false, &Error{ID: keyID, Err: ErrOurs}
	}
	if k, ok := r.keys.get(keyID); ok {
		return k, true, nil
	}
	var owner known
	if k, ok := r.actors.get(withoutFragment(keyID)); ok {
		owner = k
	} else if r.config.Store != nil {
		stored, err := r.config.Store.RemoteByKey(ctx, keyID)
		switch {
		case errors.Is(err, ErrNotFound):
			return keyed{}, false, nil
		case err != nil:
			return keyed{}, false, fmt.Errorf("actor: stored key %s: %w", keyID, err)
		case !activity.SameAuthority(stored.ID, keyID):
			return keyed{}, false, nil
		}
		owner, _ = revive(stored)
	}
	if !owner.gone.IsZero() && time.Since(owner.gone) < keepGone {
		return keyed{}, false, &Error{ID: keyID, Status: http.StatusGone, Err: ErrGone}
	}
	if owner.actor == nil {
		return keyed{}, false, nil
	}
	key, err := keyIn(owner.actor, keyID)
	if err != nil || key.Key == nil {
		return keyed{}, false, nil
	}
	k := keyed{key: key, fetched: owner.fetched}
	r.keys.put(keyID, k, 1)
	return k, true, nil
}

// fetchKey fetches a key for all who ask for it at once, unless it was fetched less than maxAge ago.
func (r *Resolver) fetchKey(ctx context.Context, keyID string, maxAge time.Duration) (keyed, error) {
	done := r.keyFlight.DoChan(keyID, func() (any, error) {
		ctx := context.WithoutCancel(ctx)
		if k, ok := r.keys.get(keyID); ok && time.Since(k.fetched) < maxAge {
			return k, nil // fetched between our caller's look and now
		}
		if err := r.missed(keyID); err != nil {
			return keyed{}, err
		}
		k, err := r.requestKey(ctx, keyID)
		if err != nil {
			if errors.Is(err, ErrGone) {
				r.keys.delete(keyID)
			}
			return keyed{}, r.miss(keyID, err)
		}
		r.misses.delete(keyID)
		r.keys.put(keyID, k, 1)
		return k, nil
	})
	select {
	case res := <-done:
		k, _ := res.Val.(keyed)
		return k, res.Err
	case <-ctx.Done():
		return keyed{}, &Error{ID: keyID, Passing: true, Err: ctx.Err()}
	}
}

func (r *Resolver) requestKey(ctx context.Context, keyID string) (keyed, error) {
	address := withoutFragment(keyID)
	if owner, ok := r.actors.get(address); ok && owner.actor != nil && time.Since(owner.fetched) < refreshAge {
		// Anyone can make up ids for keys in a document that we have just had.
		key, err := keyIn(owner.actor, keyID)
		return keyed{key: key, fetched: owner.fetched}, keyError(keyID, key, err)
	}
	doc, raw, err := r.documentAs(ctx, r.signed, address, keyID)
	if err != nil {
		return keyed{}, err
	}
	now := time.Now()
	switch doc := doc.(type) {
	case *activity.Actor:
		if doc.Is("Tombstone") {
			return keyed{}, &Error{ID: keyID, Status: http.StatusOK, Err: ErrGone}
		}
		if checkActor(doc) == nil {
			// A stub, as GoToSocial serves at its keys, never gets here: it has no inbox.
			r.remember(known{actor: doc, raw: raw, fetched: now})
		}
		key, err := keyIn(doc, keyID)
		return keyed{key: key, fetched: now}, keyError(keyID, key, err)
	case *activity.Object:
		key, err := r.ownKey(ctx, doc, keyID)
		return keyed{key: key, fetched: now}, keyError(keyID, key, err)
	}
	return keyed{}, &Error{ID: keyID, Err: fmt.Errorf("%w: neither an actor nor a key", ErrMalformed)}
}

// ownKey reads a document that is itself a key, and asks its owner whether that is so.
func (r *Resolver) ownKey(ctx context.Context, doc *activity.Object, keyID string) (signature.PublicKey, error) {
	claim := activity.KeyOf(doc)
	if claim.ID != keyID || claim.PEM == "" {
		return signature.PublicKey{}, fmt.Errorf("%w: the document is not the key's", ErrMalformed)
	}
	if !activity.SameAuthority(claim.Owner, keyID) {
		return signature.PublicKey{}, fmt.Errorf("%w: its owner %q is on another host", ErrMalformed, claim.Owner)
	}
	own, err := signature.ParsePublicKey(claim.PEM)
	if err != nil {
		return signature.PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	owner, err := r.find(ctx, claim.Owner, refreshAge)
	if err != nil {
		return signature.PublicKey{}, err
	}
	key, err := keyIn(owner.actor, keyID)
	if err != nil {
		return signature.PublicKey{}, err
	}
	if key.Key != nil && !equalKeys(key.Key, own) {
		return signature.PublicKey{}, fmt.Errorf("%w: its owner shows another key under this id", ErrMalformed)
	}
	key.Key = own
	return key, nil
}

// keyIn finds a key among those that an actor lists. Key is nil if it is listed by its id alone.
func keyIn(a *activity.Actor, keyID string) (signature.PublicKey, error) {
	for _, k := range a.Keys() {
		if k.ID != keyID {
			continue
		}
		if k.Owner != "" && k.Owner != a.ID {
			return signature.PublicKey{}, fmt.Errorf("%w: listed by %s for another owner, %q", ErrMalformed, a.ID, k.Owner)
		}
		key := signature.PublicKey{ID: keyID, Owner: a.ID}
		if k.PEM == "" {
			return key, nil
		}
		var err error
		if key.Key, err = signature.ParsePublicKey(k.PEM); err != nil {
			return signature.PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return key, nil
	}
	return signature.PublicKey{}, fmt.Errorf("%w: %s lists no such key", ErrNotFound, a.ID)
}

// keyError makes an Error about a key, and nil only if there is one.
func keyError(keyID string, key signature.PublicKey, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return &Error{ID: keyID, Status: e.Status, Passing: e.Passing, Err: err}
	case err != nil:
		return &Error{ID: keyID, Err: err}
	case key.Key == nil:
		return &Error{ID: keyID, Err: fmt.Errorf("%w: a key without material", ErrMalformed)}
	}
	return nil
}

func equalKeys(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

// lists tells whether k's document shows this key with this material, or by its id alone.
func (k known) lists(key signature.PublicKey) bool {
	listed, err := keyIn(k.actor, key.ID)
	return err == nil && (listed.Key == nil || equalKeys(listed.Key, key.Key))
}

// keyIDs are the ids of an actor's keys by which it may be found: its own, on its own host.
func keyIDs(a *activity.Actor) []string {
	var ids []string
	for _, k := range a.Keys() {
		if (k.Owner == "" || k.Owner == a.ID) && activity.SameAuthority(k.ID, a.ID) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}
