package outbox

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// ErrUnknown is returned for an activity or an object of which nothing was ever sent.
var ErrUnknown = errors.New("outbox: never sent from here")

// ErrNoTransaction is returned by stores that can't write in the app's transaction.
var ErrNoTransaction = errors.New("outbox: this storage can't join a transaction")

// Execer is what an intent needs of the app's transaction. *sql.Tx has it.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Intent is something that the app said, as it said it: who speaks, to whom and under which ids is
// worked out after the commit.
type Intent struct {
	Seq      int64  // given by the store, perhaps not before it is listed, ascending in the order of commits
	ID       string // of the activity
	Author   string // a handle, or the id of an actor
	Activity []byte // JSON; actor, attributedTo and the ids of collections are still missing
	At       time.Time

	NotBefore time.Time // when it is to be said; zero: at once
	Except    []string  // authorities where no follower is to hear of it
	Trace     string    // as [Observer].Saying gave it, at most 55 bytes
}

// Intents keeps intents until they are in the [Log]. Its methods may be called by many goroutines,
// and from many processes, at once. Package storagetest checks this contract.
type Intents interface {
	// AddIntent writes one row through tx, which it neither reads nor commits. A nil tx means a transaction
	// of its own, durable when AddIntent returns.
	AddIntent(ctx context.Context, tx Execer, in Intent) error

	// NextIntents lists committed intents that DropIntents has not dropped, oldest first, at most limit.
	NextIntents(ctx context.Context, limit int) ([]Intent, error)

	// DropIntents forgets all intents up to and including seq, which NextIntents has returned.
	DropIntents(ctx context.Context, seq int64) error
}

// Record is an activity of ours: what it says, to whom it goes, and how far that has come.
type Record struct {
	Seq      int64  // given by the log, ascending
	ID       string // of the activity
	Type     string
	Object   string    // whom or what it is about in the end: of an Undo what that undoes is about, of an answer who asked
	Author   string    // as in the intent
	Actor    string    // the author's id; "" until composed
	Activity []byte    // as in the intent until composed, then as it goes on the wire
	At       time.Time // when it was said, or was to be said if that is later

	Intent  int64 // the Seq of the intent that it comes from, for AddRecord alone: it is not kept. Zero: it comes from none
	Version int64 // given by the log: it ascends with each save

	// Whom it is addressed to, known when composed: Public says everyone, Followers the author's followers,
	// To lists ids of actors.
	Public    bool
	Followers bool
	To        []string
	Except    []string // authorities where the followers are left out

	Trace string // as in the intent

	// What is left to do.
	State     State
	Pass      int      // counts hand-overs to the delivery queue
	Waiting   []string // those of To whose inboxes are not known yet
	Targets   []Target // of the pass that is being handed over, written before; the zero Target stands for the followers
	Attempts  int
	NotBefore time.Time
	LastError string

	Until time.Time // how long it is kept when nothing is left to do; zero: for ever. See [Log.PastRecords]
}

// State is how far a record has come.
type State uint8

// The states. The zero State is Pending.
const (
	Pending State = iota // it was not handed to the delivery queue yet
	Sent                 // all recipients are in the delivery queue
	Failed               // given up, see LastError
	Partly               // handed over, but some recipients' inboxes are not known yet
	Held                 // it was not composed yet, and waits for somebody's leave
)

// Target is where to post something.
type Target struct{ Inbox, SharedInbox string }

// URL is what is posted to. ActivityPub §7.1.3
func (t Target) URL() string {
	if t.SharedInbox != "" {
		return t.SharedInbox
	}
	return t.Inbox
}

// ErrStale is returned for a record that somebody else has saved since it was read.
var ErrStale = errors.New("outbox: the record has changed")

// Log keeps what was said and to whom, which Undo, Update and Delete need later. Its methods may be
// called by many goroutines, and from many processes, at once. Package storagetest checks this contract.
type Log interface {
	// AddRecord adds a record unless there is one of its ID, which is then left as it is. A record whose Intent was
	// dropped has been added before, and perhaps removed: where the log knows what was dropped, it adds nothing.
	AddRecord(ctx context.Context, r Record) error

	// SaveRecord replaces all but Seq, ID, Author, At and Trace of the record with r.ID and gives it the next Version. If
	// there is none it returns [ErrUnknown], and if its Version is not r.Version, [ErrStale].
	SaveRecord(ctx context.Context, r Record) error

	// RemoveRecords removes the records of these ids if all are there, are Pending and were never composed (their Actor
	// is ""), else none of them, and tells which.
	RemoveRecords(ctx context.Context, ids []string) (removed bool, err error)

	// Record finds the record of an activity, else [ErrUnknown].
	Record(ctx context.Context, id string) (Record, error)

	// ObjectRecords lists the records whose Object is id, oldest first, at most limit.
	ObjectRecords(ctx context.Context, id string, limit int) ([]Record, error)

	// DueRecords lists Pending and Partly records that may be worked at now, oldest first, at most limit. Of
	// Pending records with one Object only the oldest may be, and all without an Object; Partly ones hold up nothing and wait for nothing.
	DueRecords(ctx context.Context, now time.Time, limit int) ([]Record, error)

	// PublicRecords lists an actor's public Creates and Announces with a Seq below before (zero: all),
	// newest first, at most limit; total counts all of them.
	PublicRecords(ctx context.Context, actor string, before int64, limit int) (list []Record, total int64, err error)

	// PastRecords lists records whose Until is not zero and is not after now, and that are neither Pending nor Partly: the
	// earliest Until first and of one Until the oldest, at most limit.
	PastRecords(ctx context.Context, now time.Time, limit int) ([]Record, error)

	// ForgetRecords removes those of the records of these ids that PastRecords would list, and leaves the others. What was
	// forgotten is unknown, and may be added anew.
	ForgetRecords(ctx context.Context, ids []string, now time.Time) error
}
