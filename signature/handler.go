package signature

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

const defaultMaxBody = 1 << 20

type verifiedKey struct{}

// VerifiedFrom returns what [Verifier.Handler] proved about the request with this context. It
// says false in a handler that does not stand behind one.
func VerifiedFrom(ctx context.Context) (Verified, bool) {
	got, ok := ctx.Value(verifiedKey{}).(Verified)
	return got, ok
}

// Handler returns a handler that lets only verified requests through to next. It reads the body,
// at most MaxBody bytes of it and none at all if the header alone is reason to refuse; next finds
// the same bytes in r.Body and the [Verified] with [VerifiedFrom].
//
// The rest are answered by Refuse: 400 for malformed, 401 for bad or missing signatures, 403 for
// refused hosts, 413 for bodies that are too large, 503 where the key is not available now. Every
// method needs a signature, GET too.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, body, err := v.read(w, r)
		if err != nil {
			var refusal *Error
			errors.As(err, &refusal)
			v.refuse(w, r, refusal)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), verifiedKey{}, verified))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
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
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
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

func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err *Error) {
	if v.Refuse != nil {
		v.Refuse(w, r, err)
		return
	}
	if err.Status == http.StatusUnauthorized {
		// RFC 9110 §15.5.2 asks for a challenge.
		w.Header().Set("WWW-Authenticate", `Signature headers="(request-target) host date digest"`)
	}
	http.Error(w, err.Public(), err.Status)
}
