package threads_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/threadslike"
	"github.com/fedihook/fedihook/outbox"
)

// An id that ends with a slash is another one without it: each that Threads gave out comes back as it was, on every way.
func TestIdsKeepTheirSlashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	if !strings.HasSuffix(w.frank.ID(), "/") {
		t.Fatalf("%s has no slash to lose", w.frank.ID())
	}
	w.theyFollow()
	w.weFollow()
	post := w.post(20*time.Minute, threadslike.Draft{Text: "hello"})
	w.hears("Create", about(post.ID))
	say := func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	like := say(w.ours.Like(t.Context(), "alice", post.ID))
	w.until("the like", func() bool { return slices.Contains(post.Reactions("Like"), alice) })
	say(w.ours.Undo(t.Context(), "alice", like))
	w.until("its end", func() bool { return len(post.Reactions("Like")) == 0 })
	mine := w.publish(note("plain words"))
	w.feed(1)
	say(w.ours.Delete(t.Context(), "alice", mine))
	w.exchange("our Delete", answered("Delete", http.StatusOK))
	if got := w.state(w.frank.ID(), alice); got != actor.Accepted {
		t.Errorf("frank follows alice: %s", got)
	}
	w.frank.Delete(post)
	w.hears("Delete", about(post.ID))
	say(w.ours.Unfollow(t.Context(), "alice", w.frank.ID()))
	w.until("the end of our follow", func() bool { return !slices.Contains(w.frank.Followers(), alice) })
	for _, e := range w.threads.Exchanges() {
		path := strings.TrimPrefix(e.URL, "http://threads.net")
		if strings.HasPrefix(path, "/ap/") && !strings.HasSuffix(path, "/") && e.Status >= 400 {
			t.Errorf("%s %s was answered %d: %s", e.Method, e.URL, e.Status, e.Why)
		}
	}
}

func TestPicturesAreFetchedAnewBeforeTheirAddressEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.MediaLife = 2 * time.Second }})
	w.weFollow()
	post := w.post(20*time.Minute, threadslike.Draft{Text: "look", Picture: true})
	h := w.hears("Create", about(post.ID))
	first, ok := activity.MediaExpiry(h.Object)
	if !ok || time.Until(first) > 3*time.Second {
		t.Fatalf("it says that it ends at %s, %t", first, ok)
	}
	w.until("the end of the address", func() bool { return time.Now().After(first.Add(time.Second)) })
	doc, err := w.ours.Refresh(t.Context(), "alice", post.ID)
	if err != nil {
		t.Fatal(err)
	}
	second, ok := activity.MediaExpiry(doc)
	if !ok || !second.After(first) || doc.DocumentID() != post.ID {
		t.Errorf("refreshed %s ends at %s, after %s", doc.DocumentID(), second, first)
	}
	who, err := w.ours.Refresh(t.Context(), "", w.frank.ID())
	if at, ok := activity.MediaExpiry(who); err != nil || !ok || !at.After(first) {
		t.Errorf("the actor's end at %s, %v", at, err)
	}
	if _, err := w.ours.Refresh(t.Context(), "alice", alice); err == nil {
		t.Error("one of ours was refreshed")
	}
	if _, err := w.ours.Refresh(t.Context(), "alice", w.frank.ID()+"nothing/"); err == nil {
		t.Error("what is not there was refreshed")
	}
}

func TestAnAppCanAskWhatThreadsDoesNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	poll := note("which?")
	poll.SetPoll(activity.Poll{Options: []activity.Option{{Name: "this"}, {Name: "that"}}, Ends: time.Now().Add(time.Hour)})
	reply := note("yes")
	reply.InReplyTo = activity.IRI(w.frank.ID() + "post/1/")
	for _, who := range []string{w.frank.ID(), "@frank@threads.net", "threads.net", "frank@www.threads.net"} {
		if got := w.ours.Flows(who, poll); !slices.ContainsFunc(got, func(f outbox.Flow) bool { return f.Kind == outbox.KindPoll && f.Way == outbox.ToThem }) {
			t.Errorf("%s: a poll: %+v", who, got)
		}
		if got := w.ours.Flows(who, note("hello")); len(got) != 0 {
			t.Errorf("%s: a note: %+v", who, got)
		}
		if got := w.ours.Flows(who, nil); len(got) < 5 {
			t.Errorf("%s: %+v", who, got)
		}
	}
	if got := w.ours.Flows(w.frank.ID(), reply); len(got) != 2 || got[0].Kind != outbox.KindReply {
		t.Errorf("a reply: %+v", got)
	}
	if got := w.ours.Flows("bob@mastodon.social", poll); len(got) != 0 {
		t.Errorf("elsewhere: %+v", got)
	}
}
