package threadslike

import (
	"slices"
	"strings"
)

// unreadable says why Threads answers 500 to an activity, and "" if it does not. The same activity fails each time anew.
func unreadable(act object, strict bool) string {
	if _, ok := act["actor"].(string); !ok {
		return "actor is not an id" // Fedify's manual of sending: the actor dehydrator
	}
	inner, embedded := act["object"].(object)
	switch text(act, "type") {
	case "":
		return "no type"
	case "Accept", "Reject":
		// Matters log, 2026-06-02: the same Accept with the whole Follow in it was answered 200.
		if !embedded || !has(inner, "id", "type", "actor", "object") {
			return "the Follow is not embedded whole"
		}
	case "Undo":
		if !embedded || !has(inner, "type", "object") {
			return "what is undone is not embedded" // Fedify issue 125, 2024-08
		}
	case "Create", "Update":
		switch text(inner, "type") {
		case "Note":
			return unreadableNote(inner, strict)
		case "Article":
			return unreadableArticle(inner, strict)
		}
	}
	return ""
}

// unreadableNote tells the Note that was shown from the one that was answered 500 on the same day (Matters log, 2026-06-04).
// Four things set them apart, and nobody knows which of them it was.
func unreadableNote(o object, strict bool) string {
	markup := strings.Contains(text(o, "content"), "<")
	name, summary := text(o, "name") != "", text(o, "summary") != ""
	if markup && name && summary {
		return "a Note with HTML, name and summary"
	}
	if !strict {
		return ""
	}
	switch {
	case markup:
		return "a Note with HTML"
	case name:
		return "a Note with a name"
	case summary:
		return "a Note with a summary"
	case !has(o, "published"):
		return "a Note without published"
	case slices.ContainsFunc(list(o, "cc"), func(id string) bool { return !strings.HasSuffix(strings.TrimSuffix(id, "/"), "followers") }):
		return "a Note with others in cc than followers"
	}
	return ""
}

// unreadableArticle wants published, updated and mediaType of an Article, at least of one with atomUri (Matters log, 2026-06-04).
func unreadableArticle(o object, strict bool) string {
	whole := has(o, "published", "updated") && text(o, "mediaType") == "text/html"
	if !whole && (strict || has(o, "atomUri")) {
		return "an Article without published, updated or mediaType"
	}
	return ""
}

// hidden says why a post is not shown, and "" if it is.
func hidden(o object) string {
	switch text(o, "type") {
	case "Note":
	case "Article":
		return "articles are taken, but nobody has seen one" // Matters log, 2026-06
	case "Question":
		return "polls are not shown"
	default:
		return "only notes are shown"
	}
	if text(o, "inReplyTo") != "" {
		return "replies are not shown"
	}
	isPublic := func(id string) bool {
		return id == "https://www.w3.org/ns/activitystreams#Public" || id == public || id == "Public"
	}
	if !slices.ContainsFunc(append(list(o, "to"), list(o, "cc")...), isPublic) {
		return "not public"
	}
	return ""
}

// has tells whether members are there and not null.
func has(o object, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return o[name] == nil })
}
