package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Class tells how urgent an activity is. Where several activities wait for one host or
// for a free slot, eight Interactive ones go for every three Normal and one Bulk. Of
// one ordering key they go in order whatever their classes.
type Class uint8

const (
	// Normal is for what people post. It is the zero value.
	Normal Class = iota
	// Interactive is for what someone waits for: Follow, Accept, Reject, Undo, direct
	// messages, replies. It has a tenth of the slots for itself and a quarter more
	// backlog than the others.
	Interactive
	// Bulk is for what may come late: boosts, backfill, mass updates.
	Bulk

	classes = 3
)

// String returns the class's name in lower case.
func (c Class) String() string {
	switch c {
	case Normal:
		return "normal"
	case Interactive:
		return "interactive"
	case Bulk:
		return "bulk"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// Supersedes says what an activity makes of earlier ones of its Key that still wait.
type Supersedes uint8

const (
	// SupersedeNothing lets them go first. It is the zero value.
	SupersedeNothing Supersedes = iota
	// SupersedeUpdates is for an Update: where it goes, it goes instead of earlier
	// activities that have SupersedeUpdates too and were not delivered yet.
	SupersedeUpdates
	// SupersedeAll is for a Delete: whatever was not sent yet is cancelled. It goes to
	// the targets that are named and also wherever an earlier one has arrived or may
	// have, because a post was begun: as far as those still have targets left. What
	// another process or an earlier run may have tried counts as tried.
	SupersedeAll

	supersedes = 3
)

// Body is another form of an activity, see Config.Choose.
type Body struct {
	Name  string // at most 64 bytes, not empty
	Bytes []byte
}

// MaxBodies bounds Activity.Other.
const MaxBodies = 4

// Activity is one document to be posted to many inboxes.
type Activity struct {
	// ID is the caller's idempotency key, usually the activity's id: while it is
	// queued, and for seven days after its last target was settled, another Enqueue
	// of the same ID does nothing. Required, at most 2,048 bytes.
	ID string

	// Sender is handed to Config.Transport, which knows whose key signs. At most 2,048 bytes.
	Sender string

	// Key orders: activities of one Key reach each host in the order in which they were
	// enqueued; a later one waits while an earlier one is tried again. Empty: no order.
	// At most 2,048 bytes.
	Key string

	// Supersedes says what becomes of earlier activities of Key. It needs a Key.
	Supersedes Supersedes

	// Class says how urgent it is. Normal becomes Bulk for more than Policy.BulkAbove targets.
	Class Class

	// Body is posted byte for byte. Required, at most Config.MaxBody. Other forms of it
	// go to the hosts for which Config.Choose names them. Each is stored once.
	Body  []byte
	Other []Body // at most MaxBodies, of Config.MaxBody together

	// ContentType is the body's. Empty means application/activity+json (ActivityPub §7).
	ContentType string

	// Expires is when to give up what was not delivered. Zero: Policy.Lifetime from now.
	Expires time.Time

	// NotBefore is when to begin. Zero: now. What is cancelled or deleted before that
	// leaves nothing behind and its ID may be used again.
	NotBefore time.Time

	// Except lists hosts, as in URLs, to which it does not go.
	Except []string

	// Trace names the trace that it belongs to, as a W3C traceparent: a [Tracer] gets it with each post. It is stored once,
	// and sent to nobody. Empty: none. At most MaxTrace bytes.
	Trace string
}

// MaxTrace is how many bytes a W3C traceparent has.
const MaxTrace = 55

// Target is where one recipient reads, or an audience.
type Target struct {
	Inbox       string
	SharedInbox string // goes instead of Inbox unless empty or malformed (ActivityPub §7.1.3)

	// Audience stands for the targets that Config.Audience finds under this name. The
	// other fields must be empty then. At most 2,048 bytes.
	Audience string
}

// Receipt tells what Enqueue did.
type Receipt struct {
	Seq       int64 // the activity's place in the log; 0 if it had no targets, or waits for an Appender's commit
	Targets   int   // inboxes to post to, after folding
	Refused   int   // inboxes whose host Config.Allow refused, or Except or Config.Local names
	Duplicate bool  // the ID was known: nothing was added, and Seq and Targets are the first one's

	// Superseded counts the targets of earlier activities that were cancelled.
	Superseded int
}

const (
	maxName     = 2048 // bytes of an ID, a Sender, a Key, an inbox URL
	defaultType = "application/activity+json"
)

// record checks a and turns it into what the store keeps.
func (a Activity) record(now time.Time, lifetime time.Duration, maxBody int) (Record, error) {
	fail := func(why string) (Record, error) {
		return Record{}, fmt.Errorf("delivery: activity %.200q: %s: %w", a.ID, why, ErrInvalid)
	}
	r := Record{
		ID: a.ID, Sender: a.Sender, Key: a.Key, Class: a.Class, Supersedes: a.Supersedes, ContentType: a.ContentType,
		Bodies:  Bodies{Body: a.Body, Other: a.Other},
		Created: now.Truncate(time.Millisecond), NotBefore: a.NotBefore, Expires: a.Expires, Trace: a.Trace,
	}
	if r.ContentType == "" {
		r.ContentType = defaultType
	}
	if r.Expires.IsZero() {
		from := now
		if r.NotBefore.After(now) {
			from = r.NotBefore
		}
		r.Expires = from.Add(lifetime)
	}
	switch {
	case a.ID == "":
		return fail("ID is empty")
	case len(a.ID) > maxName || len(a.Sender) > maxName || len(a.Key) > maxName:
		return fail("ID, Sender or Key is longer than 2048 bytes")
	case a.Class >= classes:
		return fail("unknown Class")
	case len(a.Body) == 0:
		return fail("Body is empty")
	case a.Supersedes >= supersedes:
		return fail("unknown Supersedes")
	case a.Supersedes != SupersedeNothing && a.Key == "":
		return fail("Supersedes without a Key")
	case len(a.Other) > MaxBodies:
		return fail("Other has more than 4 bodies")
	case r.Bodies.size() > maxBody:
		return fail(fmt.Sprintf("the bodies have %d bytes, more than %d", r.Bodies.size(), maxBody))
	case len(a.Trace) > MaxTrace:
		return fail("Trace is longer than 55 bytes")
	case len(r.ContentType) > 256 || strings.ContainsFunc(r.ContentType, func(c rune) bool { return c < ' ' || c > '~' }):
		return fail("ContentType is no header value")
	case !r.Expires.After(now):
		return fail("Expires has passed")
	case !r.Expires.After(r.NotBefore):
		return fail("Expires is not after NotBefore")
	}
	for i, o := range a.Other {
		if o.Name == "" || len(o.Name) > 64 || len(o.Bytes) == 0 ||
			slices.ContainsFunc(a.Other[:i], func(b Body) bool { return b.Name == o.Name }) {
			return fail(fmt.Sprintf("Other[%d] has no name or bytes, or another's name", i))
		}
	}
	return r, nil
}

var (
	// ErrInvalid says that an Activity can't be queued as it is. Nothing was added.
	ErrInvalid = errors.New("invalid activity")
	// ErrBacklog says that too much waits already. Nothing was added; the caller keeps
	// the activity and tries again later.
	ErrBacklog = errors.New("too much waits to be delivered")
	// ErrRefused, wrapped by Config.Allow, Config.Transport or a RoundTripper, drops a
	// target for good.
	ErrRefused = errors.New("refused")
	// ErrLocal, wrapped by a RoundTripper, says that it failed for a reason of ours and
	// not of the host's, for instance because a key could not be read: the target is
	// tried again later and the host's other deliveries go on.
	ErrLocal = errors.New("failed before anything was sent")
	// ErrExpired says that an activity was not delivered before its Expires.
	ErrExpired = errors.New("expired")
	// ErrGivenUp says that a host did not answer for as long as Policy.GiveUp.
	ErrGivenUp = errors.New("the host was given up")
	// ErrForgotten says that Queue.Forget dropped it.
	ErrForgotten = errors.New("the host was forgotten")
	// ErrNotRunning is returned by what only the process that delivers can do.
	ErrNotRunning = errors.New("the queue does not deliver in this process")
	// ErrRunning says that Run was called on a Queue that runs already.
	ErrRunning = errors.New("the queue runs already")
)

// Error reports why an activity did not reach an inbox.
type Error struct {
	Inbox     string
	Status    int  // of the HTTP answer; 0 if none came
	Permanent bool // it will not be tried again
	Err       error
}

// Error names the inbox and the cause.
func (e *Error) Error() string { return fmt.Sprintf("delivery: %s: %v", e.Inbox, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// TargetError names inbox URLs that Enqueue refused because they can't be posted to.
// The other targets are queued and durable nevertheless: see the Receipt.
type TargetError struct {
	Inboxes []string // at most 100 of them, each cut to 200 bytes
	Count   int
}

// Error names the first of them, and how many there are.
func (e *TargetError) Error() string {
	return fmt.Sprintf("delivery: %d malformed inbox URLs: %.1000q", e.Count, e.Inboxes)
}

func (e *TargetError) add(inbox string) {
	e.Count++
	if len(e.Inboxes) < 100 {
		if len(inbox) > 200 {
			inbox = inbox[:200]
		}
		e.Inboxes = append(e.Inboxes, inbox)
	}
}
