package actor_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// everywhere is a web in which each host has everything.
type everywhere struct {
	asked atomic.Int64
	doc   func(r *http.Request) string

	mu    sync.Mutex
	hosts map[string]bool
}

func (e *everywhere) RoundTrip(r *http.Request) (*http.Response, error) {
	e.asked.Add(1)
	e.mu.Lock()
	if e.hosts == nil {
		e.hosts = map[string]bool{}
	}
	e.hosts[r.URL.Host] = true
	e.mu.Unlock()
	w := newWeb()
	w.set(r.URL.Host, newPages().json(r.URL.RequestURI(), e.doc(r)))
	return w.RoundTrip(r)
}

func TestAWildcardDomainCannotMakeUsAskHostAfterHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		web := &everywhere{doc: func(r *http.Request) string { return person(t, r.URL.String(), nil) }}
		store := newMemory()
		r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: web}, Store: store})
		for i := range 100 {
			_, err := r.PublicKey(t.Context(), fmt.Sprintf("https://h%d.deep.evil.co.uk/u#main-key", i))
			if i < 10 && err != nil || i >= 10 && !errors.Is(err, actor.ErrThrottled) {
				t.Fatalf("host %d: %v", i, err)
			}
			var e *actor.Error
			if i >= 10 && (!errors.As(err, &e) || !e.Passing) {
				t.Fatalf("the sender is not asked to try again: %v", err)
			}
		}
		if n := web.asked.Load(); n != 10 {
			t.Errorf("%d requests, want 10", n)
		}
		for _, id := range []string{"https://h1.good.co.uk/u", "https://h1.deep.evil.co.uk/other", "https://1.2.3.4/u"} {
			if _, err := r.Actor(t.Context(), id); err != nil {
				t.Errorf("%s has to do with none of that: %v", id, err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := r.Actor(t.Context(), "https://h50.deep.evil.co.uk/u"); err != nil {
			t.Errorf("a minute later: %v", err)
		}

		// After a restart hosts that were known are no newcomers.
		for i := range 50 {
			id := fmt.Sprintf("https://h%d.big.test/u", i)
			if err := store.PutRemote(t.Context(), actor.Remote{ID: id, Document: []byte(person(t, id, nil)), Fetched: time.Now().Add(-48 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		r = resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: web}, Store: store})
		web.asked.Store(0)
		for i := range 50 {
			if _, err := r.Actor(t.Context(), fmt.Sprintf("https://h%d.big.test/u", i)); err != nil {
				t.Errorf("an actor that was known: %v", err)
			}
		}
		if n := web.asked.Load(); n != 50 {
			t.Errorf("%d of 50 old actors were fetched again", n)
		}
	})
}

// Mastodon went after every actor that a wildcard domain's bots named, each of which named more (before 4.0, and 2022-12 in the
// field): its queues and tables grew without end.
func TestCVE_2022_46405_AWildcardDomainsBotsAreNotAllLookedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		web := &everywhere{doc: func(r *http.Request) string { return person(t, r.URL.String(), nil) }}
		store := newMemory()
		r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: web}, Store: store, MaxNewActors: 100})
		if a, err := r.Actor(t.Context(), "https://honest.example/users/a"); err != nil || a.ID != "https://honest.example/users/a" {
			t.Fatalf("an honest actor: %v, %v", a, err)
		}
		ways := []func(host string) error{
			func(host string) error { _, err := r.Actor(t.Context(), "https://"+host+"/users/a"); return err },
			func(host string) error {
				_, err := r.PublicKey(t.Context(), "https://"+host+"/users/b#main-key")
				return err
			},
			func(host string) error { _, err := r.HandleOf(t.Context(), "https://"+host+"/users/c"); return err },
			func(host string) error { _, err := r.Lookup(t.Context(), "@a@"+host); return err },
			func(host string) error { _, err := r.Lookup(t.Context(), "https://"+host+"/@a"); return err },
			func(host string) error { _, err := r.Object(t.Context(), "https://"+host+"/notes/1"); return err },
			func(host string) error { _, err := r.Software(t.Context(), host); return err },
		}
		for i := range 1000 {
			if err := ways[i%len(ways)](fmt.Sprintf("bot%d.wild.evil.example", i)); i >= 10 && !errors.Is(err, actor.ErrThrottled) {
				t.Fatalf("host %d: %v", i, err)
			}
		}
		web.mu.Lock()
		defer web.mu.Unlock()
		if n := len(web.hosts); n > 1+10 {
			t.Errorf("asked %d hosts", n)
		}
		if n := store.held(); n > 1+10 {
			t.Errorf("%d actors are stored", n)
		}
	})
}

func TestUnknownActorsOfOneDomainAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		web := &everywhere{doc: func(r *http.Request) string { return person(t, r.URL.String(), nil) }}
		r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: web}, MaxNewActors: 5})
		for i := range 20 {
			_, err := r.PublicKey(t.Context(), fmt.Sprintf("https://h%d.evil.test/%d#main-key", i%2, i))
			if i < 5 && err != nil || i >= 5 && !errors.Is(err, actor.ErrThrottled) {
				t.Fatalf("actor %d: %v", i, err)
			}
		}
		time.Sleep(10 * time.Minute)
		if _, err := r.RefreshKey(t.Context(), "https://h0.evil.test/0#main-key"); err != nil {
			t.Errorf("who is known is not new: %v", err)
		}
		if _, err := r.Actor(t.Context(), "https://h0.evil.test/77"); err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

func TestAtMostEightRequestsToAHostAreUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		var now, most atomic.Int64
		w.set("b.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(3 * time.Second)
			http.NotFound(rw, r)
		}))
		w.set("c.test", newPages())
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		var wait sync.WaitGroup
		var throttled atomic.Int64
		for i := range 60 {
			wait.Go(func() {
				if _, _, err := r.Fetch(t.Context(), fmt.Sprintf("https://b.test/%d", i)); errors.Is(err, actor.ErrThrottled) {
					throttled.Add(1)
				} else if !errors.Is(err, actor.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		begin := time.Now()
		if _, _, err := r.Fetch(t.Context(), "https://c.test/1"); !errors.Is(err, actor.ErrNotFound) || time.Since(begin) > 0 {
			t.Errorf("another host had to wait: %v", err)
		}
		wait.Wait()
		if most.Load() != 8 {
			t.Errorf("%d requests at once, want 8", most.Load())
		}
		// Within 10 s four times eight get their turn, and who waits longer does without.
		if n := throttled.Load(); n != 28 {
			t.Errorf("%d were told to come later, want 28", n)
		}
		if _, _, err := r.Fetch(t.Context(), "https://b.test/1"); !errors.Is(err, actor.ErrNotFound) {
			t.Errorf("the host is no longer asked: %v", err)
		}
	})
}
