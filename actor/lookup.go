package actor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/safehttp"
)

// Reason says why somebody was not found.
type Reason uint8

// The reasons of a [LookupError].
const (
	NotAHandle   Reason = iota + 1 // neither user@host nor a URL
	NoSuchHost                     // the host's name does not resolve, or to no public address
	Unreachable                    // the host does not answer, or not now
	NoWebFinger                    // the host answers, but not as servers of the fediverse do
	Unknown                        // there is no such user, or it has not opted in to being found
	Rejected                       // the host shows the actor to others, but not to us
	Gone                           // the actor was deleted
	Blocked                        // we don't talk to this host
	NotAnActor                     // what was found is something else
	Inconsistent                   // the handle leads to an actor that does not lead back to it
)

// LookupError reports that nobody was found.
type LookupError struct {
	Query  string // as it was asked for
	Host   string // the host at which it ended, "" if it did not get that far
	Reason Reason
	Err    error // the cause, often an [*Error]
}

// Error says what happened, for a log; for people there is [LookupError.Sentence].
func (e *LookupError) Error() string { return fmt.Sprintf("actor: look up %q: %v", e.Query, e.Err) }

// Unwrap returns Err.
func (e *LookupError) Unwrap() error { return e.Err }

// Sentence says in English what an app may show to who searched.
func (e *LookupError) Sentence() string {
	switch e.Reason {
	case NotAHandle:
		return fmt.Sprintf("“%s” is neither a handle such as @user@example.com nor a web address.", e.Query)
	case NoSuchHost:
		return fmt.Sprintf("There is no server named %s.", e.Host)
	case Unreachable:
		return fmt.Sprintf("%s does not answer at the moment.", e.Host)
	case NoWebFinger:
		return fmt.Sprintf("%s does not seem to be part of the fediverse.", e.Host)
	case Unknown:
		return fmt.Sprintf("%s knows nobody of that name, or they have not opted in to the fediverse.", e.Host)
	case Rejected:
		return fmt.Sprintf("%s does not let this server see that account.", e.Host)
	case Gone:
		return fmt.Sprintf("That account on %s was deleted.", e.Host)
	case Blocked:
		return fmt.Sprintf("%s is blocked here.", e.Host)
	case NotAnActor:
		return fmt.Sprintf("What %s shows there is not an account.", e.Host)
	}
	return fmt.Sprintf("%s contradicts itself about that account.", e.Host)
}

// Lookup finds an actor by its handle (@user@host, user@host, acct:user@host), its id or its profile's
// URL. A handle counts only if the actor that it leads to leads back to one of its own domain, as
// Mastodon does it; the result's own handle may therefore be another one, see [Resolver.Handle]. Whom it
// finds is stored. The error is a [*LookupError], or the context's or the store's. See
// [Resolver.Actor] for what the caller may do with the result.
func (r *Resolver) Lookup(ctx context.Context, query string) (*activity.Actor, error) {
	k, at, err := r.lookup(ctx, strings.TrimSpace(query))
	if err != nil {
		return nil, lookupError(query, at, err)
	}
	if k.fetched.IsZero() {
		return k.actor, nil // ours
	}
	if err := r.keep(ctx, k); err != nil {
		return nil, err
	}
	return shallow(k.actor), nil
}

// lookup also returns the host that it last had to do with.
func (r *Resolver) lookup(ctx context.Context, query string) (k known, at string, err error) {
	f := fingers{r: r, seen: map[string]JRD{}}
	if strings.HasPrefix(query, "https://") || strings.HasPrefix(query, "http://") {
		k, at, err = r.lookupURL(ctx, query)
	} else {
		k, at, err = f.lookup(ctx, query)
	}
	if err != nil || k.fetched.IsZero() {
		return k, at, err
	}
	handle, err := f.handle(ctx, k.actor)
	if err != nil {
		return known{}, handle.host, err
	}
	return k, at, nil
}

// lookupURL finds whoever is described at a URL, which may be a profile's page.
func (r *Resolver) lookupURL(ctx context.Context, address string) (known, string, error) {
	u, err := parseID(address)
	if err != nil {
		return known{}, "", &badQuery{err}
	}
	at := authority(u)
	if r.config.Names.Ours(address) {
		a, err := r.local(ctx, address)
		return known{actor: a}, at, err
	}
	if k, ok := r.actors.get(address); ok && k.actor != nil {
		k, err = r.find(ctx, address, r.config.MaxAge)
		return k, at, err
	}
	doc, _, _, err := r.get(ctx, r.signed, address, true)
	if err != nil {
		return known{}, at, err
	}
	if _, ok := doc.(*activity.Actor); !ok {
		return known{}, at, &Error{ID: address, Err: ErrNotActor}
	}
	if doc.DocumentID() == "" {
		return known{}, at, &Error{ID: address, Err: fmt.Errorf("%w: an actor without an id", ErrMalformed)}
	}
	return r.lookupID(ctx, doc.DocumentID())
}

func (r *Resolver) lookupID(ctx context.Context, id string) (known, string, error) {
	u, err := parseID(id)
	if err != nil {
		return known{}, "", &Error{ID: id, Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
	}
	if r.config.Names.Ours(id) {
		a, err := r.local(ctx, id)
		return known{actor: a}, authority(u), err
	}
	k, err := r.find(ctx, id, r.config.MaxAge)
	return k, authority(u), err
}

// badQuery is a query that can't be asked of anyone.
type badQuery struct{ err error }

func (e *badQuery) Error() string { return e.err.Error() }

// lookupError finds the reason in a cause.
func lookupError(query, at string, err error) error {
	var bad *badQuery
	var fetch *Error
	var dns *net.DNSError
	l := &LookupError{Query: query, Host: at, Err: err}
	switch {
	case errors.As(err, &bad):
		l.Reason = NotAHandle
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound, errors.Is(err, safehttp.ErrRefused):
		l.Reason = NoSuchHost
	case errors.Is(err, ErrBlocked):
		l.Reason = Blocked
	case errors.Is(err, ErrGone):
		l.Reason = Gone
	case errors.Is(err, errInconsistent), errors.Is(err, ErrIDMismatch):
		l.Reason = Inconsistent
	case errors.Is(err, ErrRejected):
		l.Reason = Rejected
	case errors.Is(err, errNoWebFinger):
		l.Reason = NoWebFinger
	case errors.Is(err, errUnknown):
		l.Reason = Unknown
	case errors.Is(err, ErrNotActor), errors.Is(err, ErrContentType), errors.Is(err, ErrMalformed),
		errors.Is(err, ErrTooLarge), errors.Is(err, ErrInvalidID):
		l.Reason = NotAnActor
	case errors.Is(err, ErrNotFound):
		l.Reason = Unknown
		if errors.As(err, &fetch) && fetch.Status == http.StatusNotFound && !isURL(query) {
			// WebFinger has just named it, so it is there: Threads (seen 2024-08) answers 404 to
			// signatures that it does not like.
			l.Reason = Rejected
		}
	case errors.As(err, &fetch):
		l.Reason = Unreachable
	default:
		return err // the store's, or the app's
	}
	return l
}

func isURL(query string) bool {
	u, err := url.Parse(strings.TrimSpace(query))
	return err == nil && u.Host != ""
}
