package actor_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// dated is a server of one document that knows when nothing has changed.
type dated struct {
	doc, etag, modified string
	whole, unchanged    atomic.Int64
}

func (d *dated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.etag != "" {
		w.Header().Set("ETag", d.etag)
	}
	if d.modified != "" {
		w.Header().Set("Last-Modified", d.modified)
	}
	if d.etag != "" && r.Header.Get("If-None-Match") == d.etag || d.modified != "" && r.Header.Get("If-Modified-Since") == d.modified {
		d.unchanged.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	d.whole.Add(1)
	w.Header().Set("Content-Type", activity.ContentType)
	_, _ = io.WriteString(w, d.doc)
}

func TestAnUnchangedActorCostsAnAnswerWithoutABodyAndIsNotReadAgain(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]*dated{
		"an ETag":       {etag: `W/"7"`},
		"Last-Modified": {modified: "Wed, 04 Mar 2026 05:06:07 GMT"},
		"both":          {etag: `"7"`, modified: "Wed, 04 Mar 2026 05:06:07 GMT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, store := newWeb(), newMemory()
				says.doc = person(t, bob, nil)
				w.set("b.test", says)
				r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
				first, err := r.Actor(t.Context(), bob)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
					t.Fatal(err)
				}
				for day := 1; day <= 3; day++ {
					time.Sleep(25 * time.Hour)
					again, err := r.Actor(t.Context(), bob)
					if err != nil {
						t.Fatal(err)
					}
					// A document that had been read again would be in other memory.
					if &again.PublicKey[0] != &first.PublicKey[0] {
						t.Error("the document was read again")
					}
					if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
						t.Fatal(err)
					}
					if kept, _ := store.stored(bob); !kept.Fetched.Equal(time.Now()) || string(kept.Document) != says.doc {
						t.Errorf("day %d: the store has it of %v", day, kept.Fetched)
					}
				}
				if says.whole.Load() != 1 || says.unchanged.Load() != 3 {
					t.Errorf("%d whole answers and %d without, want 1 and 3", says.whole.Load(), says.unchanged.Load())
				}

				time.Sleep(25 * time.Hour)
				restarted := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
				if _, err := restarted.PublicKey(t.Context(), bobKey); err != nil {
					t.Fatal(err)
				}
				if _, err := restarted.Actor(t.Context(), bob); err != nil {
					t.Fatal(err)
				}
				if says.whole.Load() > 2 {
					t.Errorf("after a restart: %d whole answers", says.whole.Load())
				}
				says.doc, says.etag = person(t, bob, map[string]any{"name": "Robert"}), `"8"`
				if says.modified != "" {
					says.modified = "Thu, 05 Mar 2026 05:06:07 GMT"
				}
				time.Sleep(25 * time.Hour)
				if a, err := restarted.Actor(t.Context(), bob); err != nil || a.Name != "Robert" {
					t.Errorf("a changed document: %v, %v", a, err)
				}
			})
		})
	}
}

func TestAServerThatSaysUnchangedToWhoKnowsNothingIsRefused(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().put("/users/bob", page{status: http.StatusNotModified}))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	if a, err := r.Actor(t.Context(), bob); a != nil || !errors.Is(err, actor.ErrMalformed) {
		t.Errorf("%v, %v", a, err)
	}
}

func TestAnETagThatIsTooLongIsNotKept(t *testing.T) {
	t.Parallel()
	w, store := newWeb(), newMemory()
	w.set("b.test", &dated{doc: person(t, bob, nil), etag: `"` + strings.Repeat("x", 300) + `"`})
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
	if _, err := r.Actor(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	if kept, _ := store.stored(bob); kept.ETag != "" {
		t.Errorf("kept %d bytes", len(kept.ETag))
	}
}
