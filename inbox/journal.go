package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Errors of a [Journal].
var (
	// ErrFull is returned by [Journal.Append] when a bound is reached.
	ErrFull = errors.New("inbox: the journal is full")
	// ErrLeaseLost is returned to whoever works a journal with a lease that is no longer theirs.
	ErrLeaseLost = errors.New("inbox: the lease on the journal is lost")
	// ErrNoEntry is returned where there is no entry of this Seq on a shelf.
	ErrNoEntry = errors.New("inbox: no such entry")
)

// Journal keeps what was answered 202 until a hook has dealt with it, and remembers what was seen.
// Its methods may be called by many goroutines, and from many processes, at once. Package
// storagetest checks this contract.
type Journal interface {
	// Append keeps e, its mark and what its [Rules] say in one transaction, or nothing of it and Seen is true: if the mark is
	// there and has all of e.To as its owners, or the Rules say so. If the mark lacks some of e.To, what is kept is a
	// copy: To are those, and Alone is true. A bound that is reached is [ErrFull], except for what is seen.
	Append(ctx context.Context, e Entry, b Bounds) (Kept, error)

	// Lease gives the journal to owner until ttl from now, or renews what owner has: with the epoch
	// it had as long as nobody else got it in between, else with a higher one. Ok is false while it is another's.
	Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error)

	// Release ends the lease of this epoch, if it is still the current one.
	Release(ctx context.Context, epoch int64) error

	// Due lists unfinished entries that may run at now, by Turn and then by Seq, at most limit. Of entries with one Key
	// only the oldest may run; entries without a Key are independent. If there are more, up to half are those that waited
	// longest for a NotBefore, the others those that have none. What it takes does not grow with what may not run.
	Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]Entry, error)

	// Finish records what became of entries, all or none, if epoch is still the current lease, else [ErrLeaseLost].
	// Outcomes of entries that are finished already are ignored. More tells that others may run now which had to wait for these.
	Finish(ctx context.Context, epoch int64, outcomes []Outcome) (more bool, err error)

	// Shelved lists what was set aside, the highest Seq first, at most limit and only what is below before, unless that is
	// zero. At least the 10,000 dead letters of the highest Seq are kept, and all that is held.
	Shelved(ctx context.Context, s Shelf, before int64, limit int) ([]Entry, error)

	// Unshelve takes the entry with this Seq from its shelf, or returns [ErrNoEntry]. What takes its place, if not nil, is
	// unfinished, under a new Seq and without Attempts, NotBefore and LastError, unless its Rules.Unless say that it is over; its
	// mark, the other rules and bounds are left alone.
	Unshelve(ctx context.Context, s Shelf, seq int64, again *Entry) error

	// Forget drops the marks of before this time, and the oldest ones beyond keep (zero: no bound), except for those of
	// unfinished entries.
	Forget(ctx context.Context, before time.Time, keep int) error
}

// Kept is what [Journal.Append] made of an entry. Of what was seen it says nothing else.
type Kept struct {
	Seen  bool
	Seq   int64
	Key   string   // the entry's own, or the one that was lent
	To    []string // those of the entry's whom nothing was kept for before
	Alone bool
	// Ready says that [Journal.Due] may list the entry from now on: it is not held, has no NotBefore, and nothing older of its
	// Key is unfinished. Who has the lease may run it without asking.
	Ready bool
}

// Bounds limit what a journal holds. Zero fields are no bounds.
type Bounds struct {
	All  int // unfinished entries
	Lane int // unfinished entries of one Lane
	Held int // entries on the shelf Held, for those that go there
}

// Entry is an activity that was verified, or is to be, and was answered 202.
type Entry struct {
	Seq    int64 // given by the journal, ascending
	Mark   Mark
	Key    string // entries of one key run in order; "" means alone
	Lane   string // whose share of the journal it takes: the sender's host
	Turn   time.Time
	Sender string // the verified actor
	Owner  string // the local actor in whose personal inbox it was, "" for the shared inbox
	// To are the local actors whom it concerns: the mark's owners.
	To []string
	// Alone is set by Append: it is a copy, and only To were not yet concerned.
	Alone    bool
	Body     []byte // verbatim
	Notes    []byte // what else was found out before the 202: the inbox's own, the journal does not read it
	Received time.Time

	Attempts  int       // how often it was tried
	NotBefore time.Time // when it may run again
	LastError string    // why it was not finished the last time

	// For Append alone; a journal does not give them back.
	Rules Rules
	Hold  bool // it goes to the shelf Held
}

// Rules say what an entry has to do with other marks. [Journal.Append] applies them in this order.
type Rules struct {
	// Unless: the entry is seen if one of these is there, for what it says is over. With Once that one is dropped, so that
	// the next is not stopped.
	Unless []Mark
	Once   bool
	// Undoes are marks of what the entry takes back. If an unfinished entry has one of them, it lends its Key.
	Undoes []Mark
	// Over is put unless one of Undoes was there; none if zero.
	Over Mark
	// Drop are dropped, before the entry's own mark is put.
	Drop []Mark
}

// Outcome is what became of an entry.
type Outcome struct {
	Seq       int64
	State     State
	Attempts  int       // for all but Done
	NotBefore time.Time // for Again
	Err       string    // for all but Done
}

// State says what happens to an entry now.
type State uint8

// The states. The zero State is Done.
const (
	Done   State = iota // it is dropped; its mark stays
	Again               // it is kept and run again, not before NotBefore
	Dead                // it goes to the shelf DeadLetters
	Review              // it goes to the shelf Held
)

// Shelf is where entries lie that do not run by themselves.
type Shelf uint8

// The shelves. The zero Shelf is DeadLetters.
const (
	DeadLetters Shelf = iota // given up, for operators
	Held                     // held back by [Config.Filter], for moderators
)

// Mark tells activities apart: equal marks mean that one was seen before.
type Mark [sha256.Size]byte

// MarkOf makes the mark of an activity: of sender, type and id, or where there is no id (as in
// Mastodon's Add and Remove) of sender and body.
func MarkOf(sender, typ, id string, body []byte) Mark {
	parts := [][]byte{[]byte(sender), []byte(typ), []byte(id)}
	if id == "" {
		sum := sha256.Sum256(body)
		parts = append(parts[:1], sum[:])
	}
	all := make([]byte, 0, 512) // on the stack, for nearly all
	for _, p := range parts {
		all = append(binary.BigEndian.AppendUint64(all, uint64(len(p))), p...)
	}
	return sha256.Sum256(all)
}
