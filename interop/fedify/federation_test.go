//go:build interop

package fedify_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
)

// world is both servers, and where their journals were when the cell began.
type world struct {
	ca *authority
	p  *peer
	o  *ours

	event, exchange int
}

// newWorld starts both. Adjust changes how ours is configured, also when it is started again; it may be nil.
func newWorld(t *testing.T, adjust func(*fedihook.Config)) *world {
	t.Helper()
	ca := newAuthority(t)
	p := startPeer(t, ca)
	return &world{ca: ca, p: p, o: startOurs(t, ca, p, adjust)}
}

func (w *world) begin(t *testing.T) {
	t.Helper()
	if events := w.p.events(t, w.event); len(events) > 0 {
		w.event = events[len(events)-1].N
	}
	if exchanges := w.p.exchanges(t, w.exchange); len(exchanges) > 0 {
		w.exchange = exchanges[len(exchanges)-1].N
	}
}

// eventually asks until something holds, and reports false when patience is over.
func eventually(t *testing.T, holds func() bool) bool {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if holds() {
			return true
		}
		select {
		case <-again.C:
		case <-limit.C:
			return holds()
		}
	}
}

// fedifyHears returns the first activity since the cell began that is of this type and this actor of ours.
func (w *world) fedifyHears(t *testing.T, kind, handle string, is func(event) bool) event {
	t.Helper()
	var found event
	var events []event
	ok := eventually(t, func() bool {
		events = w.p.events(t, w.event)
		for _, e := range events {
			if e.Type == kind && e.Actor == w.o.actor(handle) && is(e) {
				found = e
				return true
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("Fedify's listener had no such %s from %s within %v, but %+v", kind, handle, patience, events)
	}
	w.fedifyTookOnce(t, found.ID)
	return found
}

// fedifyHearsID is fedifyHears for an activity by its id.
func (w *world) fedifyHearsID(t *testing.T, kind, handle, id string) event {
	t.Helper()
	return w.fedifyHears(t, kind, handle, func(e event) bool { return e.ID == id })
}

// fedifyTookOnce checks that an activity of ours was verified the first time it came, and came no second time.
func (w *world) fedifyTookOnce(t *testing.T, id string) {
	t.Helper()
	if !eventually(t, func() bool { return w.o.waiting(t) == 0 }) {
		t.Fatalf("ours has not delivered everything within %v", patience)
	}
	knocks := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "in" || e.Activity != id })
	var came []string
	for _, e := range knocks {
		came = append(came, fmt.Sprintf("to %s by %s: %d", e.URL, e.Scheme, e.Status))
	}
	if len(knocks) != 1 || knocks[0].Status != http.StatusAccepted || knocks[0].Scheme != cavage && knocks[0].Scheme != rfc9421 {
		t.Errorf("%s came to Fedify as %q, not once and with 202", id, came)
	}
}

// oursHears returns the call of a hook for an activity of fred's. It checks that each inbox took it the first time
// that it came there, and that no hook heard of it more than once.
func (w *world) oursHears(t *testing.T, hook, id string) heard {
	t.Helper()
	h := w.o.waitID(t, hook, id)
	if h.Sender != w.p.Actor || h.Activity.Actor.ID != w.p.Actor {
		t.Errorf("%s is said to be from %s, not from %s", id, h.Sender, w.p.Actor)
	}
	w.p.drain(t)
	targets := make(map[string]bool)
	for _, p := range w.o.waitPosts(t, id, 1) {
		if p.status != http.StatusAccepted || targets[p.target] {
			t.Errorf("%s came to %s, again: %v, and was answered %d; want 202 and no second time", id, p.target, targets[p.target], p.status)
		}
		targets[p.target] = true
	}
	if n := w.o.times(id); n != 1 {
		t.Errorf("hooks heard %d times of %s", n, id)
	}
	return h
}

// must is for what a verb of ours returns.
func must(t *testing.T) func(id string, err error) string {
	t.Helper()
	return func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}

// alicePosts makes a public post that fred, who follows her, has.
func (w *world) alicePosts(t *testing.T, text string) (id string) {
	t.Helper()
	id = must(t)(w.o.f.Publish(t.Context(), "alice", &activity.Object{Content: "<p>" + text + "</p>"}))
	w.fedifyHears(t, "Create", "alice", func(e event) bool { return e.ObjectID == id })
	return id
}

// fredPosts makes a public post that alice, who follows him, has.
func (w *world) fredPosts(t *testing.T, text string) (id string) {
	t.Helper()
	s := w.p.post(t, post{Content: text})
	w.oursHears(t, "Create", s.ID)
	return s.Note
}
