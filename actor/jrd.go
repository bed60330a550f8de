package actor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fedihook/fedihook/activity"
)

const (
	jrdType  = "application/jrd+json"
	maxLinks = 256 // of a stranger's JRD that are read
)

// The relations of WebFinger links that servers know.
const (
	relSelf      = "self"
	relProfile   = "http://webfinger.net/rel/profile-page"
	relAvatar    = "http://webfinger.net/rel/avatar"
	relSubscribe = "http://ostatus.org/schema/1.0/subscribe"
	relIntent    = "https://w3id.org/fep/3b86/"        // FEP-3b86; the activity's type follows
	relService   = activity.Namespace + "#Service"     // FEP-d556
	relApp       = activity.Namespace + "#Application" // FEP-2677

	propertyType = activity.Namespace + "#type" // what Lemmy says of links
)

// JRD is what WebFinger answers: whom a resource names and where to find them. RFC 7033 §4.4.
type JRD struct {
	Subject string    `json:"subject,omitempty"`
	Aliases []string  `json:"aliases,omitempty"`
	Links   []JRDLink `json:"links,omitempty"`
}

// JRDLink is one link of a [JRD]. RFC 7033 §4.4.4.
type JRDLink struct {
	Rel  string `json:"rel"`
	Type string `json:"type,omitempty"`
	Href string `json:"href,omitempty"`

	actor    string // the type of the actor that it leads to, where its properties say so
	Template string `json:"template,omitempty"`
}

// Self is the id of the actor whom j is about: the first link "self" whose type is one of ActivityPub's
// two. It is "" if there is none.
func (j JRD) Self() string {
	for _, l := range j.Links {
		if l.Rel == relSelf && isActivityType(l.Type) {
			return l.Href
		}
	}
	return ""
}

// Subscribe is the template of the page where whom j is about confirms an interaction, in which {uri} stands for what it is
// with. It is "" if there is none.
func (j JRD) Subscribe() string {
	for _, l := range j.Links {
		if l.Rel == relSubscribe && strings.Contains(l.Template, "{uri}") {
			return l.Template
		}
	}
	return ""
}

// selfAs is the id of the actor of a type, where j says the types of several: on Lemmy (0.19) a person and a community may go by
// one name. Else it is Self.
func (j JRD) selfAs(typ string) string {
	for _, l := range j.Links {
		if l.Rel == relSelf && isActivityType(l.Type) && l.actor == typ {
			return l.Href
		}
	}
	return j.Self()
}

// names tells whether j is about the actor with this id, among others perhaps.
func (j JRD) names(id string) bool {
	return slices.ContainsFunc(j.Links, func(l JRDLink) bool { return l.Rel == relSelf && isActivityType(l.Type) && l.Href == id })
}

// isActivityType tells whether a Content-Type says that the content is an ActivityPub document:
// application/activity+json, or application/ld+json with the ActivityStreams profile. Less would let
// files that users upload pass for documents. ActivityPub §3.2.
func isActivityType(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case activity.ContentType:
		return true
	case "application/ld+json":
		for profile := range strings.FieldsSeq(params["profile"]) {
			if profile == activity.Namespace {
				return true
			}
		}
	}
	return false
}

// parseJRD reads a stranger's JRD. Links and aliases that make no sense are left out; names are read
// exactly as they are written, and none may come twice. The error wraps [ErrMalformed].
func parseJRD(data []byte) (JRD, error) {
	var top map[string]jsontext.Value
	if err := jsonv2.Unmarshal(data, &top); err != nil {
		return JRD{}, fmt.Errorf("%w: no JRD", ErrMalformed)
	}
	var j JRD
	if jsonv2.Unmarshal(top["subject"], &j.Subject) != nil || j.Subject == "" {
		return JRD{}, fmt.Errorf("%w: a JRD without subject", ErrMalformed)
	}
	var aliases, links []jsontext.Value
	if jsonv2.Unmarshal(top["aliases"], &aliases) == nil {
		for _, raw := range aliases[:min(len(aliases), maxLinks)] {
			var alias string
			if jsonv2.Unmarshal(raw, &alias) == nil {
				j.Aliases = append(j.Aliases, alias)
			}
		}
	}
	if jsonv2.Unmarshal(top["links"], &links) == nil {
		for _, raw := range links[:min(len(links), maxLinks)] {
			if l, ok := parseLink(raw); ok {
				j.Links = append(j.Links, l)
			}
		}
	}
	return j, nil
}

func parseLink(raw jsontext.Value) (l JRDLink, ok bool) {
	var members map[string]jsontext.Value
	if jsonv2.Unmarshal(raw, &members) != nil {
		return l, false
	}
	for name, into := range map[string]*string{"rel": &l.Rel, "type": &l.Type, "href": &l.Href, "template": &l.Template} {
		if v, ok := members[name]; ok && jsonv2.Unmarshal(v, into) != nil {
			return l, false
		}
	}
	var properties map[string]jsontext.Value // a value may be null
	if jsonv2.Unmarshal(members["properties"], &properties) == nil {
		_ = jsonv2.Unmarshal(properties[propertyType], &l.actor) // what is no string says nothing
	}
	return l, l.Rel != ""
}

// encode writes v without turning & into an escape, which some readers of templates don't undo.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
