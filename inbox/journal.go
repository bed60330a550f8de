package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// ErrFull is returned by [Journal.Append] when the journal holds as many unfinished entries as it may.
var ErrFull = errors.New("inbox: the journal is full")

// ErrLeaseLost is returned by a [Journal] to whoever works it with a lease that is no longer theirs.
var ErrLeaseLost = errors.New("inbox: the lease on the journal is lost")

// Journal keeps what was answered 202 until a hook has dealt with it, and remembers what was seen.
// Its methods may be called by many goroutines, and from many processes, at once. Package
// storagetest checks this contract.
type Journal interface {
	// Append keeps e and its mark in one transaction. Seen is true, and nothing is kept, if the mark
	// is there already. With max unfinished entries it fails with [ErrFull]; zero means no bound.
	// What is there already is seen, also when the journal is full.
	Append(ctx context.Context, e Entry, max int) (seen bool, err error)

	// Lease gives the journal to owner until ttl from now, or renews what owner has: with the epoch
	// it had as long as nobody else got it in between, else with a higher one. Ok is false while it is another's.
	Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error)

	// Release ends the lease of this epoch, if it is still the current one.
	Release(ctx context.Context, epoch int64) error

	// Due lists unfinished entries that may run at now, oldest first, at most limit. Of entries with one
	// Key only the oldest unfinished one may run; entries without a Key are independent.
	Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]Entry, error)

	// Finish records what became of entries, all or none, if epoch is still the current lease, else [ErrLeaseLost].
	// Outcomes of entries that are finished already are ignored.
	Finish(ctx context.Context, epoch int64, outcomes []Outcome) error

	// Dead lists dead letters, the newest first, at most limit. A journal keeps at least the newest 10,000.
	Dead(ctx context.Context, limit int) ([]Entry, error)

	// Forget drops marks of before this time whose entries are finished.
	Forget(ctx context.Context, before time.Time) error
}

// Entry is an activity that was verified and answered 202.
type Entry struct {
	Seq      int64 // given by the journal, ascending
	Mark     Mark
	Key      string // entries of one key run in order; "" means alone
	Sender   string // the verified actor
	Owner    string // the local actor in whose personal inbox it was, "" for the shared inbox
	Body     []byte // verbatim
	Received time.Time

	Attempts  int       // how often it was tried
	NotBefore time.Time // when it may run again
	LastError string    // why it was not finished the last time
}

// Outcome is what became of an entry.
type Outcome struct {
	Seq       int64
	State     State
	Attempts  int       // for Again and Dead
	NotBefore time.Time // for Again
	Err       string    // for Again and Dead

	// Forget lists marks to drop with this outcome: what an Undo undid may be done anew under the same id, as
	// Misskey does with its follows, whose ids derive from the pair.
	Forget []Mark
}

// State says what happens to an entry now.
type State uint8

// The states. The zero State is Done.
const (
	Done  State = iota // it is dropped; its mark stays
	Again              // it is kept and run again, not before NotBefore
	Dead               // it is kept for operators and never run again by itself
)

// Mark tells activities apart: equal marks mean that one was seen before.
type Mark [sha256.Size]byte

// MarkOf makes the mark of an activity: of sender, type and id, or where there is no id (as in
// Mastodon's Add and Remove) of sender and body.
func MarkOf(sender, typ, id string, body []byte) Mark {
	h := sha256.New()
	part := func(s []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write(s)
	}
	part([]byte(sender))
	if id == "" {
		sum := sha256.Sum256(body)
		part(sum[:])
	} else {
		part([]byte(typ))
		part([]byte(id))
	}
	return Mark(h.Sum(nil))
}
