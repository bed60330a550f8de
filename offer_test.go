package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
)

// offered publishes some posts, of which the last but one is for followers and the first is edited.
func offered(t *testing.T, w *town) {
	t.Helper()
	for i := range 5 {
		o := activity.Note(fmt.Sprintf("https://blog.example/posts/%d", i), "", fmt.Sprintf("<p>post %d</p>", i), time.Now())
		o.To, o.CC = activity.To(activity.Public), activity.To(activity.Followers)
		if i == 3 {
			o.To, o.CC = o.CC, nil
		}
		if _, err := w.Publish(t.Context(), "alice", o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	if _, err := w.Update(t.Context(), "alice", activity.Note("https://blog.example/posts/2", "", "<p>edited</p>", time.Now())); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

func TestANewFollowerIsOfferedThePublicPostsAsTheyAreNow(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		offered(t, w)
		for range 2 { // a hook may run twice
			if n, err := w.Offer(t.Context(), "alice", w.old.ID(), 3); err != nil || n != 3 {
				t.Fatalf("Offer = %d, %v", n, err)
			}
		}
		time.Sleep(10 * time.Second)
		if n := len(w.old.Server().Received("Create")); n != 0 {
			t.Fatalf("%d came before the Accept that may be on its way", n)
		}
		time.Sleep(time.Minute)
		var got []string
		for _, d := range w.old.Server().Received("Create") {
			o, err := d.Activity.Object[0].Document()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.(*activity.Object).Content)
		}
		slices.Sort(got) // several may be under way at once
		if want := "[<p>edited</p> <p>post 1</p> <p>post 4</p>]"; fmt.Sprint(got) != want {
			t.Errorf("%v came, not %s", got, want)
		}
		if n := len(w.new.Server().Received("Create")); n != 0 {
			t.Errorf("somebody else got %d", n)
		}
	})
}

func TestWhatIsDeletedIsNotOfferedAnyMore(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		offered(t, w)
		w.followedBy(w.old, "alice")
		if _, err := w.Offer(t.Context(), "alice", w.old.ID(), 10); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Delete(t.Context(), "alice", "https://blog.example/posts/4"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(w.old.Server().Received("Create")); n != 3 {
			t.Errorf("%d came", n)
		}
	})
}

func TestWhatCannotBeOffered(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		offered(t, w)
		if _, err := w.At(time.Now().Add(time.Hour)).Offer(t.Context(), "alice", w.old.ID(), 1); !errors.Is(err, fedihook.ErrOutsideOnly) {
			t.Errorf("for later: %v", err)
		}
		if _, err := w.Offer(t.Context(), "nobody", w.old.ID(), 1); err == nil {
			t.Error("of nobody")
		}
		if _, err := w.Offer(t.Context(), "alice", w.old.ID(), 0); err == nil {
			t.Error("none")
		}
		if n, err := w.Offer(t.Context(), "alice", here("bea"), 9); err != nil || n != 0 {
			t.Errorf("to a neighbour: %d, %v", n, err)
		}
	})
}

func TestAStoreThatFailsWhilePostsAreOfferedIsAnError(t *testing.T) {
	t.Parallel()
	var left atomic.Int64
	left.Store(1 << 30)
	inTown(t, func(c *fedihook.Config) {
		c.Object = func(_ context.Context, id, _ string) (*activity.Object, error) {
			if left.Add(-1) < 0 {
				return nil, errStore
			}
			return activity.Note(id, "", "<p>x</p>", time.Now()), nil
		}
	}, func(t *testing.T, w *town) {
		offered(t, w)
		left.Store(3) // those of the page, and then no more
		if n, err := w.Offer(t.Context(), "alice", w.old.ID(), 3); !errors.Is(err, errStore) || n != 0 {
			t.Errorf("Offer = %d, %v", n, err)
		}
	})
}
