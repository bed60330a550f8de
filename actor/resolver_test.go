package actor_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const bob = "https://b.test/users/bob"

func TestAStaleActorIsFetchedAnewAndServesWhileItsServerDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newWeb(), newMemory()
		site := newPages().json("/users/bob", person(t, bob, nil))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		name := func(want string, requests int) {
			t.Helper()
			a, err := r.Actor(t.Context(), bob)
			if err != nil || a.Name != want || w.count(bob) != requests {
				t.Fatalf("got %+v, %v after %d requests; want name %q after %d", a, err, w.count(bob), want, requests)
			}
		}
		name("", 1)
		site.json("/users/bob", person(t, bob, map[string]any{"name": "Bob"}))
		time.Sleep(23 * time.Hour)
		name("", 1)
		time.Sleep(2 * time.Hour)
		name("Bob", 2)

		time.Sleep(25 * time.Hour)
		site.put("/users/bob", page{status: 500})
		name("Bob", 3)
		name("Bob", 3) // not asked again for a minute
		time.Sleep(2 * time.Minute)
		site.put("/users/bob", page{status: 404})
		name("Bob", 4) // one 404 is no proof
		time.Sleep(2 * time.Hour)
		w.set("b.test", nil)
		name("Bob", 5)

		time.Sleep(2 * time.Hour)
		w.set("b.test", site)
		site.put("/users/bob", page{status: 410})
		if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrGone) {
			t.Fatalf("gone: %v", err)
		}
		if kept, _ := store.stored(bob); kept.Gone.IsZero() || len(kept.Document) != 0 {
			t.Errorf("stored %+v; want a tombstone", kept)
		}
		if _, err := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store}).PublicKey(t.Context(), bob+"#main-key"); !errors.Is(err, actor.ErrGone) {
			t.Errorf("key of one that is gone: %v", err)
		}
		if w.count(bob) != 6 {
			t.Errorf("%d requests; a tombstone is not asked for again", w.count(bob))
		}
	})
}

func TestFailuresAreRememberedByTheirCause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		still  time.Duration // not asked again yet
		again  time.Duration // asked again
	}{
		{"410 for a month", 410, 29 * 24 * time.Hour, 31 * 24 * time.Hour},
		{"404 for an hour", 404, 59 * time.Minute, 61 * time.Minute},
		{"500 for a minute", 500, 50 * time.Second, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWeb()
				w.set("b.test", newPages().put("/users/bob", page{status: c.status}))
				r := resolver(t, actor.ResolverConfig{Client: w.client()})
				ask := func(want int) {
					t.Helper()
					_, err := r.Actor(t.Context(), bob)
					_, keyErr := r.PublicKey(t.Context(), bob+"#main-key")
					if err == nil || keyErr == nil || w.count(bob) != want {
						t.Fatalf("%d requests, want %d (%v, %v)", w.count(bob), want, err, keyErr)
					}
				}
				ask(2)
				time.Sleep(c.still)
				ask(2)
				time.Sleep(c.again - c.still)
				ask(4)
			})
		})
	}
}

func TestA404OfThreadsPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, host := range []string{"threads.net", "www.threads.net"} {
			frank := "https://" + host + "/ap/users/17841400000000001/"
			w, site := newWeb(), newPages()
			w.set(host, site)
			r := resolver(t, actor.ResolverConfig{Client: w.client()})
			var failed *actor.Error
			if _, err := r.Actor(t.Context(), frank); !errors.As(err, &failed) || !failed.Passing || !errors.Is(err, actor.ErrRejected) {
				t.Fatalf("404 = %v", err)
			}
			if _, _, err := r.Fetch(t.Context(), frank+"post/1/"); !errors.As(err, &failed) || !failed.Passing || !errors.Is(err, actor.ErrNotFound) {
				t.Fatalf("404 of a post = %v", err)
			}
			time.Sleep(11 * time.Minute)
			site.json("/ap/users/17841400000000001/", person(t, frank, nil))
			if _, err := r.Actor(t.Context(), frank); err != nil {
				t.Fatalf("eleven minutes later: %v", err)
			}
			key, err := r.PublicKey(t.Context(), frank+"#main-key")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(25 * time.Hour)
			site.put("/ap/users/17841400000000001/", page{status: 404})
			if _, err := r.Actor(t.Context(), frank); err != nil {
				t.Errorf("the actor, a day later: %v", err)
			}
			if again, err := r.PublicKey(t.Context(), frank+"#main-key"); err != nil || again != key {
				t.Errorf("its key, a day later: %v", err)
			}
		}
	})
}

func TestAnUpdateReplacesWhatIsKnown(t *testing.T) {
	t.Parallel()
	w, store := newWeb(), newMemory()
	w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
	if _, err := r.Actor(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	if k, err := r.PublicKey(t.Context(), bob+"#main-key"); err != nil || !testKeys()[0].PublicKey.Equal(k.Key) {
		t.Fatalf("%v, %v", k, err)
	}
	raw := person(t, bob, map[string]any{"name": "New", "publicKey": map[string]string{"id": bob + "#main-key", "owner": bob, "publicKeyPem": pem(t, testKeys()[1])}})
	doc, err := activity.Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Update(t.Context(), doc.(*activity.Actor), []byte(raw)); err != nil {
		t.Fatal(err)
	}
	a, err := r.Actor(t.Context(), bob)
	if err != nil || a.Name != "New" {
		t.Errorf("%v, %v", a, err)
	}
	k, err := r.PublicKey(t.Context(), bob+"#main-key")
	if err != nil || !k.Key.(*rsa.PublicKey).Equal(testKeys()[1].Public()) {
		t.Errorf("the old key is still there: %v", err)
	}
	if kept, _ := store.stored(bob); string(kept.Document) != raw {
		t.Errorf("stored %s", kept.Document)
	}
	if w.count(bob) != 1 {
		t.Errorf("%d requests", w.count(bob))
	}

	stub := &activity.Actor{ID: bob, Type: activity.Types{"Person"}}
	if err := r.Update(t.Context(), stub, nil); !errors.Is(err, actor.ErrMalformed) {
		t.Errorf("an Update without an inbox: %v", err)
	}
	if a, _ := r.Actor(t.Context(), bob); a.Name != "New" {
		t.Error("a stub replaced the actor")
	}

	if err := r.Gone(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Actor(t.Context(), bob); !errors.Is(err, actor.ErrGone) {
		t.Errorf("after Gone: %v", err)
	}
	if _, err := r.PublicKey(t.Context(), bob+"#main-key"); !errors.Is(err, actor.ErrGone) {
		t.Errorf("key after Gone: %v", err)
	}
}

func TestInboxesAreTheActorsOwn(t *testing.T) {
	t.Parallel()
	w := newWeb()
	at := func(n, inbox, shared string) string {
		id := "https://b.test/users/" + n
		return person(t, id, map[string]any{"inbox": inbox, "endpoints": map[string]string{"sharedInbox": shared}})
	}
	w.set("b.test", newPages().
		json("/users/1", at("1", "https://b.test/i", "https://b.test/shared")).
		json("/users/2", at("2", "https://micro.test/i", "https://micro.test/shared")).
		json("/users/3", at("3", "https://b.test/i", "https://victim.test/shared")).
		json("/users/4", at("4", "https://b.test/i", "nonsense")))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	for id, want := range map[string][2]string{
		"https://b.test/users/1": {"https://b.test/i", "https://b.test/shared"},
		"https://b.test/users/2": {"https://micro.test/i", "https://micro.test/shared"},
		"https://b.test/users/3": {"https://b.test/i", ""},
		"https://b.test/users/4": {"https://b.test/i", ""},
	} {
		inbox, shared, err := r.Inboxes(t.Context(), id)
		if err != nil || inbox != want[0] || shared != want[1] {
			t.Errorf("%s: %s, %s, %v; want %v", id, inbox, shared, err, want)
		}
	}
}

func TestAFailingStoreIsNoAnswer(t *testing.T) {
	t.Parallel()
	w, store := newWeb(), newMemory()
	w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
	store.fail = errors.New("disk full")
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
	if _, err := r.Actor(t.Context(), bob); !errors.Is(err, store.fail) {
		t.Errorf("Actor: %v", err)
	}
	if _, err := r.PublicKey(t.Context(), bob+"#main-key"); !errors.Is(err, store.fail) {
		t.Errorf("PublicKey: %v", err)
	}
	if _, err := r.Lookup(t.Context(), bob); !errors.Is(err, store.fail) {
		t.Errorf("Lookup: %v", err)
	}
}

func TestResolverConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]actor.ResolverConfig{
		"Client":                {Client: &http.Client{}},
		"Timeout":               {Timeout: -1},
		"MaxAge":                {MaxAge: -1},
		"MaxFetches":            {MaxFetches: -1},
		"Origin":                {Names: actor.Names{Origin: "https://a.test/"}},
		"InsecureAllowLoopback": {InsecureAllowLoopback: map[string]string{"a.test": "192.0.2.1"}},
	} {
		if _, err := actor.NewResolver(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := actor.NewResolver(actor.ResolverConfig{}); err != nil {
		t.Errorf("the zero config: %v", err)
	}
}

func TestAWithdrawnKeyIsForgottenWhenItsActorIsFetched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		two := map[string]any{"publicKey": []any{
			map[string]string{"id": bob + "#1", "owner": bob, "publicKeyPem": pem(t, testKeys()[0])},
			map[string]string{"id": bob + "#2", "owner": bob, "publicKeyPem": pem(t, testKeys()[1])},
		}}
		site := newPages().json("/users/bob", person(t, bob, two))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		for _, id := range []string{bob + "#1", bob + "#2"} {
			if _, err := r.PublicKey(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		site.json("/users/bob", person(t, bob, listing(t, bob+"#1", bob, testKeys()[0])))
		if _, err := r.RefreshKey(t.Context(), bob+"#1"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.PublicKey(t.Context(), bob+"#2"); !errors.Is(err, signature.ErrNoKey) {
			t.Errorf("the withdrawn key: %v", err)
		}
		if k, err := r.PublicKey(t.Context(), bob+"#1"); err != nil || !testKeys()[0].PublicKey.Equal(k.Key) {
			t.Errorf("the other: %v, %v", k, err)
		}
		if w.count(bob) != 2 {
			t.Errorf("%d requests", w.count(bob))
		}
	})
}

func TestManyWhoNeedAnActorMakeOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		doc := person(t, bob, nil)
		w.set("b.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second)
			if r.Context().Err() != nil {
				t.Error("the one who left took the fetch with it")
			}
			rw.Header().Set("Content-Type", activity.ContentType)
			_, _ = io.WriteString(rw, doc)
		}))
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		ctx, cancel := contextWithTimeout(t, time.Second)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := r.Actor(ctx, bob); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one who left: %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			wait.Go(func() {
				if a, err := r.Actor(t.Context(), bob); err != nil || a.ID != bob {
					t.Errorf("%v, %v", a, err)
				}
			})
		}
		wait.Wait()
		if w.count(bob) != 1 {
			t.Errorf("%d fetches", w.count(bob))
		}
	})
}
