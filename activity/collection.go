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
	AtContext    json.RawMessage
	ID           string
	Type         Types
	AttributedTo Refs
	Name         string
	Summary      string
	Published    time.Time
	Updated      time.Time

	TotalItems *int64 // nil: it does not say
	First      Ref
	Last       Ref
	Current    Ref

	PartOf       Ref  // of a page
	Next         Ref  // of a page
	Prev         Ref  // of a page
	Items        List // of an unordered one
	OrderedItems List // of an ordered one

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is c.ID.
func (c *Collection) DocumentID() string { return c.ID }

// Is reports whether name is among the types.
func (c *Collection) Is(name string) bool { return c.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (c Collection) MarshalJSON() ([]byte, error) { return c.encode(nil, false) }

// UnmarshalJSON replaces c with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in a Collection stays in Extra. null changes nothing.
func (c *Collection) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, c) }

func (c *Collection) encode(b []byte, wire bool) ([]byte, error) { return appendDocument(b, c, wire) }

func (c *Collection) context() json.RawMessage { return c.AtContext }

func (c *Collection) common() (*json.RawMessage, *Extra) { return &c.AtContext, &c.Extra }

func (c *Collection) table() *table[Collection] { return &collectionFields }

var collectionFields = newTable(
	field[Collection]{name: "id", at: func(c *Collection) any { return &c.ID }},
	field[Collection]{name: "type", at: func(c *Collection) any { return &c.Type }},
	field[Collection]{name: "attributedTo", at: func(c *Collection) any { return &c.AttributedTo }},
	field[Collection]{name: "name", at: func(c *Collection) any { return &c.Name }},
	field[Collection]{name: "summary", at: func(c *Collection) any { return &c.Summary }},
	field[Collection]{name: "published", at: func(c *Collection) any { return &c.Published }},
	field[Collection]{name: "updated", at: func(c *Collection) any { return &c.Updated }},
	field[Collection]{name: "totalItems", at: func(c *Collection) any { return &c.TotalItems }},
	field[Collection]{name: "first", at: func(c *Collection) any { return &c.First }},
	field[Collection]{name: "last", at: func(c *Collection) any { return &c.Last }},
	field[Collection]{name: "current", at: func(c *Collection) any { return &c.Current }},
	field[Collection]{name: "partOf", at: func(c *Collection) any { return &c.PartOf }},
	field[Collection]{name: "next", at: func(c *Collection) any { return &c.Next }},
	field[Collection]{name: "prev", at: func(c *Collection) any { return &c.Prev }},
	field[Collection]{name: "items", at: func(c *Collection) any { return &c.Items }},
	field[Collection]{name: "orderedItems", at: func(c *Collection) any { return &c.OrderedItems }},
)
