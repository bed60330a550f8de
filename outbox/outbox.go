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
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrGone is wrapped by errors of Inboxes, Owner and Author about what will never be found again.
var ErrGone = errors.New("outbox: gone")

// Author is who says something.
type Author struct {
	ID        string // of the actor
	Followers string // the id of the collection of its followers
}

// Delivery is an activity that is ready to go.
type Delivery struct {
	ID     string // unique to this hand-over; a second one of the same ID must be a no-op
	Sender string // the actor whose key signs
	Key    string // deliveries of one key must reach each inbox in order
	Type   string
	Body   []byte
	// Expires is when it is not worth sending any more: by type, never by size.
	Expires time.Time
}

// Config configures an [Outbox]. All func fields but Loop, Following and Logger are required. They may be called by
// many goroutines at once and twice for one activity; an error means try again unless it wraps [ErrGone].
type Config struct {
	Intents Intents
	Log     Log

	// NewID makes an id for an object or an activity of ours from a key of letters and digits.
	NewID func(object bool, key string) string
	// Author finds who speaks by a handle or an actor id.
	Author func(ctx context.Context, author string) (Author, error)
	// Inboxes finds where an actor elsewhere takes its post.
	Inboxes func(ctx context.Context, actorID string) (Target, error)
	// Owner finds whose an object elsewhere is, as asker, a local actor, may see it.
	Owner func(ctx context.Context, asker, objectID string) (actorID string, err error)
	// Followers walks the inboxes of an actor's followers; a follower on this server is the zero Target.
	Followers func(ctx context.Context, actorID string) iter.Seq2[Target, error]
	// Local tells whether an id is under this server.
	Local func(id string) bool
	// Enqueue hands an activity to the delivery queue. When it returns nil, nothing of it may get lost.
	Enqueue func(ctx context.Context, d Delivery, to iter.Seq[Target]) error

	// Loop takes in what actors here say to others here. Nil means that they are not told.
	Loop func(ctx context.Context, sender string, body []byte) error
	// Following is told of a Follow before it goes out, and with undone when its Undo does. Nil: nobody is.
	Following func(ctx context.Context, follower, followed, followID string, undone bool) error

	// GiveUp is how long recipients are looked for. Zero means 3 days.
	GiveUp time.Duration
	// Backoff tells how long to wait after the nth failure, counted from 1. Nil means from one second, doubling
	// up to an hour.
	Backoff func(attempt int) time.Duration
	Logger  *slog.Logger // nil: slog.Default()
}

// Outbox says things. It may be used by many goroutines at once.
type Outbox struct {
	Config
	running atomic.Bool
	said    chan struct{}
	hurry   atomic.Int64 // poll often until this time, in Unix nanoseconds
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
	if c.Loop == nil {
		c.Loop = func(context.Context, string, []byte) error { return nil }
	}
	if c.Following == nil {
		c.Following = func(context.Context, string, string, string, bool) error { return nil }
	}
	if c.GiveUp == 0 {
		c.GiveUp = 3 * 24 * time.Hour
	}
	if c.Backoff == nil {
		c.Backoff = func(attempt int) time.Duration { return min(time.Second<<min(attempt-1, 20), time.Hour) }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Outbox{Config: c, said: make(chan struct{}, 1)}, nil
}
