package actor_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
)

func TestAKeyIsKeptForAnHourUnlessItsOwnerIsTrusted(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[bool]int{false: 2, true: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWeb()
			w.set("b.test", newPages().json("/users/bob", person(t, bob, nil)))
			r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: newMemory()})
			key := func() {
				t.Helper()
				before := w.total()
				held := r.HoldsKey(bob + "#main-key")
				defer func() {
					if fetched := w.total() > before; fetched == held || !r.HoldsKey(bob+"#main-key") {
						t.Errorf("trusted %v: held %v, fetched %v", trusted, held, fetched)
					}
				}()
				if k, err := r.PublicKey(t.Context(), bob+"#main-key"); err != nil || k.Owner != bob {
					t.Fatalf("%+v, %v", k, err)
				}
			}
			key()
			if trusted {
				if err := r.Trust(t.Context(), bob); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(59 * time.Minute)
			key()
			if n := w.total(); n != 1 {
				t.Errorf("trusted %v: %d fetches within the hour", trusted, n)
			}
			time.Sleep(2 * time.Minute)
			key()
			if n := w.total(); n != want {
				t.Errorf("trusted %v: %d fetches after an hour, want %d", trusted, n, want)
			}
		})
	}
}

func TestACrowdThatPassesByTakesTheRoomOfNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWeb()
	site := newPages().json("/users/bob", person(t, bob, nil))
	w.set("b.test", site)
	crowd := newPages()
	w.set("crowd.test", crowd)
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Store: newMemory(), MaxFetches: 1_000_000})
	if _, err := r.Actor(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 { // some 9 MB
		id := fmt.Sprintf("https://crowd.test/users/%d", i)
		crowd.json(fmt.Sprintf("/users/%d", i), person(t, id, nil))
		if _, err := r.PublicKey(t.Context(), id+"#main-key"); err != nil {
			t.Fatal(err)
		}
	}
	before := w.total()
	if err := r.Trust(t.Context(), "https://crowd.test/users/2999"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{bob, "https://crowd.test/users/2999"} {
		if _, err := r.Actor(t.Context(), id); err != nil || w.total() != before {
			t.Errorf("%s: %v, %d more fetches", id, err, w.total()-before)
		}
	}
}

func TestWhatIsAskedOfOneHostIsSpreadOverTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		crowd := newPages()
		w.set("crowd.test", crowd)
		r := resolver(t, actor.ResolverConfig{Client: w.client(), MaxFetches: 60})
		start := time.Now()
		for i := range 30 {
			id := fmt.Sprintf("https://crowd.test/users/%d", i)
			crowd.json(fmt.Sprintf("/users/%d", i), person(t, id, nil))
			if _, err := r.PublicKey(t.Context(), id+"#main-key"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); i < 20 && took != 0 {
				t.Fatalf("fetch %d waited for %s", i, took)
			}
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the last of 30 fetches was made after %s, want 10 s: one a second after the first 20", took)
		}
	})
}
