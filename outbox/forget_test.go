package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

const (
	day   = 24 * time.Hour
	words = "what a stranger said"
)

// wrap makes alice announce a, as somebody elsewhere said it, and returns the id of the Announce.
func (b *bench) wrap(a *activity.Activity) string {
	b.t.Helper()
	a.Actor = activity.IRI(bob)
	if a.ID == "" {
		a.ID = "https://there.example/" + strings.ToLower(a.Type.String()) + strings.TrimPrefix(a.Object.First(), "https://there.example")
	}
	body, err := a.MarshalJSON()
	if err != nil {
		b.t.Fatal(err)
	}
	id, err := b.Wrap(b.t.Context(), alice, a, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// post is a Create by a stranger.
func post(id string) *activity.Activity {
	return note("https://there.example"+id, func(o *activity.Object) { o.Content = words })
}

// after lets time pass and what is past be forgotten.
func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	b.work()
	synctest.Wait()
}

// holds tells what there is of a record: "whole", "short", or "nothing".
func (b *bench) holds(id string) string {
	b.t.Helper()
	r, err := b.store.Log.Record(b.t.Context(), id)
	switch {
	case errors.Is(err, outbox.ErrUnknown):
		return "nothing"
	case err != nil:
		b.t.Fatal(err)
	case bytes.Contains(r.Activity, []byte(words)):
		return "whole"
	}
	return "short"
}

func TestWhatStrangersBringAboutIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		ids := map[string]string{"the post": b.wrap(post("/1")), "a vote": b.wrap(of("Like", "https://there.example/1"))}
		shared, err := b.Share(t.Context(), alice, "https://there.example/1")
		if err != nil {
			t.Fatal(err)
		}
		ids["its id"] = shared
		if ids["an answer"], err = b.Respond(t.Context(), "alice", "Accept", &activity.Activity{
			ID: "https://there.example/follow", Type: activity.Types{"Follow"}, Actor: activity.IRI(bob), Object: activity.Refs{activity.IRI(alice)},
		}); err != nil {
			t.Fatal(err)
		}
		ids["what the app said"] = b.say(note(here+"/1", nil))
		for range 100 { // which are shown
			b.work()
			b.wrap(post("/" + fmt.Sprint(time.Now().UnixNano())))
		}
		for _, c := range []struct {
			after time.Duration
			want  map[string]string
		}{
			{time.Minute, map[string]string{"the post": "whole", "its id": "short", "a vote": "short", "an answer": "short"}},
			{day, map[string]string{"the post": "short", "its id": "short", "a vote": "short", "an answer": "short"}},
			{28 * day, map[string]string{"the post": "short", "its id": "short", "a vote": "short", "an answer": "short"}},
			{day, map[string]string{"the post": "short", "its id": "short", "a vote": "nothing", "an answer": "nothing"}},
			{334 * day, map[string]string{"the post": "short", "its id": "short"}},
			{2 * day, map[string]string{"the post": "nothing", "its id": "nothing", "what the app said": "short"}},
		} {
			b.after(c.after)
			for what, want := range c.want {
				if got := b.holds(ids[what]); got != want {
					t.Errorf("after another %v of %s is there %s, want %s", c.after, what, got, want)
				}
			}
			groups, author, err := b.Wrapped(t.Context(), "https://there.example/1")
			if wanted := c.want["the post"] != "nothing"; err != nil || (author == bob) != wanted || (len(groups) == 1) != wanted {
				t.Errorf("after another %v: announced by %v, made by %q, %v", c.after, groups, author, err)
			}
		}
		list, total, err := b.store.Log.PublicRecords(t.Context(), alice, 0, 1)
		if err != nil || total != 101 || b.holds(list[0].ID) != "whole" {
			t.Errorf("%d are shown, the newest %s, %v", total, b.holds(list[0].ID), err)
		}
	})
}

func TestWhatIsStillVotedOnIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		old := b.wrap(post("/1"))
		for range 101 {
			b.work()
			b.wrap(post("/" + fmt.Sprint(time.Now().UnixNano())))
		}
		for range 15 {
			b.after(29 * day)
			like := of("Like", "https://there.example/1")
			like.ID = "https://there.example/like" + fmt.Sprint(time.Now().UnixNano())
			b.wrap(like)
		}
		b.after(time.Minute)
		if got := b.holds(old); got != "short" {
			t.Errorf("of a post is there %s", got)
		}
	})
}

func TestWhatIsStillToBeDeliveredIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var id string
		full := true
		b := newBench(t, func(c *outbox.Config) {
			enqueue := c.Enqueue
			c.Enqueue = func(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
				if full && strings.HasPrefix(d.ID, id+" ") {
					return errors.New("full")
				}
				return enqueue(ctx, d, to)
			}
			c.Backoff = func(int) time.Duration { return time.Hour }
		})
		b.followers = []outbox.Target{{Inbox: bob + "/inbox"}}
		id = b.wrap(post("/1"))
		for range 100 {
			b.wrap(post("/" + fmt.Sprint(time.Now().UnixNano())))
			b.work()
		}
		b.after(60 * time.Hour)
		full = false
		b.after(time.Hour)
		if d, _ := b.only(id); !bytes.Contains(d.Body, []byte(words)) {
			t.Errorf("delivered %s", d.Body)
		}
	})
}

func TestAGroupForgetsTheWordsOfWhatWasDeletedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		posted, other := b.wrap(post("/1")), b.wrap(post("/2"))
		edit := post("/1")
		edit.Type = activity.Types{"Update"}
		edited := b.wrap(edit)
		b.after(time.Minute)
		b.wrap(of("Delete", "https://there.example/1"))
		b.after(time.Minute)
		if b.holds(posted) != "short" || b.holds(edited) != "short" || b.holds(other) != "whole" {
			t.Errorf("of the post is there %s, of its edit %s, of another post %s", b.holds(posted), b.holds(edited), b.holds(other))
		}
	})
}

func TestOneServerCannotHaveAGroupRememberWithoutEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		add := func(host string, n int) {
			for i := range n {
				object := fmt.Sprintf("https://%s/%d/%d", host, time.Now().Unix(), i)
				r := outbox.Record{
					ID: object + "/announced", Type: "Announce", Object: object + " announced", Author: alice, Actor: alice, At: time.Now(), State: outbox.Sent,
					Public: true, Until: time.Now().Add(day), Activity: []byte(`{"type":"Announce","object":{"type":"Create","object":"` + object + `"}}`),
				}
				if err := b.store.Log.AddRecord(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		left := func(host string) (n int) {
			list, err := b.store.Log.PastRecords(context.Background(), time.Now().Add(10_000*day), 100_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				if strings.HasPrefix(r.Object, "https://"+host+"/") {
					n++
				}
			}
			return n
		}
		add("calm.example", 10)
		time.Sleep(day)
		add("loud.example", 1_200)
		add("calm.example", 10)
		for i := range 5 {
			add(fmt.Sprintf("loud%d.example", i), 900)
		}
		time.Sleep(day)
		add("last.example", 100) // what is shown
		b.after(31 * day)
		if loud, calm := left("loud.example"), left("calm.example"); loud != 1_000 || calm != 20 {
			t.Errorf("%d posts of who floods the group are remembered, and %d of others", loud, calm)
		}
		if n := left("loud4.example"); n != 390 {
			t.Errorf("%d posts of the last of many are remembered", n)
		}
	})
}
