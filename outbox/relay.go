package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoRelay is returned for a relay of which nothing is kept.
var ErrNoRelay = errors.New("outbox: no such relay")

// RelayStyle is which of the two protocols a relay speaks. FEP-ae0c
type RelayStyle uint8

// The styles. The zero RelayStyle is none.
const (
	// MastodonRelay is subscribed to by a Follow of everyone (activity.Public) that its inbox gets. What is public is sent
	// there as it is, with an LD signature, and comes from there as it was sent.
	MastodonRelay RelayStyle = iota + 1
	// LitePubRelay is subscribed to by a Follow of its actor, who then follows back. What is public is announced to it, and
	// it announces what others announced: ids, of which the posts are fetched.
	LitePubRelay
)

// String is "mastodon" or "litepub".
func (s RelayStyle) String() string {
	switch s {
	case MastodonRelay:
		return "mastodon"
	case LitePubRelay:
		return "litepub"
	}
	return fmt.Sprintf("style(%d)", uint8(s))
}

// RelayState is how far a subscription has come.
type RelayState uint8

// The states. The zero RelayState is none.
const (
	RelayPending  RelayState = iota + 1 // it was asked, and has not answered
	RelayAccepted                       // what is public goes there
	RelayRejected                       // it said no, at once or long after
)

// String is "pending", "accepted" or "rejected".
func (s RelayState) String() string {
	switch s {
	case RelayPending:
		return "pending"
	case RelayAccepted:
		return "accepted"
	case RelayRejected:
		return "rejected"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Relay is a subscription of this server.
type Relay struct {
	ID       string // what was subscribed to: the URL of an inbox, or in the style of LitePub the id of an actor
	Style    RelayStyle
	Inbox    string // where it is posted to
	Actor    string // who speaks for it; "" until that is known
	FollowID string // of the Follow that it was sent, which its answer names
	State    RelayState
	Wanted   bool      // what it brings is taken in though it concerns nobody here
	At       time.Time // when it was subscribed to, or answered
}

// Relays keeps which relays this server has subscribed to: a handful. Its methods may be called by many goroutines, and from
// many processes, at once. Package storagetest checks this contract.
type Relays interface {
	// PutRelay adds r or replaces the relay with its ID. Of one that was sent the same Follow only Wanted changes: it may have
	// answered since r was read.
	PutRelay(ctx context.Context, r Relay) error

	// AnswerRelay gives the relay with this FollowID a State and the time of it, and an Actor unless it has one. If there is
	// none, as it was deleted or subscribed to anew meanwhile, nothing changes and it returns [ErrNoRelay].
	AnswerRelay(ctx context.Context, followID, actor string, state RelayState, at time.Time) error

	// DeleteRelay forgets the relay with this ID. There being none is no error.
	DeleteRelay(ctx context.Context, id string) error

	// Relays lists all, by their ID.
	Relays(ctx context.Context) ([]Relay, error)
}
