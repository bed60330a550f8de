package delivery

import (
	"context"
	"errors"
	"time"
)

// Store keeps activities and what is still to be delivered of each. Package
// storage/queue has one in memory and one in SQLite; package storage/storagetest checks
// this contract. All methods may be called by many goroutines, and from many processes,
// at once. A method that returns an error has changed nothing, unless its connection
// broke in the middle of a commit.
//
// A store keeps times to the millisecond and reads no clock: what the time is, the
// caller says. It keeps no reference to a slice that it was given, nor returns one
// that it keeps.
type Store interface {
	Log
	Leases
	Ledger
}

// Log is the part of a [Store] that holds activities and their targets.
type Log interface {
	// Append adds a record that is to be posted to each of inboxes, which are not empty
	// and all different, and returns when it is durable. A record whose ID the store
	// holds, or remembers (see Ledger.Forget), is not added, and Duplicate is true.
	// If the backlog would exceed max it returns ErrBacklog.
	Append(ctx context.Context, r Record, inboxes []string, max Limit) (Appended, error)

	// Load returns records that still have targets and whose Seq is greater than after,
	// in order of Seq: at least one if there is one, and no more once they have limit
	// targets together. A record must not become visible before one of lower Seq that
	// is still to come: who has read as far as n misses nothing by going on from n.
	// epoch 0 reads without a lease; any other must be current, else ErrLeaseLost.
	Load(ctx context.Context, epoch, after int64, limit int) ([]Pending, error)

	// Body returns the bytes of a record that still has targets, otherwise ErrUnknown.
	Body(ctx context.Context, seq int64) ([]byte, error)

	// Flush applies all of f or nothing. It returns ErrLeaseLost if epoch is not the
	// current lease's. Acks of targets that are settled already change nothing. gone
	// lists the records of Acks and Defers that the store does not hold any more,
	// because they were cancelled; what f says of them is left out.
	Flush(ctx context.Context, epoch int64, f Flush) (gone []int64, err error)

	// Cancel settles all remaining targets of the records with this Key, which is not
	// empty. It needs no lease; the lease's owner learns of it by Body and Flush.
	Cancel(ctx context.Context, key string, now time.Time) (Cancelled, error)
}

// Leases is the part of a [Store] that says who delivers.
type Leases interface {
	// Lease grants the right to deliver until now+ttl. Epoch 0 asks for a new lease; it
	// gets a higher Epoch than any before, or ErrLeaseHeld while another owner's has
	// not run out. The same owner's earlier lease ends then. Another Epoch renews that
	// lease, even after its time, or returns ErrLeaseLost if it is not current.
	Lease(ctx context.Context, r LeaseRequest) (Lease, error)

	// Release ends a lease; after it, the epoch is not current. A lease that is not
	// current is left alone.
	Release(ctx context.Context, epoch int64) error
}

// Ledger is the part of a [Store] that remembers what became of things.
type Ledger interface {
	// Status tells how far a record is, as long as its ID is remembered, else ErrUnknown.
	Status(ctx context.Context, id string) (Status, error)

	// Hosts returns at most limit states, by Origin, of those greater than after.
	Hosts(ctx context.Context, after string, limit int) ([]HostState, error)

	// Dead returns at most limit dead letters, oldest first, whose ID is greater than after.
	Dead(ctx context.Context, after int64, limit int) ([]DeadLetter, error)

	// Forget removes what is older than f says. A URL that a remaining target needs stays.
	Forget(ctx context.Context, f Forget) error
}

var (
	// ErrLeaseHeld is returned by Leases.Lease while someone else delivers.
	ErrLeaseHeld = errors.New("another process has the lease")
	// ErrLeaseLost is returned when an epoch is not the current lease's.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrUnknown is returned for an ID or a Seq that the store does not hold.
	ErrUnknown = errors.New("unknown activity")
)

// Record is an [Activity] as it is stored: checked, and with its defaults filled in.
type Record struct {
	ID, Sender, Key, ContentType string
	Class                        Class
	Body                         []byte
	Created, NotBefore, Expires  time.Time // NotBefore may be zero
}

// Limit bounds what may wait after an Append. Zero fields bound nothing.
type Limit struct {
	Targets int
	Bytes   int64 // of bodies
}

// Appended is what became of a Record. Of a duplicate it tells the first one's numbers.
type Appended struct {
	Seq       int64
	Targets   int
	Duplicate bool
}

// Pending is a record with the targets that remain. Its Body is nil.
type Pending struct {
	Seq int64
	Record
	Targets []Remaining // by Inbox, ascending
}

// Remaining is one inbox that a record was not delivered to. The zero Attempts says
// that nothing was put off and the fields after it are zero.
type Remaining struct {
	Inbox    int64 // the store's number for URL
	URL      string
	Attempts int
	Next     time.Time
	Status   int
	Err      string
}

// Flush is what a worker has to tell its store, in one transaction.
type Flush struct {
	Now    time.Time
	Acks   []Ack
	Defers []Deferral
	Hosts  []HostState
	Dead   []DeadLetter

	// MaxDead is how many dead letters stay, the newest. Zero: all.
	MaxDead int
}

// Ack says that targets of a record are settled.
type Ack struct {
	Seq    int64
	Done   []int64 // inbox numbers, in no order
	Failed int     // how many of them were not delivered
}

// Deferral says when a target is to be tried again. It replaces an earlier one; the
// Ack of its target removes it. One of a settled target is ignored.
type Deferral struct {
	Seq, Inbox int64
	Attempts   int
	Next       time.Time
	Status     int
	Err        string
}

// HostState is what is remembered of a host that fails. Failures 0 removes it.
type HostState struct {
	Origin   string    // scheme, host and port: "https://a.example"
	Failures int       // in a row
	Since    time.Time // of the first of them that counts towards giving up; zero if none does
	Last     time.Time // the last attempt
	Next     time.Time // the next one
	Asked    bool      // Next is what the host itself asked for by Retry-After
	Status   int
	Err      string
}

// DeadLetter tells of a target that was given up. The body is not kept.
type DeadLetter struct {
	ID                           int64 // given by the store, rising
	Activity, Sender, Key, Inbox string
	At                           time.Time
	Attempts, Status             int
	Err                          string
}

// LeaseRequest asks for a lease or renews one.
type LeaseRequest struct {
	Owner string
	Epoch int64
	Now   time.Time
	TTL   time.Duration
}

// Lease is the right to deliver, as long as no higher Epoch was granted.
type Lease struct {
	Epoch int64
	Until time.Time
}

// Cancelled is what Log.Cancel settled.
type Cancelled struct {
	Seqs    []int64
	Targets int
}

// Forget says before which time things are forgotten. Zero fields keep everything.
type Forget struct {
	Finished time.Time // IDs of records whose last target was settled before
	Dead     time.Time // dead letters from before
	Hosts    time.Time // states of hosts that were last tried before
	Inboxes  time.Time // URLs that no record named since, give or take a day
}

// Status tells how far an activity is.
type Status struct {
	ID        string
	Seq       int64
	Targets   int
	Pending   int // still to be delivered
	Deferred  int // of Pending: refused or failed once, to be tried again
	Delivered int
	Failed    int // given up, gone, refused or expired
	Cancelled int
	Created   time.Time
	Finished  time.Time // zero while Pending is not
}
