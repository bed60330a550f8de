package activity

import (
	"fmt"
	"slices"
	"strings"
)

// posts are the types of what people write, and that Misskey shows.
var posts = []string{TypeNote, TypeQuestion, TypeArticle, TypePage, TypeAudio, TypeDocument, TypeImage, TypeVideo, TypeEvent}

// object wants what peers need to know of a post. Of other objects they want little.
func (c *checker) object(path string, o map[string]any) {
	typ := c.typed(path, o)
	c.id(path, o)
	if !slices.Contains(posts, typ) {
		return
	}
	author, ok := o["attributedTo"].(string)
	if !ok {
		c.add(path+".attributedTo", "Pixelfed", "%s instead of an id", kindOf(o["attributedTo"]))
	}
	if isVote(o) {
		return
	}
	if o["published"] == nil {
		c.add(path+".published", "Pixelfed", "missing")
	}
	if o["content"] == nil && o["contentMap"] == nil && (typ == TypeNote || typ == TypeQuestion) {
		c.add(path+".content", "Mastodon", "missing")
	}
	if o["url"] == nil {
		c.add(path+".url", "Threads", "missing, so there is no original to view")
	}
	if _, ok := o["sensitive"].(bool); !ok {
		c.add(path+".sensitive", "Pixelfed", "%s instead of a boolean", kindOf(o["sensitive"]))
	}
	c.shown(path, o, author)
	c.list(path+".tag", o["tag"])
	c.list(path+".attachment", o["attachment"])
	attachments, _ := o["attachment"].([]any)
	for i, one := range attachments {
		c.attachment(fmt.Sprintf("%s.attachment[%d]", path, i), one)
	}
	for _, name := range []string{"icon", "image"} {
		c.media(path+"."+name, o[name])
	}
}

// isVote tells a vote, which has little to say, from a note.
func isVote(o map[string]any) bool {
	return o["type"] == TypeNote && o["name"] != nil && o["inReplyTo"] != nil && o["content"] == nil
}

// shown looks for what was meant for followers and is shown to nobody.
func (c *checker) shown(path string, o map[string]any, author string) {
	to, _ := o["to"].([]any)
	cc, _ := o["cc"].([]any)
	if o["to"] == nil {
		c.add(path+".to", "Mastodon", "missing, so the activity's counts")
		return
	}
	isPublic := func(v any) bool { id, _ := v.(string); return IsPublic(id) }
	if slices.ContainsFunc(to, isPublic) || slices.ContainsFunc(cc, isPublic) {
		return
	}
	// The followers' id is known to their server alone; this is how nearly all name it.
	areFollowers := func(v any) bool {
		id, _ := v.(string)
		return author != "" && strings.HasPrefix(id, author) && strings.HasSuffix(id, "/followers")
	}
	if slices.ContainsFunc(cc, areFollowers) && !slices.ContainsFunc(to, areFollowers) {
		c.add(path+".cc", "Mastodon", "followers in cc but not in to, so it is direct")
	}
}

func (c *checker) list(path string, v any) {
	if _, ok := v.([]any); !ok && v != nil {
		c.add(path, "Mastodon", "%s instead of a list", kindOf(v))
	}
}

// attachment wants a file that peers can show.
func (c *checker) attachment(path string, v any) {
	a, ok := v.(map[string]any)
	if !ok {
		c.add(path, "Pixelfed", "%s instead of an object", kindOf(v))
		return
	}
	switch typ, _ := a["type"].(string); typ {
	case TypeImage, TypeVideo, TypeAudio, TypeDocument:
	default:
		return // a link, or something that only its own kind shows
	}
	if _, ok := a["mediaType"].(string); !ok {
		c.add(path+".mediaType", "Pixelfed", "%s instead of a string", kindOf(a["mediaType"]))
	}
	if _, ok := a["url"].(string); !ok {
		c.add(path+".url", "Pixelfed", "%s instead of a string", kindOf(a["url"]))
	}
	c.media(path, a)
}

// media looks at the address of a file, or of each of several.
func (c *checker) media(path string, v any) {
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			c.media(fmt.Sprintf("%s[%d]", path, i), one)
		}
	case map[string]any:
		if url, _ := v["url"].(string); len(url) > maxMediaURL {
			c.add(path+".url", "Pixelfed", "%d bytes, the first %d are kept", len(url), maxMediaURL)
		}
	}
}
