package activity

import (
	"encoding/json"
)

// Link points at something and says how: a mention, a hashtag, one of several addresses of a
// video. Its zero value is an empty link. ActivityStreams §4.8.
type Link struct {
	// AtContext is the @context that the document came with, verbatim. Nil when encoding means the
	// smallest that defines its terms.
	AtContext json.RawMessage
	ID        string
	Type      Types

	Href         string
	Rel          Types
	MediaType    string
	Name         string // of a Mention @user@host, of a Hashtag #tag
	NameMap      LangMap
	Hreflang     string
	Width        int64 // pixels
	Height       int64 // pixels
	Size         int64 // bytes, PeerTube
	Preview      Ref
	AttributedTo Refs

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is l.ID.
func (l *Link) DocumentID() string { return l.ID }

// Is reports whether name is among the types.
func (l *Link) Is(name string) bool { return l.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (l Link) MarshalJSON() ([]byte, error) { return written(l.encode) }

// UnmarshalJSON replaces l with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in a Link stays in Extra. null changes nothing.
func (l *Link) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, l) }

func (l *Link) encode(w *writer) error { return writeDocument(w, l) }

func (l *Link) context() json.RawMessage { return l.AtContext }

func (l *Link) common() (*json.RawMessage, *Extra) { return &l.AtContext, &l.Extra }

func (l *Link) table() *table[Link] { return &linkFields }

var linkFields = newTable(
	field[Link]{name: "id", at: func(l *Link) any { return &l.ID }},
	field[Link]{name: "type", at: func(l *Link) any { return &l.Type }},
	field[Link]{name: "href", at: func(l *Link) any { return &l.Href }},
	field[Link]{name: "rel", at: func(l *Link) any { return &l.Rel }},
	field[Link]{name: "mediaType", at: func(l *Link) any { return &l.MediaType }},
	field[Link]{name: "name", at: func(l *Link) any { return &l.Name }},
	field[Link]{name: "nameMap", at: func(l *Link) any { return &l.NameMap }},
	field[Link]{name: "hreflang", at: func(l *Link) any { return &l.Hreflang }},
	field[Link]{name: "width", at: func(l *Link) any { return &l.Width }},
	field[Link]{name: "height", at: func(l *Link) any { return &l.Height }},
	field[Link]{name: "size", at: func(l *Link) any { return &l.Size }},
	field[Link]{name: "preview", at: func(l *Link) any { return &l.Preview }},
	field[Link]{name: "attributedTo", at: func(l *Link) any { return &l.AttributedTo }},
)
