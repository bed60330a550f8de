package ldsig

import (
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/signature"
)

// Why a signature is worth nothing, beside the errors of package signature that [Verifier.Verify]
// and [Sign] name. Use errors.Is; the error's text says more.
var (
	// ErrContext: the @context names a document that is not compiled in, or defines what is not on
	// the list of known definitions.
	ErrContext = errors.New("@context is not a known one")
	// ErrUnprotected: a member or value leaves nothing in what is signed, so that anybody could
	// have added or changed it: an undefined term, a relative or broken IRI.
	ErrUnprotected = errors.New("not protected by the signature")
	// ErrRestructured: the document is not written in the one way that its signature stands for: it
	// has JSON-LD keywords, value objects, references as objects, duplicates, or one node described
	// in several places.
	ErrRestructured = errors.New("not written in the one way that can be signed")
	// ErrTooComplex: too deep, too many values, or a shape that is dear to canonicalise.
	ErrTooComplex = errors.New("too complex")
	// ErrKind: not an activity that is forwarded, or it has not one actor and one object with an id.
	ErrKind = errors.New("not a kind of document that is signed")
	// ErrCreator: the key is not the actor's.
	ErrCreator = errors.New("not the actor's key")
	// ErrBusy: other signatures are being checked; the sender may try again. 503.
	ErrBusy = errors.New("too busy")
	// ErrPrivate: [Sign] does not sign what is not public, as anyone who gets it could prove it.
	ErrPrivate = errors.New("not public")
)

// Error reports why a document was not verified, or not signed.
type Error struct {
	// Creator is the id of the key that the document names, unverified, or with which it was to be
	// signed. Empty if it could not be read.
	Creator string

	// Err wraps one of the errors of this package or of package signature and tells the details.
	Err error
}

// Error says what was refused, for a log. It quotes names of members and ids, never texts.
func (e *Error) Error() string {
	if e.Creator == "" {
		return fmt.Sprintf("ldsig: %v", e.Err)
	}
	return fmt.Sprintf("ldsig: signature by %.200q: %v", e.Creator, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an error of one of the kinds above.
func fail(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

// malformed is what breaks the grammar of JSON or of the signature.
func malformed(format string, args ...any) error {
	return fail(signature.ErrMalformed, format, args...)
}
