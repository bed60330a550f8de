// Package ldsig checks and makes LD signatures (RsaSignature2017), by which Mastodon lets others
// forward its public activities.
//
// [Verifier.Verify] tells what a document that somebody else delivered is worth: that its object may
// be fetched at the origin, and for some documents that the actor said just this. [Sign] signs a
// public activity so that it can be forwarded.
//
// An LD signature does not sign JSON but the RDF statements that a JSON-LD processor finds in it, and
// many documents make the same statements. So this package takes only documents that are written in
// the one way that follows from their statements, with contexts that are compiled in; it fetches no
// contexts, and no objects: that is left to the caller, who should prefer what the origin says to
// what came by mail. Its arithmetic on graphs is github.com/piprate/json-gold's, behind limits. A
// FEP-8b32 proof of the document, which is made first, is signed with it, and is not checked here.
package ldsig

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/signature"
	"golang.org/x/sync/semaphore"
)

// Verifier checks LD signatures. Its fields are not changed after first use; its methods may then
// be called by many goroutines at once. It must not be copied.
type Verifier struct {
	// Keys finds the keys of signers. If it is also a [signature.KeyRefresher], a key that does not
	// fit is asked for once more. Nil: every signed document is refused with
	// [signature.ErrKeyUnavailable].
	Keys signature.KeySource

	// Allow is asked for the host of the actor, with its port unless that is the default, before the
	// key is. An error that wraps [signature.ErrRefused] is final, any other means that it could not
	// be told now. Nil allows everyone.
	Allow func(ctx context.Context, host string) error

	// Scheme is "https" or "http"; with "http", actors and keys may have http URLs too. Empty means
	// "https".
	Scheme string

	// Skew is how far the clocks of peers may differ from ours. Zero or less means 5 minutes.
	Skew time.Duration

	// MaxAge is how old a signature may be; Skew is added. Zero or less means 48 hours. What expires
	// of the signature can only shorten it.
	MaxAge time.Duration

	// MaxDeleteAge is MaxAge for a Delete, which is worth hearing of for longer. Zero or less means
	// 14 days.
	MaxDeleteAge time.Duration

	// Parallel is how many documents are worked through at once: each costs some milliseconds of a
	// processor. Zero or less means 2.
	Parallel int

	// MaxWait is how long a document may wait for its turn, before [ErrBusy]. Zero or less means one
	// second.
	MaxWait time.Duration

	once  sync.Once
	turns *semaphore.Weighted
}

// Result is what a signature is worth. All of it was signed; nothing else of the document was.
type Result struct {
	// MayRefetch says that Owner announced something about Object, so that fetching Object from where
	// it lives is no errand for a stranger. After a Delete the origin should answer 404 or 410. It is
	// true whenever there is no error.
	MayRefetch bool

	// Verified says that Owner said what Document says. It is false where the document has several
	// values in an order that a reader could mind, such as attachments or the choices of a poll: their
	// order is not signed.
	Verified bool

	// ID, Type and Object are the activity's: ID is empty if it has none, as Mastodon's Add and Remove
	// (seen 4.6.5), Type is Create, Update, Delete, Undo, Announce, Add or Remove, Object the id of its
	// one object.
	ID, Type, Object string

	// Owner is the activity's actor and the owner of the key, Creator the id of the key. Whether Owner
	// may say this about Object, and under this ID, is for the caller to judge.
	Owner, Creator string

	// Created is when it was signed, Expires when the signature says that it ends. Zero if it does not
	// say.
	Created, Expires time.Time

	// Document is what was signed, if Verified, else nil. It is read from the signed statements, not
	// from the bytes that came, and is the same for every way to write them: it has no signature, no
	// @context (its terms mean what they do in ActivityStreams and in the contexts that Mastodon and
	// Misskey write), no null and no empty array; an array of one is its element, and sets are sorted.
	// It is the caller's to keep.
	Document json.RawMessage
}

// Verify checks the LD signature of a document. The error is always an [*Error], and with an error
// the Result says nothing. It wraps [signature.ErrUnsigned] if there is no signature, or one of a
// kind that this package does not know; one of this package's errors or [signature.ErrMalformed],
// [signature.ErrTooLarge], [signature.ErrExpired], [signature.ErrBadKey] or
// [signature.ErrBadSignature] if it is worth nothing; [signature.ErrNoKey], [signature.ErrKeyGone] or
// [signature.ErrRefused] as the key source and Allow say; and [signature.ErrKeyUnavailable] or
// [ErrBusy] if it may be tried again. A context that ends while the document waits is an ErrBusy that
// wraps the context's error.
//
// Documents of more than 64 KiB, 20 levels, 2000 values, 256 elements of an array or 200 nodes without
// id are refused, and those whose anonymous nodes look too much alike. A signature stays valid until
// its time is over, so the same document may come twice.
func (v *Verifier) Verify(ctx context.Context, document []byte) (Result, error) {
	tree, err := readTree(document)
	if err != nil {
		return Result{}, &Error{Err: err}
	}
	p, err := readProof(tree["signature"])
	if err != nil {
		return Result{}, &Error{Err: err}
	}
	delete(tree, "signature")
	result, err := v.verify(ctx, tree, p)
	if err != nil {
		return Result{}, &Error{Creator: p.creator, Err: err}
	}
	return result, nil
}

// verify asks the cheap questions first, then for the key, and computes last.
func (v *Verifier) verify(ctx context.Context, tree map[string]any, p *proof) (Result, error) {
	known, err := know()
	if err != nil {
		return Result{}, fmt.Errorf("embedded contexts: %w", err)
	}
	terms, err := known.read(tree["@context"])
	if err != nil {
		return Result{}, err
	}
	s, err := inspect(tree, terms)
	if err != nil {
		return Result{}, err
	}
	a, err := s.activity()
	if err != nil {
		return Result{}, err
	}
	host, ok := authority(a.actor, v.Scheme == "http")
	if keyHost, _ := authority(p.creator, v.Scheme == "http"); !ok || keyHost != host {
		return Result{}, fail(ErrCreator, "actor %.200q", a.actor)
	}
	if err := v.checkTime(p, a.kind); err != nil {
		return Result{}, err
	}
	if v.Keys == nil {
		return Result{}, fail(signature.ErrKeyUnavailable, "Verifier.Keys is nil")
	}
	if v.Allow != nil {
		if err := v.Allow(ctx, host); err != nil {
			return Result{}, unlessFinal(err)
		}
	}
	key, err := takeKey(ctx, p.creator, a.actor, v.Keys.PublicKey)
	if err != nil {
		return Result{}, err
	}
	sum, err := v.digest(ctx, known, p, s)
	if err != nil {
		return Result{}, err
	}
	err = p.fits(key, sum)
	if refresher, ok := v.Keys.(signature.KeyRefresher); ok && errors.Is(err, signature.ErrBadSignature) {
		newer, failed := takeKey(ctx, p.creator, a.actor, refresher.RefreshKey)
		if failed != nil {
			return Result{}, failed
		}
		err = p.fits(newer, sum)
	}
	if err != nil {
		return Result{}, err
	}
	result := Result{
		MayRefetch: true, Verified: s.ordered, ID: a.id, Type: a.kind, Object: a.object,
		Owner: a.actor, Creator: p.creator, Created: p.created, Expires: p.expires,
	}
	if s.ordered {
		if result.Document, err = encode(s.tree); err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

// checkTime holds the times of a signature against the clock.
func (v *Verifier) checkTime(p *proof, kind string) error {
	now, skew := time.Now(), orDefault(v.Skew, 5*time.Minute)
	end := p.created.Add(orDefault(v.MaxAge, 48*time.Hour))
	if kind == "Delete" {
		end = p.created.Add(orDefault(v.MaxDeleteAge, 14*24*time.Hour))
	}
	if _, says := p.options["expires"]; says && p.expires.Before(end) {
		end = p.expires
	}
	switch {
	case end.Before(p.created):
		return fail(signature.ErrExpired, "expires before it was signed")
	case p.created.After(now.Add(skew)):
		return fail(signature.ErrExpired, "signed at %s, in the future", p.created.UTC().Format(time.RFC3339))
	case now.After(end.Add(skew)):
		return fail(signature.ErrExpired, "signed at %s, over at %s", p.created.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	return nil
}

// digest waits for its turn, then computes what was signed.
func (v *Verifier) digest(ctx context.Context, known *knowledge, p *proof, s *shape) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(v.MaxWait, time.Second))
	defer cancel()
	turns := v.semaphore()
	if err := turns.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer turns.Release(1)
	return digest(known, p.options, s)
}

func (v *Verifier) semaphore() *semaphore.Weighted {
	v.once.Do(func() {
		n := v.Parallel
		if n <= 0 {
			n = 2
		}
		v.turns = semaphore.NewWeighted(int64(n))
	})
	return v.turns
}

// takeKey asks for a key, makes of the answer what [signature.KeySource] says, and holds the key's
// owner against the actor.
func takeKey(ctx context.Context, keyID, actor string, ask func(context.Context, string) (signature.PublicKey, error)) (crypto.PublicKey, error) {
	key, err := ask(ctx, keyID)
	if err != nil {
		return nil, unlessFinal(err)
	}
	if key.ID != "" && key.ID != keyID {
		return nil, fail(signature.ErrNoKey, "the source returned %.80q", key.ID)
	}
	if key.Owner != actor {
		return nil, fail(ErrCreator, "actor %.200q, key of %.200q", actor, key.Owner)
	}
	return key.Key, nil
}

// unlessFinal marks an error as passing unless it wraps one of those that are not.
func unlessFinal(err error) error {
	for _, final := range []error{signature.ErrKeyGone, signature.ErrNoKey, signature.ErrRefused} {
		if errors.Is(err, final) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", signature.ErrKeyUnavailable, err)
}

func orDefault(d, standard time.Duration) time.Duration {
	if d <= 0 {
		return standard
	}
	return d
}
