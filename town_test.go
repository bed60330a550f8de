package fedihook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
)

// town is an app at blog.example with some users, in a network with two accounts of one person, of which the new one knows
// the old one.
type town struct {
	*fedihook.Server
	t        *testing.T
	net      *inboxtest.Net
	store    storage.Storage
	change   func(*fedihook.Config)
	aliases  sync.Map // of users here: a list each
	stop     func()
	old, new *inboxtest.Actor
}

func inTown(t *testing.T, change func(*fedihook.Config), f func(t *testing.T, w *town)) {
	t.Helper()
	keys := madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		w := &town{t: t, net: n, store: storage.Memory(), change: change}
		w.store.Keys = keys
		w.old, w.new = n.Server("old.example").Actor("bob"), n.Server("new.example").Actor("bob")
		w.new.Alias(w.old.ID())
		w.start()
		t.Cleanup(func() { w.stop() })
		f(t, w)
	})
}

// start makes a server over what the store holds, as a process does that has just begun.
func (w *town) start() {
	w.t.Helper()
	c := fedihook.Config{
		Origin: "https://blog.example", Storage: w.store, InsecureDial: w.net.Dial, RootCAs: w.net.RootCAs(),
		Logger: slog.New(slog.DiscardHandler), Node: "one",
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if !slices.Contains([]string{"alice", "bea", "cleo", "dan"}, handle) {
				return actor.Profile{}, actor.ErrNotFound
			}
			p := actor.Profile{Handle: handle}
			if ids, ok := w.aliases.Load(handle); ok {
				p.AlsoKnownAs = ids.([]string)
			}
			return p, nil
		},
	}
	if w.change != nil {
		w.change(&c)
	}
	var err error
	if w.Server, err = fedihook.New(c); err != nil {
		w.t.Fatal(err)
	}
	w.net.Serve("blog.example", w.Handler())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("Run = %v", err)
		}
		w.stop = func() {}
	}
}

// passes lets a long time pass, in which the site is down: it would ask its store for news each second.
func (w *town) passes(d time.Duration) {
	w.t.Helper()
	w.stop()
	time.Sleep(d)
	w.start()
}

// arrives waits until the move of the old account is done, at most so long, and a minute more for what should not come.
func (w *town) arrives(most time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(10 * time.Second) {
		if m, err := w.Moved(w.t.Context(), w.old.ID()); err == nil && m.Step == actor.MoveDone {
			break
		}
	}
	time.Sleep(time.Minute)
}

func here(handle string) string { return "https://blog.example/ap/users/" + handle }

// follow has a user here follow somebody elsewhere, who accepts.
func (w *town) follow(handle string, who *inboxtest.Actor) {
	w.t.Helper()
	if _, err := w.Follow(w.t.Context(), handle, who.ID()); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Minute)
	if got := who.Accept(here(handle)); got != http.StatusAccepted {
		w.t.Fatalf("the Accept was answered %d", got)
	}
	time.Sleep(time.Minute)
}

// state is "none", "pending" or "accepted".
func (w *town) state(follower, followed string) string {
	w.t.Helper()
	f, err := w.store.Followers.Follow(w.t.Context(), follower, followed)
	if errors.Is(err, actor.ErrNotFound) {
		return "none"
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return f.State.String()
}

// follows checks what a user here has to do with both accounts.
func (w *town) follows(when, handle, old, new string) {
	w.t.Helper()
	if gotOld, gotNew := w.state(here(handle), w.old.ID()), w.state(here(handle), w.new.ID()); gotOld != old || gotNew != new {
		w.t.Errorf("%s: %s follows the old account: %s, the new one: %s; want %s and %s", when, handle, gotOld, gotNew, old, new)
	}
}

// got counts what an account's server took in of a type from a user here; of an Undo what undoes a follow.
func (w *town) got(who *inboxtest.Actor, typ, handle string) (n int) {
	for _, d := range who.Server().Received(typ) {
		about := d.Activity.Object.First()
		if typ == "Undo" {
			doc, err := d.Activity.Object[0].Document()
			if follow, ok := doc.(*activity.Activity); err == nil && ok && follow.Is("Follow") {
				about = follow.Object.First()
			}
		}
		if d.Activity.Actor.ID == here(handle) && about == who.ID() {
			n++
		}
	}
	return n
}

// sent checks how often it did.
func (w *town) sent(when, handle string, followsOfNew, undosOfOld int) {
	w.t.Helper()
	if f, u := w.got(w.new, "Follow", handle), w.got(w.old, "Undo", handle); f != followsOfNew || u != undosOfOld {
		w.t.Errorf("%s: %s sent the new account %d Follows and the old one %d Undos, want %d and %d", when, handle, f, u, followsOfNew, undosOfOld)
	}
}

// moves has the old account move.
func (w *town) moves(to string) {
	w.t.Helper()
	if got := w.old.Move(to); got != http.StatusAccepted {
		w.t.Fatalf("the Move was answered %d", got)
	}
	time.Sleep(time.Minute)
}

// document is what is served of a user here.
func (w *town) document(handle string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, here(handle), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept", activity.ContentType)
	client := w.net.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d, %v", handle, resp.StatusCode, err)
	}
	return body.String()
}
