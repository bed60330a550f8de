package inbox

import (
	"context"
	"time"
)

// Forwarded says that something was forwarded, so that what becomes of it can be.
type Forwarded struct {
	Object string // the id of the object that came
	Author string // who sent it
	Local  string // to whose followers it was forwarded
	At     time.Time
}

// Forwards remembers what was forwarded: a Delete says nothing of what it was a reply to. Its methods may be called by many
// goroutines, and from many processes, at once. Package storagetest checks this contract.
type Forwards interface {
	// PutForwarded adds f, or gives the one of the same Object, Author and Local its At.
	PutForwarded(ctx context.Context, f Forwarded) error

	// ForwardedTo lists to whose followers an object by this author was forwarded, sorted.
	ForwardedTo(ctx context.Context, object, author string) (locals []string, err error)

	// ForgetForwarded drops what was forwarded before this time, and the oldest beyond keep (zero: no bound).
	ForgetForwarded(ctx context.Context, before time.Time, keep int) error
}
