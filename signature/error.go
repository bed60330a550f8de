package signature

import (
	"errors"
	"fmt"
	"net/http"
)

// Why a request was refused, or a key not taken. Use errors.Is; the error's text says more.
var (
	// ErrMalformed: a header field, a parameter or the request line breaks its grammar. 400.
	ErrMalformed = errors.New("malformed")
	// ErrUnsigned: there is no signature. 401.
	ErrUnsigned = errors.New("not signed")
	// ErrUnsupported: an algorithm, component, parameter or key id lies outside the profile. 401.
	ErrUnsupported = errors.New("not supported")
	// ErrCoverage: the signature covers too little, or a field that the request lacks. 401.
	ErrCoverage = errors.New("coverage too weak")
	// ErrExpired: signed too long ago, expired, or signed in the future. 401.
	ErrExpired = errors.New("outside the time window")
	// ErrTarget: the request was signed for another host, or its target is not ours. 401.
	ErrTarget = errors.New("not addressed to this server")
	// ErrDigest: a digest differs from that of the body. 401.
	ErrDigest = errors.New("digest differs from the body")
	// ErrBadSignature: the signature does not fit the key and what it covers. 401.
	ErrBadSignature = errors.New("signature does not fit")
	// ErrNoKey: the key's document exists, but holds no such key or a malformed one. 401.
	ErrNoKey = errors.New("no such key")
	// ErrKeyGone: the key's owner is gone (410). 401.
	ErrKeyGone = errors.New("the key's owner is gone")
	// ErrRefused: the key's host may not talk to us. 403.
	ErrRefused = errors.New("refused by policy")
	// ErrTooLarge: the body exceeds the limit. 413.
	ErrTooLarge = errors.New("body too large")
	// ErrOwner: the key is not the actor's who is said to speak. 403; see [Verified.SignedBy].
	ErrOwner = errors.New("signed by somebody else")
	// ErrReplayed: the same request came before. 409, or 503 while the first is still being
	// handled; see [Replays].
	ErrReplayed = errors.New("came before")
	// ErrKeyUnavailable: the key could not be had now; the sender may try again. 503.
	ErrKeyUnavailable = errors.New("key not available now")
	// ErrBadKey: a key that [Sign] or [ParsePublicKey] does not take: type, size, exponent, PEM.
	ErrBadKey = errors.New("unusable key")
)

// statuses gives each refusal its HTTP status. The first that an error wraps counts, so a
// cause that a KeySource wrapped cannot hide that the key is unavailable.
var statuses = [...]struct {
	err    error
	status int
}{
	{ErrKeyUnavailable, http.StatusServiceUnavailable},
	{ErrRefused, http.StatusForbidden},
	{ErrTooLarge, http.StatusRequestEntityTooLarge},
	{ErrOwner, http.StatusForbidden},
	{ErrReplayed, http.StatusConflict},
	{ErrKeyGone, http.StatusUnauthorized},
	{ErrNoKey, http.StatusUnauthorized},
	{ErrMalformed, http.StatusBadRequest},
	{ErrUnsigned, http.StatusUnauthorized},
	{ErrUnsupported, http.StatusUnauthorized},
	{ErrCoverage, http.StatusUnauthorized},
	{ErrExpired, http.StatusUnauthorized},
	{ErrTarget, http.StatusUnauthorized},
	{ErrDigest, http.StatusUnauthorized},
	{ErrBadSignature, http.StatusUnauthorized},
}

// Error reports why a request was not verified.
type Error struct {
	// Status is the HTTP status to answer with: 400 malformed, 401 bad or missing, 403 refused,
	// 409 came before, 413 too large, 503 key not available now. Senders that know both schemes
	// try the other one after 400 and 401.
	Status int

	// KeyID is the key id that the request claims, unverified. Empty if it could not be read.
	KeyID string

	// Err wraps one of the errors of this package and tells the details. It may quote what a
	// [KeySource] said and is meant for this server's log, not for the sender; see [Error.Public].
	Err error
}

// Error says what was refused, for a log.
func (e *Error) Error() string {
	if e.KeyID == "" {
		return fmt.Sprintf("signature: %v", e.Err)
	}
	return fmt.Sprintf("signature: key %s: %v", e.KeyID, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Public returns a text that may be shown to the sender. It tells the kind of refusal and, where
// only the request itself is at fault, the details; never what happened while a key was fetched.
func (e *Error) Public() string {
	for _, s := range statuses {
		if !errors.Is(e.Err, s.err) {
			continue
		}
		switch s.err {
		case ErrKeyUnavailable, ErrRefused, ErrKeyGone, ErrNoKey:
			return "signature: " + s.err.Error()
		}
		return "signature: " + e.Err.Error()
	}
	return "signature: refused"
}

// newError gives err the status that belongs to it.
func newError(keyID string, err error) *Error {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return &Error{Status: s.status, KeyID: keyID, Err: err}
		}
	}
	return &Error{Status: http.StatusUnauthorized, KeyID: keyID, Err: err}
}

// fail wraps a sentinel with what happened.
func fail(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", sentinel, fmt.Sprintf(format, args...))
}
