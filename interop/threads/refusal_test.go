package threads_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/threadslike"
)

// lane is what waits for the double.
func (w *world) lane() (found delivery.Lane) {
	w.t.Helper()
	for lane, err := range w.ours.Queue().Lanes(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if lane.Origin == "http://threads.net" {
			found = lane
		}
	}
	return found
}

func TestWhoIsThrottledBacksOffAndNobodyIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()

	// Deliveries wait for as long as they were told to.
	w.threads.Throttle("blog.test", threadslike.Limit{Posts: true, RetryAfter: 2 * time.Second})
	began := time.Now()
	id := w.publish(note("hello"))
	refused := func(e threadslike.Exchange) bool {
		return e.Method == http.MethodPost && e.Status == http.StatusTooManyRequests
	}
	w.exchange("429", refused)
	w.until("a pause", func() bool { return w.lane().Failures > 0 })
	if lane := w.lane(); lane.Status != http.StatusTooManyRequests || !lane.Asked || lane.Pending != 1 || !lane.Since.IsZero() {
		t.Errorf("the lane: %+v", lane)
	}
	if w.state(w.frank.ID(), alice) != actor.Accepted {
		t.Error("the follower is gone")
	}
	w.threads.Unthrottle("blog.test")
	if got := w.feed(1)[0]; got.ID != id || time.Since(began) < 2*time.Second {
		t.Errorf("%s arrived after %s", got.ID, time.Since(began))
	}
	if n := w.posts(http.StatusTooManyRequests); n != 1 {
		t.Errorf("it was tried %d times while it was to wait", n)
	}

	// Who is looked up is said to be out of reach at the moment, and is found when that is over.
	gail := w.addUser(threadslike.User{Handle: "gail", Sharing: true})
	w.threads.Throttle("blog.test", threadslike.Limit{})
	_, err := w.ours.Lookup(t.Context(), "@gail@threads.net")
	var failed *actor.LookupError
	if !errors.As(err, &failed) || failed.Reason != actor.Unreachable || errors.Is(err, actor.ErrGone) || errors.Is(err, actor.ErrNotFound) {
		t.Errorf("Lookup = %v", err)
	}
	if _, err := w.store.Remotes.Remote(t.Context(), gail.ID()); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("something is kept of her: %v", err)
	}
	w.threads.Unthrottle("blog.test")
	if found, err := w.another().Lookup(t.Context(), "@gail@threads.net"); err != nil || found.ID != gail.ID() {
		t.Errorf("Lookup afterwards = %v", err)
	}
}

// posts counts POSTs that the double answered so.
func (w *world) posts(status int) (n int) {
	for _, e := range w.threads.Exchanges() {
		if e.Method == http.MethodPost && e.Status == status {
			n++
		}
	}
	return n
}

// another is our server anew over the same storage: it remembers no failure.
func (w *world) another() *fedihook.Server {
	w.t.Helper()
	s, err := fedihook.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// A 404 may be a block, a user who shares nothing today, or a fault. None of them ends anything.
func TestA404OfTheirsIsNotTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()
	w.weFollow()

	w.threads.Block("blog.test")
	w.publish(note("into the void"))
	w.exchange("404", func(e threadslike.Exchange) bool {
		return e.Method == http.MethodPost && e.Status == http.StatusNotFound
	})
	w.until("put off", func() bool { return w.lane().Deferred == 1 })
	time.Sleep(200 * time.Millisecond)                              // what is refused otherwise would have been tried again, and given up
	_, err := w.another().Lookup(t.Context(), "@frank@threads.net") // from what is stored
	if err != nil {
		t.Errorf("Lookup of whom we know = %v", err)
	}
	w.addUser(threadslike.User{Handle: "gail", Sharing: true})
	_, err = w.ours.Lookup(t.Context(), "@gail@threads.net")
	var failed *actor.LookupError
	if !errors.As(err, &failed) || failed.Reason != actor.Rejected || errors.Is(err, actor.ErrGone) {
		t.Errorf("Lookup of whom WebFinger knows = %v", err)
	}
	w.threads.Unblock("blog.test")

	w.frank.Share(false)
	_, err = w.another().Lookup(t.Context(), "@frank@threads.net")
	if !errors.As(err, &failed) || failed.Reason != actor.Unknown {
		t.Errorf("Lookup of who shares nothing = %v", err)
	}
	w.frank.Share(true)

	if w.state(w.frank.ID(), alice) != actor.Accepted || w.state(alice, w.frank.ID()) != actor.Accepted {
		t.Error("the follows are gone")
	}
	remote, err := w.store.Remotes.Remote(t.Context(), w.frank.ID())
	if err != nil || !remote.Gone.IsZero() || len(remote.Document) == 0 {
		t.Errorf("what is kept of frank: gone %s, %d bytes, %v", remote.Gone, len(remote.Document), err)
	}
	for letter, err := range w.ours.Queue().DeadLetters(t.Context()) {
		t.Errorf("given up: %+v, %v", letter, err)
	}
	id := w.publish(note("and back"))
	if got := w.feed(1)[0]; got.ID != id {
		t.Errorf("frank sees %+v", got)
	}
	// It was knocked at in both ways of signing, and then left alone for hours.
	if n := w.posts(http.StatusNotFound); n != 2 || w.lane().Deferred != 1 {
		t.Errorf("%d requests were answered 404, %d wait", n, w.lane().Deferred)
	}
}

// A single 404 of a post is no proof that there is none: what is to be said about it waits and is said.
func TestALikeWaitsWhileItsPostIs404(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	p := w.post(time.Hour, threadslike.Draft{Text: "hello"})
	w.hears("Create", about(p.ID))
	w.addUser(threadslike.User{Handle: "gail", Sharing: true})

	w.frank.Share(false)
	if _, err := w.ours.Like(t.Context(), "alice", p.ID); err != nil {
		t.Fatal(err)
	}
	w.exchange("404", func(e threadslike.Exchange) bool { return e.URL == p.ID && e.Status == http.StatusNotFound })
	w.frank.Share(true)
	w.until("the Like", func() bool { return slices.Equal(p.Reactions("Like"), []string{alice}) })
}
