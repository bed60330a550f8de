package signature

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

const defaultMaxBody = 1 << 20

type passedKey struct{}

// passed is what Handler leaves in the context of a request that it let through.
type passed struct {
	verified Verified
	body     []byte
}

// VerifiedFrom returns what [Verifier.Handler] proved about the request with this context. It
// says false in a handler that does not stand behind one.
func VerifiedFrom(ctx context.Context) (Verified, bool) {
	got, ok := ctx.Value(passedKey{}).(*passed)
	if !ok {
		return Verified{}, false
	}
	return got.verified, true
}

// BodyFrom returns the bytes that the digest was computed over, for a parser that takes bytes, and
// false in a handler that does not stand behind a [Verifier.Handler]. They are those that r.Body
// reads, not a copy: they must not be changed while the request is served.
func BodyFrom(ctx context.Context) ([]byte, bool) {
	got, ok := ctx.Value(passedKey{}).(*passed)
	if !ok {
		return nil, false
	}
	return got.body, true
}

// Handler returns a handler that lets only verified requests through to next. It reads the body,
// at most MaxBody bytes of it and none at all if the header alone is reason to refuse; next finds
// the same bytes in r.Body and with [BodyFrom], of which there is one copy, and the [Verified]
// with [VerifiedFrom].
//
// The rest are answered by Refuse: 400 for malformed, 401 for bad or missing signatures, 403 for
// refused hosts, 409 for what came before, 413 for bodies that are too large, 503 where the key is
// not available now. Every method needs a signature, GET too.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, body, err := v.read(w, r)
		if err != nil {
			var refusal *Error
			errors.As(err, &refusal)
			v.refuse(w, r, refusal)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), passedKey{}, &passed{verified, body}))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		if v.Replays == nil || !hasBodyDigest(r.Method) {
			next.ServeHTTP(w, r)
			return
		}
		v.once(w, r, verified, next)
	})
}

// once calls next unless Replays knows the request.
func (v *Verifier) once(w http.ResponseWriter, r *http.Request, verified Verified, next http.Handler) {
	entry, err := v.Replays.begin(verified)
	if err != nil {
		var refusal *Error
		errors.As(err, &refusal)
		v.refuse(w, r, refusal)
		return
	}
	seen, returned := &statusWriter{ResponseWriter: w}, false
	// A handler that panics has not handled the request.
	defer func() { v.Replays.end(entry, returned && seen.succeeded()) }()
	next.ServeHTTP(seen, r)
	returned = true
}

// read does what Verify does, and reads the body between the two halves of it.
func (v *Verifier) read(w http.ResponseWriter, r *http.Request) (Verified, []byte, error) {
	p, err := v.open(r)
	if err != nil {
		return Verified{}, nil, err
	}
	limit := v.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	tooLong := newError(p.claims[0].keyID, fail(ErrTooLarge, "more than %d bytes", limit))
	if r.ContentLength > limit {
		return Verified{}, nil, tooLong
	}
	var body []byte
	if r.Body != nil {
		body, err = readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	}
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return Verified{}, nil, tooLong
		}
		return Verified{}, nil, newError(p.claims[0].keyID, fail(ErrMalformed, "body broke off: %v", err))
	}
	verified, err := v.decide(r.Context(), p, body)
	return verified, body, err
}

// readAll reads to the end. It begins with a buffer for what is announced, so that a body whose
// length is known is copied once; 64 KiB are believed before they come.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, min(max(announced, 0), 64<<10)+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err *Error) {
	if v.Refuse != nil {
		v.Refuse(w, r, err)
		return
	}
	if err.Status == http.StatusUnauthorized {
		Challenge(w.Header(), r.Method)
	}
	http.Error(w, err.Public(), err.Status)
}
