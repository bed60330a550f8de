package actor

import (
	"html"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// SetAlternate says in the header of a page that the actor or object with this id is shown on it, so that
// who pastes the page's address into the search of another server finds it. It adds to the Link
// fields that are there. An id that is no URL, or not written as one, adds nothing. RFC 8288 §3.
func SetAlternate(header http.Header, id string) {
	if _, err := parseID(id); err == nil && !strings.ContainsAny(id, `<>"`) {
		header.Add("Link", "<"+id+`>; rel="alternate"; type="`+activity.ContentType+`"`)
	}
}

// AlternateHTML is the same as [SetAlternate] for the <head> of a page: a link element, or "" for an id
// that is no absolute URL. It is safe HTML whatever the id.
func AlternateHTML(id string) string {
	if _, err := parseID(id); err != nil {
		return ""
	}
	return `<link rel="alternate" type="` + activity.ContentType + `" href="` + html.EscapeString(id) + `">`
}
