package inboxtest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// LikeThreads makes the server do what Threads was seen to do from 2023 to 2026: it hides from who does not sign, takes
// draft-cavage alone, answers 500 to an Accept, a Reject or an Undo that does not embed what it is about, and to a Note that has
// HTML, a name and a summary together, writes times with an offset of +0000 and url as a list of links, shows no outbox, gives
// activities ids that are fragments of the actor's, and delivers seven minutes after the time that it signed. Follows are
// answered when the test says so, as ever. Threads is closed, so that all of this was seen from outside.
func (s *Server) LikeThreads() {
	s.change(func(m *mood) { m.signed, m.hide, m.threads = true, true, true })
}

// unreadable says why Threads answers 500 to an activity, "" if it does not.
func unreadable(act *activity.Activity) string {
	var inner activity.Document
	if len(act.Object) > 0 && act.Object[0].Raw != nil {
		inner, _ = act.Object[0].Document()
	}
	if act.Actor.Raw != nil {
		return "the actor is embedded" // Fedify's manual of sending: the actor dehydrator
	}
	switch act.Type.String() {
	case activity.TypeAccept, activity.TypeReject, activity.TypeUndo:
		if inner == nil {
			return "what it is about is not embedded" // Fedify issue 125 (2024-08)
		}
	case activity.TypeCreate, activity.TypeUpdate:
		o, ok := inner.(*activity.Object)
		if ok && o.Is(activity.TypeNote) && strings.Contains(o.Content, "<") && o.Name != "" && o.Summary != "" {
			return "a Note with HTML, name and summary"
		}
	}
	return ""
}

// likeThreads rewrites a document.
func likeThreads(body []byte) []byte {
	var doc map[string]json.RawMessage
	if json.Unmarshal(body, &doc) != nil {
		return body
	}
	for _, name := range []string{"published", "updated"} {
		var at time.Time
		if json.Unmarshal(doc[name], &at) == nil {
			doc[name] = jsonOf(at.UTC().Format("2006-01-02T15:04:05-0700"))
		}
	}
	var page string
	if json.Unmarshal(doc["url"], &page) == nil {
		doc["url"] = jsonOf([]map[string]string{{"type": activity.TypeLink, "href": page, "mediaType": "text/html"}})
	}
	if doc["inbox"] != nil {
		delete(doc, "outbox")
	}
	return jsonOf(doc)
}
