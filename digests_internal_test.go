package fedihook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// numbered makes digests that tell how often they were made.
func numbered(n int64, hosts int) digests {
	d := digests{collection: fmt.Sprint(n), byAuthority: map[string]actor.FollowersDigest{}}
	for i := range hosts {
		d.byAuthority[fmt.Sprint(i)] = actor.FollowersDigest{}
	}
	return d
}

func TestDigestsAreMadeOnceForAllUntilTheFollowersChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		c := &digestCache{make: func(context.Context, string) (digests, error) {
			n := made.Add(1)
			time.Sleep(time.Second)
			return numbered(n, 1), nil
		}}
		is := func(want string) {
			t.Helper()
			if d, err := c.of(t.Context(), "alice"); err != nil || d.collection != want {
				t.Errorf("%q, %v, want %q", d.collection, err, want)
			}
		}
		for range 10 {
			go c.of(t.Context(), "alice")
		}
		is("1")
		is("1")
		c.changed("bob")
		is("1")
		c.changed("alice")
		is("2")
		time.Sleep(digestsAge)
		is("3") // another process may have changed something
		// What changes while they are made is not in them: who asks after that gets newer ones.
		c.changed("alice")
		go c.of(t.Context(), "alice")
		synctest.Wait()
		c.changed("alice")
		is("5")
		is("5")
	})
}

// A server that ends must not leave anybody behind who reads its stores.
func TestDigestsAreNotMadeForWhoHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		c := &digestCache{make: func(ctx context.Context, _ string) (digests, error) {
			select {
			case <-ctx.Done():
				time.Sleep(time.Second) // as a store does that is busy
				ended.Store(true)
				return digests{}, ctx.Err()
			case <-time.After(10 * time.Second):
				return numbered(1, 1), nil
			}
		}}
		ends, stop := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() {
			synctest.Wait()
			go func() {
				d, err := c.of(t.Context(), "alice") // for another server's inbox, with more time
				if err == nil && d.collection != "1" {
					err = errors.New("others")
				}
				waited <- err
			}()
			synctest.Wait()
			stop()
		}()
		if _, err := c.of(ends, "alice"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v for who has ended", err)
		}
		if !ended.Load() {
			t.Error("they are still being made")
		}
		if err := <-waited; err != nil {
			t.Errorf("who waited got %v", err)
		}
	})
}

func TestDigestsThatCannotBeMadeAreNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := &digestCache{make: func(context.Context, string) (digests, error) {
			switch calls++; calls {
			case 1:
				return digests{}, errors.New("disk on fire")
			case 2:
				panic("the app's")
			}
			return numbered(3, 1), nil
		}}
		for range 2 {
			if _, err := c.of(t.Context(), "alice"); err == nil {
				t.Error("no error")
			}
		}
		if d, err := c.of(t.Context(), "alice"); err != nil || d.collection != "3" {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestDigestsTakeABoundedRoom(t *testing.T) {
	t.Parallel()
	c := &digestCache{make: func(context.Context, string) (digests, error) { return numbered(1, maxDigests/4), nil }}
	for i := range 9 {
		if _, err := c.of(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, d := range c.known {
			n += len(d.byAuthority) + 1
		}
		if n > maxDigests || n != c.size {
			t.Fatalf("%d in memory, counted %d", n, c.size)
		}
	}
}

func TestAPaceCountsWithinItsWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Minute, 2, 2)
		for i, want := range []bool{true, true, true, false} { // the first only asks
			if got := p.take("a", min(i, 1)); got != want {
				t.Errorf("%d: %t", i, got)
			}
		}
		if p.take("a", 0) {
			t.Error("there is room for one more of a")
		}
		if !p.first("b") || p.first("c") {
			t.Error("not two names")
		}
		time.Sleep(time.Minute)
		if !p.take("a", 1) || !p.take("c", 1) {
			t.Error("no room in the next minute")
		}
	})
}
