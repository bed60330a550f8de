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
	Webfinger         string // FEP-2c59
	Name              string
	NameMap           LangMap
	Summary           string // HTML
	SummaryMap        LangMap
	URL               Refs
	Icon              Refs
	Image             Refs
	Attachment        List // profile fields, FEP-fb2a
	Tag               List
	Published         time.Time
	Updated           time.Time

	Inbox        Ref
	Outbox       Ref
	Followers    Ref
	Following    Ref
	Liked        Ref
	Featured     Ref
	FeaturedTags Ref
	Endpoints    Ref // see [Actor.SharedInbox]

	PublicKey       Refs // see [Actor.Keys]
	AssertionMethod Refs // FEP-521a

	ManuallyApprovesFollowers bool
	Discoverable              bool
	Indexable                 bool // FEP-5feb
	Suspended                 bool
	Memorial                  bool
	AlsoKnownAs               List
	MovedTo                   Ref
	Generator                 Ref // FEP-844e

	// Extra holds everything else. See [Extra].
	Extra Extra
}

// DocumentID is a.ID.
func (a *Actor) DocumentID() string { return a.ID }

// Is reports whether name is among the types.
func (a *Actor) Is(name string) bool { return a.Type.Is(name) }

// MarshalJSON writes everything, bto and bcc and the @context it came with included; for the
// wire use [Encode]. It works on values too, so that a struct which holds one is written right.
func (a Actor) MarshalJSON() ([]byte, error) { return a.encode(nil, false) }

// UnmarshalJSON replaces a with what data holds, within the limits of the zero [Decoder]. It does not
// ask for the type: what has no field in an Actor stays in Extra. null changes nothing.
func (a *Actor) UnmarshalJSON(data []byte) error { return unmarshalDocument(data, a) }

func (a *Actor) encode(b []byte, wire bool) ([]byte, error) { return appendDocument(b, a, wire) }

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
	field[Actor]{name: "featured", at: func(a *Actor) any { return &a.Featured }},
	field[Actor]{name: "featuredTags", at: func(a *Actor) any { return &a.FeaturedTags }},
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
	field[Actor]{name: "generator", at: func(a *Actor) any { return &a.Generator }},
)

// SharedInbox is the inbox that many actors of one server share, "" if there is none.
// ActivityPub §7.1.3.
func (a *Actor) SharedInbox() string {
	var m members
	if m.read(a.Endpoints.Raw) != nil {
		return ""
	}
	return m.refID("sharedInbox")
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
	var m members
	if m.read(r.Raw) != nil {
		return k
	}
	k.Owner = m.refID("owner")
	if v, ok := m.get("publicKeyPem"); ok {
		k.PEM, _ = readString(v)
	}
	return k
}

// refID is the id in a property that is an id or an embedded document, "" if it is neither.
func (m members) refID(name string) string {
	var r Ref
	if v, ok := m.get(name); ok {
		r.read(v)
	}
	return r.ID
}

// KeyOf reads a document that is itself a key, as some servers serve at a key's id.
func KeyOf(o *Object) PublicKey { return keyOf(Embed(o)) }
