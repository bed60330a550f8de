package actor

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// keyed is a key that its owner lists.
type keyed struct {
	key     signature.PublicKey
	fetched time.Time
	tried   time.Time // when a refresh was last tried
	passing bool      // its owner is not in the store: nobody here has a relation to it
	apart   bool      // its owner lists it by its id alone: what it is stands in a document of its own
}

// keys is what is known of keys of one kind.
type keys struct {
	cache  *cache[keyed]
	flight singleflight.Group

	// in finds a key of this kind in an actor's document. Key is nil if it is listed by its id alone.
	in func(k known, keyID string) (signature.PublicKey, error)
}

func newKeys(in func(known, string) (signature.PublicKey, error)) *keys {
	return &keys{cache: newCache[keyed](maxPublic), in: in}
}

// put keeps a key, and nothing of the request and the document out of which its names were cut.
func (ks *keys) put(keyID string, k keyed) {
	keyID = strings.Clone(keyID)
	if k.key.ID != "" {
		k.key.ID = keyID
	}
	k.key.Owner = strings.Clone(k.key.Owner)
	ks.cache.put(keyID, k, k.cost())
}

// renew makes a key as young as its owner's document k, which lists it, or drops it.
func (ks *keys) renew(keyID string, k known) {
	have, ok := ks.cache.get(keyID)
	if !ok {
		return
	}
	listed, err := ks.in(k, keyID)
	switch {
	case err != nil, listed.Key != nil && !equalKeys(listed.Key, have.key.Key):
		ks.cache.delete(keyID)
	case listed.Key != nil:
		have.fetched = k.fetched
		ks.put(keyID, have)
	}
}

// keep is called when the owner of a key was stored.
func (ks *keys) keep(keyID string) {
	if have, ok := ks.cache.get(keyID); ok && have.passing {
		have.passing = false
		ks.put(keyID, have)
	}
}

// PublicKey returns the key with this id and its owner: from memory or the store if it was fetched in
// the last 24 hours, else from its server; where Allow refuses that, what is known serves, however old. The document at the key's id is the owner's and lists the
// key, under publicKey or as a Multikey under assertionMethod (FEP-521a), or it is the key's own (a stub of the owner
// counts as such) and the owner on the same host lists the same key. What was fetched is kept in memory only, see
// [Resolver.Trust]. The error tells a signature.Verifier what to answer: gone or no such key 401, refused 403, all
// else 503.
func (r *Resolver) PublicKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	return r.key(ctx, r.requests, keyID)
}

// HoldsKey tells whether PublicKey would return this key from memory.
func (r *Resolver) HoldsKey(keyID string) bool {
	k, ok := r.requests.cache.get(keyID)
	return ok && time.Since(k.fetched) < r.lasts(k)
}

// RefreshKey fetches a key anew, if five minutes or more have passed since it was last fetched or that
// was tried. Otherwise it returns what it has. See [Resolver.PublicKey] for the errors.
func (r *Resolver) RefreshKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	return r.refreshKey(ctx, r.requests, keyID)
}

// ProofKey returns the key of a verification method, for [signature.ProofVerifier]: like PublicKey, but of Multikeys under
// assertionMethod alone. FEP-8b32.
func (r *Resolver) ProofKey(ctx context.Context, method string) (signature.PublicKey, error) {
	return r.key(ctx, r.proofs, method)
}

// RefreshProofKey is to ProofKey what RefreshKey is to PublicKey.
func (r *Resolver) RefreshProofKey(ctx context.Context, method string) (signature.PublicKey, error) {
	return r.refreshKey(ctx, r.proofs, method)
}

// maxPassing is how long a key is kept whose owner nobody here has a relation to.
const maxPassing = time.Hour

// lasts is how long k is as good as new.
func (s *state) lasts(k keyed) time.Duration {
	if k.passing && s.config.Store != nil {
		return min(maxPassing, s.config.MaxAge)
	}
	return s.config.MaxAge
}

func (r *Resolver) findKey(ctx context.Context, ks *keys, keyID string) (signature.PublicKey, KeySource, error) {
	if k, ok := ks.cache.get(keyID); ok && time.Since(k.fetched) < r.lasts(k) {
		return k.key, FromMemory, nil // nothing else got in there
	}
	k, have, err := r.recallKey(ctx, ks, keyID)
	if err != nil {
		return signature.PublicKey{}, FromStore, err
	}
	if age := time.Since(k.fetched); have && (age < r.lasts(k) || !k.apart && !k.passing && r.later(k.key.Owner, age)) {
		return k.key, FromStore, nil
	}
	got, err := r.fetchKey(ctx, ks, keyID, r.lasts(k))
	var e *Error
	if err != nil && have && errors.As(err, &e) && (e.Passing && !errors.Is(err, ErrBlocked) || errors.Is(err, moderation.ErrRefused)) {
		return k.key, FromPast, nil // of who may not be asked too, however old: whoever asks for it decides what for
	}
	return got.key, FromServer, err
}

func (r *Resolver) renewKey(ctx context.Context, ks *keys, keyID string) (signature.PublicKey, error) {
	k, have, err := r.recallKey(ctx, ks, keyID)
	if err != nil {
		return signature.PublicKey{}, err
	}
	if have && (time.Since(k.fetched) < refreshAge || time.Since(k.tried) < refreshAge) {
		return k.key, nil
	}
	if have {
		k.tried = time.Now()
		ks.put(keyID, k)
	}
	got, err := r.fetchKey(ctx, ks, keyID, refreshAge)
	return got.key, err
}

// recallKey looks in memory and in the store. A key that is gone or ours is an error.
func (r *Resolver) recallKey(ctx context.Context, ks *keys, keyID string) (keyed, bool, error) {
	if _, err := parseID(keyID); err != nil {
		return keyed{}, false, &Error{ID: keyID, Err: err}
	}
	if r.config.Names.Ours(keyID) {
		return keyed{}, false, &Error{ID: keyID, Err: ErrOurs}
	}
	if k, ok := ks.cache.get(keyID); ok {
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
		r.meet(stored.ID)
		owner, _ = revive(stored)
	}
	if !owner.gone.IsZero() && time.Since(owner.gone) < keepGone {
		return keyed{}, false, &Error{ID: keyID, Status: http.StatusGone, Err: ErrGone}
	}
	if owner.actor == nil {
		return keyed{}, false, nil
	}
	key, err := ks.in(owner, keyID)
	if err != nil || key.Key == nil {
		return keyed{}, false, nil
	}
	k := keyed{key: key, fetched: owner.fetched, passing: !owner.kept}
	ks.put(keyID, k)
	return k, true, nil
}

// fetchKey fetches a key for all who ask for it at once, unless it was fetched less than maxAge ago.
func (r *Resolver) fetchKey(ctx context.Context, ks *keys, keyID string, maxAge time.Duration) (keyed, error) {
	if err := r.missed(keyID); err != nil {
		return keyed{}, err
	}
	if err := r.budget.spend(keyID); err != nil {
		return keyed{}, err
	}
	keyID = strings.Clone(keyID) // which may outlive the request as that of a key that was missed
	done := ks.flight.DoChan(keyID, func() (any, error) {
		ctx, r := context.WithoutCancel(ctx), r.whole()
		if k, ok := ks.cache.get(keyID); ok && time.Since(k.fetched) < maxAge {
			return k, nil // fetched between our caller's look and now
		}
		if err := r.missed(keyID); err != nil {
			return keyed{}, err
		}
		k, err := r.requestKey(ctx, ks, keyID)
		if errors.Is(err, errUnlisted) {
			return keyed{}, err // as long as its owner's document is young, that says so for nothing
		}
		if err != nil {
			if err = r.miss(keyID, err); errors.Is(err, ErrGone) {
				ks.cache.delete(keyID)
			}
			return keyed{}, err
		}
		r.misses.delete(keyID)
		ks.put(keyID, k)
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

func (r *Resolver) requestKey(ctx context.Context, ks *keys, keyID string) (keyed, error) {
	address := withoutFragment(keyID)
	owner, have := r.actors.get(address)
	have = have && owner.actor != nil
	if have && time.Since(owner.fetched) < refreshAge {
		// Anyone can make up ids for keys in a document that we have just had.
		key, err := ks.in(owner, keyID)
		return keyed{key: key, fetched: owner.fetched, passing: !owner.kept}, keyError(keyID, key, err)
	}
	if !have && !r.newcomers.actor(keyID) {
		return keyed{}, &Error{ID: keyID, Passing: true, Err: fmt.Errorf("%w: too many unknown keys of one domain", ErrThrottled)}
	}
	var f found
	var err error
	if have {
		f, err = r.documentOf(ctx, ask{through: r.signed, address: address, etag: owner.etag, modified: owner.modified}, keyID)
	} else {
		f, err = r.documentOfKey(ctx, address, keyID)
	}
	if err != nil {
		return keyed{}, err
	}
	if f.unchanged {
		owner.fetched, owner.kept = time.Now(), false
		r.remember(owner)
		key, err := ks.in(owner, keyID)
		return keyed{key: key, fetched: owner.fetched, passing: !owner.kept}, keyError(keyID, key, err)
	}
	switch doc := f.doc.(type) {
	case *activity.Actor:
		if doc.Is("Tombstone") {
			return keyed{}, &Error{ID: keyID, Status: http.StatusOK, Err: ErrGone}
		}
		k := f.known(doc)
		key, err := ks.in(k, keyID)
		if checkActor(doc) == nil {
			// A stub, as GoToSocial serves at its keys, never gets here: it has no inbox.
			r.remember(k)
		} else {
			err = unremembered(err)
		}
		return keyed{key: key, fetched: k.fetched, passing: !owner.kept}, keyError(keyID, key, err)
	case *activity.Object:
		k, err := r.ownKey(ctx, ks, doc, f.raw, keyID)
		return k, keyError(keyID, k.key, err)
	}
	return keyed{}, &Error{ID: keyID, Err: fmt.Errorf("%w: neither an actor nor a key", ErrMalformed)}
}

// errUnlisted marks that a good actor's document does not list a key. That it has no such key is known for as long as
// the document is.
var errUnlisted = fmt.Errorf("%w: no such key is listed", ErrNotFound)

// unremembered is err where the document is not kept, so that the failure has to be.
func unremembered(err error) error {
	if errors.Is(err, errUnlisted) {
		return fmt.Errorf("%w: a stub that does not list it", ErrNotFound)
	}
	return err
}

// ownKey reads a document that is itself a key, and asks its owner whether that is so.
func (r *Resolver) ownKey(ctx context.Context, ks *keys, doc *activity.Object, raw []byte, keyID string) (keyed, error) {
	own, ownerID, err := keyDocument(doc, raw, keyID)
	if err != nil {
		return keyed{}, err
	}
	if !activity.SameAuthority(ownerID, keyID) {
		return keyed{}, fmt.Errorf("%w: its owner %q is on another host", ErrMalformed, ownerID)
	}
	owner, err := r.find(ctx, ownerID, refreshAge)
	if err != nil {
		return keyed{}, err
	}
	key, err := ks.in(owner, keyID)
	if err != nil {
		return keyed{}, unremembered(err)
	}
	if key.Key != nil && !equalKeys(key.Key, own) {
		return keyed{}, fmt.Errorf("%w: its owner shows another key under this id", ErrMalformed)
	}
	k := keyed{key: key, fetched: time.Now(), passing: !owner.kept, apart: key.Key == nil}
	k.key.Key = own
	return k, nil
}

// keyDocument reads a key, and whose it says it is, from its own document: PEM, or a Multikey.
func keyDocument(doc *activity.Object, raw []byte, keyID string) (key crypto.PublicKey, owner string, err error) {
	claim := activity.KeyOf(doc)
	if claim.ID != keyID {
		return nil, "", fmt.Errorf("%w: the document is not the key's", ErrMalformed)
	}
	if doc.Is(activity.TypeMultikey) {
		if owner = doc.Controller.ID; owner == "" {
			return nil, "", fmt.Errorf("%w: a Multikey without a controller", ErrMalformed)
		}
		listed, err := json.Marshal(map[string]any{"id": owner, "assertionMethod": json.RawMessage(raw)})
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		own, err := signature.AssertionKey(listed, keyID)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return own.Key, owner, nil
	}
	if claim.PEM == "" {
		return nil, "", fmt.Errorf("%w: the document is no key", ErrMalformed)
	}
	if key, err = signature.ParsePublicKey(claim.PEM); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return key, claim.Owner, nil
}

// requestKey finds a key by which requests may be signed.
func (k known) requestKey(keyID string) (signature.PublicKey, error) {
	for _, listed := range k.actor.Keys() {
		if listed.ID != keyID {
			continue
		}
		if listed.Owner != "" && listed.Owner != k.actor.ID {
			return signature.PublicKey{}, fmt.Errorf("%w: listed by %s for another owner, %q", ErrMalformed, k.actor.ID, listed.Owner)
		}
		key := signature.PublicKey{ID: keyID, Owner: k.actor.ID}
		if listed.PEM == "" {
			return key, nil
		}
		var err error
		if key.Key, err = signature.ParsePublicKey(listed.PEM); err != nil {
			return signature.PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return key, nil
	}
	return k.proofKey(keyID)
}

// proofKey finds a key by which documents may be proved. FEP-521a.
func (k known) proofKey(keyID string) (signature.PublicKey, error) {
	for _, ref := range k.actor.AssertionMethod {
		switch {
		case ref.ID != keyID:
			continue
		case ref.Raw == nil:
			return signature.PublicKey{ID: keyID, Owner: k.actor.ID}, nil
		}
		key, err := signature.AssertionKey(k.raw, keyID)
		if err != nil {
			return signature.PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return key, nil
	}
	return signature.PublicKey{}, fmt.Errorf("%w by %s", errUnlisted, k.actor.ID)
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

// keyIDs are the ids of an actor's keys by which it may be found: its own, on its own host, at most 16 of each kind.
func keyIDs(a *activity.Actor) []string {
	var ids []string
	for _, k := range a.Keys() {
		if (k.Owner == "" || k.Owner == a.ID) && activity.SameAuthority(k.ID, a.ID) {
			ids = append(ids, k.ID)
		}
	}
	for _, ref := range a.AssertionMethod[:min(len(a.AssertionMethod), 16)] {
		if activity.SameAuthority(ref.ID, a.ID) && !slices.Contains(ids, ref.ID) {
			ids = append(ids, ref.ID)
		}
	}
	return ids
}
