package fedihook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

func TestOneServerCannotHaveAGroupAnnounceWithoutEnd(t *testing.T) {
	dear(t)
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		for i := range 310 {
			reply := w.ann.Note(fmt.Sprint(i))
			reply.InReplyTo, reply.To = activity.IRI(cats+"/1"), activity.To(cats, activity.Public)
			w.ann.Create(reply)
		}
		w.kim.Create(page(w.kim, "whiskers"))
		passing()
		if n := len(announced(w.ben)); n != 302 { // a post of another server is announced, and by its id
			t.Errorf("%d announced", n)
		}
	})
}

func TestWhatAGroupHasAnnouncedIsItsAuthorsAlone(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		post := page(w.ann, "whiskers")
		w.ann.Create(post)
		passing()
		lie := *post
		lie.Content, lie.AttributedTo = "dogs", nil
		update := activity.Update(w.ann.Server().Origin()+"/users/mallory/update-1", &lie, time.Now())
		update.Actor = activity.IRI("")
		if status := w.ann.Server().Actor("mallory").Send(update, cats); status != http.StatusForbidden {
			t.Errorf("somebody else's edit: %d", status)
		}
	})
}

// intentStore has another name than its method.
type intentStore = outbox.Intents

// countedIntents counts how often what the app said is looked for.
type countedIntents struct {
	intentStore
	n *atomic.Int64
}

func (c countedIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	c.n.Add(1)
	return c.intentStore.NextIntents(ctx, limit)
}

func TestWhatComesInWaitsForNothingThatTheAppSays(t *testing.T) {
	t.Parallel()
	keys := clubKeys()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		var looked atomic.Int64
		store := storage.Memory()
		store.Keys, store.Intents = keys, countedIntents{store.Intents, &looked}
		s, err := fedihook.New(fedihook.Config{
			Origin: club, Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler), Groups: &fedihook.Groups{},
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				return actor.Profile{Handle: handle, Type: "Group"}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("club.example", s.Handler())
		ann := n.Server("one.example").Actor("ann")
		if status := ann.Create(page(ann, "whiskers")); status != http.StatusAccepted {
			t.Errorf("status %d", status)
		}
		if looked.Load() != 0 {
			t.Errorf("looked for intents %d times before the 202", looked.Load())
		}
	})
}
