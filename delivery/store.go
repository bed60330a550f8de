package delivery

import (
	"context"
	"errors"
	"time"
)

// Store keeps activities and what is still to be delivered of each. Package
// storage/queue has one in memory and one in SQLite; package storage/storagetest checks
// this contract. One that several processes deliver from may also be a [Watcher] and keep [OrderBook]. All methods may be called by many goroutines, and from many processes,
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
	// Append adds a record that is to be posted to each of a.Inboxes, which are all
	// different, and returns when it is durable. A record whose ID the store holds, or
	// remembers (see Ledger.Forget), is not added, and Duplicate is true. If the backlog
	// would exceed a.Max it returns ErrBacklog. Numbers for new URLs may be given in
	// transactions of their own before, a few at a time, so that nobody waits for
	// long; they stay if the rest fails. What it supersedes (see Supersedes) is
	// cancelled in the transaction that adds it; if no target is left to it then,
	// nothing is added and Seq is 0.
	Append(ctx context.Context, a Addition) (Appended, error)

	// Load reads records that still have targets. A record must not become visible
	// before one of lower Seq that is still to come: who has read as far as n misses
	// nothing by going on from n.
	Load(ctx context.Context, q Query) (Page, error)

	// URLs returns the inbox URLs with these numbers, in their order. A number that was
	// never given, or is forgotten, is an error.
	URLs(ctx context.Context, ids []int64) ([]string, error)

	// Body returns the bodies of a record that still has targets, otherwise ErrUnknown.
	Body(ctx context.Context, seq int64) (Bodies, error)

	// Flush applies all of f or nothing. It returns ErrLeaseLost if epoch is not a current
	// lease's, whatever shards f is about. Epoch 0 needs no lease; then f has nothing but Acks
	// (else ErrLeaseLost): so targets are dropped from anywhere. Acks of targets that are settled already change nothing. gone
	// lists the records of Acks and Defers that the store does not hold any more,
	// because they were cancelled; what f says of them is left out.
	Flush(ctx context.Context, epoch int64, f Flush) (gone []int64, err error)

	// Cancel settles all remaining targets of the records with this Key, which is not
	// empty. Nothing is remembered of a record whose NotBefore is still to come. It
	// needs no lease; who delivers learns of it by Body and Flush.
	Cancel(ctx context.Context, key string, now time.Time) (Cancelled, error)
}

// Leases is the part of a [Store] that says who delivers, and to which shards. A lease is current until it is
// released, or ended by one of the following; its Epoch alone fences what is done under it.
type Leases interface {
	// Lease grants the right to deliver until now+ttl to the hosts of the shards that it returns. Epoch 0 asks
	// for a new lease, with a higher Epoch than any before; the same owner's earlier lease ends then.
	// Another Epoch renews that lease, even after its time, or returns ErrLeaseLost if it is not
	// current, or another owner's.
	//
	// No shard is in two current leases. First r.Give is taken out of the lease. Then the leases of others that
	// have run out by r.Now end, wholly, if they have shards that it can use. Then free shards are added, none of
	// r.Give, until it has its fair share: at most 64 divided by the leases that have not run out,
	// itself included, rounded up. What it has beyond its share is Surplus, the same from call to call as long as nobody
	// comes or goes. A lease may have no shard, and is renewed like any other.
	//
	// A store from which one process at a time delivers grants AllShards or, while another owner's lease has not run
	// out, returns ErrLeaseHeld; it ignores r.Give, and Surplus is empty.
	Lease(ctx context.Context, r LeaseRequest) (Lease, error)

	// Release ends a lease and frees its shards; after it, the epoch is not current. A lease that is not
	// current is left alone.
	Release(ctx context.Context, epoch int64) error
}

// Watcher is what a [Store] may be, too: it hears of what other processes append sooner than by polling.
type Watcher interface {
	// Watch calls heard soon after a record was appended by another process, perhaps once for
	// many, and once when it has begun to listen, until ctx ends, then it returns nil, or until it can't go on, then it
	// returns why and Run calls it again later. heard may be called by any goroutine and does not block.
	Watch(ctx context.Context, heard func()) error
}

// OrderBook is what a [Store] may have, too: it passes on what is ordered of a host by a process that
// does not have its shard. Whoever has it reads the orders every Config.Poll, carries them out and says so in
// Flush.Obeyed. Without it, that process gets ErrNotRunning. Its methods may be called from many processes at once.
type OrderBook interface {
	// Order keeps an order until it is obeyed, under an ID of the store's. It needs no lease.
	Order(ctx context.Context, o Order) error

	// Orders returns at most limit orders for these shards whose ID is greater than after, by ID. An order must
	// not become visible before one of lower ID for the same shard.
	Orders(ctx context.Context, shards Shards, after int64, limit int) ([]Order, error)
}

// Order is what is to be done by whoever has a shard.
type Order struct {
	ID     int64 // given by the store, rising
	Shard  int
	Do     string // OrderPause, …; an unknown one does nothing
	Origin string // of the host: "https://a.example"; empty for OrderReread
	At     time.Time
}

// The values of Order.Do.
const (
	OrderPause  = "pause"  // as by Queue.Pause
	OrderResume = "resume" // as by Queue.Resume
	OrderRetry  = "retry"  // as by Queue.RetryNow
	OrderForget = "forget" // as by Queue.Forget
	OrderWake   = "wake"   // as by Queue.Wake
	OrderReread = "reread" // targets of the shard were dropped: what is in memory of it is to be read again
)

// Ledger is the part of a [Store] that remembers what became of things.
type Ledger interface {
	// Status tells how far a record is, as long as its ID is remembered, else ErrUnknown.
	Status(ctx context.Context, id string) (Status, error)

	// Hosts returns at most limit states, by Origin, of those greater than after.
	Hosts(ctx context.Context, after string, limit int) ([]HostState, error)

	// HostsOf returns the states of those of these hosts of which there is one, in no order. It is given at most 2,048 origins,
	// all different.
	HostsOf(ctx context.Context, origins []string) ([]HostState, error)

	// Dead returns at most limit dead letters, oldest first, whose ID is greater than after.
	Dead(ctx context.Context, after int64, limit int) ([]DeadLetter, error)

	// Redrive queues the targets of dead letters with these IDs anew, as far as their
	// bodies are kept, as records of new IDs that expire at r.Expires, and removes
	// the letters. It returns how many.
	Redrive(ctx context.Context, r Redrive) (int, error)

	// Forget removes what is older than f says. A URL that a remaining target needs stays.
	Forget(ctx context.Context, f Forget) error
}

var (
	// ErrLeaseHeld is returned by Leases.Lease while someone else delivers, if only one can.
	ErrLeaseHeld = errors.New("another process has the lease")
	// ErrLeaseLost is returned when an epoch is not a current lease's.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrUnknown is returned for an ID or a Seq that the store does not hold.
	ErrUnknown = errors.New("unknown activity")
)

// Record is an [Activity] as it is stored: checked, and with its defaults filled in.
type Record struct {
	ID, Sender, Key, ContentType string
	Class                        Class
	Supersedes                   Supersedes
	Bodies
	Created, NotBefore, Expires time.Time // NotBefore may be zero
	Trace                       string    // at most MaxTrace bytes; what Ledger.Redrive queues has none
}

// Bodies are the forms in which a record is sent.
type Bodies struct {
	Body  []byte // the usual one
	Other []Body // at most MaxBodies
}

// size is how many bytes the bodies have.
func (b Bodies) size() (n int) {
	n = len(b.Body)
	for _, o := range b.Other {
		n += len(o.Bytes)
	}
	return n
}

// Addition is a Record to be appended.
type Addition struct {
	Record
	Inboxes []string
	Max     Limit

	// Tried tells, by Seq, to which inboxes of the shards in Sure posts were begun that are not settled. Sure
	// counts as far as the lease of this Epoch is current and has these shards when the record is added. A remaining
	// target in another shard may have been tried, and any of a record that Tried does not name or that itself
	// has SupersedeAll, unless its NotBefore is still to come. It matters for SupersedeAll.
	Tried map[int64][]int64
	Sure  Shards
	Epoch int64
}

// Limit bounds what may wait after an Append. Zero fields bound nothing.
type Limit struct {
	Targets int
	Bytes   int64 // of bodies
}

// Appended is what became of an Addition. Of a duplicate it tells the first one's numbers.
type Appended struct {
	Seq        int64
	Targets    int
	Duplicate  bool
	Superseded int     // targets of earlier records that were cancelled
	Cancelled  []int64 // the earlier records of which no target is left by that
}

// Query says what Log.Load is to read.
type Query struct {
	// Epoch must be a current lease's, else the error is ErrLeaseLost; 0 reads without one.
	Epoch int64
	// After is the Seq from which to go on: only greater ones are read.
	After int64
	// Through is the Seq at which to stop: greater ones are not read. Zero: there is no bound.
	Through int64
	// Limit is for how many targets to look at: no further record is read once
	// so many have been, whether they are in Only and Shards or not. At least one record is read.
	Limit int
	// Only leaves out all other inboxes, and records that have none of these. It
	// ascends. Nil: all.
	Only []int64
	// Shards leaves out the inboxes whose ShardOf is in none of these, and records that have no other. Zero: none is left out.
	Shards Shards
}

// Page is a part of the log.
type Page struct {
	Records []Pending // by Seq
	Through int64     // no record up to here was missed; not beyond Query.Through
	More    bool      // there may be records beyond Through, and not beyond Query.Through
}

// Pending is a record with the targets that remain. Its bodies are nil.
type Pending struct {
	Seq int64
	Record
	Total    int        // targets in the beginning
	Left     int        // that remain, whether Query.Only and Query.Shards have them or not
	Targets  []int64    // inbox numbers of those, ascending
	Deferred []Deferral // of Targets that were put off, by Inbox
}

// Flush is what a worker has to tell its store, in one transaction.
type Flush struct {
	Now    time.Time
	Acks   []Ack
	Defers []Deferral
	Hosts  []HostState
	Dead   []DeadLetter
	Obeyed []int64 // IDs of orders that were carried out (see OrderBook), to be removed

	// MaxDead is how many dead letters stay, the newest; of MaxBodies of them the
	// bodies stay, too. Zero: all.
	MaxDead, MaxBodies int
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

// HostState is what is remembered of a host that fails, refuses us, or is held. One
// without Failures, Refusals and Held is removed.
type HostState struct {
	Origin   string    // scheme, host and port: "https://a.example"
	Failures int       // in a row
	Since    time.Time // of the first of them that counts towards giving up; zero if none does
	Last     time.Time // the last attempt
	Next     time.Time // the next one
	Asked    bool      // Next is what the host itself asked for by Retry-After
	Status   int
	Err      string
	Refusals int  // activities in a row that it answered with 401 or 403
	Held     bool // by Queue.Pause
}

// nothing says whether there is nothing to remember.
func (h *HostState) nothing() bool { return h.Failures == 0 && h.Refusals == 0 && !h.Held }

// DeadLetter tells of a target that was given up. The bodies are kept for the newest.
type DeadLetter struct {
	ID                           int64 // given by the store, rising
	Seq                          int64 // of its record
	Activity, Sender, Key, Inbox string
	At                           time.Time
	Attempts, Status             int
	Err                          string
}

// LeaseRequest asks for a lease or renews one.
type LeaseRequest struct {
	Owner string
	Epoch int64 // 0: a new one
	Now   time.Time
	TTL   time.Duration
	Give  Shards // no longer its own, nor wanted: nothing is under way there, and all is flushed
}

// Lease is the right to deliver to the hosts of Shards.
type Lease struct {
	Epoch   int64
	Until   time.Time
	Shards  Shards
	Surplus Shards // of Shards, what it is to name in LeaseRequest.Give soon, because others have less
}

// Redrive says which dead letters go again.
type Redrive struct {
	IDs          []int64 // ascending
	Now, Expires time.Time
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
	Inboxes  time.Time // URLs that no record named since, give or take a day; at least two days ago beside other processes
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
