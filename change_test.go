package fedihook_test

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
)

func TestChangeSaysWhatBecameOfAPost(t *testing.T) {
	t.Parallel()
	inTown(t, nil, func(t *testing.T, w *town) {
		w.followedBy(w.old, "alice")
		post := func(text string) *activity.Object {
			return activity.Article("https://blog.example/posts/1", "", "A title", text, "A <teaser>", time.Now())
		}
		other := post("x")
		other.ID = "https://blog.example/posts/2"
		for _, c := range []struct {
			before, after *activity.Object
			want          string
		}{
			{nil, nil, ""}, {nil, post("a"), "Create"}, {post("a"), post("b"), "Update"}, {post("b"), other, "error"}, {post("b"), nil, "Delete"},
		} {
			_, err := w.Change(t.Context(), "alice", c.before, c.after)
			time.Sleep(10 * time.Second)
			if (err != nil) != (c.want == "error") {
				t.Fatalf("%s: %v", c.want, err)
			}
			if c.want == "" || c.want == "error" {
				continue
			}
			if n := len(w.old.Server().Received(c.want)); n != 1 {
				t.Errorf("%d of %s came", n, c.want)
			}
		}
		if n := len(w.old.Server().Received("")); n != 4 { // with the Accept
			t.Errorf("%d came in all", n)
		}
	})
}

func TestWhoIsLetInIsOfferedPosts(t *testing.T) {
	t.Parallel()
	inTown(t, func(c *fedihook.Config) { c.OfferPosts = 2 }, func(t *testing.T, w *town) {
		offered(t, w)
		w.followedBy(w.old, "alice")
		time.Sleep(time.Minute)
		if n := len(w.old.Server().Received("Create")); n != 2 {
			t.Errorf("%d came", n)
		}
		w.followedBy(w.old, "alice") // as servers do that have forgotten
		time.Sleep(time.Minute)
		if n := len(w.old.Server().Received("Create")); n != 2 {
			t.Errorf("%d came after another Follow", n)
		}
	})
}
