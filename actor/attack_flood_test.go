package actor_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// A Ghost server was killed by the Delete of one who was gone, which came 1,450 times a minute.
func TestAttack14AFloodOfSignaturesMakesNoFloodOfFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		site := newPages().json("/users/bob", person(t, bob, nil)).put("/users/dead", page{status: 410})
		w.set("b.test", site)
		w.set("down.test", nil)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), MaxFetches: 20})
		v := &signature.Verifier{Keys: r, Authorities: []string{"a.test"}}
		many := func(n int, keyID string, k int, want error) {
			t.Helper()
			req := httptest.NewRequest(http.MethodPost, "https://a.test/ap/inbox", strings.NewReader(`{}`))
			req.Header.Set("Content-Type", activity.ContentType)
			if err := signature.Sign(req, []byte(`{}`), signature.Key{ID: keyID, Private: testKeys()[k]}, signature.Cavage); err != nil {
				t.Fatal(err)
			}
			var wait sync.WaitGroup
			var other atomic.Int32
			for range n {
				wait.Go(func() {
					if _, err := v.Verify(req, []byte(`{}`)); !errors.Is(err, want) {
						other.Add(1)
					}
				})
			}
			wait.Wait()
			if other.Load() != 0 {
				t.Errorf("%s: %d of %d answers are not %v", keyID, other.Load(), n, want)
			}
		}
		// Honest: all are let through after one fetch.
		many(200, bobKey, 0, nil)
		if n := w.count(bob); n != 1 {
			t.Fatalf("%d fetches for an honest sender", n)
		}
		// Signatures that do not fit: the key is young, then it is fetched once in five minutes.
		many(200, bobKey, 1, signature.ErrBadSignature)
		if n := w.count(bob); n != 1 {
			t.Errorf("%d fetches after bad signatures", n)
		}
		time.Sleep(6 * time.Minute)
		many(200, bobKey, 1, signature.ErrBadSignature)
		many(200, bobKey, 1, signature.ErrBadSignature)
		if n := w.count(bob); n != 2 {
			t.Errorf("%d fetches after bad signatures six minutes later", n)
		}
		// One who is gone: asked once in a month.
		many(200, "https://b.test/users/dead#main-key", 1, signature.ErrKeyGone)
		time.Sleep(29 * 24 * time.Hour)
		many(200, "https://b.test/users/dead#main-key", 1, signature.ErrKeyGone)
		if n := w.count("https://b.test/users/dead"); n != 1 {
			t.Errorf("%d fetches of one who is gone", n)
		}
		// Keys that are not there, by ids that are made up: a budget for their host.
		before := w.total()
		for i := range 200 {
			if _, err := r.PublicKey(t.Context(), fmt.Sprintf("https://b.test/users/%d#main-key", i)); err == nil {
				t.Fatal("a key that is not there")
			}
		}
		if n := w.total() - before; n != 20 {
			t.Errorf("%d fetches for 200 made up ids in a minute, want 20", n)
		}
		// And fragments that are made up: the document is there already.
		time.Sleep(time.Minute)
		if _, err := r.RefreshKey(t.Context(), bobKey); err != nil {
			t.Fatal(err)
		}
		before = w.total()
		for i := range 200 {
			if _, err := r.PublicKey(t.Context(), fmt.Sprintf("%s#k%d", bob, i)); !errors.Is(err, signature.ErrNoKey) {
				t.Fatal(err)
			}
		}
		if n := w.total() - before; n > 1 {
			t.Errorf("%d fetches for 200 made up fragments", n)
		}
		// A host that does not answer: 503, and one attempt in half a minute.
		before = w.total()
		for i := range 200 {
			if _, err := r.PublicKey(t.Context(), fmt.Sprintf("https://down.test/users/%d#main-key", i)); err == nil || errors.Is(err, signature.ErrNoKey) {
				t.Fatal(err)
			}
		}
		if n := w.total() - before; n != 1 {
			t.Errorf("%d attempts at a host that is down", n)
		}
	})
}

func TestAttack15TwoServersThatAskForSignaturesWaitForEachOtherNotForEver(t *testing.T) {
	t.Parallel()
	config := func(host string, timeout time.Duration) actor.ResolverConfig {
		names := actor.Names{Origin: "http://" + host}
		return actor.ResolverConfig{Names: names, Key: (&keyOf{names}).key, Timeout: timeout}
	}
	const alice, bob = "http://a.test/ap/users/alice", "http://b.test/ap/users/bob"
	// Honest: each verifies the other's request by a fetch of its own, which is not verified in turn.
	p := newPeers()
	a, useA := secure(t, p, "a.test", "alice")
	b, useB := secure(t, p, "b.test", "bob")
	p.serve(t, "a.test", a).serve(t, "b.test", b)
	ra, rb := p.resolver(t, config("a.test", 0)), p.resolver(t, config("b.test", 0))
	useA(ra)
	useB(rb)
	within(t, 20*time.Second, func() {
		if found, err := ra.Actor(t.Context(), bob); err != nil || found.ID != bob {
			t.Errorf("%v, %v", found, err)
		}
		if found, err := rb.Actor(t.Context(), alice); err != nil || found.ID != alice {
			t.Errorf("%v, %v", found, err)
		}
	})
	for _, r := range p.all() {
		if r.URL.Path == "/ap/actor" && r.Header.Get("Signature") == "" {
			t.Errorf("%s%s was fetched unsigned: servers that want signatures for it exist", r.Host, r.URL.Path)
		}
	}

	// The attack: a server that answers for its key only when we have answered a request signed with it.
	p = newPeers()
	a, useA = secure(t, p, "a.test", "alice")
	var asked atomic.Int32
	p.serve(t, "a.test", a).serve(t, "evil.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 50 {
			http.Error(w, "enough", http.StatusInternalServerError)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+p.address("a.test")+"/ap/users/alice", nil)
		if err == nil {
			req.Host = "a.test"
			if err = signature.Sign(req, nil, signature.Key{ID: malloryKey, Private: testKeys()[0]}, signature.Cavage); err == nil {
				var resp *http.Response
				if resp, err = (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req); err == nil {
					resp.Body.Close()
				}
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		people(t, "evil.test", named(t, mallory, nil)).ServeHTTP(w, r)
	})).serve(t, "b.test", people(t, "b.test", named(t, "http://b.test/users/bob", nil)))
	ra = p.resolver(t, config("a.test", time.Second))
	useA(ra)
	within(t, 15*time.Second, func() {
		if k, err := ra.PublicKey(t.Context(), malloryKey); err == nil || errors.Is(err, signature.ErrNoKey) {
			t.Errorf("the key that waits for itself: %+v, %v", k, err)
		}
	})
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	// Nobody else waits with it.
	if k, err := ra.PublicKey(t.Context(), "http://b.test/users/bob#main-key"); err != nil || k.Owner == "" {
		t.Errorf("someone else's key: %+v, %v", k, err)
	}
}
