package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// maxStale is how much older than MaxAge an actor may be that serves while a younger one is fetched.
const maxStale = 7

// Actor returns the actor with this id: from memory or the store if it was fetched in the last 24
// hours, else from its server. If the server does not give it now, an older document serves. What the
// result points to is shared and must not be changed. The error is an [*Error], or the store's; one
// that wraps [ErrGone] means that the actor was deleted.
func (r *Resolver) Actor(ctx context.Context, id string) (*activity.Actor, error) {
	if k, ok := r.actors.get(id); ok && k.actor != nil && (k.kept || r.config.Store == nil) && time.Since(k.fetched) < r.config.MaxAge {
		return shallow(k.actor), nil // none of ours gets in there
	}
	if r.config.Names.Ours(id) {
		a, err := r.local(ctx, id)
		if err == nil && a.ID != id {
			return nil, &Error{ID: id, Err: ErrNotFound}
		}
		return a, err
	}
	k, err := r.find(ctx, id, r.config.MaxAge)
	if errors.Is(err, ErrGone) {
		if err := r.bury(ctx, id); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.keep(ctx, k); err != nil {
		return nil, err
	}
	return shallow(k.actor), nil
}

// Inboxes returns where to deliver to an actor: its own inbox, and its server's shared one or "". A
// shared inbox on another host than the actor's own is left out. ActivityPub §7.1.3.
func (r *Resolver) Inboxes(ctx context.Context, actorID string) (inbox, shared string, err error) {
	a, err := r.Actor(ctx, actorID)
	if err != nil {
		return "", "", err
	}
	if shared = a.SharedInbox(); !activity.SameAuthority(shared, a.Inbox.ID) {
		shared = ""
	}
	return a.Inbox.ID, shared, nil
}

// Trust stores the actor as it was fetched when one of its keys was looked up. Call it when the
// signature was verified: before, anyone may have named that key. If the actor is not in memory, or
// stored already, it does nothing. What handle an actor has that was not stored is found out in the background, see
// [Resolver.HandleOf].
func (r *Resolver) Trust(ctx context.Context, id string) error {
	k, ok := r.actors.get(id)
	if !ok || !k.gone.IsZero() {
		return nil
	}
	if k.handle == "" && !k.kept {
		r.proveLater(k)
	}
	return r.keep(ctx, k)
}

// Update replaces what is known of an actor by what its own, verified Update brought: a, and raw as it
// stood in the activity. Its keys are those of the new document from now on; if that shows none, it is not whole,
// and the actor is fetched instead. The error wraps [ErrNotActor] or [ErrMalformed] if a is no actor; then nothing has
// changed.
func (r *Resolver) Update(ctx context.Context, a *activity.Actor, raw []byte) error {
	if r.config.Names.Ours(a.ID) {
		return &Error{ID: a.ID, Err: ErrOurs}
	}
	whole := shallow(a)
	if err := checkActor(whole); err != nil {
		return &Error{ID: a.ID, Err: err}
	}
	if len(a.PublicKey) == 0 && len(a.AssertionMethod) == 0 {
		return r.refresh(ctx, a.ID)
	}
	if raw == nil {
		var err error
		if raw, err = activity.Encode(whole); err != nil {
			return &Error{ID: a.ID, Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
		}
	}
	return r.keep(ctx, r.remember(known{actor: whole, raw: raw, fetched: time.Now()}))
}

// Gone marks an actor as deleted, for 30 days: after its own, verified Delete. What was stored of it is
// replaced by a tombstone.
func (r *Resolver) Gone(ctx context.Context, id string) error {
	if r.config.Names.Ours(id) {
		return &Error{ID: id, Err: ErrOurs}
	}
	old, _ := r.actors.get(id)
	r.forget(id, old)
	return r.bury(ctx, id)
}

// local asks the app about an id of ours.
func (r *Resolver) local(ctx context.Context, resource string) (*activity.Actor, error) {
	if r.config.Local == nil {
		return nil, &Error{ID: resource, Err: ErrNotFound}
	}
	return r.config.Local(ctx, resource)
}

// refresh fetches an actor whatever is known of it, and stores what came.
func (r *Resolver) refresh(ctx context.Context, id string) error {
	k, err := r.find(ctx, id, 0)
	if errors.Is(err, ErrGone) {
		return r.bury(ctx, id)
	}
	if err != nil {
		return err
	}
	return r.keep(ctx, k)
}

// find returns an actor that is at most maxAge old or could not be had younger. With the usual maxAge one
// that is not much older will do, if it is refreshed in the background.
func (r *Resolver) find(ctx context.Context, id string, maxAge time.Duration) (known, error) {
	if _, err := parseID(id); err != nil {
		return known{}, &Error{ID: id, Err: err}
	}
	old, have, err := r.recall(ctx, id)
	if err != nil {
		return known{}, err
	}
	if have && !old.gone.IsZero() {
		if time.Since(old.gone) < keepGone {
			return known{}, &Error{ID: id, Status: http.StatusGone, Err: ErrGone}
		}
		old, have = known{}, false
	}
	if age := time.Since(old.fetched); have && (age < maxAge || maxAge == r.config.MaxAge && r.later(id, age)) {
		return old, nil
	}
	got, err := r.fetchActor(ctx, id, old, maxAge)
	if err != nil && have && !errors.Is(err, ErrGone) && !errors.Is(err, ErrBlocked) {
		return old, nil // one bad answer, or none, is no proof: Threads says 404 to signatures it dislikes
	}
	return got, err
}

// fetchActor fetches an actor for all who ask for it at once. Old is what is known of it, if anything.
func (r *Resolver) fetchActor(ctx context.Context, id string, old known, maxAge time.Duration) (known, error) {
	if err := r.missed(id); err != nil {
		return known{}, err
	}
	if err := r.budget.spend(id); err != nil {
		return known{}, err
	}
	id = strings.Clone(id) // which may outlive the activity as that of an actor that was missed
	done := r.actorFlight.DoChan(id, func() (any, error) {
		// What others are waiting for does not end with the first who asked, nor with its budget.
		ctx, r := context.WithoutCancel(ctx), r.whole()
		if k, ok := r.actors.get(id); ok && k.gone.IsZero() && time.Since(k.fetched) < maxAge {
			return k, nil // fetched between our caller's look and now
		}
		if err := r.missed(id); err != nil {
			return known{}, err
		}
		if old.actor == nil && !r.newcomers.actor(id) {
			return known{}, &Error{ID: id, Passing: true, Err: fmt.Errorf("%w: too many unknown actors of one domain", ErrThrottled)}
		}
		k, err := r.requestActor(ctx, id, old)
		if err != nil {
			return known{}, r.miss(id, err)
		}
		return k, nil
	})
	select {
	case res := <-done:
		k, _ := res.Val.(known)
		r.budget.read(len(k.raw))
		return k, res.Err
	case <-ctx.Done():
		return known{}, &Error{ID: id, Passing: true, Err: ctx.Err()}
	}
}

// requestActor asks an actor's server for it. If it says that old is still what it has, old it is.
func (r *Resolver) requestActor(ctx context.Context, id string, old known) (known, error) {
	found, err := r.documentOf(ctx, ask{through: r.signed, address: withoutFragment(id), etag: old.etag, modified: old.modified}, id)
	if err != nil {
		return known{}, err
	}
	if found.unchanged {
		old.fetched, old.kept = time.Now(), false
		return r.remember(old), nil
	}
	doc := found.doc
	if doc.DocumentID() != id {
		return known{}, &Error{ID: id, Err: fmt.Errorf("%w: %q", ErrIDMismatch, doc.DocumentID())}
	}
	a, ok := doc.(*activity.Actor)
	if doc.Is("Tombstone") {
		return known{}, &Error{ID: id, Status: http.StatusOK, Err: ErrGone}
	}
	if !ok {
		return known{}, &Error{ID: id, Err: ErrNotActor}
	}
	if err := checkActor(a); err != nil {
		return known{}, &Error{ID: id, Err: err}
	}
	return r.remember(found.known(a)), nil
}
