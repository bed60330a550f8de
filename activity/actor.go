package activity

import (
	"encoding/json"
	"time"
)

// Actor is somebody who does things: a person, a group, a service. Its zero value is an empty
// actor. ActivityPub §4.
type Actor struct {
	// AtContext is the @context that the document came with, verbatim. Nil when encoding means the
	// smallest that defines its terms.
	AtContext json.RawMessage
	ID        string
	Type      Types

	PreferredUsername string // the handle before the @
	Webfinger         string // user@host, FEP-2c59
	Name              string
	NameMap           LangMap
	Summary           string // HTML
	SummaryMap        LangMap
	URL               Refs
	Icon              Refs
	Image             Refs
	Attachment        List // profile fields, FEP-fb2a; see [PropertyValue]
	Tag               List
	Published         time.Time
	Updated           time.Time

	Inbox               Ref
	Outbox              Ref
	Followers           Ref
	Following           Ref
	Liked               Ref
	Streams             Refs
	Featured            Ref
	FeaturedTags        Ref
	FeaturedCollections Ref // Mastodon 4.6
	Endpoints           Ref // see [Actor.SharedInbox]

	PublicKey       Refs // see [Actor.Keys]
	AssertionMethod List // FEP-521a

	ManuallyApprovesFollowers bool
	Discoverable              bool
	Indexable                 bool // FEP-5feb
	Suspended                 bool
	Memorial                  bool
	AlsoKnownAs               List
	MovedTo                   Ref
	AttributionDomains        List // hosts whose pages may credit this actor, Mastodon
	InteractionPolicy         Ref  // canFeature; see [Policy]
	ShowFeatured              bool
	ShowMedia                 bool
	ShowRepliesInMedia        bool
	Generator                 Ref  // the server's software, FEP-844e
	Implements                List // of an Application: what it can do, FEP-844e; see [Actor.Capabilities]

	// Of a Group. FEP-1b12.
	AttributedTo            Refs // its moderators, or their collection
	Moderators              Ref  // the same in a term of Lemmy's
	PostingRestrictedToMods bool
	Sensitive               bool

	// What every object may have, and actors seldom do.
	To         Audience
	CC         Audience
	BTo        Audience // never on the wire
	BCC        Audience // never on the wire
	Audience   Refs
	Content    string // HTML unless MediaType says otherwise
	ContentMap LangMap
	MediaType  string
	Source     json.RawMessage
	InReplyTo  Ref
	Context    Ref
	StartTime  time.Time
	EndTime    time.Time
	Duration   string // see [ParseDuration]
	Preview    Ref
	Location   Ref
	Replies    Ref
	Likes      Ref
	Shares     Ref

	FormerType Types     // of one that is a Tombstone too
	Deleted    time.Time // of one that is a Tombstone too

	Proof     json.RawMessage // FEP-8b32, as it came
	Signature json.RawMessage // an LD signature, as it came

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is a.ID.
func (a *Actor) DocumentID() string { return a.ID }

// Is reports whether name is among the types.
func (a *Actor) Is(name string) bool { return a.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (a Actor) MarshalJSON() ([]byte, error) { return written(a.encode) }

// UnmarshalJSON replaces a with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Actor stays in Extra. null changes nothing.
func (a *Actor) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, a) }

func (a *Actor) encode(w *writer) error { return writeDocument(w, a) }

func (a *Actor) context() json.RawMessage { return a.AtContext }

func (a *Actor) common() (*json.RawMessage, *Extra) { return &a.AtContext, &a.Extra }

func (a *Actor) table() *table[Actor] { return &actorFields }

var actorFields = newTable(
	field[Actor]{name: "id", at: func(a *Actor) any { return &a.ID }},
	field[Actor]{name: "type", at: func(a *Actor) any { return &a.Type }},
	field[Actor]{name: "preferredUsername", at: func(a *Actor) any { return &a.PreferredUsername }},
	field[Actor]{name: "webfinger", at: func(a *Actor) any { return &a.Webfinger }},
	field[Actor]{name: "name", at: func(a *Actor) any { return &a.Name }},
	field[Actor]{name: "nameMap", at: func(a *Actor) any { return &a.NameMap }},
	field[Actor]{name: "summary", at: func(a *Actor) any { return &a.Summary }},
	field[Actor]{name: "summaryMap", at: func(a *Actor) any { return &a.SummaryMap }},
	field[Actor]{name: "url", at: func(a *Actor) any { return &a.URL }},
	field[Actor]{name: "icon", at: func(a *Actor) any { return &a.Icon }},
	field[Actor]{name: "image", at: func(a *Actor) any { return &a.Image }},
	field[Actor]{name: "attachment", at: func(a *Actor) any { return &a.Attachment }},
	field[Actor]{name: "tag", at: func(a *Actor) any { return &a.Tag }},
	field[Actor]{name: "published", at: func(a *Actor) any { return &a.Published }},
	field[Actor]{name: "updated", at: func(a *Actor) any { return &a.Updated }},
	field[Actor]{name: "inbox", at: func(a *Actor) any { return &a.Inbox }},
	field[Actor]{name: "outbox", at: func(a *Actor) any { return &a.Outbox }},
	field[Actor]{name: "followers", at: func(a *Actor) any { return &a.Followers }},
	field[Actor]{name: "following", at: func(a *Actor) any { return &a.Following }},
	field[Actor]{name: "liked", at: func(a *Actor) any { return &a.Liked }},
	field[Actor]{name: "streams", at: func(a *Actor) any { return &a.Streams }},
	field[Actor]{name: "featured", at: func(a *Actor) any { return &a.Featured }},
	field[Actor]{name: "featuredTags", at: func(a *Actor) any { return &a.FeaturedTags }},
	field[Actor]{name: "featuredCollections", at: func(a *Actor) any { return &a.FeaturedCollections }},
	field[Actor]{name: "endpoints", at: func(a *Actor) any { return &a.Endpoints }},
	field[Actor]{name: "publicKey", at: func(a *Actor) any { return &a.PublicKey }},
	field[Actor]{name: "assertionMethod", at: func(a *Actor) any { return &a.AssertionMethod }},
	field[Actor]{name: "manuallyApprovesFollowers", at: func(a *Actor) any { return &a.ManuallyApprovesFollowers }},
	field[Actor]{name: "discoverable", at: func(a *Actor) any { return &a.Discoverable }},
	field[Actor]{name: "indexable", at: func(a *Actor) any { return &a.Indexable }},
	field[Actor]{name: "suspended", at: func(a *Actor) any { return &a.Suspended }},
	field[Actor]{name: "memorial", at: func(a *Actor) any { return &a.Memorial }},
	field[Actor]{name: "alsoKnownAs", at: func(a *Actor) any { return &a.AlsoKnownAs }},
	field[Actor]{name: "movedTo", at: func(a *Actor) any { return &a.MovedTo }},
	field[Actor]{name: "attributionDomains", at: func(a *Actor) any { return &a.AttributionDomains }},
	field[Actor]{name: "interactionPolicy", at: func(a *Actor) any { return &a.InteractionPolicy }},
	field[Actor]{name: "showFeatured", at: func(a *Actor) any { return &a.ShowFeatured }},
	field[Actor]{name: "showMedia", at: func(a *Actor) any { return &a.ShowMedia }},
	field[Actor]{name: "showRepliesInMedia", at: func(a *Actor) any { return &a.ShowRepliesInMedia }},
	field[Actor]{name: "generator", at: func(a *Actor) any { return &a.Generator }},
	field[Actor]{name: "implements", at: func(a *Actor) any { return &a.Implements }},
	field[Actor]{name: "attributedTo", at: func(a *Actor) any { return &a.AttributedTo }},
	field[Actor]{name: "moderators", at: func(a *Actor) any { return &a.Moderators }},
	field[Actor]{name: "postingRestrictedToMods", at: func(a *Actor) any { return &a.PostingRestrictedToMods }},
	field[Actor]{name: "sensitive", at: func(a *Actor) any { return &a.Sensitive }},
	field[Actor]{name: "to", at: func(a *Actor) any { return &a.To }},
	field[Actor]{name: "cc", at: func(a *Actor) any { return &a.CC }},
	field[Actor]{name: "bto", at: func(a *Actor) any { return &a.BTo }},
	field[Actor]{name: "bcc", at: func(a *Actor) any { return &a.BCC }},
	field[Actor]{name: "audience", at: func(a *Actor) any { return &a.Audience }},
	field[Actor]{name: "content", at: func(a *Actor) any { return &a.Content }},
	field[Actor]{name: "contentMap", at: func(a *Actor) any { return &a.ContentMap }},
	field[Actor]{name: "mediaType", at: func(a *Actor) any { return &a.MediaType }},
	field[Actor]{name: "source", at: func(a *Actor) any { return &a.Source }},
	field[Actor]{name: "inReplyTo", at: func(a *Actor) any { return &a.InReplyTo }},
	field[Actor]{name: "context", at: func(a *Actor) any { return &a.Context }},
	field[Actor]{name: "startTime", at: func(a *Actor) any { return &a.StartTime }},
	field[Actor]{name: "endTime", at: func(a *Actor) any { return &a.EndTime }},
	field[Actor]{name: "duration", at: func(a *Actor) any { return &a.Duration }},
	field[Actor]{name: "preview", at: func(a *Actor) any { return &a.Preview }},
	field[Actor]{name: "location", at: func(a *Actor) any { return &a.Location }},
	field[Actor]{name: "replies", at: func(a *Actor) any { return &a.Replies }},
	field[Actor]{name: "likes", at: func(a *Actor) any { return &a.Likes }},
	field[Actor]{name: "shares", at: func(a *Actor) any { return &a.Shares }},
	field[Actor]{name: "formerType", at: func(a *Actor) any { return &a.FormerType }},
	field[Actor]{name: "deleted", at: func(a *Actor) any { return &a.Deleted }},
	field[Actor]{name: "proof", at: func(a *Actor) any { return &a.Proof }},
	field[Actor]{name: "signature", at: func(a *Actor) any { return &a.Signature }},
)

// SharedInbox is the inbox that many actors of one server share, "" if there is none. Misskey writes it
// beside the endpoints as well. ActivityPub §7.1.3.
func (a *Actor) SharedInbox() string {
	if endpoints, ok := a.Endpoints.value(); ok {
		if id := endpoints.refID("sharedInbox"); id != "" {
			return id
		}
	}
	var r Ref
	if raw := a.Extra["sharedInbox"]; len(raw) > 0 && r.UnmarshalJSON(raw) == nil {
		return r.ID
	}
	return ""
}

// Capabilities lists by IRI what an actor's server says it can do, in Implements or else in the Generator that
// is embedded, such as "https://datatracker.ietf.org/doc/html/rfc9421". At most 100. FEP-844e.
func (a *Actor) Capabilities() []string {
	list := a.Implements
	var server Actor
	if list == nil && len(a.Generator.Raw) > 0 && server.UnmarshalJSON(a.Generator.Raw) == nil {
		list = server.Implements
	}
	return list[:min(len(list), maxListed)].IDs()
}

// Endpoints makes the value of [Actor.Endpoints]. ActivityPub §4.1.
func Endpoints(sharedInbox string) Ref {
	return embedMembers("", "sharedInbox", sharedInbox)
}

// PublicKey is a key as an actor's document shows it. Whether the claim holds is for package
// actor to find out.
type PublicKey struct {
	ID, Owner string
	PEM       string // "" where the document holds only the key's id
}

// Ref makes an entry of [Actor.PublicKey].
func (k PublicKey) Ref() Ref {
	return embedMembers(k.ID, "owner", k.Owner, "publicKeyPem", k.PEM)
}

// embedMembers makes an object of names and values in turn. Like [Embed] it keeps an error for the
// time when the outer document is encoded.
func embedMembers(id string, pairs ...string) Ref {
	o := &Object{ID: id}
	for i := 0; i < len(pairs); i += 2 {
		if err := o.Extra.Set(pairs[i], pairs[i+1]); err != nil {
			return Ref{ID: id, Raw: json.RawMessage(err.Error())}
		}
	}
	return Embed(o)
}

// Keys lists the keys in publicKey, at most 16: objects, ids or both.
func (a *Actor) Keys() []PublicKey {
	var out []PublicKey
	for _, r := range a.PublicKey {
		if len(out) == 16 {
			break
		}
		if k := keyOf(r); k != (PublicKey{}) {
			out = append(out, k)
		}
	}
	return out
}

func keyOf(r Ref) PublicKey {
	k := PublicKey{ID: r.ID}
	key, ok := r.value()
	if !ok {
		return k
	}
	k.Owner = key.refID("owner")
	if v, ok := key.get("publicKeyPem"); ok {
		k.PEM = v.text()
	}
	return k
}

// KeyOf reads a document that is itself a key, as some servers serve at a key's id.
func KeyOf(o *Object) PublicKey { return keyOf(Embed(o)) }
