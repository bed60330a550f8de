package actor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

const bobFinger = "/.well-known/webfinger?resource=acct:bob@b.test"

// bobs is a web in which bob is to be found, and its one site.
func bobs(t *testing.T) (*web, *pages) {
	t.Helper()
	w, site := newWeb(), newPages()
	site.json("/users/bob", person(t, bob, nil)).put(bobFinger, jrd("acct:bob@b.test", bob))
	w.set("b.test", site)
	return w, site
}

func TestAHandleIsNeverGivenBeforeItIsProved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]page{
		"nobody of that name":     {status: 404},
		"another actor":           jrd("acct:bob@b.test", "https://b.test/users/other"),
		"another subject":         jrd("acct:other@b.test", bob),
		"a victim for a subject":  jrd("acct:victor@victim.test", bob),
		"an odd spelling":         jrd("acct:bob@b.test", bob+"/"),
		"no answer for the while": {status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, site := bobs(t)
				site.put(bobFinger, answer)
				w.set("victim.test", newPages().put("/.well-known/webfinger?resource=acct:victor@victim.test", jrd("acct:victor@victim.test", victor)))
				store := newMemory()
				r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
				defer running(t, r)()
				synctest.Wait()
				if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
					t.Fatal(err)
				}
				if err := r.Trust(t.Context(), bob); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				asked := w.total()
				for range 3 {
					var e *actor.Error
					if acct, err := r.HandleOf(t.Context(), bob); acct != "" || !errors.As(err, &e) {
						t.Errorf("%q, %v", acct, err)
					}
				}
				if kept, ok := store.stored(bob); !ok || kept.Handle != "" || !kept.Proved.IsZero() {
					t.Errorf("stored %+v", kept)
				}
				if w.total() != asked {
					t.Errorf("asked %d times more for what was just found out", w.total()-asked)
				}
				// It may be otherwise an hour later.
				time.Sleep(time.Hour + time.Minute)
				site.put(bobFinger, jrd("acct:bob@b.test", bob))
				if acct, err := r.HandleOf(t.Context(), bob); acct != "bob@b.test" || err != nil {
					t.Errorf("an hour later %q, %v", acct, err)
				}
			})
		})
	}
}

func TestTheHandleOfANewcomerIsProvedInTheBackgroundAndKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, site := bobs(t)
		store := newMemory()
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		defer running(t, r)()
		synctest.Wait()
		if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.count("https://b.test"+bobFinger) != 0 {
			t.Error("who has proved nothing yet made us ask for a handle")
		}
		for range 3 {
			if err := r.Trust(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := w.count("https://b.test" + bobFinger); n != 1 {
			t.Errorf("asked %d times in the background", n)
		}
		if kept, _ := store.stored(bob); kept.Handle != "bob@b.test" || kept.Proved.IsZero() || len(kept.Document) == 0 {
			t.Errorf("stored %+v", kept)
		}
		handle := func(r *actor.Resolver, want string, asked int) {
			t.Helper()
			if acct, err := r.HandleOf(t.Context(), bob); acct != want || (err == nil) != (want != "") {
				t.Errorf("%q, %v; want %q", acct, err, want)
			}
			if n := w.count("https://b.test" + bobFinger); n != asked {
				t.Errorf("asked %d times, want %d", n, asked)
			}
		}
		handle(r, "bob@b.test", 1)
		handle(resolver(t, actor.ResolverConfig{Client: w.client(), Store: store}), "bob@b.test", 1) // after a restart

		time.Sleep(3 * 24 * time.Hour) // the actor is fetched anew, and still calls itself so
		handle(r, "bob@b.test", 1)
		synctest.Wait()
		handle(r, "bob@b.test", 1)

		time.Sleep(5 * 24 * time.Hour)
		site.put(bobFinger, page{status: 503})
		handle(r, "bob@b.test", 2) // a bad day takes nothing away
		time.Sleep(time.Hour)
		site.put(bobFinger, page{status: 404})
		handle(r, "", 3)
		if kept, _ := store.stored(bob); kept.Handle != "" {
			t.Errorf("what was taken back is stored still: %q", kept.Handle)
		}
		time.Sleep(2 * time.Hour)
		site.put(bobFinger, jrd("acct:bob@b.test", bob))
		handle(r, "bob@b.test", 4)
	})
}

func TestAnActorThatCallsItselfOtherwiseIsProvedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, site := bobs(t)
		store := newMemory()
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		if _, err := r.Lookup(t.Context(), "@bob@b.test"); err != nil {
			t.Fatal(err)
		}
		if kept, _ := store.stored(bob); kept.Handle != "bob@b.test" {
			t.Errorf("a lookup has proved %q", kept.Handle)
		}
		text := person(t, bob, map[string]any{"preferredUsername": "robert"})
		var a activity.Actor
		if err := a.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := r.Update(t.Context(), &a, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if kept, _ := store.stored(bob); kept.Handle != "" {
			t.Errorf("the old handle is stored still: %q", kept.Handle)
		}
		if acct, err := r.HandleOf(t.Context(), bob); acct != "" || err == nil {
			t.Errorf("robert is %q, %v", acct, err)
		}
		site.put("/.well-known/webfinger?resource=acct:robert@b.test", jrd("acct:robert@b.test", bob))
		time.Sleep(2 * time.Hour)
		if acct, err := r.HandleOf(t.Context(), bob); acct != "robert@b.test" || err != nil {
			t.Errorf("robert is %q, %v", acct, err)
		}
	})
}

func TestManyWhoWantAHandleAskOnceAndWhoLeavesStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, site := bobs(t)
		release := make(chan struct{})
		w.set("b.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/.well-known/webfinger" {
				<-release
			}
			site.ServeHTTP(rw, r)
		}))
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if acct, err := r.HandleOf(short, bob); acct != "" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", acct, err)
		}
		var g sync.WaitGroup
		for range 100 {
			g.Go(func() {
				if acct, err := r.HandleOf(t.Context(), bob); acct != "bob@b.test" || err != nil {
					t.Errorf("%q, %v", acct, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		g.Wait()
		if n := w.count("https://b.test" + bobFinger); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestACrowdOfNewcomersFillsNoQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		open := sync.OnceFunc(func() { close(release) })
		site := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/.well-known/webfinger" {
				<-release
				http.NotFound(rw, r)
				return
			}
			rw.Header().Set("Content-Type", activity.ContentType)
			fmt.Fprint(rw, person(t, "https://b.test"+r.URL.Path, nil))
		})
		w := newWeb()
		w.set("b.test", site)
		completed := make(chan string, 1)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), MaxPerHost: 1000, Completed: func(_ context.Context, c *actor.Completion) error {
			completed <- c.Actor.ID
			return nil
		}})
		defer running(t, r)()
		defer open()
		synctest.Wait()
		for i := range 1500 {
			id := fmt.Sprintf("https://b.test/users/u%d", i)
			if _, err := r.PublicKey(t.Context(), id+"#main-key"); err != nil {
				t.Fatal(err)
			}
			if err := r.Trust(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if !r.Complete("https://b.test/users/u0") {
			t.Fatal("a crowd of strangers left no room for what somebody here asked for")
		}
		open()
		if id := <-completed; id != "https://b.test/users/u0" {
			t.Error(id)
		}
		synctest.Wait()
		// The queue held half of what it can, and four were being worked on.
		fingers := 0
		w.mu.Lock()
		for _, one := range w.seen {
			if one.URL.Path == "/.well-known/webfinger" {
				fingers++
			}
		}
		w.mu.Unlock()
		if fingers > 512+4 || fingers < 4 {
			t.Errorf("asked for %d handles", fingers)
		}
	})
}

func TestOurOwnHandleNeedsNoProof(t *testing.T) {
	t.Parallel()
	r := resolver(t, actor.ResolverConfig{
		Client: newWeb().client(), Names: actor.Names{Origin: "https://social.a.test", Domain: "a.test"},
		Local: func(_ context.Context, id string) (*activity.Actor, error) {
			if id != "https://social.a.test/ap/users/alice" {
				return nil, actor.ErrNotFound
			}
			return &activity.Actor{ID: id, PreferredUsername: "alice"}, nil
		},
	})
	if acct, err := r.HandleOf(t.Context(), "https://social.a.test/ap/users/alice"); acct != "alice@a.test" || err != nil {
		t.Errorf("%q, %v", acct, err)
	}
	if acct, err := r.HandleOf(t.Context(), "https://social.a.test/ap/users/nobody"); acct != "" || !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("%q, %v", acct, err)
	}
}
