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

	Published       time.Time
	Updated         time.Time
	Name            string
	NameMap         LangMap
	Summary         string // HTML
	SummaryMap      LangMap
	Content         string // of a Flag why, of an EmojiReact or a Like the emoji, FEP-c0e0
	ContentMap      LangMap
	MediaType       string
	MisskeyReaction string // the emoji again
	Tag             List

	// What every object may have, and activities seldom do.
	AttributedTo Refs
	URL          Refs
	InReplyTo    Ref
	Context      Ref
	StartTime    time.Time
	EndTime      time.Time
	Duration     string // see [ParseDuration]
	Attachment   List
	Icon         Refs
	Image        Refs
	Preview      Ref
	Generator    Ref
	Location     Ref
	Replies      Ref
	Likes        Ref
	Shares       Ref

	Signature json.RawMessage // an LD signature, as it came
	Proof     json.RawMessage // FEP-8b32, as it came

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is a.ID.
func (a *Activity) DocumentID() string { return a.ID }

// Is reports whether name is among the types.
func (a *Activity) Is(name string) bool { return a.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (a Activity) MarshalJSON() ([]byte, error) { return written(a.encode) }

// UnmarshalJSON replaces a with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Activity stays in Extra. null changes nothing.
func (a *Activity) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, a) }

func (a *Activity) encode(w *writer) error { return writeDocument(w, a) }

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
	field[Activity]{name: "nameMap", at: func(a *Activity) any { return &a.NameMap }},
	field[Activity]{name: "summary", at: func(a *Activity) any { return &a.Summary }},
	field[Activity]{name: "summaryMap", at: func(a *Activity) any { return &a.SummaryMap }},
	field[Activity]{name: "content", at: func(a *Activity) any { return &a.Content }},
	field[Activity]{name: "contentMap", at: func(a *Activity) any { return &a.ContentMap }},
	field[Activity]{name: "mediaType", at: func(a *Activity) any { return &a.MediaType }},
	field[Activity]{name: "_misskey_reaction", at: func(a *Activity) any { return &a.MisskeyReaction }},
	field[Activity]{name: "tag", at: func(a *Activity) any { return &a.Tag }},
	field[Activity]{name: "attributedTo", at: func(a *Activity) any { return &a.AttributedTo }},
	field[Activity]{name: "url", at: func(a *Activity) any { return &a.URL }},
	field[Activity]{name: "inReplyTo", at: func(a *Activity) any { return &a.InReplyTo }},
	field[Activity]{name: "context", at: func(a *Activity) any { return &a.Context }},
	field[Activity]{name: "startTime", at: func(a *Activity) any { return &a.StartTime }},
	field[Activity]{name: "endTime", at: func(a *Activity) any { return &a.EndTime }},
	field[Activity]{name: "duration", at: func(a *Activity) any { return &a.Duration }},
	field[Activity]{name: "attachment", at: func(a *Activity) any { return &a.Attachment }},
	field[Activity]{name: "icon", at: func(a *Activity) any { return &a.Icon }},
	field[Activity]{name: "image", at: func(a *Activity) any { return &a.Image }},
	field[Activity]{name: "preview", at: func(a *Activity) any { return &a.Preview }},
	field[Activity]{name: "generator", at: func(a *Activity) any { return &a.Generator }},
	field[Activity]{name: "location", at: func(a *Activity) any { return &a.Location }},
	field[Activity]{name: "replies", at: func(a *Activity) any { return &a.Replies }},
	field[Activity]{name: "likes", at: func(a *Activity) any { return &a.Likes }},
	field[Activity]{name: "shares", at: func(a *Activity) any { return &a.Shares }},
	field[Activity]{name: "signature", at: func(a *Activity) any { return &a.Signature }},
	field[Activity]{name: "proof", at: func(a *Activity) any { return &a.Proof }},
)
