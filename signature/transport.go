package signature

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Transport is an http.RoundTripper that signs each request just before it is sent. Base and Key
// are needed. Its fields are not changed after first use; it may then be used by many goroutines
// at once, and must not be copied.
//
// Redirects that an http.Client follows are signed anew for where they lead, but a POST is not
// signed for another host than it was meant for: following it there fails. A GET or HEAD with a
// query that is answered 401 is sent once more with the query left out of a [Cavage] signature,
// as BookWyrm and Pixelfed check it.
type Transport struct {
	// Base sends the signed requests. Nil is an error: what sends to strangers is to be chosen
	// with care.
	Base http.RoundTripper

	// Key returns the key to sign with, from what it finds in the request's context. It is called
	// once per request, by many goroutines at once. Nil is an error.
	Key func(ctx context.Context) (Key, error)

	// Scheme is how requests are signed. The zero value is [Cavage].
	Scheme Scheme

	// Signers bounds how many requests are being signed at once, each with a weight of 1: an RSA
	// signature keeps a processor busy for a millisecond. Transports may share one. Nil means
	// GOMAXPROCS for this Transport.
	Signers *semaphore.Weighted

	// MaxBody bounds the body, which is read into memory, in bytes. Zero or less means 1 MiB,
	// more than which most peers refuse.
	MaxBody int64

	once sync.Once
	own  *semaphore.Weighted
}

// RoundTrip signs a copy of the request and sends it with Base. Errors of signing wrap what [Sign]
// returns, [ErrTooLarge], or what Key returned; errors of Base are returned as they are.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := t.readBody(r)
	if err != nil {
		return nil, fmt.Errorf("signature: body of %s %s: %w", r.Method, r.URL, err)
	}
	if t.Base == nil || t.Key == nil {
		return nil, errors.New("signature: Transport needs Base and Key")
	}
	if crossesHosts(r) {
		return nil, fmt.Errorf("signature: %s redirected to another host, %s: %w", r.Method, r.URL, ErrTarget)
	}
	key, err := t.Key(r.Context())
	if err != nil {
		return nil, fmt.Errorf("signature: key for %s %s: %w", r.Method, r.URL, err)
	}
	response, err := t.send(r, body, key, false)
	if err != nil || !t.mayDropQuery(r, response) {
		return response, err
	}
	// A bounded read lets the connection be used again.
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	response.Body.Close()
	return t.send(r, body, key, true)
}

// send signs a copy of r and sends it.
func (t *Transport) send(r *http.Request, body []byte, key Key, pathOnly bool) (*http.Response, error) {
	signed := r.Clone(r.Context())
	if r.Body != nil && r.Body != http.NoBody {
		signed.ContentLength = int64(len(body))
		signed.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		signed.Body, _ = signed.GetBody()
	}
	signers := t.signers()
	if err := signers.Acquire(r.Context(), 1); err != nil {
		return nil, fmt.Errorf("signature: sign %s %s: %w", r.Method, r.URL, err)
	}
	err := sign(signed, body, key, t.Scheme, pathOnly)
	signers.Release(1)
	if err != nil {
		return nil, err
	}
	return t.Base.RoundTrip(signed)
}

// readBody reads and closes the body, as a RoundTripper must even where it fails.
func (t *Transport) readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close()
	limit := t.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fail(ErrTooLarge, "more than %d bytes", limit)
	}
	return body, err
}

func (t *Transport) mayDropQuery(r *http.Request, response *http.Response) bool {
	return t.Scheme == Cavage && response.StatusCode == http.StatusUnauthorized && r.URL.RawQuery != "" &&
		!hasBodyDigest(r.Method)
}

func (t *Transport) signers() *semaphore.Weighted {
	if t.Signers != nil {
		return t.Signers
	}
	t.once.Do(func() { t.own = semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))) })
	return t.own
}

// crossesHosts tells whether r, which is not a GET or HEAD, was redirected to another authority.
func crossesHosts(r *http.Request) bool {
	if !hasBodyDigest(r.Method) || r.Response == nil || r.Response.Request == nil || r.Response.Request.URL == nil {
		return false
	}
	from := r.Response.Request.URL
	return from.Host != r.URL.Host || from.Scheme != r.URL.Scheme
}
