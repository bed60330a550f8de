package activity

import (
	"encoding/json"
	"time"
)

// Object is anything that people make or see: notes, articles, images, questions, tombstones. Its
// zero value is an empty object. ActivityStreams §4.1, ActivityPub §3.
type Object struct {
	// AtContext is the @context that the document came with, verbatim. Nil when encoding means the
	// smallest that defines its terms.
	AtContext json.RawMessage
	ID        string
	Type      Types

	AttributedTo Refs
	To           Audience
	CC           Audience
	BTo          Audience // never on the wire
	BCC          Audience // never on the wire
	Audience     Refs

	Name       string
	NameMap    LangMap
	Summary    string // HTML; on a note it is the content warning
	SummaryMap LangMap
	Content    string // HTML unless MediaType says otherwise
	ContentMap LangMap
	MediaType  string
	Source     json.RawMessage
	Sensitive  bool

	URL          Refs // web pages and media; ids stay in ID
	InReplyTo    Ref
	Context      Ref // the thread
	Conversation string
	Published    time.Time
	Updated      time.Time
	StartTime    time.Time
	EndTime      time.Time

	Tag        List
	Attachment List
	Icon       Refs
	Image      Refs
	Preview    Ref
	Generator  Ref
	Location   Ref

	Replies Ref
	Likes   Ref
	Shares  Ref

	OneOf       List
	AnyOf       List
	VotersCount int64
	Closed      json.RawMessage // a time, or true

	Width      int64  // pixels
	Height     int64  // pixels
	Duration   string // xsd:duration
	Blurhash   string
	FocalPoint json.RawMessage

	Value      string    // of a PropertyValue, FEP-fb2a
	FormerType Types     // of a Tombstone
	Deleted    time.Time // of a Tombstone

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is o.ID.
func (o *Object) DocumentID() string { return o.ID }

// Is reports whether name is among the types.
func (o *Object) Is(name string) bool { return o.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (o Object) MarshalJSON() ([]byte, error) { return o.encode(nil, false) }

// UnmarshalJSON replaces o with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Object stays in Extra. null changes nothing.
func (o *Object) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, o) }

func (o *Object) encode(b []byte, wire bool) ([]byte, error) { return appendDocument(b, o, wire) }

func (o *Object) context() json.RawMessage { return o.AtContext }

func (o *Object) common() (*json.RawMessage, *Extra) { return &o.AtContext, &o.Extra }

func (o *Object) table() *table[Object] { return &objectFields }

var objectFields = newTable(
	field[Object]{name: "id", at: func(o *Object) any { return &o.ID }},
	field[Object]{name: "type", at: func(o *Object) any { return &o.Type }},
	field[Object]{name: "attributedTo", at: func(o *Object) any { return &o.AttributedTo }},
	field[Object]{name: "to", at: func(o *Object) any { return &o.To }},
	field[Object]{name: "cc", at: func(o *Object) any { return &o.CC }},
	field[Object]{name: "bto", at: func(o *Object) any { return &o.BTo }},
	field[Object]{name: "bcc", at: func(o *Object) any { return &o.BCC }},
	field[Object]{name: "audience", at: func(o *Object) any { return &o.Audience }},
	field[Object]{name: "name", at: func(o *Object) any { return &o.Name }},
	field[Object]{name: "nameMap", at: func(o *Object) any { return &o.NameMap }},
	field[Object]{name: "summary", at: func(o *Object) any { return &o.Summary }},
	field[Object]{name: "summaryMap", at: func(o *Object) any { return &o.SummaryMap }},
	field[Object]{name: "content", at: func(o *Object) any { return &o.Content }},
	field[Object]{name: "contentMap", at: func(o *Object) any { return &o.ContentMap }},
	field[Object]{name: "mediaType", at: func(o *Object) any { return &o.MediaType }},
	field[Object]{name: "source", at: func(o *Object) any { return &o.Source }},
	field[Object]{name: "sensitive", at: func(o *Object) any { return &o.Sensitive }},
	field[Object]{name: "url", at: func(o *Object) any { return &o.URL }},
	field[Object]{name: "inReplyTo", at: func(o *Object) any { return &o.InReplyTo }},
	field[Object]{name: "context", at: func(o *Object) any { return &o.Context }},
	field[Object]{name: "conversation", at: func(o *Object) any { return &o.Conversation }},
	field[Object]{name: "published", at: func(o *Object) any { return &o.Published }},
	field[Object]{name: "updated", at: func(o *Object) any { return &o.Updated }},
	field[Object]{name: "startTime", at: func(o *Object) any { return &o.StartTime }},
	field[Object]{name: "endTime", at: func(o *Object) any { return &o.EndTime }},
	field[Object]{name: "tag", at: func(o *Object) any { return &o.Tag }},
	field[Object]{name: "attachment", at: func(o *Object) any { return &o.Attachment }},
	field[Object]{name: "icon", at: func(o *Object) any { return &o.Icon }},
	field[Object]{name: "image", at: func(o *Object) any { return &o.Image }},
	field[Object]{name: "preview", at: func(o *Object) any { return &o.Preview }},
	field[Object]{name: "generator", at: func(o *Object) any { return &o.Generator }},
	field[Object]{name: "location", at: func(o *Object) any { return &o.Location }},
	field[Object]{name: "replies", at: func(o *Object) any { return &o.Replies }},
	field[Object]{name: "likes", at: func(o *Object) any { return &o.Likes }},
	field[Object]{name: "shares", at: func(o *Object) any { return &o.Shares }},
	field[Object]{name: "oneOf", at: func(o *Object) any { return &o.OneOf }},
	field[Object]{name: "anyOf", at: func(o *Object) any { return &o.AnyOf }},
	field[Object]{name: "votersCount", at: func(o *Object) any { return &o.VotersCount }},
	field[Object]{name: "closed", at: func(o *Object) any { return &o.Closed }},
	field[Object]{name: "width", at: func(o *Object) any { return &o.Width }},
	field[Object]{name: "height", at: func(o *Object) any { return &o.Height }},
	field[Object]{name: "duration", at: func(o *Object) any { return &o.Duration }},
	field[Object]{name: "blurhash", at: func(o *Object) any { return &o.Blurhash }},
	field[Object]{name: "focalPoint", at: func(o *Object) any { return &o.FocalPoint }},
	field[Object]{name: "value", at: func(o *Object) any { return &o.Value }},
	field[Object]{name: "formerType", at: func(o *Object) any { return &o.FormerType }},
	field[Object]{name: "deleted", at: func(o *Object) any { return &o.Deleted }},
)
