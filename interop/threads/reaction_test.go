package threads_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/threadslike"
)

func TestWeLikeAndShareTheirPostAndTakeItBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	p := w.post(time.Hour, threadslike.Draft{Text: "hello"})
	w.hears("Create", about(p.ID))
	for typ, verb := range map[string]func(*fedihook.Server) (string, error){
		"Like":     func(s *fedihook.Server) (string, error) { return s.Like(t.Context(), "alice", p.ID) },
		"Announce": func(s *fedihook.Server) (string, error) { return s.Announce(t.Context(), "alice", p.ID) },
	} {
		id, err := verb(w.ours)
		if err != nil {
			t.Fatal(err)
		}
		w.until(typ, func() bool { return slices.Equal(p.Reactions(typ), []string{alice}) })
		if _, err := w.ours.Undo(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		w.until("Undo of "+typ, func() bool { return len(p.Reactions(typ)) == 0 })
	}
	for _, e := range w.threads.Exchanges() {
		if e.Method == http.MethodPost && e.Status != http.StatusOK {
			t.Errorf("%+v", e)
		}
	}
}

func TestTheyLikeAndShareOurPostAndTakeItBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Remote = true }})
	w.theyFollow()
	id := w.publish(note("hello"))
	w.feed(1)
	for typ, do := range map[string]func() error{
		"Like":     func() error { return w.frank.Like(t.Context(), id) },
		"Announce": func() error { return w.frank.Repost(t.Context(), id) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		h := w.hears(typ, about(id))
		if !slices.Contains(h.To, alice) || h.Sender != w.frank.ID() {
			t.Errorf("%s by %s for %v", typ, h.Sender, h.To)
		}
		// Its id is a fragment of the actor's, and leads nowhere of its own.
		if !strings.HasPrefix(h.Activity.ID, w.frank.ID()+"#") {
			t.Errorf("%s has the id %s", typ, h.Activity.ID)
		}
		if err := w.frank.Undo(typ, id); err != nil {
			t.Fatal(err)
		}
		undone := w.hears("Undo", about(h.Activity.ID))
		if inner, ok := undone.Object.(*activity.Activity); !ok || !inner.Is(typ) || inner.Object.First() != id {
			t.Errorf("Undo of %s brings %v", typ, undone.Object)
		}
		// Once more is another one, with another id.
		if err := do(); err != nil {
			t.Fatal(err)
		}
		w.deliver()
		w.until(typ+" again", func() bool { return w.count(typ, about(id)) == 2 })
	}
}

func TestTheyShareAPostOfTheirsWithUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	p := w.post(time.Hour, threadslike.Draft{Text: "hello"})
	w.hears("Create", about(p.ID))
	if err := w.frank.Repost(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if h := w.hears("Announce", about(p.ID)); !h.ToFollowers {
		t.Error("it is not for followers")
	}
	if err := w.frank.Repost(t.Context(), alice); !errors.Is(err, threadslike.ErrNotYet) {
		t.Errorf("sharing what is ours: %v", err)
	}
}

func TestTheyReplyToUsOnceTheyCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Remote = true }})
	w.theyFollow()
	id := w.publish(note("hello"))
	w.feed(1)
	w.then(time.Hour)
	reply, err := w.frank.Reply(t.Context(), id, threadslike.Draft{Text: "hello yourself"})
	w.then(0)
	if err != nil {
		t.Fatal(err)
	}
	h := w.hears("Create", about(reply.ID))
	if got := h.Object.(*activity.Object); got.InReplyTo.ID != id || !slices.Contains(h.To, alice) {
		t.Errorf("a reply to %s for %v", got.InReplyTo.ID, h.To)
	}
}
