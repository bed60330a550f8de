package actor_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// A host of which many keys are asked for in a minute; hidden says what it answers to requests that nobody signed, 0 what it
// answers to others.
func askForKeys(t *testing.T, hidden, many int) (signed, unsigned int) {
	t.Helper()
	w := newWeb()
	w.set("a.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Signature") == "" && hidden != 0 {
			http.Error(rw, "sign this", hidden)
			return
		}
		rw.Header().Set("Content-Type", activity.ContentType)
		fmt.Fprint(rw, person(t, "https://a.test"+r.URL.Path, nil))
	}))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Key: ourKey, Store: newMemory()})
	for i := range many {
		if i == 60 {
			time.Sleep(15 * time.Second) // of the same minute
		}
		id := fmt.Sprintf("https://a.test/users/u%d", i)
		if k, err := r.PublicKey(t.Context(), id+"#main-key"); err != nil || k.Owner != id {
			t.Fatalf("key %d: %+v, %v", i, k, err)
		}
	}
	for _, one := range w.seen {
		if one.Header.Get("Signature") == "" {
			unsigned++
		} else {
			signed++
		}
	}
	return signed, unsigned
}

func TestManyKeysOfAHostThatShowsThemToAnyoneAreFetchedOnceEachAndMostlyUnsigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if signed, unsigned := askForKeys(t, 0, 100); signed != 20 || unsigned != 80 {
			t.Errorf("%d signed, %d unsigned requests for 100 keys, want 20 and 80", signed, unsigned)
		}
	})
}

func TestAHostThatWantsSignaturesIsTriedWithoutOnce(t *testing.T) {
	t.Parallel()
	for _, hidden := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusTooManyRequests, http.StatusInternalServerError} {
		synctest.Test(t, func(t *testing.T) {
			if signed, unsigned := askForKeys(t, hidden, 100); signed != 100 || unsigned != 1 {
				t.Errorf("%d: %d signed, %d unsigned requests for 100 keys, want 100 and 1", hidden, signed, unsigned)
			}
		})
	}
}

func TestFewKeysOfAHostAreAskedForWithSignatures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if signed, unsigned := askForKeys(t, 0, 20); signed != 20 || unsigned != 0 {
			t.Errorf("%d signed, %d unsigned requests, want 20 and 0", signed, unsigned)
		}
	})
}

// What is gone for everyone makes nobody hide.
func TestAHostThatShowsItsKeysGoesOnBeingBelievedWhereSomeAreGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("a.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/users/u30" {
				http.Error(rw, "gone", http.StatusGone)
				return
			}
			rw.Header().Set("Content-Type", activity.ContentType)
			fmt.Fprint(rw, person(t, "https://a.test"+r.URL.Path, nil))
		}))
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Key: ourKey, Store: newMemory()})
		var last []bool
		for i := range 40 {
			_, err := r.PublicKey(t.Context(), fmt.Sprintf("https://a.test/users/u%d#main-key", i))
			if (err != nil) != (i == 30) {
				t.Fatalf("key %d: %v", i, err)
			}
			last = append(last, w.seen[len(w.seen)-1].Header.Get("Signature") != "")
		}
		want := slices.Repeat([]bool{false}, 9)
		if got := last[31:]; !slices.Equal(got, want) {
			t.Errorf("after one that is gone these were signed: %v", got)
		}
		if !last[30] {
			t.Error("that one is gone was believed without a signature")
		}
	})
}

// Threads says 404 to who does not sign, and may mean to say nothing else.
func TestAHostThatHidesIsNeverAskedForKeysUnsigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.set("a.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", activity.ContentType)
			fmt.Fprint(rw, person(t, "https://a.test"+r.URL.Path, nil))
		}))
		r := resolver(t, actor.ResolverConfig{Client: w.client(), Key: ourKey, Store: newMemory(), Hiding: []string{"a.test"}})
		for i := range 40 {
			if _, err := r.PublicKey(t.Context(), fmt.Sprintf("https://a.test/users/u%d#main-key", i)); err != nil {
				t.Fatal(err)
			}
			if w.seen[i].Header.Get("Signature") == "" {
				t.Fatalf("key %d was asked for without a signature", i)
			}
		}
	})
}
