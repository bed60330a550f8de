package threads_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/internal/threadslike"
)

// post makes frank write some time ago, and lets the clock run again.
func (w *world) post(ago time.Duration, d threadslike.Draft) *threadslike.Post {
	w.then(ago)
	defer w.then(0)
	return w.frank.Post(d)
}

func TestTheirPostsComeLateAndOutOfOrderAndSortByPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	first := w.post(18*time.Minute, threadslike.Draft{Text: "first"})
	second := w.post(17*time.Minute, threadslike.Draft{Text: "second"})
	third := w.post(16*time.Minute, threadslike.Draft{Text: "third", Picture: true, Quote: first.ID})
	w.post(5*time.Minute, threadslike.Draft{Text: "can still be edited"})

	sent := w.deliver()
	if len(sent) != 3 || sent[0].ID != third.ID+"activity/" || sent[2].ID != first.ID+"activity/" {
		t.Fatalf("sent %v: the order must be wrong for this test", sent)
	}
	var notes []*activity.Object
	for _, p := range []*threadslike.Post{third, second, first} {
		h := w.hears("Create", about(p.ID))
		note, ok := h.Object.(*activity.Object)
		if !ok || !h.ToFollowers || h.Sender != w.frank.ID() {
			t.Fatalf("%s: %T, to followers: %v", p.ID, h.Object, h.ToFollowers)
		}
		// The offset has no colon, and the time is when it was written.
		if !note.Published.Equal(p.Published.Truncate(time.Second)) || h.Received.Sub(note.Published) < 15*time.Minute {
			t.Errorf("%s: published %s, want %s", p.ID, note.Published, p.Published)
		}
		if got := pageOf(note); got != p.PageURL() {
			t.Errorf("%s: its page is %q, want %s", p.ID, got, p.PageURL())
		}
		notes = append(notes, note)
	}
	slices.SortFunc(notes, func(a, b *activity.Object) int { return a.Published.Compare(b.Published) })
	if notes[0].ID != first.ID || notes[1].ID != second.ID || notes[2].ID != third.ID {
		t.Errorf("sorted: %s, %s, %s", notes[0].ID, notes[1].ID, notes[2].ID)
	}
	if got := notes[2]; got.Quoted() != first.ID || len(got.Attachment) != 1 || notes[0].Quoted() != "" {
		t.Errorf("the third quotes %q and has %d pictures", got.Quoted(), len(got.Attachment))
	}
}

// pageOf is the page for people among the links of a post: the first that is for a browser.
func pageOf(o *activity.Object) string {
	for _, r := range o.URL {
		doc, err := r.Document()
		if err != nil {
			continue
		}
		if link, ok := doc.(*activity.Link); ok && link.MediaType == "text/html" {
			return link.Href
		}
	}
	return ""
}

func TestTheirPostIsEditedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	p := w.post(time.Hour, threadslike.Draft{Text: "one"})
	w.frank.Edit(p, "two") // within the window: nobody hears of it
	created := w.hears("Create", about(p.ID)).Object.(*activity.Object)
	if created.Content != "<p>two</p>" || !created.Updated.IsZero() {
		t.Errorf("created as %q, updated %s", created.Content, created.Updated)
	}
	w.frank.Edit(p, "three")
	edited := w.hears("Update", about(p.ID)).Object.(*activity.Object)
	if edited.Content != "<p>three</p>" || edited.Updated.IsZero() || !edited.Published.Equal(created.Published) {
		t.Errorf("edited to %q, updated %s", edited.Content, edited.Updated)
	}
	w.frank.Delete(p)
	if h := w.hears("Delete", about(p.ID)); h.Sender != w.frank.ID() {
		t.Errorf("deleted by %s", h.Sender)
	}
}

func TestOurPostIsSeenEditedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()
	id := w.publish(note("<p>plain enough</p>"))
	got := w.feed(1)[0]
	if got.ID != id || got.Author != alice || got.Content != "plain enough" || got.Published.IsZero() {
		t.Errorf("frank sees %+v", got)
	}
	if got.Original != ourOrigin+"/posts/1" {
		t.Errorf("view original leads to %q", got.Original)
	}
	// The double has fetched the post by its id before it showed it.
	if fetched := w.requests(func(a asked) bool { return ourOrigin+a.path == id }); len(fetched) == 0 || fetched[0].status != http.StatusOK {
		t.Errorf("the post was fetched: %v", fetched)
	}
	edited := note("<p>edited</p>")
	edited.ID = id
	if _, err := w.ours.Update(t.Context(), "alice", edited); err != nil {
		t.Fatal(err)
	}
	w.until("the edit", func() bool { return w.feed(1)[0].Content == "edited" })
	if again := w.feed(1)[0]; !again.Published.Equal(got.Published) {
		t.Errorf("published %s after the edit, %s before", again.Published, got.Published)
	}
	if _, err := w.ours.Delete(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	w.feed(0)
	if e := w.exchange("our Delete", func(e threadslike.Exchange) bool { return e.Type == "Delete" }); e.Status != http.StatusOK {
		t.Errorf("our Delete: %+v", e)
	}
}

// What the one Note had that was seen to be shown is what Publish makes of plain text: no name, no summary, a time, and
// nobody in cc but the followers.
func TestPlainTextIsTakenInTheStrictestReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Strict = true }})
	w.theyFollow()
	id := w.publish(note("plain words"))
	if got := w.feed(1)[0]; got.ID != id {
		t.Errorf("frank sees %+v", got)
	}
}

// What Threads may refuse is said to it in plain words, and to all others as it is.
func TestWhatThreadsMayRefuseIsSaidInPlainWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Strict = true }})
	w.theyFollow()
	long := note("<p>with <b>markup</b> &amp; more</p><p>1 &lt; 2</p>")
	long.Type, long.Name, long.Summary = activity.Types{"Note"}, "a title", "a warning"
	long.To, long.CC = activity.To(activity.Public), activity.To(activity.Followers, w.frank.ID())
	poll := note("<p>which?</p>")
	poll.SetPoll(activity.Poll{Options: []activity.Option{{Name: "this"}, {Name: "that"}}, Ends: time.Now().Add(time.Hour)})
	for _, c := range []struct {
		o     *activity.Object
		plain string
	}{
		{long, "a title\n\na warning\n\nwith markup &amp; more\n\n1 &lt; 2"},
		{poll, "which?\n\n○ this\n○ that\n\n" + ourOrigin + "/posts/1"},
	} {
		id := w.publish(c.o)
		w.until(c.plain, func() bool {
			return slices.ContainsFunc(w.frank.Feed(), func(s threadslike.Shown) bool { return s.ID == id && s.Content == c.plain && s.Type == "Note" })
		})
		doc, err := w.store.Log.ObjectRecords(t.Context(), id, 1)
		if err != nil || len(doc) != 1 || !bytes.Contains(doc[0].Activity, []byte(`"type":"`+c.o.Type.String()+`"`)) || !bytes.Contains(doc[0].Activity, []byte(`<p>`)) {
			t.Errorf("what others get is %s, %v", doc[0].Activity, err)
		}
	}
	if n := w.posts(http.StatusInternalServerError); n != 0 {
		t.Errorf("%d posts were refused", n)
	}
}

// A 500 that will not go away must cost that activity, and neither those after it nor the follower.
func TestWhatIsRefusedForItsShapeHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()
	bad, err := w.ours.Send(t.Context(), "alice", &activity.Activity{
		Type: activity.Types{"Accept"}, Object: activity.Refs{activity.IRI(w.frank.ID() + "#follows/1")}, To: activity.To(w.frank.ID()),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.exchange("the refusal", answered("Accept", http.StatusInternalServerError))
	good := w.publish(note("<p>with markup</p>"))
	if got := w.feed(1)[0]; got.ID != good {
		t.Errorf("frank sees %+v", got)
	}
	w.until("a dead letter", func() bool {
		for letter, err := range w.ours.Queue().DeadLetters(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			return letter.Status == http.StatusInternalServerError
		}
		return false
	})
	if n := w.posts(http.StatusInternalServerError); n != 3 {
		t.Errorf("%s was tried %d times", bad, n)
	}
	if kept := w.threads.Kept(); len(kept) != 1 || w.state(w.frank.ID(), alice) != actor.Accepted {
		t.Errorf("kept %v", kept)
	}
}

// An Article says all that Threads asks one for, though the app says neither updated nor mediaType. Nobody has seen it shown there.
func TestOurArticleIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{theirs: func(c *threadslike.Config) { c.Strict = true }})
	w.theyFollow()
	o := note("<p>long</p>")
	o.Type, o.Name = activity.Types{"Article"}, "a title"
	id := w.publish(o)
	if e := w.exchange("our Article", func(e threadslike.Exchange) bool { return e.Type == "Create" }); e.Status != http.StatusOK {
		t.Errorf("our Article: %+v", e)
	}
	if kept := w.threads.Kept(); len(kept) != 1 || kept[0].ID != id || kept[0].Hidden == "" {
		t.Errorf("kept %v", kept)
	}
	o.ID, o.Content = id, "<p>longer</p>"
	if _, err := w.ours.Update(t.Context(), "alice", o); err != nil {
		t.Fatal(err)
	}
	w.until("the Update", func() bool { return w.threads.Kept()[0].Content == "<p>longer</p>" })
}

// Replies and what is not public are answered 200 and seen by nobody.
func TestWhatThreadsDoesNotShowIsDeliveredAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.theyFollow()
	w.weFollow()
	theirs := w.post(time.Hour, threadslike.Draft{Text: "ask me"})
	w.hears("Create", about(theirs.ID))

	reply := note("this")
	reply.InReplyTo = activity.IRI(theirs.ID)
	hidden := note("for followers")
	hidden.To = activity.To(activity.Followers)
	for name, o := range map[string]*activity.Object{"replies": reply, "not public": hidden} {
		id := w.publish(o)
		w.until(name, func() bool {
			return slices.ContainsFunc(w.threads.Kept(), func(s threadslike.Shown) bool { return s.ID == id && s.Hidden != "" })
		})
	}
	if n := len(w.frank.Feed()); n != 0 {
		t.Errorf("frank sees %d posts", n)
	}
}

// What Threads keeps to itself can't be had by asking for it either.
func TestWhatIsNotSharedIsNotFetched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.weFollow()
	p := w.post(time.Hour, threadslike.Draft{Text: "which?", Poll: []string{"this", "that"}})
	w.deliver()
	// A like needs to know whose the post is.
	if _, err := w.ours.Like(t.Context(), "alice", p.ID); err != nil {
		t.Fatal(err)
	}
	w.exchange("the fetch", func(e threadslike.Exchange) bool { return e.URL == p.ID && e.Status == http.StatusNotFound })
	if n := w.count("Create", func(heard) bool { return true }); n != 0 {
		t.Errorf("%d posts were heard of", n)
	}
}
