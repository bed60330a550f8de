package actor_test

import (
	"io"
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

func TestTenThousandAskersOfOneUnknownKeyMakeOneFetch(t *testing.T) {
	t.Parallel()
	const askers = 10_000
	var fetches, started atomic.Int64
	doc := person(t, bob, nil)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		for started.Load() < askers { // answers when everyone has asked
			time.Sleep(time.Millisecond)
		}
		w.Header().Set("Content-Type", activity.ContentType)
		_, _ = io.WriteString(w, strings.ReplaceAll(doc, "https://b.test", "http://b.test"))
	}))
	defer peer.Close()
	r := resolver(t, actor.ResolverConfig{
		Names:                 actor.Names{Origin: "http://a.test"},
		InsecureAllowLoopback: map[string]string{"b.test": peer.Listener.Addr().String()},
		Timeout:               time.Minute,
	})
	within(t, time.Minute, func() {
		var wait sync.WaitGroup
		for range askers {
			wait.Go(func() {
				started.Add(1)
				k, err := r.PublicKey(t.Context(), "http://b.test/users/bob#main-key")
				if err != nil || k.Owner != "http://b.test/users/bob" {
					t.Errorf("%+v, %v", k, err)
				}
			})
		}
		wait.Wait()
	})
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestAnAskerWhoLeavesTakesTheFetchFromNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		doc := person(t, bob, nil)
		w.set("b.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(3 * time.Second):
			case <-r.Context().Done():
				return
			}
			rw.Header().Set("Content-Type", activity.ContentType)
			_, _ = io.WriteString(rw, doc)
		}))
		r := resolver(t, actor.ResolverConfig{Client: w.client()})
		first, cancel := contextWithTimeout(t, time.Second)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := r.PublicKey(first, bobKey); err == nil {
				t.Error("the one who left got a key")
			}
		})
		time.Sleep(time.Millisecond)
		wait.Go(func() {
			if _, err := r.PublicKey(t.Context(), bobKey); err != nil {
				t.Errorf("the one who stayed: %v", err)
			}
		})
		wait.Wait()
		if w.count(bob) != 1 {
			t.Errorf("%d fetches", w.count(bob))
		}
	})
}

func TestTwoServersThatBothAskForSignaturesFindEachOther(t *testing.T) {
	t.Parallel()
	w := newWeb()
	a := newSite(t, w, "a.test", actor.Profile{Handle: "alice"})
	b := newSite(t, w, "b.test", actor.Profile{Handle: "bob"})
	for authority, s := range map[string]*site{"a.test": a, "b.test": b} {
		v := &signature.Verifier{Keys: s.resolver, Authorities: []string{authority}, Scheme: "https"}
		mux := http.NewServeMux()
		s.handler.Register(mux)
		w.set(authority, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.RequestURI = r.URL.RequestURI()
			if strings.Contains(r.URL.Path, "/users/") { // secure mode; the instance actor is for everyone
				if _, err := v.Verify(r, nil); err != nil {
					t.Errorf("%s: %v", r.URL, err)
					rw.WriteHeader(http.StatusUnauthorized)
					return
				}
			}
			mux.ServeHTTP(rw, r)
		}))
	}
	within(t, 20*time.Second, func() {
		found, err := a.resolver.Lookup(t.Context(), "@bob@b.test")
		if err != nil || found.ID != "https://b.test/ap/users/bob" {
			t.Errorf("%v, %v", found, err)
		}
		found, err = b.resolver.Lookup(t.Context(), "alice@a.test")
		if err != nil || found.ID != "https://a.test/ap/users/alice" {
			t.Errorf("%v, %v", found, err)
		}
	})
}
