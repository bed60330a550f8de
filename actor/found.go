package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// acceptDocument is what Mastodon sends, which therefore everyone answers. Shuttlecraft needs the second
// of the two, Flipboard stumbles over lists with HTML in them (both seen 2026).
const acceptDocument = "application/activity+json, application/ld+json"

// Fetch gets any document by its id with a signed request, and returns it with its bytes. Its
// Content-Type must be ActivityPub's. If it has another id, that is fetched once, on the same host
// only, and must then have the id it was fetched by: compare DocumentID where it matters. Nothing
// of it is kept. The error is an [*Error]. What says who made it is to be had by [Resolver.Object].
func (r *Resolver) Fetch(ctx context.Context, id string) (activity.Document, []byte, error) {
	if r.config.Names.Ours(id) {
		return nil, nil, &Error{ID: id, Err: ErrOurs}
	}
	f, err := r.documentOf(ctx, ask{through: r.through, address: withoutFragment(id)}, id)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && r.hides(id) {
		e.Passing = true // of actors and keys it is known how often it was said
	}
	return f.doc, f.raw, err
}

// Object gets a post, or anything else that somebody made, by its id. It is what its own server shows now: its id is
// the one asked for, or another of the same server that was asked in turn, and everybody to whom it is attributed has an
// id there too; else the error wraps [ErrForeign]. An Activity, an actor or a collection is an error that wraps
// [ErrMalformed], a Tombstone one that wraps [ErrGone]. The error is an [*Error].
func (r *Resolver) Object(ctx context.Context, id string) (*activity.Object, error) {
	doc, _, err := r.Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	o, ok := doc.(*activity.Object)
	switch {
	case doc.Is(activity.TypeTombstone):
		return nil, &Error{ID: id, Status: http.StatusOK, Err: ErrGone}
	case !ok:
		return nil, &Error{ID: id, Err: fmt.Errorf("%w: not an object", ErrMalformed)}
	}
	for _, by := range o.AttributedTo {
		if !activity.SameAuthority(by.ID, o.ID) {
			return nil, &Error{ID: id, Err: fmt.Errorf("%w: to %q", ErrForeign, by.ID)}
		}
	}
	return o, nil
}

// found is a document as it was received.
type found struct {
	doc            activity.Document
	raw            []byte
	from           string // the URL that answered
	etag, modified string // of the document's own id
	unchanged      bool   // there is none: it is as it was when it was last asked for
}

// known is f as an actor.
func (f found) known(a *activity.Actor) known {
	return known{actor: a, raw: f.raw, fetched: time.Now(), etag: f.etag, modified: f.modified}
}

// documentOf gets what is at q's address and has the id, or the address, for its id; or what says under the same authority to
// have another, from there.
func (r *Resolver) documentOf(ctx context.Context, q ask, id string) (found, error) {
	f, err := r.get(ctx, q)
	if err != nil || f.unchanged {
		return f, err
	}
	got := f.doc.DocumentID()
	if got == id || got == q.address {
		return f, nil
	}
	if !activity.SameAuthority(got, q.address) {
		return found{}, &Error{ID: id, Err: fmt.Errorf("%w: %.200q", ErrIDMismatch, got)}
	}
	if f, err = r.get(ctx, ask{through: q.through, address: got}); err != nil {
		return found{}, err
	}
	if f.doc.DocumentID() != got {
		return found{}, &Error{ID: id, Err: fmt.Errorf("%w: %.200q has %.200q", ErrIDMismatch, got, f.doc.DocumentID())}
	}
	return f, nil
}

// get gets one document, whatever its id.
func (r *Resolver) get(ctx context.Context, q ask) (found, error) {
	ans, err := r.do(ctx, q)
	if err != nil {
		return found{}, err
	}
	if ans.status == http.StatusNotModified && (q.etag != "" || q.modified != "") && ans.from == q.address {
		return found{unchanged: true, from: ans.from}, nil
	}
	if ans.status != http.StatusOK {
		return found{}, r.statusError(q.address, ans.status)
	}
	if !isActivityType(ans.contentType) {
		return found{}, &Error{ID: q.address, Status: ans.status, Err: fmt.Errorf("%w: %.100q", ErrContentType, ans.contentType)}
	}
	return ans.found(q.address)
}

// found reads a document from the body.
func (a answer) found(id string) (found, error) {
	doc, err := activity.Decode(a.body)
	switch {
	case errors.Is(err, activity.ErrTooLarge):
		return found{}, &Error{ID: id, Status: a.status, Err: fmt.Errorf("%w: %w", ErrTooLarge, err)}
	case err != nil:
		return found{}, &Error{ID: id, Status: a.status, Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
	}
	f := found{doc: doc, raw: a.body, from: a.from}
	if a.from == id && doc.DocumentID() == id {
		f.etag, f.modified = a.etag, a.modified
	}
	return f, nil
}
