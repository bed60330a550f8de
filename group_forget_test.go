package fedihook_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// quietClub is a server with the group cats, which is awake for some minutes of a day.
type quietClub struct {
	*fedihook.Server
	t     *testing.T
	store storage.Storage
}

func newQuietClub(t *testing.T, n *inboxtest.Net, keys actor.Keys) *quietClub {
	c := &quietClub{t: t, store: storage.Memory()}
	c.store.Keys = keys
	var err error
	c.Server, err = fedihook.New(fedihook.Config{
		Origin: club, Storage: c.store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler), Groups: &fedihook.Groups{},
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "cats" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle, Type: "Group"}, nil
		},
		Hooks: inbox.Hooks{Like: func(context.Context, *inbox.Message) error { return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Serve("club.example", c.Handler())
	return c
}

// today runs the server while f does something, and ends a day later.
func (c *quietClub) today(f func()) {
	ctx, stop := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	f()
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	stop()
	if err := <-done; err != nil {
		c.t.Errorf("Run = %v", err)
	}
	time.Sleep(24*time.Hour - 3*time.Minute)
}

// keeps counts the records that strangers brought about, and how many bytes they take.
func (c *quietClub) keeps() (records []outbox.Record, size int) {
	c.t.Helper()
	records, err := c.store.Log.PastRecords(c.t.Context(), time.Now().AddDate(9, 0, 0), 1_000_000)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range records {
		size += len(r.Activity)
	}
	return records, size
}

func TestAGroupUnderAFloodForgetsAndGoesOn(t *testing.T) {
	dear(t)
	t.Parallel()
	keys := clubKeys()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		c := newQuietClub(t, n, keys)
		ann, ben := n.Server("one.example").Actor("ann"), n.Server("two.example").Actor("ben")
		send := func(what string, status int) {
			t.Helper()
			if status != http.StatusAccepted {
				t.Fatalf("%s: %d", what, status)
			}
		}
		first := page(ann, "whiskers")
		c.today(func() {
			send("Follow", ben.Follow(cats))
			time.Sleep(time.Minute)
			send("Create", ann.Create(first))
		})
		mallory := n.Server("loud.example").Actor("mallory")
		noise := strings.Repeat("meow ", 400)
		flood := func(i int) {
			for j := range 4 { // and follows again and again
				reply := mallory.Note(fmt.Sprint(i, j, noise))
				reply.InReplyTo, reply.To = activity.IRI(cats+"/1"), activity.To(cats, activity.Public)
				send("Create", mallory.Create(reply))
				like := activity.Like(mallory.Server().Origin()+fmt.Sprintf("/likes/%d-%d", i, j), mallory.ID(), first)
				send("Like", mallory.Send(like, cats))
			}
			send("Follow", mallory.Follow(cats))
		}
		var sizes []int
		for i := range 40 {
			c.today(func() { flood(i) })
			_, size := c.keeps()
			sizes = append(sizes, size)
		}
		// Of four posts a day the ids are remembered for a year; all else is forgotten as fast as it comes.
		if grown := sizes[39] - sizes[33]; grown > 6*4*600 {
			t.Errorf("in six days it grew by %d bytes: %d", grown, sizes)
		}
		records, _ := c.keeps()
		whole, votes := 0, 0
		for _, r := range records {
			if bytes.Contains(r.Activity, []byte("meow")) {
				whole++
			}
			if age := time.Since(r.At); age > 32*24*time.Hour && (bytes.Contains(r.Activity, []byte(`"Like"`)) || r.Type == "Accept") {
				votes++
			}
		}
		if whole == 0 || whole > 100 || votes > 0 {
			t.Errorf("the words of %d posts are kept, and %d votes and answers of a month ago", whole, votes)
		}
		shown, err := c.Collection(t.Context(), actor.Query{Name: "outbox", Owner: cats, Limit: 100})
		newest := func(it activity.Ref) bool { return bytes.Contains(it.Raw, []byte("meow")) }
		if err != nil || len(shown.Items) != 100 || !slices.ContainsFunc(shown.Items[:8], newest) { // four posts of the last day, and four likes
			t.Errorf("the outbox shows %d, %v", len(shown.Items), err)
		}

		// What was said before the flood goes on where it went.
		c.today(func() {
			lie := *first
			lie.Content, lie.AttributedTo = "dogs", nil
			update := activity.Update(ann.Server().Origin()+"/users/eve/update-1", &lie, time.Now())
			update.Actor = activity.IRI("")
			if status := ann.Server().Actor("eve").Send(update, cats); status != http.StatusForbidden {
				t.Errorf("somebody else's edit: %d", status)
			}
			first.Content = "purr"
			send("Update", ann.Update(first))
			time.Sleep(time.Minute)
			send("Delete", ann.Delete(first.ID))
		})
		got := announced(ben)
		for _, want := range []string{"Create " + first.ID, "Update " + first.ID, "Delete " + first.ID, "Undo Announce " + first.ID} {
			n := 0
			for _, a := range got {
				if a == want {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%q went out %d times", want, n)
			}
		}
		records, err = c.store.Log.ObjectRecords(t.Context(), first.ID+" announced", 10)
		if err != nil || len(records) == 0 {
			t.Errorf("records of what was deleted: %d, %v", len(records), err)
		}
		for _, r := range records {
			if bytes.Contains(r.Activity, []byte("whiskers")) || bytes.Contains(r.Activity, []byte("purr")) {
				t.Errorf("the words of what was deleted are still there: %s", r.Activity)
			}
		}
	})
}
