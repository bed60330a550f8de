package activity

import (
	"encoding/json"
	"time"
)

// Activity is something that somebody did: Create, Follow, Like. Its zero value is an empty
// activity. ActivityStreams §4.2, ActivityPub §3.
type Activity struct {
	// AtContext is the @context that the document came with, verbatim. Nil when encoding means the
	// smallest that defines its terms.
	AtContext json.RawMessage
	ID        string
	Type      Types

	Actor      Ref
	Object     Refs // several in a Flag
	Target     Ref
	Origin     Ref
	Result     Ref
	Instrument Ref

	To       Audience
	CC       Audience
	BTo      Audience // never on the wire
	BCC      Audience // never on the wire
	Audience Refs

	Published time.Time
	Updated   time.Time
	Name      string
	Summary   string
	Content   string // of a Flag or an EmojiReact
	Tag       List

	Signature json.RawMessage // an LD signature
	Proof     json.RawMessage // FEP-8b32

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is a.ID.
func (a *Activity) DocumentID() string { return a.ID }

// Is reports whether name is among the types.
func (a *Activity) Is(name string) bool { return a.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (a Activity) MarshalJSON() ([]byte, error) { return a.encode(nil, false) }

// UnmarshalJSON replaces a with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Activity stays in Extra. null changes nothing.
func (a *Activity) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, a) }

func (a *Activity) encode(b []byte, wire bool) ([]byte, error) { return appendDocument(b, a, wire) }

func (a *Activity) context() json.RawMessage { return a.AtContext }

func (a *Activity) common() (*json.RawMessage, *Extra) { return &a.AtContext, &a.Extra }

func (a *Activity) table() *table[Activity] { return &activityFields }

var activityFields = newTable(
	field[Activity]{name: "id", at: func(a *Activity) any { return &a.ID }},
	field[Activity]{name: "type", at: func(a *Activity) any { return &a.Type }},
	field[Activity]{name: "actor", at: func(a *Activity) any { return &a.Actor }},
	field[Activity]{name: "object", at: func(a *Activity) any { return &a.Object }},
	field[Activity]{name: "target", at: func(a *Activity) any { return &a.Target }},
	field[Activity]{name: "origin", at: func(a *Activity) any { return &a.Origin }},
	field[Activity]{name: "result", at: func(a *Activity) any { return &a.Result }},
	field[Activity]{name: "instrument", at: func(a *Activity) any { return &a.Instrument }},
	field[Activity]{name: "to", at: func(a *Activity) any { return &a.To }},
	field[Activity]{name: "cc", at: func(a *Activity) any { return &a.CC }},
	field[Activity]{name: "bto", at: func(a *Activity) any { return &a.BTo }},
	field[Activity]{name: "bcc", at: func(a *Activity) any { return &a.BCC }},
	field[Activity]{name: "audience", at: func(a *Activity) any { return &a.Audience }},
	field[Activity]{name: "published", at: func(a *Activity) any { return &a.Published }},
	field[Activity]{name: "updated", at: func(a *Activity) any { return &a.Updated }},
	field[Activity]{name: "name", at: func(a *Activity) any { return &a.Name }},
	field[Activity]{name: "summary", at: func(a *Activity) any { return &a.Summary }},
	field[Activity]{name: "content", at: func(a *Activity) any { return &a.Content }},
	field[Activity]{name: "tag", at: func(a *Activity) any { return &a.Tag }},
	field[Activity]{name: "signature", at: func(a *Activity) any { return &a.Signature }},
	field[Activity]{name: "proof", at: func(a *Activity) any { return &a.Proof }},
)
