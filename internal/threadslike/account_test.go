package threadslike

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestALikeHasAFragmentForItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	note := w.ada.note("post", nil)
	if err := w.frank.Like(t.Context(), text(note, "id")); err != nil {
		t.Fatal(err)
	}
	like := w.deliver("Like").activity
	if !strings.HasPrefix(text(like, "id"), w.frank.ID()+"#likes/") || like["object"] != note["id"] {
		t.Errorf("like %v", like)
	}
	if status, _, doc := w.get(text(like, "id"), true); status != http.StatusOK || doc["type"] != "Person" {
		t.Errorf("the id of the Like leads to %v", doc)
	}
}

func TestDeliveriesArriveLate(t *testing.T) {
	t.Parallel()
	for lag, want := range map[time.Duration]time.Duration{0: 7 * time.Minute, -1: 0, time.Minute: time.Minute} {
		w := newWorld(t, func(c *Config) { c.Lag = lag })
		w.post(w.ada.says("Follow", w.frank.ID()))
		got := w.deliver("Accept")
		date, err := http.ParseTime(got.request.Header.Get("Date"))
		if err != nil || w.clock().Sub(date) != want {
			t.Errorf("Lag %s: Date %s, now %s", lag, date, w.clock())
		}
		p, err := parseParameters(got.request.Header.Get("Signature"))
		if err != nil || p.created != date.Unix() || p.expires != p.created+300 || p.keyID != w.frank.KeyID() {
			t.Errorf("signed as %+v, %v", p, err)
		}
		if err := checkDigest(got.request.Header.Values("Digest"), got.body); err != nil {
			t.Error(err)
		}
		if err := p.checkSignature(got.request, &theKey().PublicKey); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatUsersCanDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	f := w.frank

	id, err := f.Follow(t.Context(), "@ada@elsewhere.example")
	if err != nil || id != w.ada.id {
		t.Fatalf("Follow = %s, %v", id, err)
	}
	follow := w.deliver("Follow").activity
	if follow["object"] != w.ada.id || follow["actor"] != f.ID() {
		t.Errorf("Follow %v", follow)
	}
	post := f.Post(Draft{Text: "one"})
	w.pass(time.Hour)
	if got := w.deliver("Create").activity["object"].(object); got["id"] != post.ID || got["content"] != "<p>one</p>" || got["updated"] != nil {
		t.Errorf("Create of %v", got)
	}
	f.Edit(post, "two")
	if got := w.deliver("Update").activity["object"].(object); got["content"] != "<p>two</p>" || got["updated"] == nil || got["published"] != stamp(post.Published) {
		t.Errorf("Update of %v", got)
	}
	if err := f.Rename("Frankie"); err != nil {
		t.Fatal(err)
	}
	if got := w.deliver("Update").activity["object"].(object); got["type"] != "Person" || got["name"] != "Frankie" {
		t.Errorf("Update of %v", got)
	}
	theirs := w.ada.note("post", nil)
	for _, c := range []struct {
		typ, object string
		do          func() error
	}{
		{"Like", text(theirs, "id"), func() error { return f.Like(t.Context(), text(theirs, "id")) }},
		{"Announce", post.ID, func() error { return f.Repost(t.Context(), post.ID) }},
		{"Follow", w.ada.id, func() error { _, err := f.Follow(t.Context(), "@ada@elsewhere.example"); return err }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		did := w.deliver(c.typ).activity
		if err := f.Undo(c.typ, c.object); err != nil {
			t.Fatal(err)
		}
		inner, _ := w.deliver("Undo").activity["object"].(object)
		if inner["id"] != did["id"] || inner["type"] != c.typ || inner["object"] != c.object {
			t.Errorf("Undo of %v", inner)
		}
		if err := f.Undo(c.typ, c.object); !errors.Is(err, ErrUnknown) {
			t.Errorf("Undo of %s again: %v", c.typ, err)
		}
	}
	f.Delete(post)
	if got := w.deliver("Delete").activity["object"].(object); got["id"] != post.ID || got["type"] != "Tombstone" {
		t.Errorf("Delete of %v", got)
	}
	if status, _, _ := w.get(post.ID, true); status != http.StatusNotFound {
		t.Errorf("a deleted post: %d", status)
	}
}

func TestPostsOfOtherServersCanNotBeAnsweredOrSharedYet(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{false, true} {
		w := newWorld(t, func(c *Config) { c.Remote = remote })
		note := w.ada.note("post", nil)
		id := text(note, "id")
		err := w.frank.Repost(t.Context(), id)
		p, replyErr := w.frank.Reply(t.Context(), id, Draft{Text: "yes"})
		if !remote {
			if !errors.Is(err, ErrNotYet) || !errors.Is(replyErr, ErrNotYet) {
				t.Errorf("Repost: %v, Reply: %v", err, replyErr)
			}
			continue
		}
		if err != nil || replyErr != nil {
			t.Fatal(err, replyErr)
		}
		if got := w.deliver("Announce").activity; got["object"] != id {
			t.Errorf("Announce %v", got)
		}
		w.pass(time.Hour)
		got := w.deliver("Create").activity["object"].(object)
		if got["id"] != p.ID || got["inReplyTo"] != id || !strings.Contains(strings.Join(list(got, "cc"), " "), w.ada.id) {
			t.Errorf("a reply %v", got)
		}
	}
}

func TestPostsLeaveAfterTheEditWindowTheNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	first := w.frank.Post(Draft{Text: "first"})
	w.pass(time.Minute)
	second := w.frank.Post(Draft{Text: "second"})
	w.frank.Edit(first, "first, edited")
	never := w.frank.Post(Draft{Text: "never"})
	w.frank.Delete(never)
	w.pass(13 * time.Minute)
	if got := w.Deliver(t.Context()); len(got) != 0 {
		t.Errorf("within the window: %v", got)
	}
	if status, _, _ := w.get(first.ID, true); status != http.StatusNotFound {
		t.Errorf("within the window: %d", status)
	}
	w.pass(2 * time.Minute)
	w.Deliver(t.Context())
	got := w.ada.take()
	if len(got) != 2 {
		t.Fatalf("after the window: %v", got)
	}
	newer, older := got[0].activity["object"].(object), got[1].activity["object"].(object)
	if newer["id"] != second.ID || older["id"] != first.ID || older["content"] != "<p>first, edited</p>" || older["updated"] != nil {
		t.Errorf("got %v, %v", newer, older)
	}
	if older["published"] != "2026-06-04T12:00:00+0000" || newer["published"] != "2026-06-04T12:01:00+0000" {
		t.Errorf("published %v, %v", older["published"], newer["published"])
	}
}

func TestWhatIsNotSharedStaysAtThreads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	for name, d := range map[string]Draft{
		"a poll": {Poll: []string{"yes", "no"}}, "for followers": {FollowersOnly: true}, "restricted": {RestrictReplies: true},
	} {
		p := w.frank.Post(d)
		w.pass(time.Hour)
		if status, _, _ := w.get(p.ID, true); p.Withheld == "" || status != http.StatusNotFound || len(w.Deliver(t.Context())) != 0 {
			t.Errorf("%s: %q, %d", name, p.Withheld, status)
		}
	}
	// Who stops sharing is gone from sight; who shares again is back, followers and all.
	shared := w.frank.Post(Draft{Text: "hello"})
	w.pass(time.Hour)
	w.deliver("Create")
	w.frank.Share(false)
	for _, id := range []string{w.frank.ID(), shared.ID, w.frank.ID() + "followers/"} {
		if status, _, _ := w.get(id, true); status != http.StatusNotFound {
			t.Errorf("GET %s of who stopped sharing: %d", id, status)
		}
	}
	if status, _ := w.post(w.ada.says("Follow", w.frank.ID())); status != http.StatusNotFound {
		t.Errorf("POST to who stopped sharing: %d", status)
	}
	if _, err := w.frank.Follow(t.Context(), "@ada@elsewhere.example"); !errors.Is(err, ErrNotSharing) {
		t.Errorf("Follow = %v", err)
	}
	if err := errors.Join(w.frank.Like(t.Context(), "x"), w.frank.Rename("y")); !errors.Is(err, ErrNotSharing) {
		t.Errorf("Like, Rename = %v", err)
	}
	if p := w.frank.Post(Draft{}); p.Withheld == "" || len(w.Deliver(t.Context())) != 0 {
		t.Error("somebody was told")
	}
	if other, err := w.AddUser(User{Handle: "gail", Sharing: true, Key: theKey()}); err != nil || other == nil {
		t.Fatal(err)
	}
	w.frank.Share(true)
	if status, _, _ := w.get(w.frank.ID(), true); status != http.StatusOK || len(w.frank.Followers()) != 1 {
		t.Errorf("who shares again: %d", status)
	}
}

func TestPeopleAreFoundByTheirExactHandle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, handle := range []string{"ada", "ada@elsewhere.example", "@ada", "https://elsewhere.example/ada", "@nobody@nowhere.example"} {
		if id, err := w.frank.Follow(t.Context(), handle); err == nil {
			t.Errorf("%q finds %s", handle, id)
		}
	}
	if _, pending := w.frank.Following(w.ada.id); pending {
		t.Error("something was asked")
	}
	if _, err := w.frank.Follow(t.Context(), "@ada@elsewhere.example"); err != nil {
		t.Error(err)
	}
	if accepted, pending := w.frank.Following(w.ada.id); accepted || !pending {
		t.Error("followed before the answer")
	}
}

// Config.Now is time.Now if it is nil, which in a bubble is the bubble's: nothing here keeps a clock or a goroutine of its own.
func TestABubblesClockWillDo(t *testing.T) {
	t.Parallel()
	theKey() // outside, where time is not free
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Now = nil })
		w.now = time.Now()
		w.follow()
		post := w.frank.Post(Draft{Text: "hello"})
		time.Sleep(14 * time.Minute)
		if sent := w.Deliver(t.Context()); len(sent) != 0 {
			t.Fatalf("sent %v", sent)
		}
		time.Sleep(time.Minute)
		if got := w.deliver("Create").activity["object"].(object); got["id"] != post.ID {
			t.Errorf("got %v", got)
		}
	})
}

// A peer that does not answer costs ten seconds and a 404.
func TestAKeyThatDoesNotComeIs404(t *testing.T) {
	t.Parallel()
	theKey()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Now = nil })
		w.now = time.Now()
		w.ada.hook = func(r *http.Request) { <-r.Context().Done() }
		began := time.Now()
		status, why := w.post(w.ada.says("Follow", w.frank.ID()))
		if status != http.StatusNotFound || time.Since(began) != 10*time.Second {
			t.Errorf("%d %s after %s", status, why, time.Since(began))
		}
	})
}

func TestNewAndAddUserNameWhatDoesNotWork(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]Config{
		"Transport": {}, "Origin": {Transport: &network{}, Origin: "https://threads.net/"}, "Media": {Transport: &network{}, Media: "https://threads.net"},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	w := newWorld(t, nil)
	if _, err := w.AddUser(User{Handle: "a@b"}); err == nil {
		t.Error("a@b is a handle")
	}
}
