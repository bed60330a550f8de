package safehttp

import (
	"errors"
	"fmt"
)

// ErrRefused is what errors.Is finds in every RefusedError.
var ErrRefused = errors.New("safehttp: refused")

// RefusedError reports a request that was not made because of where it would have gone. Trying again
// later does not help, unless the name resolves to something else by then.
type RefusedError struct {
	URL    string // what was asked for, without a password; a host alone if it was refused at dial
	Reason string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("safehttp: %s refused: %s", e.URL, e.Reason)
}

// Is makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// BodyTooLargeError reports a body longer than Config.MaxBody, or one that decompression makes longer
// than Config.MaxRatio permits. The bytes up to the bound were returned.
type BodyTooLargeError struct {
	URL   string
	Max   int64 // bytes
	Ratio int64 // 0 if it was Max that the body exceeds
}

func (e *BodyTooLargeError) Error() string {
	if e.Ratio != 0 {
		return fmt.Sprintf("safehttp: %s: body becomes more than %d times longer by decompression", e.URL, e.Ratio)
	}
	return fmt.Sprintf("safehttp: %s: body is longer than %d bytes", e.URL, e.Max)
}

// RedirectError reports a request that was redirected more often than Config.MaxRedirects.
type RedirectError struct {
	URL string // what was asked for first
	Max int
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("safehttp: %s: redirected more than %d times", e.URL, e.Max)
}
