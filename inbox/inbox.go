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
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// Verifier finds out who signed a request. *signature.Verifier is the one to use.
type Verifier interface {
	Verify(r *http.Request, body []byte) (signature.Verified, error)
}

// Peers is what is known of other servers. Its methods may be called by many goroutines at once.
type Peers interface {
	// Known reports, without asking anyone, whether this actor was ever verified here.
	Known(ctx context.Context, actorID string) (bool, error)
	// Trust is called with an actor whose signature was just verified: what is cached of it may now be stored.
	Trust(ctx context.Context, actorID string) error
	// Fetch gets a document from the server that its id names.
	Fetch(ctx context.Context, id string) (activity.Document, error)
	// Followers is the id of the collection of an actor's followers, "" if it is not known without asking anyone.
	Followers(ctx context.Context, actorID string) (string, error)
	// Update replaces what is known of an actor by what it says of itself now.
	Update(ctx context.Context, a *activity.Actor) error
	// Gone is called when an actor deleted itself.
	Gone(ctx context.Context, actorID string) error
}

// Relations is who follows whom. Its methods may be called by many goroutines at once, and twice for
// one activity.
type Relations interface {
	// Followed keeps that a remote actor follows a local one, or asks to if pending.
	Followed(ctx context.Context, follower, local, followID string, pending bool) error
	// Unfollowed forgets it.
	Unfollowed(ctx context.Context, follower, local string) error
	// Answered keeps or forgets that a local actor follows a remote one, by the pair or, where local is "",
	// by the id of the Follow. Ok is false if the local one never asked.
	Answered(ctx context.Context, local, remote, followID string, accepted bool) (ok bool, err error)
	// Forget drops everything about a remote actor that is gone.
	Forget(ctx context.Context, actorID string) error
}

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
	// Owner finds the local actor whose object id is, "" if it is nobody's here. Nil means nobody's.
	Owner func(ctx context.Context, id string) (actorID string, err error)
	// Origin is this server's own "https://host:port"; activities of its own actors are not taken from outside.
	Origin string

	Hooks  Hooks
	Policy *moderation.Policy // nil: everyone

	// Heard is called with the authority of every verified sender, and how it signed. Nil: nobody is told.
	Heard func(ctx context.Context, authority string, v signature.Verified)

	// MaxBody bounds the body of a request in bytes. Zero means 1 MiB.
	MaxBody int64
	// MaxJournal bounds unfinished entries; beyond it senders get 503. Zero means 100,000.
	MaxJournal int
	// Workers bounds how many hooks run at once. Zero means 8.
	Workers int
	// Backoff tells how long to wait after a hook failed for the nth time, counted from 1. Nil means from 10
	// seconds, doubling up to an hour.
	Backoff func(attempt int) time.Duration
	// GiveUp is how long after its arrival an activity becomes a dead letter if its hook keeps failing. Zero
	// means 7 days.
	GiveUp time.Duration
	// Remember is how long duplicates are recognised. Zero means 30 days.
	Remember time.Duration

	Logger *slog.Logger // nil: slog.Default()
}

// Inbox takes in activities. It may be used by many goroutines at once.
type Inbox struct {
	Config
	running atomic.Bool
	arrived chan struct{} // wakes Run
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
	if c.Owner == nil {
		c.Owner = func(context.Context, string) (string, error) { return "", nil }
	}
	if c.Heard == nil {
		c.Heard = func(context.Context, string, signature.Verified) {}
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	c.MaxBody = orElse(c.MaxBody, 1<<20)
	c.MaxJournal = orElse(c.MaxJournal, 100_000)
	c.Workers = orElse(c.Workers, 8)
	c.GiveUp = orElse(c.GiveUp, 7*24*time.Hour)
	c.Remember = orElse(c.Remember, 30*24*time.Hour)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Inbox{Config: c, arrived: make(chan struct{}, 1)}, nil
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
