//go:build interop

package fedify_test

import (
	"slices"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// fredBlocks makes fred and hugo follow each other and fred block hugo, and returns the id of the Block.
func (w *world) fredBlocks(t *testing.T) (block string) {
	t.Helper()
	hugo := w.o.actor("hugo")
	w.isFollower(t, "hugo")
	w.fredIsFollower(t, "hugo")
	block = w.p.do(t, "block", hugo).ID
	if h := w.oursHears(t, "Block", block); h.ObjectID != hugo || h.Owner != hugo || !slices.Contains(h.To, hugo) {
		t.Errorf("the Block is of %s, in the inbox of %q, for %v", h.ObjectID, h.Owner, h.To)
	}
	w.forgotten(t, hugo, w.p.Actor)
	w.forgotten(t, w.p.Actor, hugo)
	return block
}

func fredBlocksHugo(t *testing.T, w *world) {
	w.fredBlocks(t)
	for f, err := range w.o.f.LocalFollowers(t.Context(), w.p.Actor) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Follower == w.o.actor("hugo") {
			t.Error("hugo is still a follower of fred's")
		}
	}
}

func fredUnblocksHugo(t *testing.T, w *world) {
	hugo := w.o.actor("hugo")
	block := w.fredBlocks(t)
	h := w.oursHears(t, "Undo", w.p.do(t, "undo", block).ID)
	if undone, ok := h.Object.(*activity.Activity); !ok || !undone.Is("Block") || undone.ID != block || undone.Object.First() != hugo {
		t.Errorf("what is undone is %+v", h.Object)
	}
	w.forgotten(t, hugo, w.p.Actor)
	w.forgotten(t, w.p.Actor, hugo)
}

// hugoBlocks makes fred follow hugo and hugo block him, and returns the id of the Block.
func (w *world) hugoBlocks(t *testing.T) (block string) {
	t.Helper()
	w.fredIsFollower(t, "hugo")
	block = must(t)(w.o.f.Block(t.Context(), "hugo", w.p.Actor))
	if e := w.fedifyHearsID(t, "Block", "hugo", block); e.ObjectID != w.p.Actor || e.Inbox != "fred" {
		t.Errorf("the Block came as %+v", e)
	}
	w.forgotten(t, w.p.Actor, w.o.actor("hugo"))
	return block
}

func hugoBlocksFred(t *testing.T, w *world) {
	block := w.hugoBlocks(t)
	// Until it is taken back he could not follow again, as other cells have him do.
	w.fedifyHearsID(t, "Undo", "hugo", must(t)(w.o.f.Undo(t.Context(), "hugo", block)))
}

func hugoUnblocksFred(t *testing.T, w *world) {
	block := w.hugoBlocks(t)
	e := w.fedifyHearsID(t, "Undo", "hugo", must(t)(w.o.f.Undo(t.Context(), "hugo", block)))
	if undone := e.embedded(t); undone.Type != "Block" || undone.ID != block || undone.Object != w.p.Actor {
		t.Errorf("the Undo came as %s", e.Activity)
	}
}

func fredReportsAlice(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	post := w.alicePosts(t, "Buy this")
	s := w.p.doWith(t, "flag", with{"id": alice, "objects": []string{post}, "content": "It is spam."})
	h := w.oursHears(t, "Flag", s.ID)
	if ids := activity.List(h.Activity.Object).IDs(); !slices.Equal(ids, []string{alice, post}) || h.Activity.Content != "It is spam." {
		t.Errorf("reported are %v: %q", ids, h.Activity.Content)
	}
	if h.Owner != "" {
		t.Errorf("the report is in the inbox of %s", h.Owner)
	}
}

func oursReportsFred(t *testing.T, w *world) {
	post := w.fredPosts(t, "Buy this")
	instance := w.o.Origin + "/ap/actor"
	flag := must(t)(w.o.f.Flag(t.Context(), "", w.p.Actor, "It is spam.", post))
	var found event
	if !eventually(t, func() bool {
		events := w.p.events(t, w.event)
		i := slices.IndexFunc(events, func(e event) bool { return e.ID == flag })
		if i >= 0 {
			found = events[i]
		}
		return i >= 0
	}) {
		t.Fatalf("Fedify's listener had no Flag within %v", patience)
	}
	w.fedifyTookOnce(t, flag)
	if found.Type != "Flag" || found.Actor != instance || found.Content != "It is spam." || !slices.Equal(found.ObjectIDs, []string{w.p.Actor, post}) {
		t.Errorf("the report came as %+v", found)
	}
}
