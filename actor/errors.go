package actor

import (
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/signature"
)

// What the app's callbacks and the stores return, wrapped or as they are, and what asking other servers
// ends in. Check with errors.Is.
var (
	// ErrNotFound: there is no such actor, key, follow or document. 404.
	ErrNotFound = errors.New("actor: not found")
	// ErrGone: there was one, and it will not come back. 410.
	ErrGone = errors.New("actor: gone")
	// ErrBusy: too many keys are being made at once. The same works some seconds later. 503.
	ErrBusy = errors.New("actor: too many keys are being made")
)

// Why another server's document was not had. Each is wrapped in an [*Error].
var (
	// ErrInvalidID: not an absolute http or https URL with a host and without a user name, or
	// longer than 2 KiB.
	ErrInvalidID = errors.New("not a usable id")
	// ErrOurs: the id is one of this server's, which is not fetched.
	ErrOurs = errors.New("an id of this server")
	// ErrBlocked: Allow said no, or could not say. It wraps what Allow said.
	ErrBlocked = errors.New("host not allowed")
	// ErrUnreachable: no answer came, or none that says anything (429, 5xx), or too many requests
	// have been made there of late.
	ErrUnreachable = errors.New("server not reachable now")
	// ErrRejected: the other server answers 401 or 403: it does not take our signature, or not us.
	ErrRejected = errors.New("the other server refuses our requests")
	// ErrContentType: what came was no ActivityPub document by its Content-Type.
	ErrContentType = errors.New("answer is not an ActivityPub document")
	// ErrMalformed: what came could not be read, or lacks what its kind must have.
	ErrMalformed = errors.New("malformed answer")
	// ErrTooLarge: what came is longer than ResolverConfig.MaxBody.
	ErrTooLarge = errors.New("answer too large")
	// ErrIDMismatch: what came has another id than was asked for.
	ErrIDMismatch = errors.New("document has another id")
	// ErrNotActor: the document is not an actor's.
	ErrNotActor = errors.New("not an actor")
	// ErrForeign: the document says that somebody on another server made it, who alone could show that.
	ErrForeign = errors.New("attributed to another server")
	// ErrThrottled: too much was asked of the host, or too many hosts or actors of its domain that nobody here knew
	// turned up, in the last minutes. Nothing was asked this time.
	ErrThrottled = errors.New("too many requests there of late")
	// ErrBudget: the [Budget] is used up. Nothing was asked this time.
	ErrBudget = errors.New("budget used up")
	// ErrCut: a collection or a thread is longer than was to be read of it.
	ErrCut = errors.New("longer than was read")
)

// Error reports why something could not be had from another server.
type Error struct {
	// ID is what was asked for: an actor, a key, an object or a WebFinger resource.
	ID string
	// Status is that of the answer, 0 if none came.
	Status int
	// Passing says that the same may succeed in some minutes.
	Passing bool
	// Err wraps one of this package's errors.
	Err error
}

// Error says what was asked for and what happened, for a log.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("actor: fetch %s: status %d: %v", e.ID, e.Status, e.Err)
	}
	return fmt.Sprintf("actor: fetch %s: %v", e.ID, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is makes an Error also one of those by which a signature.Verifier picks its status. What is passing
// is none of them, so that the sender is told to try again.
func (e *Error) Is(target error) bool {
	switch target {
	case signature.ErrKeyGone:
		return errors.Is(e.Err, ErrGone)
	case signature.ErrNoKey:
		return !e.Passing && !errors.Is(e.Err, ErrGone) && !errors.Is(e.Err, ErrBlocked)
	case signature.ErrRefused:
		return !e.Passing && errors.Is(e.Err, ErrBlocked)
	}
	return false
}
