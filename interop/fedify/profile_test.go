//go:build interop

package fedify_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func fredIsRenamed(t *testing.T, w *world) {
	const name = "Fred the Second"
	w.fredPosts(t, "Call me fred")
	s := w.p.doWith(t, "rename", with{"name": name})
	defer w.p.doWith(t, "rename", with{"name": "Fred of Fedify"})
	h := w.oursHears(t, "Update", s.ID)
	if a, ok := h.Object.(*activity.Actor); !ok || a.ID != w.p.Actor || a.Name != name {
		t.Errorf("the Update is of %+v", h.Object)
	}
	w.begin(t)
	if !eventually(t, func() bool {
		found, err := w.o.f.Lookup(t.Context(), w.p.Actor)
		return err == nil && found.Name == name
	}) {
		t.Error("ours still knows fred by his old name")
	}
	if asked := w.asked(t, "in", w.p.Actor, anything); len(asked) != 0 {
		t.Errorf("ours was told who fred is now, and asked for it: %q", asked)
	}
}

func nedIsRenamed(t *testing.T, w *world) {
	const name = "Ned the Second"
	ned := w.o.actor("ned")
	w.fredIsFollower(t, "ned")
	w.o.app.change(func() { w.o.app.names["ned"] = name })
	found, err := w.o.f.Lookup(t.Context(), ned)
	if err != nil {
		t.Fatal(err)
	}
	update := must(t)(w.o.f.Send(t.Context(), "ned", activity.UpdateActor("", found, time.Now())))
	e := w.fedifyHearsID(t, "Update", "ned", update)
	if n := e.Understood; n == nil || n.ID != ned || n.Name != name || n.Type != "Person" || len(n.Keys) != 1 || len(n.AssertionMethods) != 1 {
		t.Errorf("the Update came as %+v", e.Understood)
	}
	if found := w.p.lookup(t, ned); found.Name != name {
		t.Errorf("Fedify finds ned by the name of %q", found.Name)
	}
}

func miaLeaves(t *testing.T, w *world) {
	mia := w.o.actor("mia")
	w.fredIsFollower(t, "mia")
	s := must(t)(w.o.f.Delete(t.Context(), "mia", mia))
	if e := w.fedifyHearsID(t, "Delete", "mia", s); e.ObjectID != mia {
		t.Errorf("the Delete came as %s", e.Activity)
	}
	w.o.app.change(func() { w.o.app.gone["mia"] = true })
	if status, body := w.o.read(t, mia, ""); status != http.StatusGone {
		t.Errorf("where she was is %d %s", status, body)
	}
	for _, verb := range []string{"/lookup", "/webfinger"} {
		if status, body := w.p.call(t, http.MethodPost, verb, with{"id": mia}, nil); status != http.StatusNotFound {
			t.Errorf("Fedify's %s of who is gone: %d %s", verb, status, body)
		}
	}
	asked := w.asked(t, "out", mia, func(e exchange) bool { return e.Status == http.StatusGone })
	if len(asked) == 0 {
		t.Error("Fedify was not told 410")
	}
}

func fredLeaves(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	w.acceptedHere(t, "alice")
	if followers := w.p.state(t).Followers; !slices.Contains(followers, alice) {
		t.Fatalf("fred's followers are %v", followers)
	}
	s := w.p.do(t, "leave", "")
	if h := w.oursHears(t, "Delete", s.ID); h.ObjectID != w.p.Actor {
		t.Errorf("what is deleted is %s", h.ObjectID)
	}
	w.forgotten(t, alice, w.p.Actor)
	w.forgotten(t, w.p.Actor, alice)
	left := func() (n int) {
		for _, err := range w.o.f.LocalFollowers(t.Context(), w.p.Actor) {
			if n++; err != nil {
				t.Error(err)
			}
		}
		return n
	}
	if !eventually(t, func() bool { return left() == 0 }) {
		t.Errorf("who is gone is still followed by %d", left())
	}
	gone := (*actor.LookupError)(nil)
	if found, err := w.o.f.Lookup(t.Context(), w.p.Actor); !errors.As(err, &gone) || gone.Reason != actor.Gone {
		t.Errorf("ours looks up who is gone: %+v, %v", found, err)
	}
	if found, err := w.o.finder(t).Lookup(t.Context(), w.p.Actor); !errors.As(err, &gone) || gone.Reason != actor.Gone {
		t.Errorf("who has never met fred looks him up: %+v, %v", found, err)
	}
}
