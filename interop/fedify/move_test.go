//go:build interop

package fedify_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
)

func kimMovesToFred(t *testing.T, w *world) {
	kim := w.o.actor("kim")
	w.fredIsFollower(t, "kim")
	if _, err := w.o.f.Follow(t.Context(), "bea", kim); err != nil {
		t.Fatal(err)
	}
	if !eventually(t, func() bool { return w.o.follow(t, w.o.actor("bea"), kim).State == actor.Accepted }) {
		t.Fatal("bea does not follow kim")
	}
	if _, err := w.o.f.Move(t.Context(), "kim", w.p.Actor); err == nil {
		t.Fatal("kim moved to who does not say that he is her")
	}
	w.p.must(t, "POST", "/alias", with{"ids": []string{kim}}, nil)
	move := must(t)(w.o.f.Move(t.Context(), "kim", w.p.Actor))
	update := w.fedifyHears(t, "Update", "kim", func(e event) bool { return e.ObjectID == kim })
	if u := update.Understood; u == nil || u.Successor != w.p.Actor {
		t.Errorf("the Update came as %+v", update.Understood)
	}
	e := w.fedifyHearsID(t, "Move", "kim", move)
	if e.ObjectID != kim || e.TargetID != w.p.Actor || e.N <= update.N {
		t.Errorf("the Move came as %+v, the Update as number %d", e, update.N)
	}
	// What an app made with Fedify looks at before it believes it.
	if found := w.p.lookup(t, kim); found.Successor != w.p.Actor {
		t.Errorf("kim's document says that she is %q now", found.Successor)
	}
	if found := w.p.lookup(t, w.p.Actor); !slices.Contains(found.Aliases, kim) {
		t.Errorf("fred's document says that he was %q", found.Aliases)
	}
}

func beaFollowsKimToFred(t *testing.T, w *world) {
	kim, bea := w.o.actor("kim"), w.o.actor("bea")
	if !eventually(t, func() bool { return w.o.follow(t, bea, w.p.Actor).State == actor.Accepted }) {
		t.Fatalf("bea follows fred: %+v", w.o.follow(t, bea, w.p.Actor))
	}
	if followers := w.p.state(t).Followers; !slices.Contains(followers, bea) {
		t.Errorf("Fedify keeps as followers %v", followers)
	}
	w.forgotten(t, bea, kim)
}

func fredMovesToWhoKnowsNot(t *testing.T, w *world) {
	w.isFollower(t, "alice")
	alice, flo := w.o.actor("alice"), w.o.actor("flo")
	s := w.p.doWith(t, "move", with{"id": flo})
	time.Sleep(2 * time.Second) // nothing is to happen
	if f := w.o.follow(t, alice, w.p.Actor); f.State != actor.Accepted || w.o.follow(t, alice, flo).ID != "" {
		t.Errorf("after the Move %s alice follows fred as %+v, flo as %+v", s.ID, f, w.o.follow(t, alice, flo))
	}
	if m, err := w.o.f.Moved(t.Context(), w.p.Actor); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("ours keeps that fred has moved: %+v, %v", m, err)
	}
}

func fredMovesToPam(t *testing.T, w *world) {
	w.isFollower(t, "alice")
	alice, pam := w.o.actor("alice"), w.o.actor("pam")
	w.o.app.change(func() { w.o.app.aliases["pam"] = []string{w.p.Actor} })
	s := w.p.doWith(t, "move", with{"id": pam})
	if h := w.oursHears(t, "Move", s.ID); h.ObjectID != w.p.Actor || h.Object == nil || h.Object.DocumentID() != pam {
		t.Errorf("the Move is of %s to %+v", h.ObjectID, h.Object)
	}
	if !eventually(t, func() bool { return w.o.follow(t, alice, pam).State == actor.Accepted }) {
		t.Fatalf("alice follows pam: %+v", w.o.follow(t, alice, pam))
	}
	w.fedifyHears(t, "Undo", "alice", func(event) bool { return true })
	w.p.drain(t)
	w.forgotten(t, alice, w.p.Actor)
	if followers := w.p.state(t).Followers; slices.Contains(followers, alice) {
		t.Errorf("Fedify keeps as followers %v", followers)
	}
	m, err := w.o.f.Moved(t.Context(), w.p.Actor)
	if err != nil || m.To != pam || m.Followers == 0 || m.Left != 0 {
		t.Errorf("Moved = %+v, %v", m, err)
	}
}
