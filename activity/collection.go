package activity

import (
	"encoding/json"
	"time"
)

// Collection is a list of documents, or one page of it. Its zero value is an empty collection
// that says nothing about its size. ActivityStreams §4.4, §4.5.
type Collection struct {
	// AtContext is the @context that the document came with, verbatim. Nil when encoding means the
	// smallest that defines its terms.
	AtContext json.RawMessage
	ID        string
	Type      Types

	AttributedTo Refs
	Name         string
	NameMap      LangMap
	Summary      string // HTML
	SummaryMap   LangMap
	URL          Refs
	Published    time.Time
	Updated      time.Time

	TotalItems *int64 // nil: it does not say
	First      Ref
	Last       Ref
	Current    Ref

	PartOf       Ref    // of a page
	Next         Ref    // of a page
	Prev         Ref    // of a page
	StartIndex   *int64 // of an ordered page; nil: it does not say
	Items        List   // of an unordered one
	OrderedItems List   // of an ordered one

	// Of a FeaturedCollection, Mastodon 4.6.
	Topic        Ref
	Sensitive    bool
	Discoverable bool

	// What every object may have, and collections seldom do.
	To         Audience
	CC         Audience
	BTo        Audience // never on the wire
	BCC        Audience // never on the wire
	Audience   Refs
	Content    string // HTML unless MediaType says otherwise
	ContentMap LangMap
	MediaType  string
	InReplyTo  Ref
	Context    Ref
	StartTime  time.Time
	EndTime    time.Time
	Duration   string // see [ParseDuration]
	Tag        List
	Attachment List
	Icon       Refs
	Image      Refs
	Preview    Ref
	Generator  Ref
	Location   Ref
	Replies    Ref
	Likes      Ref
	Shares     Ref

	Proof     json.RawMessage // FEP-8b32, as it came
	Signature json.RawMessage // an LD signature, as it came

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is c.ID.
func (c *Collection) DocumentID() string { return c.ID }

// Is reports whether name is among the types.
func (c *Collection) Is(name string) bool { return c.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (c Collection) MarshalJSON() ([]byte, error) { return written(c.encode) }

// UnmarshalJSON replaces c with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in a Collection stays in Extra. null changes nothing.
func (c *Collection) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, c) }

func (c *Collection) encode(w *writer) error { return writeDocument(w, c) }

func (c *Collection) context() json.RawMessage { return c.AtContext }

func (c *Collection) common() (*json.RawMessage, *Extra) { return &c.AtContext, &c.Extra }

func (c *Collection) table() *table[Collection] { return &collectionFields }

var collectionFields = newTable(
	field[Collection]{name: "id", at: func(c *Collection) any { return &c.ID }},
	field[Collection]{name: "type", at: func(c *Collection) any { return &c.Type }},
	field[Collection]{name: "attributedTo", at: func(c *Collection) any { return &c.AttributedTo }},
	field[Collection]{name: "name", at: func(c *Collection) any { return &c.Name }},
	field[Collection]{name: "nameMap", at: func(c *Collection) any { return &c.NameMap }},
	field[Collection]{name: "summary", at: func(c *Collection) any { return &c.Summary }},
	field[Collection]{name: "summaryMap", at: func(c *Collection) any { return &c.SummaryMap }},
	field[Collection]{name: "url", at: func(c *Collection) any { return &c.URL }},
	field[Collection]{name: "published", at: func(c *Collection) any { return &c.Published }},
	field[Collection]{name: "updated", at: func(c *Collection) any { return &c.Updated }},
	field[Collection]{name: "totalItems", at: func(c *Collection) any { return &c.TotalItems }},
	field[Collection]{name: "first", at: func(c *Collection) any { return &c.First }},
	field[Collection]{name: "last", at: func(c *Collection) any { return &c.Last }},
	field[Collection]{name: "current", at: func(c *Collection) any { return &c.Current }},
	field[Collection]{name: "partOf", at: func(c *Collection) any { return &c.PartOf }},
	field[Collection]{name: "next", at: func(c *Collection) any { return &c.Next }},
	field[Collection]{name: "prev", at: func(c *Collection) any { return &c.Prev }},
	field[Collection]{name: "startIndex", at: func(c *Collection) any { return &c.StartIndex }},
	field[Collection]{name: "items", at: func(c *Collection) any { return &c.Items }},
	field[Collection]{name: "orderedItems", at: func(c *Collection) any { return &c.OrderedItems }},
	field[Collection]{name: "topic", at: func(c *Collection) any { return &c.Topic }},
	field[Collection]{name: "sensitive", at: func(c *Collection) any { return &c.Sensitive }},
	field[Collection]{name: "discoverable", at: func(c *Collection) any { return &c.Discoverable }},
	field[Collection]{name: "to", at: func(c *Collection) any { return &c.To }},
	field[Collection]{name: "cc", at: func(c *Collection) any { return &c.CC }},
	field[Collection]{name: "bto", at: func(c *Collection) any { return &c.BTo }},
	field[Collection]{name: "bcc", at: func(c *Collection) any { return &c.BCC }},
	field[Collection]{name: "audience", at: func(c *Collection) any { return &c.Audience }},
	field[Collection]{name: "content", at: func(c *Collection) any { return &c.Content }},
	field[Collection]{name: "contentMap", at: func(c *Collection) any { return &c.ContentMap }},
	field[Collection]{name: "mediaType", at: func(c *Collection) any { return &c.MediaType }},
	field[Collection]{name: "inReplyTo", at: func(c *Collection) any { return &c.InReplyTo }},
	field[Collection]{name: "context", at: func(c *Collection) any { return &c.Context }},
	field[Collection]{name: "startTime", at: func(c *Collection) any { return &c.StartTime }},
	field[Collection]{name: "endTime", at: func(c *Collection) any { return &c.EndTime }},
	field[Collection]{name: "duration", at: func(c *Collection) any { return &c.Duration }},
	field[Collection]{name: "tag", at: func(c *Collection) any { return &c.Tag }},
	field[Collection]{name: "attachment", at: func(c *Collection) any { return &c.Attachment }},
	field[Collection]{name: "icon", at: func(c *Collection) any { return &c.Icon }},
	field[Collection]{name: "image", at: func(c *Collection) any { return &c.Image }},
	field[Collection]{name: "preview", at: func(c *Collection) any { return &c.Preview }},
	field[Collection]{name: "generator", at: func(c *Collection) any { return &c.Generator }},
	field[Collection]{name: "location", at: func(c *Collection) any { return &c.Location }},
	field[Collection]{name: "replies", at: func(c *Collection) any { return &c.Replies }},
	field[Collection]{name: "likes", at: func(c *Collection) any { return &c.Likes }},
	field[Collection]{name: "shares", at: func(c *Collection) any { return &c.Shares }},
	field[Collection]{name: "proof", at: func(c *Collection) any { return &c.Proof }},
	field[Collection]{name: "signature", at: func(c *Collection) any { return &c.Signature }},
)
