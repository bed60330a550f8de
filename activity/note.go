package activity

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// maxMentions bounds what [Object.Mentions] lists.
const maxMentions = 100

// Text is the content, or, where an object has it only by language, that of the first language tag in
// sorted order. It is a stranger's HTML unless MediaType says otherwise.
func (o *Object) Text() string {
	if o.Content != "" {
		return o.Content
	}
	for _, tag := range slices.Sorted(maps.Keys(o.ContentMap)) {
		if text := o.ContentMap[tag]; text != "" {
			return text
		}
	}
	return ""
}

// Mentions lists the ids of the actors that Tag mentions, each once, in its order, the first 100 of them.
func (o *Object) Mentions() []string {
	var out []string
	for _, r := range o.Tag {
		if len(out) == maxMentions {
			break
		}
		if href := mentioned(r); href != "" && !slices.Contains(out, href) {
			out = append(out, href)
		}
	}
	return out
}

// mentioned is the href of r if it embeds a Mention.
func mentioned(r Ref) string {
	var m members
	if len(r.Raw) == 0 || m.read(r.Raw) != nil {
		return ""
	}
	var types Types
	if v, ok := m.get("type"); !ok || !types.read(v) || !types.Is("Mention") {
		return ""
	}
	return m.refID("href")
}

// Mention makes an entry of Tag that mentions an actor. handle is what people read, user@host with or
// without a leading @.
func Mention(actorID, handle string) *Link {
	return &Link{Type: Types{"Mention"}, Href: actorID, Name: withPrefix("@", handle)}
}

// Hashtag makes an entry of Tag for a hashtag with or without a leading #. href is the page that
// lists what has it.
func Hashtag(href, name string) *Link {
	return &Link{Type: Types{"Hashtag"}, Href: href, Name: withPrefix("#", name)}
}

func withPrefix(prefix, s string) string {
	if s == "" || strings.HasPrefix(s, prefix) {
		return s
	}
	return prefix + s
}

// Image makes an entry of Attachment, or an icon. description is for those who can't see it.
func Image(url, mediaType, description string) *Object {
	o := &Object{Type: Types{"Image"}, MediaType: mediaType, Name: description}
	if url != "" {
		o.URL = Refs{IRI(url)}
	}
	return o
}

// Tombstone makes what stands in the place of a deleted object. formerType is the type that it had, "" if
// nobody should know; deleted is when it went, zero if nobody knows. ActivityPub §6.4.
func Tombstone(id, formerType string, deleted time.Time) *Object {
	o := &Object{ID: id, Type: Types{"Tombstone"}, Deleted: deleted}
	if formerType != "" {
		o.FormerType = Types{formerType}
	}
	return o
}
