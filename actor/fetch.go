package actor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// acceptDocument is what Mastodon sends, which therefore everyone answers. Shuttlecraft needs the second
// of the two, Flipboard stumbles over lists with HTML in them (both seen 2026).
const acceptDocument = "application/activity+json, application/ld+json"

// Fetch gets any document by its id with a signed request, and returns it with its bytes. Its
// Content-Type must be ActivityPub's. If it has another id, that is fetched once, on the same host
// only, and must then have the id it was fetched by: compare DocumentID where it matters. Nothing
// of it is kept. The error is an [*Error].
func (r *Resolver) Fetch(ctx context.Context, id string) (activity.Document, []byte, error) {
	if r.config.Names.Ours(id) {
		return nil, nil, &Error{ID: id, Err: ErrOurs}
	}
	return r.document(ctx, id)
}

// FetchAs is Fetch signed with the key of a local actor, for what is shown to that actor alone: a post for
// followers is 404 to everybody else.
func (r *Resolver) FetchAs(ctx context.Context, key func(context.Context) (signature.Key, error), id string) (activity.Document, []byte, error) {
	if r.config.Names.Ours(id) {
		return nil, nil, &Error{ID: id, Err: ErrOurs}
	}
	return r.documentAs(ctx, r.signedBy(key), withoutFragment(id), id)
}

// document gets what has this id, or says under the same authority to have another.
func (r *Resolver) document(ctx context.Context, id string) (activity.Document, []byte, error) {
	return r.documentAs(ctx, r.signed, withoutFragment(id), id)
}

// documentAs gets what is at address and has the id, or the address, for its id.
func (r *Resolver) documentAs(ctx context.Context, through http.RoundTripper, address, id string) (activity.Document, []byte, error) {
	doc, raw, _, err := r.get(ctx, through, address, false)
	if err != nil {
		return nil, nil, err
	}
	if got := doc.DocumentID(); got != id && got != address {
		if !activity.SameAuthority(got, address) {
			return nil, nil, &Error{ID: id, Err: fmt.Errorf("%w: %q", ErrIDMismatch, got)}
		}
		if doc, raw, _, err = r.get(ctx, through, got, false); err != nil {
			return nil, nil, err
		}
		if doc.DocumentID() != got {
			return nil, nil, &Error{ID: id, Err: fmt.Errorf("%w: %q has %q", ErrIDMismatch, got, doc.DocumentID())}
		}
	}
	return doc, raw, nil
}

// get gets one document and where it came from in the end. With leave it may come from another host.
func (r *Resolver) get(ctx context.Context, through http.RoundTripper, address string, leave bool) (doc activity.Document, raw []byte, from string, err error) {
	ans, err := r.do(ctx, through, address, acceptDocument, leave)
	if err != nil {
		return nil, nil, "", err
	}
	fail := func(err error) error { return &Error{ID: address, Status: ans.status, Err: err} }
	if ans.status != http.StatusOK {
		return nil, nil, "", statusError(address, ans.status)
	}
	if !isActivityType(ans.contentType) {
		return nil, nil, "", fail(fmt.Errorf("%w: %q", ErrContentType, ans.contentType))
	}
	doc, err = activity.Decode(ans.body)
	switch {
	case errors.Is(err, activity.ErrTooLarge):
		return nil, nil, "", fail(fmt.Errorf("%w: %w", ErrTooLarge, err))
	case err != nil:
		return nil, nil, "", fail(fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return doc, ans.body, ans.from, nil
}

// statusError tells what a status other than 200 means.
func statusError(id string, status int) *Error {
	e := &Error{ID: id, Status: status}
	switch {
	case status == http.StatusGone:
		e.Err = ErrGone
	case status == http.StatusNotFound:
		e.Err, e.Passing = ErrNotFound, hides(id)
	case status == http.StatusUnauthorized:
		// Servers that fetch our key when we ask answer so while they can't reach us.
		e.Err, e.Passing = ErrRejected, true
	case status == http.StatusForbidden:
		e.Err = ErrRejected
	case status == http.StatusNotAcceptable:
		e.Err = ErrContentType
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		status >= 500 && status != http.StatusNotImplemented:
		e.Err, e.Passing = ErrUnreachable, true
	default:
		e.Err = fmt.Errorf("%w: unexpected status", ErrMalformed)
	}
	return e
}

// errNoAnswer marks that a server did not answer at all.
var errNoAnswer = errors.New("no answer")

// answer is what a server sent in the end.
type answer struct {
	from        string // the URL that answered
	status      int
	contentType string
	body        []byte // of a 200 only
}

// signedBy signs requests. A key that can't be had is our fault, not the other server's.
func (r *Resolver) signedBy(key func(context.Context) (signature.Key, error)) http.RoundTripper {
	return &signature.Transport{Base: r.plain, Memory: r.config.Suites, Key: func(ctx context.Context) (signature.Key, error) {
		k, err := key(ctx)
		if err != nil {
			err = &ownError{err}
		}
		return k, err
	}}
}

// ownError is a failure on our side that says nothing of the other server.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// do makes a GET and follows its redirects, each of which is a new request with its own signature;
// to other hosts only with leave, because a host must not lend its name to another's document.
func (r *Resolver) do(ctx context.Context, through http.RoundTripper, address, accept string, leave bool) (answer, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	at := address
	for hop := 0; ; hop++ {
		ans, location, err := r.once(ctx, through, at, accept)
		if err != nil {
			if errors.Is(err, errNoAnswer) && caller.Err() == nil {
				r.down(at, err)
			}
			return answer{}, &Error{ID: address, Passing: err.Passing, Err: err.Err}
		}
		if location == "" {
			return ans, nil
		}
		switch {
		case hop == maxRedirects:
			return answer{}, &Error{ID: address, Status: ans.status, Err: fmt.Errorf("%w: more than %d redirects", ErrMalformed, maxRedirects)}
		case !leave && !activity.SameAuthority(location, at):
			return answer{}, &Error{ID: address, Status: ans.status, Err: fmt.Errorf("%w: it redirects to another host, %s", ErrIDMismatch, location)}
		}
		at = location
	}
}

// once makes one request. Location is set if it was redirected.
func (r *Resolver) once(ctx context.Context, through http.RoundTripper, address, accept string) (ans answer, location string, failed *Error) {
	fail := func(passing bool, err error) (answer, string, *Error) {
		return answer{}, "", &Error{ID: address, Passing: passing, Err: err}
	}
	u, err := parseID(address)
	if err != nil {
		return fail(false, err)
	}
	u.Fragment, u.RawFragment = "", ""
	if err := r.allowed(ctx, u); err != nil {
		return fail(!errors.Is(err, moderation.ErrRefused), fmt.Errorf("%w: %w", ErrBlocked, err))
	}
	if err := r.admit(u); err != nil {
		return fail(true, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail(false, fmt.Errorf("%w: %w", ErrInvalidID, err))
	}
	req.Header.Set("Accept", accept)
	if r.config.UserAgent != "" {
		req.Header.Set("User-Agent", r.config.UserAgent)
	}
	resp, err := through.RoundTrip(req)
	if err != nil {
		var own *ownError
		switch {
		case errors.As(err, &own):
			return fail(true, err)
		case errors.Is(err, safehttp.ErrRefused):
			return fail(false, fmt.Errorf("%w: %w", ErrInvalidID, err))
		}
		return fail(true, fmt.Errorf("%w: %w: %w", ErrUnreachable, errNoAnswer, err))
	}
	defer resp.Body.Close()
	ans = answer{from: address, status: resp.StatusCode, contentType: resp.Header.Get("Content-Type")}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to, err := u.Parse(resp.Header.Get("Location"))
		if err != nil {
			return fail(false, fmt.Errorf("%w: a redirect to nowhere", ErrMalformed))
		}
		to.Fragment, to.RawFragment = "", ""
		return ans, to.String(), nil
	case http.StatusOK:
	default:
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
		return ans, "", nil
	}
	var tooLarge *safehttp.BodyTooLargeError
	ans.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case errors.As(err, &tooLarge), len(ans.body) > maxBody:
		return fail(false, ErrTooLarge)
	case err != nil:
		return fail(true, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
	return ans, "", nil
}

func (r *Resolver) allowed(ctx context.Context, u *url.URL) error {
	if r.config.Allow == nil {
		return nil
	}
	return r.config.Allow(ctx, authority(u))
}
