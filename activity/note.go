package activity

import (
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxListed bounds what readers list of a stranger's entries.
const maxListed = 100

// Note makes a Note of author's, whose text is HTML. Its page for people is taken to be at its id: set URL
// if it is elsewhere. Then add to Tag and Attachment, and call [Object.Address], without which it is for nobody.
func Note(id, author, text string, published time.Time) *Object {
	o := &Object{
		ID: id, Type: Types{TypeNote}, AttributedTo: Refs{IRI(author)}, To: Audience{}, CC: Audience{},
		Content: text, Published: published,
	}
	if id != "" {
		o.URL = Refs{IRI(id)}
	}
	o.say("sensitive", "false") // Pixelfed wants it said; Sensitive wins if it is set
	return o
}

// Article makes an Article of author's: a title, its text as HTML, and a teaser in plain text, one paragraph, which may be
// empty. Where long texts are not shown whole, readers see title, teaser and a link: Mastodon makes these of Name, Summary and URL,
// others take the Note in Preview. As in [Note], its page is taken to be at its id, and it is for nobody before
// [Object.Address]: only the Article is addressed. FEP-b2b8
func Article(id, author, title, text, teaser string, published time.Time) *Object {
	o := Note(id, author, text, published)
	o.Type, o.Name = Types{TypeArticle}, title
	preview := "<p><strong>" + html.EscapeString(title) + "</strong></p>"
	if teaser != "" {
		o.Summary = "<p>" + html.EscapeString(teaser) + "</p>"
		preview += o.Summary
	}
	if id != "" {
		preview += `<p><a href="` + html.EscapeString(id) + `">` + html.EscapeString(id) + "</a></p>"
	}
	o.Preview = Embed(&Object{Type: Types{TypeNote}, AttributedTo: Refs{IRI(author)}, Content: preview, Published: published})
	return o
}

// ReplyTo makes o a reply to parent: in its thread, and with a mention of its author, who would not hear of it
// otherwise. handle is that author's, user@host. A mention that is in Tag already is not repeated, and nobody is
// mentioned in a reply to their own. Call it before [Object.Address].
func (o *Object) ReplyTo(parent *Object, handle string) {
	o.InReplyTo, o.Context, o.Conversation = IRI(parent.ID), Ref{ID: parent.Context.ID}, parent.Conversation
	author := parent.AttributedTo.First()
	if author != "" && author != o.AttributedTo.First() && !slices.Contains(o.Mentions(), author) {
		o.Tag = append(o.Tag, Embed(Mention(author, handle)))
	}
}

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
		if len(out) == maxListed {
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
	m, ok := r.value()
	if !ok || !m.isType(TypeMention) {
		return ""
	}
	return m.refID("href")
}

// Mention makes an entry of Tag that mentions an actor. handle is what people read, user@host with or
// without a leading @.
func Mention(actorID, handle string) *Link {
	return &Link{Type: Types{TypeMention}, Href: actorID, Name: withPrefix("@", handle)}
}

// MentionHTML makes the text of a mention as Mastodon writes it, which others restyle: a link to the
// profile page that shows @user of the handle user@host. It needs a [Mention] in Tag beside it.
func MentionHTML(url, handle string) string {
	user, _, _ := strings.Cut(strings.TrimPrefix(handle, "@"), "@")
	return `<span class="h-card" translate="no"><a href="` + html.EscapeString(url) + `" class="u-url mention">@<span>` +
		html.EscapeString(user) + `</span></a></span>`
}

// HashtagHTML makes the text of a hashtag as Mastodon writes it. It needs a [Hashtag] in Tag beside it.
func HashtagHTML(href, name string) string {
	return `<a href="` + html.EscapeString(href) + `" class="mention hashtag" rel="tag">#<span>` +
		html.EscapeString(strings.TrimPrefix(name, "#")) + `</span></a>`
}

// Hashtag makes an entry of Tag for a hashtag with or without a leading #. href is the page that
// lists what has it.
func Hashtag(href, name string) *Link {
	return &Link{Type: Types{TypeHashtag}, Href: href, Name: withPrefix("#", name)}
}

// AddHashtags adds names, with or without a leading #, to Tag, and returns o. base is what the addresses of the pages that list
// what has them begin with: the name follows, escaped.
func (o *Object) AddHashtags(base string, names ...string) *Object {
	for _, name := range names {
		name = strings.TrimPrefix(name, "#")
		o.Tag = append(o.Tag, Embed(Hashtag(base+url.PathEscape(name), name)))
	}
	return o
}

func withPrefix(prefix, s string) string {
	if s == "" || strings.HasPrefix(s, prefix) {
		return s
	}
	return prefix + s
}

// Image makes an entry of Attachment, or an icon. description is for those who can't see it.
func Image(url, mediaType, description string) *Object {
	o := &Object{Type: Types{TypeImage}, MediaType: mediaType, Name: description}
	if url != "" {
		o.URL = Refs{IRI(url)}
	}
	return o
}

// Emoji makes an entry of Tag for a picture that stands where text or a name says :name:. name is of two or more
// letters, digits and underscores, with or without colons; the picture a PNG, GIF or WebP of at
// most 256 KiB. FEP-9098.
func Emoji(name, url, mediaType string) *Object {
	return &Object{
		Type: Types{TypeEmoji}, Name: ":" + strings.Trim(name, ":") + ":",
		Icon: Refs{Embed(Image(url, mediaType, ""))},
	}
}

// PropertyValue makes an entry of an actor's Attachment: a line of the profile. value is HTML. FEP-fb2a.
func PropertyValue(name, value string) *Object {
	return &Object{Type: Types{TypePropertyValue}, Name: name, Value: value}
}

// Tombstone makes what stands in the place of a deleted object. formerType is the type that it had, "" if
// nobody should know; deleted is when it went, zero if nobody knows. ActivityPub §6.4.
func Tombstone(id, formerType string, deleted time.Time) *Object {
	o := &Object{ID: id, Type: Types{TypeTombstone}, Deleted: deleted}
	if formerType != "" {
		o.FormerType = Types{formerType}
	}
	return o
}
