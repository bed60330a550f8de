package media

import (
	"errors"
	"fmt"
)

// Why a picture is not shown. [Proxy.Fetch] returns these wrapped in an [*Error].
var (
	// ErrURL is a remote address that is never fetched: not https, with a password, longer than 2,048 bytes.
	ErrURL = errors.New("not an address that is fetched")

	// ErrVariant is a variant that Config.Variants does not have.
	ErrVariant = errors.New("no such variant")

	// ErrSignature is an address that this proxy did not sign, or not with a key that it still has. The handler answers 403.
	ErrSignature = errors.New("not signed here")

	// ErrExpired is an address whose time is over, see Config.Lifetime. The handler answers 410.
	ErrExpired = errors.New("address has expired")

	// ErrRejected is a host whose media Config.Reject refuses, also one that a redirect leads to. The handler answers 403.
	ErrRejected = errors.New("media of this host are rejected")

	// ErrUndecided is a Config.Reject that failed. The handler answers 503.
	ErrUndecided = errors.New("no decision about this host")

	// ErrFetch is a server that did not answer, or not with 200, or not in time. The handler answers 404 if it said so,
	// else 502.
	ErrFetch = errors.New("could not be fetched")

	// ErrType is a body that is none of JPEG, PNG, GIF and WebP. The handler answers 502.
	ErrType = errors.New("not a picture of a type that is shown")

	// ErrTooLarge is a picture of more bytes, pixels, scans or memory than Config permits. The handler answers 502.
	ErrTooLarge = errors.New("too large")

	// ErrBroken is a picture that can't be decoded, a truncated one among them. The handler answers 502.
	ErrBroken = errors.New("can't be decoded")

	// ErrBusy is a proxy with too many fetches waiting, in all or for one host. The handler answers 503.
	ErrBusy = errors.New("too many fetches are waiting")

	// ErrClosed is a proxy after Close. The handler answers 503, and goes on serving what it has.
	ErrClosed = errors.New("closed")
)

// Error reports why a remote picture is not shown. errors.Is finds the reason in it.
type Error struct {
	URL    string // the remote address; who knows it can look at the picture, so mind where it is logged
	Status int    // of the other server's answer, 0 if none came
	Err    error
}

// Error names the remote address, so mind where it is logged, and the reason.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("media: %s: %v: status %d", e.URL, e.Err, e.Status)
	}
	return fmt.Sprintf("media: %s: %v", e.URL, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// gone tells whether the other server has the picture no longer, or something in its place that is not one.
func gone(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 404 || e.Status == 410) || lasting(err)
}

// lasting tells whether trying again is futile for a while.
func lasting(err error) bool {
	return errors.Is(err, ErrType) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrBroken)
}

// reason is the sentinel in an error: text of ours, without an address.
func reason(err error) error {
	for _, known := range []error{
		ErrURL, ErrVariant, ErrSignature, ErrExpired, ErrRejected, ErrUndecided, ErrFetch, ErrType, ErrTooLarge, ErrBroken,
		ErrBusy, ErrClosed,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("failed")
}
