package actor_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// running runs r until the test's end, and waits for it.
func running(t *testing.T, r *actor.Resolver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wait.Wait() }
	return stop
}

func TestAProfileIsCompletedWithWhatIsTheActorsOwn(t *testing.T) {
	t.Parallel()
	note := func(id, by string) string {
		return `{"id":"` + id + `","type":"Note","attributedTo":"` + by + `","content":"x"}`
	}
	create := func(id, by, object string) string {
		return `{"id":"` + id + `","type":"Create","actor":"` + by + `","object":` + object + `}`
	}
	const eve, carol = "https://b.test/users/eve", "https://c.test/users/carol"
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("b.test", newPages().
			json("/users/bob", person(t, bob, map[string]any{"featured": bob + "/featured", "following": "https://c.test/following"})).
			json("/users/bob/followers", `{"id":"`+bob+`/followers","type":"OrderedCollection","totalItems":12}`).
			json("/users/bob/featured", `{"id":"`+bob+`/featured","type":"OrderedCollection","orderedItems":[`+strings.Join([]string{
				`"https://b.test/pinned"`, note("https://b.test/embedded", bob), note("https://b.test/eves", eve), note("https://c.test/carols", carol),
				`"https://b.test/missing"`, `"https://c.test/elsewhere"`,
			}, ",")+`]}`).
			json("/pinned", note("https://b.test/pinned", bob)).
			json("/users/bob/outbox", `{"id":"`+bob+`/outbox","type":"OrderedCollection","totalItems":34,"first":{"type":"OrderedCollectionPage","orderedItems":[`+strings.Join([]string{
				create("https://b.test/c1", bob, note("https://b.test/n1", bob)),
				create("https://b.test/c2", bob, `"https://b.test/n2"`),
				create("https://b.test/c3", bob, note("https://c.test/n3", bob)),   // another server's object
				create("https://b.test/c4", bob, note("https://b.test/n4", eve)),   // somebody else's
				create("https://b.test/c5", eve, note("https://b.test/n5", eve)),   // somebody else's activity
				create("https://c.test/c6", carol, note("https://c.test/n6", bob)), // another server's
				`"https://b.test/c7"`,
				`{"id":"https://b.test/a8","type":"Announce","actor":"` + bob + `","object":` + note("https://c.test/n8", carol) + `}`,
				`{"id":"https://b.test/a9","type":"Announce","actor":"` + eve + `","object":"https://b.test/n9"}`, // eve's
				`"https://b.test/missing"`,
				note("https://b.test/n9", bob),
			}, ",")+`]}}`).
			json("/c7", create("https://b.test/c7", bob, note("https://b.test/n7", bob))).
			json("/n2", note("https://b.test/n2", bob)))
		w.set("c.test", newPages().json("/following", `{"id":"https://c.test/following","type":"Collection","totalItems":9}`))
		var got []*actor.Completion
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Completed: func(_ context.Context, c *actor.Completion) error {
			got = append(got, c)
			return nil
		}})
		for range 3 { // once is enough
			if !r.Complete(bob) {
				t.Fatal("no room")
			}
		}
		if w.total() != 0 {
			t.Fatal("something was asked before Run")
		}
		stop := running(t, r)
		synctest.Wait()
		stop()
		if len(got) != 1 {
			t.Fatalf("completed %d times", len(got))
		}
		c := got[0]
		if c.Actor.ID != bob || c.Followers != 12 || c.Following != -1 || c.Posts != 34 {
			t.Errorf("%s, %d, %d, %d", c.Actor.ID, c.Followers, c.Following, c.Posts)
		}
		var pinned, past []string
		for _, o := range c.Featured {
			pinned = append(pinned, o.ID)
		}
		for _, p := range c.Outbox {
			made := "nothing"
			if p.Object != nil {
				made = p.Object.ID
			}
			past = append(past, p.Activity.ID+" "+made)
			if p.Activity.ID == "https://b.test/a8" && p.Activity.Object[0].Raw != nil {
				t.Error("another server's words came with an Announce")
			}
		}
		if s := strings.Join(pinned, ", "); s != "https://b.test/pinned, https://b.test/embedded" {
			t.Errorf("pinned %s", s)
		}
		if s := strings.Join(past, ", "); s != "https://b.test/c1 https://b.test/n1, https://b.test/c2 https://b.test/n2, https://b.test/c7 https://b.test/n7, https://b.test/a8 nothing" {
			t.Errorf("past %s", s)
		}
		for _, asked := range w.seen {
			if asked.URL.Host != "b.test" {
				t.Errorf("asked %s", asked.URL)
			}
		}
	})
}

func TestAMissingOutboxIsNoError(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]page{"404": {status: 404}, "403": {status: 403}, "410": {status: 410}, "503": {status: 503}, "a page": {kind: "text/html", body: "<p>"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const id = "https://threads.net/ap/users/1/"
				w := newWeb()
				w.set("threads.net", newPages().json("/ap/users/1/", person(t, id, map[string]any{"outbox": id + "outbox/", "followers": nil})).put("/ap/users/1/outbox/", answer))
				done := 0
				r := resolver(t, actor.ResolverConfig{Client: w.client(), Logger: slog.New(slog.DiscardHandler), Completed: func(_ context.Context, c *actor.Completion) error {
					if c.Actor.ID != id || c.Posts != -1 || c.Followers != -1 || len(c.Outbox) != 0 {
						t.Errorf("%+v", c)
					}
					done++
					return errors.New("the app's error is logged")
				}})
				r.Complete(id)
				stop := running(t, r)
				synctest.Wait()
				stop()
				if done != 1 {
					t.Errorf("completed %d times", done)
				}
			})
		})
	}
}

func TestErrandsAreBounded(t *testing.T) {
	t.Parallel()
	r := resolver(t, actor.ResolverConfig{Client: newWeb().client(), Completed: func(context.Context, *actor.Completion) error { return nil }})
	room := 0
	for i := range 5000 {
		if r.Complete("https://b.test/" + strings.Repeat("x", i)) {
			room++
		}
	}
	if room != 1024 {
		t.Errorf("room for %d", room)
	}
	if !r.Complete("https://b.test/x") {
		t.Error("what is waiting already needs no room")
	}
}

func TestAnOldActorServesWhileItIsFetchedBehindItsUsersBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newWeb(), newMemory()
		var slow atomic.Bool
		site := newPages().json("/users/bob", person(t, bob, map[string]any{"name": "First"}))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		stop := running(t, r)
		name := func() string {
			t.Helper()
			begin := time.Now()
			a, err := r.Actor(t.Context(), bob)
			if err != nil {
				t.Fatal(err)
			}
			if slow.Load() && time.Since(begin) > 0 {
				t.Error("who asked had to wait")
			}
			return a.Name
		}
		key := func() {
			t.Helper()
			if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
				t.Fatal(err)
			}
		}
		name()
		key()
		site.json("/users/bob", person(t, bob, map[string]any{"name": "Second"}))
		time.Sleep(25 * time.Hour)
		slow.Store(true)
		if got := name(); got != "First" {
			t.Errorf("got %q at once", got)
		}
		key()
		synctest.Wait()
		if got := name(); got != "Second" || w.count(bob) != 2 {
			t.Errorf("got %q after %d requests", got, w.count(bob))
		}
		key()
		synctest.Wait()
		if w.count(bob) != 2 {
			t.Error("a key that its owner has just confirmed was fetched again")
		}
		time.Sleep(25 * time.Hour)
		key() // a key that has grown old has its owner fetched
		synctest.Wait()
		if w.count(bob) != 3 {
			t.Errorf("%d requests", w.count(bob))
		}
		slow.Store(false)
		site.json("/users/bob", person(t, bob, map[string]any{"name": "Third"}))
		time.Sleep(8 * 24 * time.Hour)
		if got := name(); got != "Third" {
			t.Errorf("a week is too old to serve: got %q", got)
		}
		stop()
		site.json("/users/bob", person(t, bob, map[string]any{"name": "Fourth"}))
		time.Sleep(25 * time.Hour)
		if got := name(); got != "Fourth" {
			t.Errorf("without Run: got %q", got)
		}
		if kept, _ := store.stored(bob); !strings.Contains(string(kept.Document), "Fourth") {
			t.Error("the store has an older one")
		}
	})
}

func TestAKeyApartFromItsOwnerIsFetchedWithItOnceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const apart = "https://b.test/keys/1"
		w := newWeb()
		w.set("b.test", newPages().
			json("/keys/1", text(t, multikey(t, apart, bob, edKey(1)))).
			json("/users/bob", person(t, bob, map[string]any{"assertionMethod": []any{apart}})))
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		stop := running(t, r)
		for day := 1; day <= 3; day++ {
			for range 20 {
				if _, err := r.ProofKey(t.Context(), apart); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			if w.count(apart) != day || w.count(bob) != day {
				t.Errorf("day %d: the key was asked for %d times, its owner %d times", day, w.count(apart), w.count(bob))
			}
			time.Sleep(25 * time.Hour)
		}
		stop()
	})
}

func TestARefreshBuriesWhoIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newWeb(), newMemory()
		site := newPages().json("/users/bob", person(t, bob, nil))
		w.set("b.test", site)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: store})
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		stop := running(t, r)
		site.put("/users/bob", page{status: 410})
		time.Sleep(25 * time.Hour)
		if _, err := r.Actor(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if kept, _ := store.stored(bob); kept.Gone.IsZero() || len(kept.Document) != 0 {
			t.Errorf("stored %+v", kept)
		}
		stop()
	})
}

func TestWhoWasNotAskedForInHalfAYearIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		for i, age := range []int{1, 179, 181, 400} {
			id := "https://b.test/" + string(rune('a'+i))
			if err := store.PutRemote(t.Context(), actor.Remote{ID: id, Fetched: time.Now().Add(-time.Duration(age) * 24 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		stop := running(t, resolver(t, actor.ResolverConfig{Client: newWeb().client(), Store: store}))
		synctest.Wait()
		if store.held() != 2 {
			t.Errorf("%d are left, want 2", store.held())
		}
		time.Sleep(49 * time.Hour)
		synctest.Wait()
		if store.held() != 1 {
			t.Errorf("two days later %d are left, want 1", store.held())
		}
		stop()
	})
}
