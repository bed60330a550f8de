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
	Source     json.RawMessage // what Content was made of: {"content", "mediaType"}, or a string
	Sensitive  bool

	URL          Refs // web pages and media; ids stay in ID
	InReplyTo    Ref
	Context      Ref    // the thread, FEP-7888
	Conversation string // the thread in OStatus' words, which is the one that Mastodon reads
	Published    time.Time
	Updated      time.Time
	StartTime    time.Time
	EndTime      time.Time
	Duration     string // see [ParseDuration]

	Tag        List // see [Mention], [Hashtag], [Emoji], [Quotation]
	Attachment List
	Icon       Refs
	Image      Refs
	Preview    Ref // of an Article the Note that stands for it, FEP-b2b8
	Generator  Ref
	Location   Ref

	Replies        Ref
	Likes          Ref
	Shares         Ref
	EmojiReactions Ref // FEP-c0e0

	// What this quotes, in the spellings of FEP-044f, Akkoma and Fedibird, Pleroma, Misskey. See
	// [Object.Quoted] and [Object.SetQuote].
	Quote              Ref
	QuoteURI           Ref
	QuoteURL           Ref
	MisskeyQuote       Ref
	QuoteAuthorization Ref // FEP-044f

	// Who may do what with it, and leave to have done it. See [Policy].
	InteractionPolicy     Ref
	ApprovedBy            Ref // GoToSocial up to 0.20
	LikeAuthorization     Ref
	ReplyAuthorization    Ref
	AnnounceAuthorization Ref
	InteractingObject     Ref // of an authorization: the reply, the quote
	InteractionTarget     Ref // of an authorization: what is replied to, quoted

	// Of a Question. See [Object.Poll] and [Object.SetPoll].
	OneOf        List
	AnyOf        List
	VotersCount  int64
	MisskeyVotes *int64          // of an option
	Closed       json.RawMessage // a time, or true

	// Of media.
	Width           int64 // pixels
	Height          int64 // pixels
	Size            int64 // bytes
	Blurhash        string
	FocalPoint      json.RawMessage // [x, y], each from -1 to 1
	DigestMultibase string

	// Of a Place. The numbers are kept as they are written, some as strings, and are not rounded. See
	// [Object.Position] and [Float].
	Latitude  json.RawMessage
	Longitude json.RawMessage
	Altitude  json.RawMessage
	Accuracy  json.RawMessage // percent
	Radius    json.RawMessage // Units
	Units     string          // "" means m

	// Of a Relationship, and Object and Target also of what stands for an activity.
	Subject      Ref
	Relationship Ref
	Object       Refs
	Target       Ref // the collection that it is added to, FEP-400e

	Describes            Ref       // of a Profile
	Value                string    // of a PropertyValue: HTML, FEP-fb2a
	FormerType           Types     // of a Tombstone
	Deleted              time.Time // of a Tombstone
	FeaturedObject       Ref       // of a FeaturedItem
	FeatureAuthorization Ref       // of a FeaturedItem

	// Of a key that is a document of its own. See [KeyOf].
	Owner              Ref
	PublicKeyPEM       string
	Controller         Ref    // FEP-521a
	PublicKeyMultibase string // FEP-521a

	Stickied        bool // pinned in its group, FEP-1b12
	Distinguished   bool // said with a moderator's authority, Lemmy
	CommentsEnabled bool // PeerTube, Lemmy
	DirectMessage   bool // Pleroma

	Proof     json.RawMessage // FEP-8b32, as it came
	Signature json.RawMessage // an LD signature, as it came

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is o.ID.
func (o *Object) DocumentID() string { return o.ID }

// Is reports whether name is among the types.
func (o *Object) Is(name string) bool { return o.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (o Object) MarshalJSON() ([]byte, error) { return written(o.encode) }

// UnmarshalJSON replaces o with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Object stays in Extra. null changes nothing.
func (o *Object) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, o) }

func (o *Object) encode(w *writer) error { return writeDocument(w, o) }

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
	field[Object]{name: "duration", at: func(o *Object) any { return &o.Duration }},
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
	field[Object]{name: "emojiReactions", at: func(o *Object) any { return &o.EmojiReactions }},
	field[Object]{name: "quote", at: func(o *Object) any { return &o.Quote }},
	field[Object]{name: "quoteUri", at: func(o *Object) any { return &o.QuoteURI }},
	field[Object]{name: "quoteUrl", at: func(o *Object) any { return &o.QuoteURL }},
	field[Object]{name: "_misskey_quote", at: func(o *Object) any { return &o.MisskeyQuote }},
	field[Object]{name: "quoteAuthorization", at: func(o *Object) any { return &o.QuoteAuthorization }},
	field[Object]{name: "interactionPolicy", at: func(o *Object) any { return &o.InteractionPolicy }},
	field[Object]{name: "approvedBy", at: func(o *Object) any { return &o.ApprovedBy }},
	field[Object]{name: "likeAuthorization", at: func(o *Object) any { return &o.LikeAuthorization }},
	field[Object]{name: "replyAuthorization", at: func(o *Object) any { return &o.ReplyAuthorization }},
	field[Object]{name: "announceAuthorization", at: func(o *Object) any { return &o.AnnounceAuthorization }},
	field[Object]{name: "interactingObject", at: func(o *Object) any { return &o.InteractingObject }},
	field[Object]{name: "interactionTarget", at: func(o *Object) any { return &o.InteractionTarget }},
	field[Object]{name: "oneOf", at: func(o *Object) any { return &o.OneOf }},
	field[Object]{name: "anyOf", at: func(o *Object) any { return &o.AnyOf }},
	field[Object]{name: "votersCount", at: func(o *Object) any { return &o.VotersCount }},
	field[Object]{name: "_misskey_votes", at: func(o *Object) any { return &o.MisskeyVotes }},
	field[Object]{name: "closed", at: func(o *Object) any { return &o.Closed }},
	field[Object]{name: "width", at: func(o *Object) any { return &o.Width }},
	field[Object]{name: "height", at: func(o *Object) any { return &o.Height }},
	field[Object]{name: "size", at: func(o *Object) any { return &o.Size }},
	field[Object]{name: "blurhash", at: func(o *Object) any { return &o.Blurhash }},
	field[Object]{name: "focalPoint", at: func(o *Object) any { return &o.FocalPoint }},
	field[Object]{name: "digestMultibase", at: func(o *Object) any { return &o.DigestMultibase }},
	field[Object]{name: "latitude", at: func(o *Object) any { return &o.Latitude }},
	field[Object]{name: "longitude", at: func(o *Object) any { return &o.Longitude }},
	field[Object]{name: "altitude", at: func(o *Object) any { return &o.Altitude }},
	field[Object]{name: "accuracy", at: func(o *Object) any { return &o.Accuracy }},
	field[Object]{name: "radius", at: func(o *Object) any { return &o.Radius }},
	field[Object]{name: "units", at: func(o *Object) any { return &o.Units }},
	field[Object]{name: "subject", at: func(o *Object) any { return &o.Subject }},
	field[Object]{name: "relationship", at: func(o *Object) any { return &o.Relationship }},
	field[Object]{name: "object", at: func(o *Object) any { return &o.Object }},
	field[Object]{name: "target", at: func(o *Object) any { return &o.Target }},
	field[Object]{name: "describes", at: func(o *Object) any { return &o.Describes }},
	field[Object]{name: "value", at: func(o *Object) any { return &o.Value }},
	field[Object]{name: "formerType", at: func(o *Object) any { return &o.FormerType }},
	field[Object]{name: "deleted", at: func(o *Object) any { return &o.Deleted }},
	field[Object]{name: "featuredObject", at: func(o *Object) any { return &o.FeaturedObject }},
	field[Object]{name: "featureAuthorization", at: func(o *Object) any { return &o.FeatureAuthorization }},
	field[Object]{name: "owner", at: func(o *Object) any { return &o.Owner }},
	field[Object]{name: "publicKeyPem", at: func(o *Object) any { return &o.PublicKeyPEM }},
	field[Object]{name: "controller", at: func(o *Object) any { return &o.Controller }},
	field[Object]{name: "publicKeyMultibase", at: func(o *Object) any { return &o.PublicKeyMultibase }},
	field[Object]{name: "stickied", at: func(o *Object) any { return &o.Stickied }},
	field[Object]{name: "distinguished", at: func(o *Object) any { return &o.Distinguished }},
	field[Object]{name: "commentsEnabled", at: func(o *Object) any { return &o.CommentsEnabled }},
	field[Object]{name: "directMessage", at: func(o *Object) any { return &o.DirectMessage }},
	field[Object]{name: "proof", at: func(o *Object) any { return &o.Proof }},
	field[Object]{name: "signature", at: func(o *Object) any { return &o.Signature }},
)
