//go:build interop

package fedify_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// club is the group among our users.
const club = "club"

func fredFollowsClub(t *testing.T, w *world) {
	follow := w.p.do(t, "follow", w.o.actor(club))
	w.fedifyHears(t, "Accept", club, func(e event) bool { return e.ObjectID == follow.ID })
	if a := w.p.lookup(t, "@"+club+"@"+strings.TrimPrefix(w.o.Origin, "https://")); a.Type != "Group" {
		t.Errorf("Fedify takes it for a %s", a.Type)
	}
}

// fredPostsInClub: what Fedify sent, with its proof and LD signature, comes back inside the Announce as it was.
func fredPostsInClub(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "Hello, club", Mention: []string{w.o.actor(club)}})
	w.oursHears(t, "Create", s.ID)
	w.fedifyHears(t, "Announce", club, func(e event) bool { return e.ObjectID == s.ID })
	w.fedifyHears(t, "Announce", club, func(e event) bool { return e.ObjectID == s.Note })
	w.p.drain(t)
	var said, back string
	for _, e := range w.p.exchanges(t, 0) {
		switch {
		case e.Direction == "out" && e.Activity == s.ID:
			said = e.Body
		case e.Direction == "in" && e.Type == "Announce" && strings.Contains(e.Body, `"`+s.ID+`"`):
			back = e.Body
		}
	}
	if said == "" || !strings.Contains(back, `"object":`+said) {
		t.Errorf("fred said %s\nand club announced %s", said, back)
	}
}

func fredDeletesInClub(t *testing.T, w *world) {
	s := w.p.post(t, post{Content: "Soon gone", Mention: []string{w.o.actor(club)}})
	w.fedifyHears(t, "Announce", club, func(e event) bool { return e.ObjectID == s.Note })
	gone := w.p.do(t, "delete", s.Note)
	w.oursHears(t, "Delete", gone.ID)
	w.fedifyHears(t, "Announce", club, func(e event) bool { return e.ObjectID == gone.ID })
	w.fedifyHears(t, "Undo", club, func(e event) bool { return strings.Contains(string(e.Activity), s.Note) })
}

func alicePostsInClub(t *testing.T, w *world) {
	id := must(t)(w.o.f.InGroup(w.o.actor(club)).Publish(t.Context(), "alice", &activity.Object{Content: "<p>Hello, club</p>"}))
	e := w.fedifyHears(t, "Announce", club, func(e event) bool {
		return strings.Contains(string(e.Activity), id) && strings.Contains(string(e.Activity), "Create")
	})
	if !strings.Contains(string(e.Activity), "Hello, club") {
		t.Errorf("the Announce came as %s", e.Activity)
	}
}
