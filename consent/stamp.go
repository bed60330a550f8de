package consent

import (
	"context"
	"errors"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Errors of [Stamps].
var (
	// ErrNone: there is no such stamp.
	ErrNone = errors.New("consent: no such stamp")
	// ErrStale: somebody else has saved the stamp since it was read.
	ErrStale = errors.New("consent: the stamp has changed")
)

// Stamp is leave to do one thing with one post: asked for, given, refused or taken back. Kind, Interaction and Target tell
// stamps apart.
type Stamp struct {
	Seq         int64  // given by the store, ascending
	Kind        Kind   // zero: only ID is known, which was taken back before it came, and Interaction is ID
	Interaction string // the quote or the reply, or the activity that is a Like or an Announce
	Target      string // the post that is quoted, answered, liked or shared
	Author      string // who made Target and gives leave; "" while that is not known
	Actor       string // who made Interaction

	ID      string // of the document that gives leave; "" until it was given
	Request string // the activity that asked; "" if none did
	State   State
	// Audience are other actors who were named in Interaction and hear of it if leave is taken back; at most 20.
	Audience []string
	// Theirs says that neither Author nor Actor is of this site, so that it may be forgotten and looked up again.
	Theirs bool

	At      time.Time // when it got into this State
	Version int64     // given by the store: it ascends with each save; zero is what was never saved
}

// State is how far it has come. The zero State is none.
type State uint8

// The states of a stamp.
const (
	Requested State = iota + 1 // and not answered yet
	Granted
	Refused
	Revoked // after it was granted
)

// String returns the state's name in lower case.
func (s State) String() string {
	return [...]string{"none", "requested", "granted", "refused", "revoked"}[min(s, Revoked)]
}

// Document is what is served under s.ID while s is Granted. It embeds neither of the two. Who did something without asking
// for leave is given it in the words of GoToSocial up to 0.20, where nobody asks. FEP-044f
func (s Stamp) Document() *activity.Object {
	o := &activity.Object{
		ID: s.ID, Type: activity.Types{s.Kind.Authorization()}, AttributedTo: activity.Refs{activity.IRI(s.Author)},
		InteractingObject: activity.IRI(s.Interaction), InteractionTarget: activity.IRI(s.Target),
	}
	if s.Kind != Quote && s.Request == "" {
		o.Type = activity.Types{kinds[s.Kind].approval}
		o.Object, o.Target = activity.Refs{activity.IRI(s.Interaction)}, activity.IRI(s.Target)
	}
	return o
}

// Query selects stamps. Empty fields select all.
type Query struct {
	Kind        Kind
	State       State
	Interaction string
	Target      string
	Author      string
	Actor       string
	ID          string
	Request     string

	After int64 // only those with a higher Seq
	Limit int   // zero: 100
}

// Stamps keeps stamps. Its methods may be called by many goroutines, and from many processes, at once. Package
// storagetest checks this contract.
type Stamps interface {
	// SaveStamp adds s if its Version is zero and there is none of its Kind, Interaction and Target, and else replaces all but
	// Seq of the one that has its Version; it gets the next Version. Otherwise it changes nothing and returns [ErrStale].
	SaveStamp(ctx context.Context, s Stamp) error

	// Stamp finds the one of this Kind, Interaction and Target, else [ErrNone].
	Stamp(ctx context.Context, k Kind, interaction, target string) (Stamp, error)

	// Stamps lists those that q selects, by Seq.
	Stamps(ctx context.Context, q Query) ([]Stamp, error)

	// ForgetStamps drops those that are Theirs and have an At before this time.
	ForgetStamps(ctx context.Context, before time.Time) error
}
