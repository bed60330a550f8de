package safehttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// exchange makes one exchange. If a connection that was used before closes without a byte of the answer,
// then the request, if it may be made twice (RFC 9110 §9.2.2), is made again at once. Over HTTP/1.1
// net/http does that; over HTTP/2 it does only if the server said that it had not looked at it.
func (t *transport) exchange(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !repeatable(req) {
		return t.base.RoundTrip(req)
	}
	var reused, answered atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn:              func(i httptrace.GotConnInfo) { reused.Store(i.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err == nil || !reused.Load() || answered.Load() || !closed(err) || req.Context().Err() != nil {
		return resp, err
	}
	again := req.WithContext(req.Context())
	if req.GetBody != nil {
		body, bodyErr := req.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return t.base.RoundTrip(again)
}

// repeatable tells whether a request may be made twice: by its method, or because it has the header
// Idempotency-Key, be it without a value, which is not sent. It is the mark that net/http knows.
func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, marked := req.Header["Idempotency-Key"]
	return marked
}

// closed tells whether an error is that of a connection whose other end closed it.
func closed(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &op) && !op.Timeout()
}
