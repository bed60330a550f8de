//go:build interop

package fedify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func fredLikes(t *testing.T, w *world)  { w.fredReacts(t, "like", "Like") }
func fredShares(t *testing.T, w *world) { w.fredReacts(t, "announce", "Announce") }

// fredReacts makes fred do something about a new post of alice's, of which her app must hear.
func (w *world) fredReacts(t *testing.T, verb, hook string) (post, id string) {
	t.Helper()
	h := w.fredReactsWith(t, verb, hook, "")
	return h.ObjectID, h.Activity.ID
}

// fredReactsWith is fredReacts with an emoji, if that is not empty.
func (w *world) fredReactsWith(t *testing.T, verb, hook, emoji string) heard {
	t.Helper()
	post := w.alicePosts(t, "What do you say?")
	parameters := with{"id": post}
	if emoji != "" {
		parameters["content"] = emoji
	}
	h := w.oursHears(t, hook, w.p.doWith(t, verb, parameters).ID)
	if h.ObjectID != post || !slices.Contains(h.To, w.o.actor("alice")) || h.Activity.Content != emoji {
		t.Errorf("the %s is %q about %s, for %v; want %q about %s, for alice", hook, h.Activity.Content, h.ObjectID, h.To, emoji, post)
	}
	return h
}

func fredReactsWithEmoji(t *testing.T, w *world) {
	if h := w.fredReactsWith(t, "react", "React", "🐈"); !h.Activity.Is("EmojiReact") {
		t.Errorf("the reaction came as %s", h.Activity.Type)
	}
}

func fredLikesWithEmoji(t *testing.T, w *world) {
	if h := w.fredReactsWith(t, "like", "React", "🐈"); !h.Activity.Is("Like") {
		t.Errorf("the reaction came as %s", h.Activity.Type)
	}
}

func fredTakesEmojiBack(t *testing.T, w *world) {
	react := w.fredReactsWith(t, "react", "React", "🐈")
	h := w.oursHears(t, "Undo", w.p.do(t, "undo", react.Activity.ID).ID)
	undone, ok := h.Object.(*activity.Activity)
	if !ok || undone.ID != react.Activity.ID || !undone.Is("EmojiReact") || undone.Content != "🐈" || undone.Object.First() != react.ObjectID {
		t.Errorf("what is undone is %s: %+v", h.ObjectID, h.Object)
	}
	if !slices.Contains(h.To, w.o.actor("alice")) {
		t.Errorf("the Undo is for %v, not for alice", h.To)
	}
}

func aliceReactsWithEmoji(t *testing.T, w *world) { w.aliceReactsWith(t, "🐈") }

func aliceTakesEmojiBack(t *testing.T, w *world) {
	react := w.aliceReactsWith(t, "🐈")
	e := w.fedifyHearsID(t, "Undo", "alice", must(t)(w.o.f.Undo(t.Context(), "alice", react.ID)))
	if undone := e.embedded(t); e.ObjectID != react.ID || undone.ID != react.ID || undone.Object != react.ObjectID {
		t.Errorf("the Undo came as %s", e.Activity)
	}
}

// aliceReactsWith sends an emoji about a new post of fred's, of which Fedify's listener must hear.
func (w *world) aliceReactsWith(t *testing.T, emoji string) event {
	t.Helper()
	post := w.fredPosts(t, "What do you say?")
	e := w.fedifyHearsID(t, "Like", "alice", must(t)(w.o.f.React(t.Context(), "alice", post, emoji, nil)))
	if e.ObjectID != post || e.Content != emoji {
		t.Errorf("the reaction came as %+v", e)
	}
	return e
}

func fredUnlikes(t *testing.T, w *world)  { w.fredTakesBack(t, "like", "Like") }
func fredUnshares(t *testing.T, w *world) { w.fredTakesBack(t, "announce", "Announce") }

func (w *world) fredTakesBack(t *testing.T, verb, hook string) {
	t.Helper()
	post, id := w.fredReacts(t, verb, hook)
	undo := w.p.do(t, "undo", id)
	h := w.oursHears(t, "Undo", undo.ID)
	undone, ok := h.Object.(*activity.Activity)
	if !ok || h.ObjectID != id || undone.ID != id || !undone.Is(hook) || undone.Object.First() != post {
		t.Errorf("what is undone is %s: %+v", h.ObjectID, h.Object)
	}
	if !slices.Contains(h.To, w.o.actor("alice")) {
		t.Errorf("the Undo is for %v, not for alice", h.To)
	}
}

func aliceLikes(t *testing.T, w *world) { w.aliceReacts(t, "Like") }

func aliceShares(t *testing.T, w *world) {
	e := w.aliceReacts(t, "Announce")
	if !strings.Contains(string(e.Activity), w.o.actor("alice")+"/followers") || !strings.Contains(string(e.Activity), "Public") {
		t.Errorf("the Announce is not for everyone and her followers: %s", e.Activity)
	}
}

// aliceReacts makes alice do something about a new post of fred's, of which Fedify's listener must hear.
func (w *world) aliceReacts(t *testing.T, kind string) event {
	t.Helper()
	post := w.fredPosts(t, "What do you say?")
	do := w.o.f.Like
	if kind == "Announce" {
		do = w.o.f.Announce
	}
	e := w.fedifyHearsID(t, kind, "alice", must(t)(do(t.Context(), "alice", post)))
	if e.ObjectID != post {
		t.Errorf("the %s is about %s, not %s", kind, e.ObjectID, post)
	}
	return e
}

func aliceUnlikes(t *testing.T, w *world)  { w.aliceTakesBack(t, "Like") }
func aliceUnshares(t *testing.T, w *world) { w.aliceTakesBack(t, "Announce") }

func (w *world) aliceTakesBack(t *testing.T, kind string) {
	t.Helper()
	done := w.aliceReacts(t, kind)
	e := w.fedifyHearsID(t, "Undo", "alice", must(t)(w.o.f.Undo(t.Context(), "alice", done.ID)))
	undone := e.embedded(t)
	if e.ObjectID != done.ID || undone.ID != done.ID || undone.Type != kind || undone.Actor != w.o.actor("alice") || undone.Object != done.ObjectID {
		t.Errorf("the Undo came as %s", e.Activity)
	}
}
