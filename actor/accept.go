package actor

import (
	"iter"
	"net/http"
	"strconv"
	"strings"
)

// Accepts reports whether a request prefers an ActivityPub document to a web page: its Accept names
// application/activity+json, or application/ld+json with any profile or none, no lower than
// text/html; or application/json, and no HTML at all. Without an Accept, with */* and for the lists
// that browsers send it is false. ActivityPub §3.2 asks for the long ld+json alone; the others are
// what servers send (Mastodon and PieFed ld+json without a profile, Epicyon activity+json with one).
func Accepts(r *http.Request) bool {
	q := weigh(r)
	return q.activity > 0 && q.activity >= q.html || q.json > 0 && q.html == 0
}

// weights are how much a request wants each kind of answer, 0 if not at all. Wildcards count for none.
type weights struct{ activity, html, json, jrd, xrd float64 }

func weigh(r *http.Request) (w weights) {
	// A member is a media range with parameters; quoted strings hide commas and semicolons. RFC 9110 §12.5.1.
	for _, field := range r.Header["Accept"] {
		for member := range splitQuoted(field, ',') {
			q, kind := 1.0, ""
			first := true
			for part := range splitQuoted(member, ';') {
				if first {
					kind, first = strings.TrimSpace(part), false
				} else if weight, ok := quality(part); ok {
					q = weight
					break
				}
			}
			w.add(kind, q)
		}
	}
	return w
}

func (w *weights) add(kind string, q float64) {
	var into *float64
	switch {
	case strings.EqualFold(kind, "application/activity+json"), strings.EqualFold(kind, "application/ld+json"):
		into = &w.activity
	case strings.EqualFold(kind, "text/html"), strings.EqualFold(kind, "application/xhtml+xml"):
		into = &w.html
	case strings.EqualFold(kind, "application/json"):
		into = &w.json
	case strings.EqualFold(kind, jrdType):
		into = &w.jrd
	case strings.EqualFold(kind, xrdType), strings.EqualFold(kind, "application/xml"), strings.EqualFold(kind, "text/xml"):
		into = &w.xrd
	default:
		return
	}
	*into = max(*into, q)
}

// quality is the weight that a media range's parameter gives, RFC 9110 §12.4.2; ok is false if it is
// another parameter. A weight that can't be read weighs nothing.
func quality(param string) (q float64, ok bool) {
	name, value, _ := strings.Cut(param, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0, false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0, true
	}
	return q, true
}

// splitQuoted splits s at sep where it stands outside of quoted strings. There is at least one part.
func splitQuoted(s string, sep byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case !quoted && s[i] == sep:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}
