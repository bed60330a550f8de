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
	"time"

	"golang.org/x/sync/semaphore"
)

// Transport is an http.RoundTripper that signs each request just before it is sent, with the suite
// that its host takes. Base and Key are needed. Its fields are not changed after first use; it may
// then be used by many goroutines at once, and must not be copied.
//
// The first suite for a host is Scheme with Key, unless Verifies or Memory know better. If the
// answer is 400, 401 or 403, or for hosts in Hiding 404 or 410, the request is sent once more with
// the other scheme, or as the answer's Accept-Signature asks. A GET or HEAD with a query that is
// answered 401 is first sent with the query left out of a [Cavage] signature, as BookWyrm and
// Pixelfed check it. So one request is sent up to three times, and only once if the answer is
// another: 429 and 5xx say nothing of signatures. The last answer is returned.
//
// Redirects that an http.Client follows are signed anew for where they lead, but a POST is not
// signed for another host than it was meant for: following it there fails.
type Transport struct {
	// Base sends the signed requests. Nil is an error: what sends to strangers is to be chosen
	// with care.
	Base http.RoundTripper

	// Key returns the key to sign with, from what it finds in the request's context. It is called
	// once per request, by many goroutines at once. Nil is an error. With a key that is not RSA
	// everything is signed with [RFC9421].
	Key func(ctx context.Context) (Key, error)

	// Ed25519 returns the second key of whoever Key signs for, an Ed25519 key under an id of its
	// own. It is called where Verifies says [SuiteEd25519], or a host asks for such a signature.
	// An error that wraps [ErrNoKey] means that there is none, and Key signs; any other fails the
	// request. Nil: there is none.
	Ed25519 func(ctx context.Context) (Key, error)

	// Verifies tells what a host says of itself, in its actors or by FEP-844e (see [Capability]),
	// and false if it says nothing. It is called once per request, by many goroutines at once,
	// and answers from what is at hand. What Memory knows of a refusal counts for more. Nil: no
	// host says anything, so that none gets an Ed25519 signature unless it asks for one.
	Verifies func(ctx context.Context, authority string) (Suite, bool)

	// Scheme is how requests are signed to hosts of which nothing is known. The zero value is
	// [Cavage], which every peer understands.
	Scheme Scheme

	// Fixed makes Scheme, with Key, the only one: nothing is learnt, and no request is sent
	// again in another.
	Fixed bool

	// Memory keeps what was learnt of hosts. Transports that sign for several actors of one server
	// should share one. Nil means [Hosts] of this Transport's own.
	Memory Memory

	// Expiry is how long a host's habit is remembered. Zero or less means 30 days. A habit that
	// was learnt from an answer alone is remembered for a day at most.
	Expiry time.Duration

	// Hiding lists the authorities that answer 404 or 410 where they mean 401. Nil means those
	// of Threads (seen 2026-05), threads.net and www.threads.net; none is an empty list.
	Hiding []string

	// Signers bounds how many requests are being signed at once, each with a weight of 1: an RSA
	// signature keeps a processor busy for a millisecond. Transports may share one. Nil means
	// GOMAXPROCS for this Transport.
	Signers *semaphore.Weighted

	// MaxBody bounds the body, which is read into memory, in bytes. Zero or less means 1 MiB,
	// more than which most peers refuse.
	MaxBody int64

	once  sync.Once
	own   *semaphore.Weighted
	hosts Hosts
}

// RoundTrip signs copies of the request and sends them with Base. Errors of signing wrap what
// [Sign] returns, [ErrTooLarge], or what Key returned; errors of Base are returned as they are. To sign may take a while: before the
// request goes to Base its GetBody is asked once more, if it has one, and its error, or that of its body's first Read, is returned.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := t.readBody(r)
	if err != nil {
		return nil, fmt.Errorf("signature: body of %s %s: %w", r.Method, r.URL, err)
	}
	if t.Base == nil || t.Key == nil {
		return nil, errors.New("signature: Transport needs Base and Key")
	}
	if r.URL == nil {
		return nil, fmt.Errorf("signature: %s without a URL: %w", r.Method, ErrMalformed)
	}
	if crossesHosts(r) {
		return nil, fmt.Errorf("signature: %s redirected to another host, %s: %w", r.Method, r.URL, ErrTarget)
	}
	if t.Scheme > RFC9421 {
		return nil, fmt.Errorf("signature: %w", fail(ErrUnsupported, "scheme %d", t.Scheme))
	}
	authority, ok := normalAuthority(r.URL.Host, r.URL.Scheme)
	if !ok {
		return nil, fmt.Errorf("signature: %s %s: %w", r.Method, r.URL, fail(ErrMalformed, "host %.80q", r.URL.Host))
	}
	key, err := t.Key(r.Context())
	if err != nil {
		return nil, keyError(r, err)
	}
	k := &knock{Transport: t, r: r, body: body, authority: authority, key: key}
	return k.run(r.Context())
}

// send signs a copy of r and sends it.
func (t *Transport) send(r *http.Request, body []byte, key Key, how manner) (*http.Response, error) {
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
	err := sign(signed, body, key, how)
	signers.Release(1)
	if err == nil {
		err = stillSent(r)
	}
	if err != nil {
		return nil, err
	}
	return t.Base.RoundTrip(signed)
}

// stillSent asks a request's own GetBody, if it has one, for the first byte of another body: who wants to prevent that a request is
// sent late has that return an error. What is sent are the bytes that were signed, which net/http knows to be in memory:
// with a Reader of our own it would send the head alone first.
func stillSent(r *http.Request) error {
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := body.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return err
	}
	return nil
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
	body, err := readAll(io.LimitReader(r.Body, limit+1), min(r.ContentLength, limit))
	if err == nil && int64(len(body)) > limit {
		err = fail(ErrTooLarge, "more than %d bytes", limit)
	}
	return body, err
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
