package actor_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

func TestOneNoOfThreadsIsNotBelieved(t *testing.T) {
	t.Parallel()
	const id = "https://threads.net/ap/users/17841400000000000/"
	for status, final := range map[int]error{404: actor.ErrNotFound, 410: actor.ErrGone} {
		synctest.Test(t, func(t *testing.T) {
			w, store := newWeb(), newMemory()
			site := newPages().put("/ap/users/17841400000000000/", page{status: status})
			w.set("threads.net", site)
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
			var e *actor.Error
			_, err := r.Actor(t.Context(), id)
			if !errors.As(err, &e) || !e.Passing || !errors.Is(err, actor.ErrRejected) || errors.Is(err, actor.ErrGone) {
				t.Fatalf("%d once: %v", status, err)
			}
			time.Sleep(11 * time.Minute)
			site.json("/ap/users/17841400000000000/", person(t, id, nil))
			if _, err := r.Actor(t.Context(), id); err != nil {
				t.Fatalf("minutes later: %v", err)
			}

			// One that is known outlives a no, and a second one.
			site.put("/ap/users/17841400000000000/", page{status: status})
			time.Sleep(25 * time.Hour)
			if _, err := r.Actor(t.Context(), id); err != nil {
				t.Errorf("%d after it was known: %v", status, err)
			}
			if kept, _ := store.stored(id); !kept.Gone.IsZero() {
				t.Error("one no has buried it")
			}
			time.Sleep(time.Hour)
			switch _, err := r.Actor(t.Context(), id); {
			case status == 404 && err != nil:
				t.Errorf("404 twice: %v", err)
			case status == 410 && !errors.Is(err, final):
				t.Errorf("410 twice: %v", err)
			}
			fresh := resolver(t, actor.ResolverConfig{Client: w.client()})
			for range 2 {
				_, err = fresh.Actor(t.Context(), id)
				time.Sleep(11 * time.Minute)
			}
			if !errors.Is(err, final) || !errors.As(err, &e) || e.Passing {
				t.Errorf("%d twice, never known: %v", status, err)
			}
		})
	}
}

func TestWhatIsMissingIsLeftAloneLongerEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		site := newPages()
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		for range 7 * 24 * 6 { // a week, every ten minutes
			if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrNotFound) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		// After 0, 1, 3, 7, 15 hours and then every 16, with ten minutes of grain.
		if n := w.count(bob); n < 13 || n > 15 {
			t.Errorf("asked %d times in a week", n)
		}
		time.Sleep(17 * time.Hour)
		site.json("/users/bob", person(t, bob, nil))
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Errorf("it is there now: %v", err)
		}
	})
}

func TestCausesAreRememberedForAsLongAsTheyLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer      page
		still, over time.Duration
	}{
		"410":          {page{status: 410}, 29 * 24 * time.Hour, 31 * 24 * time.Hour},
		"404":          {page{status: 404}, 59 * time.Minute, 61 * time.Minute},
		"no document":  {page{kind: "text/html", body: "<p>"}, 59 * time.Minute, 61 * time.Minute},
		"not an actor": {page{kind: activity.ContentType, body: `{"id":"` + bob + `","type":"Note"}`}, 59 * time.Minute, 61 * time.Minute},
		"503":          {page{status: 503}, time.Minute, 3 * time.Minute},
		"401":          {page{status: 401}, time.Minute, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWeb()
				w.set("b.test", newPages().put("/users/bob", c.answer))
				r := resolver(t, actor.ResolverConfig{Client: w.client()})
				for _, step := range []struct {
					wait time.Duration
					want int
				}{{0, 1}, {c.still, 1}, {c.over - c.still, 2}} {
					time.Sleep(step.wait)
					if _, err := r.Actor(t.Context(), bob); err == nil {
						t.Fatal("found")
					}
					if n := w.count(bob); n != step.want {
						t.Errorf("asked %d times, want %d", n, step.want)
					}
				}
			})
		})
	}
}
