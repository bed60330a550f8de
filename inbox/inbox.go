// Package inbox judges what other servers send.
//
// Make an [Inbox] with [New], mount it where actors' documents say their inboxes are, and keep Run going.
// What comes in is verified, checked against the rules of authority, kept in the [Journal] and only
// then answered 202; after that the [Hooks] run. A duplicate is answered 202 and dropped.
//
// It does not know who is local, where keys come from or how answers are delivered: those come
// in through the fields of [Config], which packages actor and outbox fill.
//
// Experimental: names may change before version 1.0.
package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// Verifier finds out who signed a request. *signature.Verifier is the one to use. One that is also a [Holder] spares those whose
// keys it has what is asked of strangers.
type Verifier interface {
	Verify(r *http.Request, body []byte) (signature.Verified, error)
}

// Holder is what a [Verifier] may also be.
type Holder interface {
	// Holds tells at once whether Verify needs nobody's answer for r, nor a store's.
	Holds(r *http.Request) bool
}

// Peers is what is known of other servers. Its methods may be called by many goroutines at once.
type Peers interface {
	// Known reports, without asking anyone, whether this actor was ever verified here.
	Known(ctx context.Context, actorID string) (bool, error)
	// Trust is called with an actor whose signature was verified and that has a relation to somebody here, or begins one:
	// what is cached of it may now be stored. Of all others an hour's memory of their keys is enough.
	Trust(ctx context.Context, actorID string) error
	// Fetch gets a document from the server that its id names. An error that wraps [ErrDrop] is final; if the server says that
	// there is no such thing, or no more, it wraps [ErrGone] too. Any other means to try again.
	Fetch(ctx context.Context, id string) (activity.Document, error)
	// Collections are an actor's, as far as they are known without asking anyone.
	Collections(ctx context.Context, actorID string) (Collections, error)
	// Update replaces what is known of an actor by what it says of itself now.
	Update(ctx context.Context, a *activity.Actor) error
	// Gone is called when an actor deleted itself.
	Gone(ctx context.Context, actorID string) error
}

// Collections are the ids of an actor's collections, "" where they are not known.
type Collections struct{ Followers, Featured string }

// Sender answers. *outbox.Outbox is one.
type Sender interface {
	// Answer sends an Accept or a Reject of a by a local actor. The id of the answer derives from a's, so that
	// answering twice sends once.
	Answer(ctx context.Context, local, typ string, a *activity.Activity) error
}

// Config configures an [Inbox]. Verifier, Journal, Peers, Relations, Sender and Local are required.
type Config struct {
	Verifier  Verifier
	Journal   Journal
	Peers     Peers
	Relations Relations
	Sender    Sender

	// Local tells whether id is an actor here, and whether it approves its followers by hand.
	Local func(ctx context.Context, id string) (local, approves bool, err error)
	// Owner finds the actor whose object id is, of local objects and of those of others that the app keeps, "" if it is not
	// known. Nobody else can edit or delete it. Nil: none is known.
	Owner func(ctx context.Context, id string) (actorID string, err error)
	// Origin is this server's own "https://host:port"; activities of its own actors are not taken from outside.
	Origin string
	// Ours tells whether an id is under this server, where Origin is not all that is. It must be quick: it is asked for each
	// recipient that a stranger names. Nil: what is under Origin.
	Ours func(id string) bool

	// Wants is asked about what concerns nobody here: is neither addressed to anyone, nor about anything of theirs, nor from an
	// actor that is followed. It is also asked about the Delete of itself by an actor of whom [Peers] know nothing. It sees
	// claims that nothing has verified, and should be quick. If it says no, the activity is answered 202 and goes
	// nowhere: no key is fetched, nothing is stored; but see Brings and Synchronise. Nil means no.
	Wants func(ctx context.Context, a *activity.Activity) (bool, error)
	// Filter looks at what is about to be kept, before the 202, and has 50 ms for it, which is when ctx ends; an error or a later
	// answer is a 503. Of what can be proved only by asking its origin it is asked before the hook. Nil lets all pass.
	Filter func(ctx context.Context, m *Message) (Verdict, error)
	// Proof checks the object integrity proof of a document and returns whose it is (FEP-8b32), usually by a
	// *signature.ProofVerifier. Errors are those of package signature. Nil means that nothing has one.
	Proof func(ctx context.Context, document []byte) (owner string, err error)
	// LDSignature checks an LD signature, usually by a *ldsig.Verifier. Errors are those of package signature; any but
	// signature.ErrKeyUnavailable means that there is none that counts. Nil means that nothing has one.
	LDSignature func(ctx context.Context, document []byte) (LDSigned, error)

	// Brings tells whether what an actor signs for is taken in although it concerns nobody here: a relay's. It is asked with the
	// authority of the key that is claimed, and again with signer, the owner of the key, once that is proved; what counts against
	// a limit counts then. Of what it says no to the sender hears nothing. Nil: no.
	Brings func(ctx context.Context, a *activity.Activity, authority, signer string) (bool, error)
	// Take is called with what was proved, before its hook. If it takes it, neither the hook nor the default hears of it. An
	// error that wraps [ErrDrop] is final, after any other it is called again later. Nil takes nothing.
	Take func(ctx context.Context, m *Message) (taken bool, err error)
	// Synchronise is told by Run what a sender's Collection-Synchronization field said, which its signature covered, and by which
	// host of this server, as it was written: it is about that sender's followers there. It must be quick, and may be called
	// twice for one. Nil: nobody is told. FEP-8fcf
	Synchronise func(ctx context.Context, sender, host, field string)
	// Forwarder forwards replies to the followers of who is replied to, and Forwards remembers which. Nil: nothing is forwarded,
	// or no Delete and no Undo. ActivityPub §7.1.2
	Forwarder Forwarder
	Forwards  Forwards
	// Groups tells what is known of groups. Nil: there are none, and the Announce of an activity is one like any other.
	Groups Groups
	// Consent is called in place of what else would be done about m, its hook and the default, which is next. It sees to it that
	// authors agree with what is done to their posts, and fills in Message.Quote and Message.Stamp. Of what a hook takes in groups
	// it is called with each, and next lets that one through. Its errors mean what a hook's do. Nil: next is called. FEP-044f
	Consent func(ctx context.Context, m *Message, next Hook) error

	Hooks  Hooks
	Policy *moderation.Policy // nil: everyone

	// Moves keeps who has moved where. Nil: a Move reaches its hook, and nothing else follows from it.
	Moves Moves
	// MoveCooldown is for how long after a Move that was believed no other one of the same actor is. Zero means 7 days,
	// negative none.
	MoveCooldown time.Duration

	// Heard is called with the authority of every verified sender, and how it signed. Nil: nobody is told.
	Heard func(ctx context.Context, authority string, v signature.Verified)

	// MaxBody bounds the body of a request in bytes. Zero means 1 MiB.
	MaxBody int64
	// MaxJournal bounds unfinished entries; beyond it senders get 503. The last tenth is for what people wait for: follows and
	// their answers, undoing, blocks, moves, and posts to somebody here. No sender's host gets more than half. Zero means 50,000.
	MaxJournal int
	// MaxMarks bounds what is remembered of what was seen, the newest; each takes some 150 bytes. Zero means 2,000,000.
	MaxMarks int
	// MaxHeld bounds what the Filter holds for review; beyond it senders get 503. Zero means 10,000.
	MaxHeld int
	// MaxBuffered bounds the bytes of requests that are being judged at once; beyond it senders get 503. Zero means 64 MiB.
	MaxBuffered int64
	// MaxStrangers bounds the requests in a minute from one client address (of IPv6 its /64) whose actor is not known here and
	// whose key is not in memory; beyond it senders get 429. Zero means 600.
	MaxStrangers int
	// MaxFetching bounds the requests by actors of one host that are not known here and are being verified at once, each of
	// which may have to fetch a key from there; a host with which that takes little time needs fewer, and gets no more. Twice as
	// many as MaxFetching wait for them, for 2 s at most; beyond it senders get 503. Zero means 16.
	MaxFetching int
	// Proxies are the addresses whose X-Forwarded-For is believed. Empty: the address of the connection counts, unless it is
	// a private one, which has no limit of its own.
	Proxies []netip.Prefix
	// Workers bounds how many hooks run at once, without those that are [Away]. Zero means 8.
	Workers int
	// Backoff tells how long to wait after a hook failed for the nth time, counted from 1. Nil means from 10
	// seconds, doubling up to an hour.
	Backoff func(attempt int) time.Duration
	// GiveUp is how long after its arrival an activity becomes a dead letter if its hook keeps failing. Zero
	// means 7 days.
	GiveUp time.Duration
	// Remember is how long duplicates are recognised, and a Delete or Undo that came first wins. Zero means 30 days.
	Remember time.Duration
	// Node names this process to others that share the Journal. One that comes back under its old name works it at once; under
	// another it waits until the old lease has run out, at most 30 s. No two live processes may share a name. Empty: a random one.
	Node string

	Observer Observer     // nil: nobody is told
	Logger   *slog.Logger // nil: slog.Default()
}

// Inbox takes in activities. It may be used by many goroutines at once.
type Inbox struct {
	Config
	gate    gate
	running atomic.Bool
	arrived chan struct{} // wakes Run
	offers  chan offer    // what Run need not look for
	taking  atomic.Bool   // it takes offers
	leases  atomic.Int64  // how often it began or ended to change what it may work at
	filters chan struct{} // one for each that runs
	busy    atomic.Int64  // when it was last said, in nanoseconds
}

// New checks c and makes an Inbox of it. It starts nothing.
func New(c Config) (*Inbox, error) {
	for name, missing := range map[string]bool{
		"Verifier": c.Verifier == nil, "Journal": c.Journal == nil, "Peers": c.Peers == nil,
		"Relations": c.Relations == nil, "Sender": c.Sender == nil, "Local": c.Local == nil,
	} {
		if missing {
			return nil, fmt.Errorf("inbox: Config.%s is required", name)
		}
	}
	if _, ok := activity.Authority(c.Origin); !ok {
		return nil, errors.New("inbox: Config.Origin is not an http or https origin")
	}
	if c.Ours == nil {
		origin := c.Origin
		c.Ours = func(id string) bool { return activity.SameAuthority(id, origin) }
	}
	if c.Owner == nil {
		c.Owner = func(context.Context, string) (string, error) { return "", nil }
	}
	if c.Heard == nil {
		c.Heard = func(context.Context, string, signature.Verified) {}
	}
	if c.Wants == nil {
		c.Wants = func(context.Context, *activity.Activity) (bool, error) { return false, nil }
	}
	if c.Proof == nil {
		c.Proof = func(context.Context, []byte) (string, error) { return "", signature.ErrUnsigned }
	}
	if c.LDSignature == nil {
		c.LDSignature = func(context.Context, []byte) (LDSigned, error) { return LDSigned{}, signature.ErrUnsigned }
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	c.MaxBody = orElse(c.MaxBody, 1<<20)
	c.MaxJournal = orElse(c.MaxJournal, 50_000)
	c.MaxMarks = orElse(c.MaxMarks, 2_000_000)
	c.MaxHeld = orElse(c.MaxHeld, 10_000)
	c.MaxBuffered = max(orElse(c.MaxBuffered, 64<<20), c.MaxBody)
	c.MaxStrangers = orElse(c.MaxStrangers, 600)
	c.MaxFetching = orElse(c.MaxFetching, 16)
	c.Workers = orElse(c.Workers, 8)
	c.GiveUp = orElse(c.GiveUp, 7*24*time.Hour)
	c.MoveCooldown = orElse(c.MoveCooldown, moveCooldown)
	c.Remember = orElse(c.Remember, 30*24*time.Hour)
	if c.Node == "" {
		c.Node = rand.Text()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	in := &Inbox{Config: c, arrived: make(chan struct{}, 1), offers: make(chan offer, maxOffers), filters: make(chan struct{}, maxFilters)}
	in.gate.max = c.MaxBuffered
	return in, nil
}

func orElse[T int | int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

func backoff(attempt int) time.Duration {
	return min(10*time.Second<<min(attempt-1, 20), time.Hour)
}
