package html

import (
	"net/url"
	"strings"
	"unicode"
)

// link returns href as it is written, and whether it may be followed at all: it is absolute, has a scheme of the
// policy's, and reads the same to whoever parses it next. "https:path" is relative to a browser, so http and https need
// a host. White space before the scheme makes it none, as for Mastodon.
func (r *rules) link(href string) (string, bool) {
	href = strings.TrimRightFunc(href, unicode.IsSpace)
	u, err := url.Parse(strings.ReplaceAll(href, " ", "%20"))
	if err != nil || !r.schemes[u.Scheme] {
		return "", false
	}
	if (u.Scheme == "http" || u.Scheme == "https") && u.Host == "" {
		return "", false
	}
	s := u.String()
	again, err := url.Parse(s)
	if err != nil || again.String() != s || strings.ContainsFunc(s, unicode.IsControl) {
		return "", false
	}
	return s, true
}

// classList returns the class names in val that are kept.
func (r *rules) classList(val string) string {
	var kept []string
	for name := range strings.FieldsSeq(val) {
		if r.classes(name) && !strings.ContainsFunc(name, unicode.IsControl) {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, " ")
}

// mastodonClass reports whether Mastodon keeps a class name.
func mastodonClass(name string) bool {
	switch name {
	case "mention", "hashtag", "ellipsis", "invisible", "quote-inline":
		return true
	}
	prefix, _, found := strings.Cut(name, "-")
	switch prefix {
	case "h", "p", "u", "dt", "e": // microformats
		return found
	}
	return false
}

// rel returns what is kept of a link's rel.
func rel(val string) string {
	for name := range strings.FieldsSeq(val) {
		if strings.EqualFold(name, "tag") {
			return "tag"
		}
	}
	return ""
}
