// Package outbox says things: it turns what the app wants to say into an addressed activity with an id, and
// remembers what was sent to whom.
//
// Make an [Outbox] with [New], call Say, and keep Run going. Say writes one row, in the app's own transaction
// if it is given one; after the commit Run works out who speaks and who is meant and hands the
// activity to the delivery queue.
//
// It posts nothing itself: that is package delivery's affair. Where followers and inboxes come from it
// learns through the fields of [Config].
//
// Experimental: names may change before version 1.0.
package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// ErrGone is wrapped by errors of Inboxes, Owner, FollowID and Author about what will never be found again.
var ErrGone = errors.New("outbox: gone")

// ErrHeld is wrapped by errors of Leave about what waits for somebody's leave.
var ErrHeld = errors.New("outbox: waits for leave")

// Author is who says something.
type Author struct {
	ID        string // of the actor
	Followers string // the id of the collection of its followers
}

// Delivery is an activity that is ready to go.
type Delivery struct {
	ID     string // unique to this hand-over; a second one of the same ID must be a no-op
	First  bool   // nothing of this activity was handed over before; later passes are for who was not found then
	Sender string // the actor whose key signs
	Key    string // deliveries of one key must reach each inbox in order
	Type   string
	Class  Class
	Body   []byte
	// Public says that it is for everyone, Followers that it is for the followers of Sender.
	Public, Followers bool
	// Variants are what goes instead of Body to hosts of which Config.Form names their Form.
	Variants []Variant
	// Expires is when it is not worth sending any more: by type, never by size.
	Expires time.Time
	// Trace is what the Observer said when it was kept.
	Trace string
}

// Relation is a change of who follows whom that something we say brings about.
type Relation struct {
	Type     string // Follow, Undo (of a Follow), Accept, Reject, Block, Unblock (the Undo of a Block)
	Follower string // in a Block who blocks
	Followed string
	FollowID string    // of the Follow that it is about; "" in a Block
	At       time.Time // when it was said
}

// Ended is something that does not reach some or all of those whom it was for.
type Ended struct {
	ID, Type, Actor string
	Expired         bool // it was not worth sending any more
	Partly          bool // some have it, or will
	Err             error
}

// Config configures an [Outbox]. The fields down to Enqueue are required. They may be called by
// many goroutines at once and twice for one activity; an error means try again unless it wraps [ErrGone].
type Config struct {
	Intents Intents
	Log     Log

	// NewID makes an id for an object or an activity of ours from a key of letters and digits. It has to lie where author does, which
	// is a handle or an actor id: peers refuse what does not. It must look nothing up.
	NewID func(author string, object bool, key string) string
	// Author finds who speaks by a handle or an actor id.
	Author func(ctx context.Context, author string) (Author, error)
	// Inboxes finds where an actor elsewhere takes its post.
	Inboxes func(ctx context.Context, actorID string) (Target, error)
	// Owner finds whose an object elsewhere is, as asker, a local actor, may see it.
	Owner func(ctx context.Context, asker, objectID string) (actorID string, err error)
	// Followers walks the inboxes of an actor's followers; a follower on this server is the zero Target.
	Followers func(ctx context.Context, actorID string) iter.Seq2[Target, error]
	// Everyone finds further inboxes, as of relays, for what is for everyone. It is asked when r is first handed over. Nil: there
	// are none.
	Everyone func(ctx context.Context, r *Record) ([]Target, error)
	// Local tells whether an id is under this server.
	Local func(id string) bool
	// Enqueue hands an activity to the delivery queue. When it returns nil, nothing of it may get lost. Of several that it
	// is given at once those of one Key come one after the other.
	Enqueue func(ctx context.Context, d Delivery, to iter.Seq[Target]) error

	// Loop takes in what actors here say to others here. Nil means that they are not told.
	Loop func(ctx context.Context, sender string, body []byte) error
	// Relate is told of a change before what brings it about goes out. Nil: nobody is.
	Relate func(ctx context.Context, change Relation) error
	// Leave is asked before a Like, an EmojiReact, an Announce, or a Create or Update of an object is composed, whether author may
	// say it. It may ask elsewhere, and change a: also embed who speaks in an Update that only names an actor of ours. With an
	// error that wraps [ErrHeld] it stays unsaid until [Outbox.Resume], with one that wraps [ErrGone] for ever. Nil: anything may
	// be said.
	Leave func(ctx context.Context, author Author, a *activity.Activity) error
	// Leaving is told of a composed Create, Update or Delete of an object before it goes out. Nil: nobody is.
	Leaving func(ctx context.Context, actorID string, a *activity.Activity) error
	// FollowID finds the id of the Follow by which follower follows, or asked to follow, followed. Nil finds none.
	FollowID func(ctx context.Context, follower, followed string) (string, error)

	// Form names how a host wants activities, given its authority as in URLs; "" is the usual form. It must be quick and
	// always name the same. Nil means [Form].
	Form func(authority string) string
	// Variant rewrites an activity for hosts that want it in form, and may change a. People are the ids of those whom it
	// names. If it returns nil the usual one goes there too. Nil means [Plain] with Text.
	Variant func(form string, a *activity.Activity, people []string) *activity.Activity
	// Text is what a reader of HTML reads. Nil: Plain rewrites nothing that has markup.
	Text func(html string) string

	// Lifetime is how long an activity is worth sending, counted from when it was said or to be said; profile says that it
	// is an Update of who speaks. Nil means [Lifetime].
	Lifetime func(typ string, profile bool) time.Duration
	// GiveUp is how long recipients are looked for. Zero means 3 days. Nobody is looked for beyond the Lifetime.
	GiveUp time.Duration
	// Backoff tells how long to wait after the nth failure, counted from 1. Nil means from one second, doubling
	// up to an hour.
	Backoff func(attempt int) time.Duration
	// Patience is how long those whose inboxes are known wait for those whose inboxes are being looked up, so that one
	// post goes to a server where both are. Zero means 250 ms.
	Patience time.Duration
	// Lookups bounds how many recipients and owners are looked up at once, four of them on one host. Zero means 128.
	Lookups int

	// Ended is told of what does not reach all whom it was for because it expired or was given up here; what the delivery
	// queue gives up the queue tells. It may be called twice for one activity. Nil: it is logged and counted.
	Ended func(ctx context.Context, e Ended)
	// Node names this process to others that share the Log. One that comes back under its old name goes on with its part at once;
	// under another it waits for that until the old lease has run out, at most 10 s. No two live processes may share a name. Empty: a
	// random one.
	Node     string
	Observer Observer     // nil: nobody is told
	Logger   *slog.Logger // nil: slog.Default()
}

// Counts are what became of things since the Outbox was made.
type Counts struct {
	Sent      int64 // handed over to the delivery queue, once for each time
	Expired   int64 // not worth sending any more, to some or to all
	GivenUp   int64 // could not be said for another reason
	Withdrawn int64 // taken back before anybody was told
}

// Outbox says things. It may be used by many goroutines at once.
type Outbox struct {
	Config
	running atomic.Bool
	said    chan struct{}
	hurry   atomic.Int64 // poll often until this time, in Unix nanoseconds
	taking  sync.Mutex
	locks   locks // by Record.Object
	gate    *gate

	forgot     atomic.Int64 // when forgetting began the last time, in Unix nanoseconds
	forgetting atomic.Bool
	posts      posts // of whoever is forgetting

	mu    sync.Mutex
	jobs  map[string]bool // ids of records that are being worked at
	count struct{ sent, expired, givenUp, withdrawn atomic.Int64 }
}

// New checks c and makes an Outbox of it. It starts nothing.
func New(c Config) (*Outbox, error) {
	for name, missing := range map[string]bool{
		"Intents": c.Intents == nil, "Log": c.Log == nil, "NewID": c.NewID == nil, "Author": c.Author == nil,
		"Inboxes": c.Inboxes == nil, "Owner": c.Owner == nil, "Followers": c.Followers == nil,
		"Local": c.Local == nil, "Enqueue": c.Enqueue == nil,
	} {
		if missing {
			return nil, fmt.Errorf("outbox: Config.%s is required", name)
		}
	}
	if c.GiveUp < 0 || c.Patience < 0 || c.Lookups < 0 {
		return nil, errors.New("outbox: Config.GiveUp, Config.Patience or Config.Lookups is negative")
	}
	if c.Loop == nil {
		c.Loop = func(context.Context, string, []byte) error { return nil }
	}
	if c.Relate == nil {
		c.Relate = func(context.Context, Relation) error { return nil }
	}
	if c.FollowID == nil {
		c.FollowID = func(context.Context, string, string) (string, error) { return "", ErrGone }
	}
	if c.Form == nil {
		c.Form = Form
	}
	if c.Variant == nil {
		text := c.Text
		c.Variant = func(form string, a *activity.Activity, people []string) *activity.Activity {
			return Plain(form, a, people, text)
		}
	}
	if c.Lifetime == nil {
		c.Lifetime = Lifetime
	}
	if c.GiveUp == 0 {
		c.GiveUp = 3 * day
	}
	if c.Backoff == nil {
		c.Backoff = func(attempt int) time.Duration { return min(time.Second<<min(attempt-1, 20), time.Hour) }
	}
	if c.Patience == 0 {
		c.Patience = 250 * time.Millisecond
	}
	if c.Lookups == 0 {
		c.Lookups = 128
	}
	if c.Node == "" {
		c.Node = rand.Text()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Outbox{
		Config: c, said: make(chan struct{}, 1), jobs: make(map[string]bool),
		gate: newGate(c.Lookups, min(lookupsPerHost, c.Lookups)),
	}, nil
}

// Counts tells what became of things so far.
func (o *Outbox) Counts() Counts {
	c := &o.count
	return Counts{Sent: c.sent.Load(), Expired: c.expired.Load(), GivenUp: c.givenUp.Load(), Withdrawn: c.withdrawn.Load()}
}
