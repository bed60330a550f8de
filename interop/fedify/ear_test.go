//go:build interop

package fedify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

// patience bounds each wait for something to arrive: two busy cores may make it a long one.
const patience = 20 * time.Second

// ear remembers what came to the inboxes of ours and what its hooks were called with.
type ear struct {
	mu      sync.Mutex
	heard   []heard
	posted  []posted
	lose    bool          // the next answer to a POST
	changed chan struct{} // closed when something is added
}

// heard is one call of a hook.
type heard struct {
	hook string
	*inbox.Message
}

// posted is a request to an inbox of ours that was answered.
type posted struct {
	target string
	header http.Header
	body   []byte
	id     string // of the activity
	scheme string // rfc9421 or cavage
	status int
}

func newEar() *ear { return &ear{changed: make(chan struct{})} }

// hook makes a hook that is remembered under this name.
func (e *ear) hook(name string) inbox.Hook {
	return func(_ context.Context, m *inbox.Message) error {
		e.add(func() { e.heard = append(e.heard, heard{name, m}) })
		return nil
	}
}

// watch remembers requests to inboxes with the answers that next gives them.
func (e *ear) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/inbox") {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p := posted{target: r.URL.Path, header: r.Header.Clone(), body: body, scheme: cavage}
		if r.Header.Get("Signature-Input") != "" {
			p.scheme = rfc9421
		}
		var a struct{ ID string }
		if json.Unmarshal(body, &a) == nil {
			p.id = a.ID
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		p.status = answer.Code
		lost := false
		e.add(func() {
			e.posted = append(e.posted, p)
			lost, e.lose = e.lose, false
		})
		if lost {
			http.Error(w, "the test has lost the answer", http.StatusServiceUnavailable)
			return
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // who asked may have left
	})
}

func (e *ear) add(what func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	what()
	close(e.changed)
	e.changed = make(chan struct{})
}

// loseAnswer makes whoever posts next get a 503 instead of the answer.
func (e *ear) loseAnswer() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose = true
}

// wait returns the first call of the hook that is, or fails the test when patience is over.
func (e *ear) wait(t *testing.T, hook string, is func(heard) bool) heard {
	t.Helper()
	var found heard
	ok := e.until(t, func() bool {
		for _, h := range e.heard {
			if h.hook == hook && is(h) {
				found = h
				return true
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("the hook %s was not called for it within %v; called were %s", hook, patience, e)
	}
	return found
}

// waitID is wait for an activity by its id.
func (e *ear) waitID(t *testing.T, hook, id string) heard {
	t.Helper()
	return e.wait(t, hook, func(h heard) bool { return h.Activity.ID == id })
}

// waitPosts returns all POSTs of an activity once there are n, or fails the test when patience is over.
func (e *ear) waitPosts(t *testing.T, id string, n int) []posted {
	t.Helper()
	var found []posted
	ok := e.until(t, func() bool {
		found = slices.DeleteFunc(slices.Clone(e.posted), func(p posted) bool { return p.id != id })
		return len(found) >= n
	})
	if !ok {
		t.Fatalf("%s was posted %d times within %v, not %d", id, len(found), patience, n)
	}
	return found
}

// until waits for is, which looks at what e remembers.
func (e *ear) until(t *testing.T, is func() bool) bool {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		e.mu.Lock()
		found, changed := is(), e.changed
		e.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-changed:
		case <-limit.C:
			return false
		}
	}
}

// times counts the calls of any hook for an activity.
func (e *ear) times(id string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.heard {
		if h.Activity.ID == id {
			n++
		}
	}
	return n
}

// String lists the latest calls.
func (e *ear) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, h := range e.heard[max(0, len(e.heard)-20):] {
		b.WriteString("\n\t" + h.hook + " " + h.Activity.ID + " about " + h.ObjectID)
	}
	return b.String()
}
