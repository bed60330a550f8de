package actor

import (
	"net/http"
	"strconv"
	"strings"
)

// Accepts reports whether a request prefers an ActivityPub document to a web page: its Accept names
// application/activity+json, or application/ld+json with any profile or none, no lower than
// text/html; or application/json, and no HTML at all. Without an Accept, with */* and for the lists
// that browsers send it is false. ActivityPub §3.2 asks for the long ld+json alone; the others are
// what servers send (Mastodon ld+json without a profile, Epicyon activity+json with one).
func Accepts(r *http.Request) bool {
	// A member is a media range with parameters; quoted strings hide commas and semicolons.
	var ap, html, json float64
	for _, member := range splitQuoted(strings.Join(r.Header.Values("Accept"), ","), ',') {
		parts := splitQuoted(member, ';')
		q := quality(parts[1:])
		switch strings.ToLower(strings.TrimSpace(parts[0])) {
		case "application/activity+json", "application/ld+json":
			ap = max(ap, q)
		case "text/html", "application/xhtml+xml":
			html = max(html, q)
		case "application/json":
			json = max(json, q)
		}
	}
	return ap > 0 && ap >= html || json > 0 && html == 0
}

// quality is the weight among a media range's parameters, RFC 9110 §12.4.2. One that can't be read
// weighs nothing.
func quality(params []string) float64 {
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// splitQuoted splits s at sep where it stands outside of quoted strings. There is at least one part.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == sep:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
