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
	Busy                           // we have asked too much of late
)

var reasons = [...]string{
	"none", "not a handle", "no such host", "unreachable", "no WebFinger", "unknown", "rejected", "gone", "blocked",
	"not an actor", "inconsistent", "busy",
}

// String names the reason for logs, in lower case.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

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
		return fmt.Sprintf("“%s” is neither a handle such as @user@example.com nor a web address.", cut(e.Query))
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
		return fmt.Sprintf("What %s shows there is not what was looked for.", e.Host)
	case Busy:
		return fmt.Sprintf("Too much was asked of %s of late. Try again in some minutes.", e.Host)
	}
	return fmt.Sprintf("%s contradicts itself about that account.", e.Host)
}

// cut is what a person typed, short enough for a sentence.
func cut(query string) string {
	if runes := []rune(strings.ToValidUTF8(query, "�")); len(runes) > 100 {
		return string(runes[:100]) + "…"
	}
	return query
}

// Lookup finds an actor by its handle (@user@host, user@host, acct:user@host), its id or its profile's
// URL, which may be a page that names the actor's document as its alternate. A handle counts only if the actor that it
// leads to leads back to one of its own domain, as Mastodon does it; the result's own handle may therefore be another
// one, see [Resolver.HandleOf]. Whom it finds is stored. The error is a [*LookupError], or the context's or the store's. See
// [Resolver.Actor] for what the caller may do with the result.
func (r *Resolver) Lookup(ctx context.Context, query string) (*activity.Actor, error) {
	k, at, err := r.lookup(ctx, strings.TrimSpace(query))
	if err != nil {
		return nil, lookupError(query, at, err)
	}
	return r.kept(ctx, k)
}

// LookupURL finds what is at a URL that a person pasted: an actor, as Lookup finds it, a post, as [Resolver.Object] gets it,
// or any other document. It may be the URL of a page that names the document as its alternate, on any host; the
// document is fetched by its own id, from its own server. The error is as Lookup's.
func (r *Resolver) LookupURL(ctx context.Context, address string) (activity.Document, error) {
	address = strings.TrimSpace(address)
	u, err := parseID(address)
	if err != nil {
		return nil, lookupError(address, "", &badQuery{err})
	}
	if _, threads := onThreads(u); threads || r.config.Names.Ours(address) {
		return r.Lookup(ctx, address)
	}
	f, at, err := r.confirmed(ctx, u)
	if err != nil {
		return nil, lookupError(address, at, err)
	}
	switch doc := f.doc.(type) {
	case *activity.Actor:
		return r.Lookup(ctx, doc.ID)
	case *activity.Object:
		for _, by := range doc.AttributedTo {
			if !activity.SameAuthority(by.ID, doc.ID) {
				return nil, lookupError(address, at, &Error{ID: doc.ID, Err: fmt.Errorf("%w: to %.200q", ErrForeign, by.ID)})
			}
		}
	}
	if f.doc.Is(activity.TypeTombstone) {
		return nil, lookupError(address, at, &Error{ID: address, Status: http.StatusOK, Err: ErrGone})
	}
	return f.doc, nil
}

// kept stores whom a lookup has found.
func (r *Resolver) kept(ctx context.Context, k known) (*activity.Actor, error) {
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
		k, at, err = f.lookupURL(ctx, query)
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
	k, err = r.name(ctx, k, handle.String())
	return k, at, err
}

// lookupURL finds whoever is described at a URL, which may be a profile's page.
func (f fingers) lookupURL(ctx context.Context, address string) (known, string, error) {
	r := f.r
	u, err := parseID(address)
	if err != nil {
		return known{}, "", &badQuery{err}
	}
	if a, ok := onThreads(u); ok {
		return f.lookup(ctx, a.String())
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
	doc, at, err := r.confirmed(ctx, u)
	if err != nil {
		return known{}, at, err
	}
	a, ok := doc.doc.(*activity.Actor)
	switch {
	case doc.doc.Is(activity.TypeTombstone):
		return known{}, at, &Error{ID: address, Status: http.StatusOK, Err: ErrGone}
	case !ok:
		return known{}, at, &Error{ID: address, Err: ErrNotActor}
	}
	// By its own id again, for what is kept is what was asked for as such.
	return r.lookupID(ctx, a.ID)
}

// confirmed gets what is at a person's URL and has its own server confirm it: by its id, unless that is where it
// came from. It also returns the host where it ended.
func (r *Resolver) confirmed(ctx context.Context, u *url.URL) (found, string, error) {
	address := u.String()
	f, err := r.page(ctx, address)
	if err != nil {
		return found{}, authority(u), err
	}
	id := f.doc.DocumentID()
	at, err := parseID(id)
	switch {
	case id == "":
		return found{}, authority(u), &Error{ID: address, Err: fmt.Errorf("%w: a document without an id", ErrMalformed)}
	case err != nil:
		return found{}, authority(u), &Error{ID: address, Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
	case id == f.from:
		return f, authority(at), nil
	}
	if _, ok := f.doc.(*activity.Actor); ok {
		return f, authority(at), nil // every actor is asked for by its id
	}
	if r.config.Names.Ours(id) {
		return found{}, authority(u), &Error{ID: address, Err: fmt.Errorf("%w: %.200q", ErrOurs, id)}
	}
	if f, err = r.get(ctx, ask{through: r.through, address: withoutFragment(id)}); err != nil {
		return found{}, authority(at), err
	}
	if f.doc.DocumentID() != id {
		return found{}, authority(at), &Error{ID: id, Err: fmt.Errorf("%w: %.200q", ErrIDMismatch, f.doc.DocumentID())}
	}
	return f, authority(at), nil
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
	case errors.Is(err, ErrThrottled), errors.Is(err, ErrBudget):
		l.Reason = Busy
	case errors.Is(err, errInconsistent), errors.Is(err, ErrIDMismatch), errors.Is(err, ErrForeign):
		l.Reason = Inconsistent
	case errors.Is(err, ErrRejected):
		l.Reason = Rejected
	case errors.Is(err, errNoWebFinger):
		l.Reason = NoWebFinger
	case errors.Is(err, errUnknown):
		l.Reason = Unknown
	case errors.Is(err, ErrNotActor), errors.Is(err, ErrContentType), errors.Is(err, ErrMalformed),
		errors.Is(err, ErrTooLarge), errors.Is(err, ErrInvalidID), errors.Is(err, ErrOurs):
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
