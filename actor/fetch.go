package actor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// ask is one question to another server.
type ask struct {
	through http.RoundTripper
	address string
	accept  string // empty: that of documents
	leave   bool   // redirects may lead to other hosts

	etag, modified string // what the last answer said; with one of the two a 304 will do
}

// answer is what a server sent in the end.
type answer struct {
	from           string // the URL that answered
	status         int
	contentType    string
	link           []string
	etag, modified string
	body           []byte // of a 200 only
}

// errNoAnswer marks that a server did not answer at all.
var errNoAnswer = errors.New("no answer")

// signedBy signs requests. A key that can't be had is our fault, not the other server's.
func (s *state) signedBy(key func(context.Context) (signature.Key, error)) http.RoundTripper {
	return &signature.Transport{Base: s.plain, Memory: s.config.Suites, Hiding: s.config.Hiding, Key: func(ctx context.Context) (signature.Key, error) {
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
func (r *Resolver) do(ctx context.Context, q ask) (answer, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	hop := q
	for n := 0; ; n++ {
		if err := r.budget.spend(q.address); err != nil {
			return answer{}, err
		}
		ans, location, err := r.once(ctx, hop)
		r.budget.read(len(ans.body))
		if err != nil {
			if errors.Is(err, errNoAnswer) && caller.Err() == nil {
				r.down(hop.address, err.Err)
			}
			return answer{}, &Error{ID: q.address, Passing: err.Passing, Err: err.Err}
		}
		if location == "" {
			return ans, nil
		}
		switch {
		case n == maxRedirects:
			return answer{}, &Error{ID: q.address, Status: ans.status, Err: fmt.Errorf("%w: more than %d redirects", ErrMalformed, maxRedirects)}
		case !q.leave && !activity.SameAuthority(location, hop.address):
			return answer{}, &Error{ID: q.address, Status: ans.status, Err: fmt.Errorf("%w: it redirects to another host, %.200s", ErrIDMismatch, location)}
		}
		// What was said of the first address says nothing of another.
		hop.address, hop.etag, hop.modified = location, "", ""
	}
}

// once makes one request. Location is set if it was redirected.
func (r *Resolver) once(ctx context.Context, q ask) (ans answer, location string, failed *Error) {
	fail := func(passing bool, err error) (answer, string, *Error) {
		return answer{}, "", &Error{ID: q.address, Passing: passing, Err: err}
	}
	u, err := parseID(q.address)
	if err != nil {
		return fail(false, err)
	}
	u.Fragment, u.RawFragment = "", ""
	if err := r.allowed(ctx, u); err != nil {
		return fail(!errors.Is(err, moderation.ErrRefused), fmt.Errorf("%w: %w", ErrBlocked, err))
	}
	leave, err := r.enter(ctx, u)
	if err != nil {
		return fail(true, err)
	}
	defer leave()
	req, err := r.request(ctx, u, q)
	if err != nil {
		return fail(false, fmt.Errorf("%w: %w", ErrInvalidID, err))
	}
	resp, err := q.through.RoundTrip(req)
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
	ans = answer{
		from: q.address, status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), link: resp.Header.Values("Link"),
		etag: validator(resp.Header.Get("ETag")), modified: validator(resp.Header.Get("Last-Modified")),
	}
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
	ans.body, err = io.ReadAll(io.LimitReader(resp.Body, r.config.MaxBody+1))
	switch {
	case errors.As(err, &tooLarge), int64(len(ans.body)) > r.config.MaxBody:
		return fail(false, ErrTooLarge)
	case err != nil:
		return fail(true, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
	return ans, "", nil
}

func (r *Resolver) request(ctx context.Context, u *url.URL, q ask) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	accept := q.accept
	if accept == "" {
		accept = acceptDocument
	}
	req.Header.Set("Accept", accept)
	if r.config.UserAgent != "" {
		req.Header.Set("User-Agent", r.config.UserAgent)
	}
	if q.etag != "" {
		req.Header.Set("If-None-Match", q.etag)
	} else if q.modified != "" {
		req.Header.Set("If-Modified-Since", q.modified) // RFC 9110 §13.1.3: of no use beside the other
	}
	return req, nil
}

// validator is a stranger's ETag or Last-Modified if it is one that can be sent back. RFC 9110 §8.8.
func validator(value string) string {
	if len(value) > 256 || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return value
}

func (r *Resolver) allowed(ctx context.Context, u *url.URL) error {
	if r.config.Allow == nil {
		return nil
	}
	return r.config.Allow(ctx, authority(u))
}

// statusError tells what a status other than 200 means.
func (s *state) statusError(id string, status int) *Error {
	e := &Error{ID: id, Status: status}
	switch {
	case status == http.StatusGone:
		e.Err = ErrGone
	case status == http.StatusNotFound:
		e.Err = ErrNotFound
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

// hides tells whether the host of id says 404 or 410 where others say 401. Threads (seen 2024-08 to 2026-06) says it to
// signatures that it dislikes and to servers that it blocks, and of users who share nothing today.
func (s *state) hides(id string) bool {
	at, ok := activity.Authority(id)
	return ok && slices.Contains(s.config.Hiding, at)
}
