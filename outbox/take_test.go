package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// keep says a in a quarter of an hour.
func (b *bench) keep(a *activity.Activity, change func(*outbox.Draft)) string {
	b.t.Helper()
	d := outbox.Draft{Author: "alice", Activity: a, NotBefore: time.Now().Add(15 * time.Minute)}
	if change != nil {
		change(&d)
	}
	id, err := b.Keep(b.t.Context(), nil, d)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// records are those about an object.
func (b *bench) records(object string) (types []string) {
	b.t.Helper()
	list, err := b.store.Log.ObjectRecords(b.t.Context(), object, 10)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range list {
		types = append(types, r.Type)
	}
	return types
}

func TestWhatIsSaidLaterGoesOutThenAndLivesFromThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		start := time.Now()
		at := timed(b, start)
		running(t, b)
		id := b.keep(note(here+"/ap/objects/1", nil), func(d *outbox.Draft) { d.NotBefore = start.Add(4 * 24 * time.Hour) })
		time.Sleep(4*24*time.Hour - time.Second)
		synctest.Wait()
		b.mu.Lock()
		if len(at) != 0 {
			t.Fatalf("it went out after %v", at)
		}
		b.mu.Unlock()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if d := at[id+" 0"] - 4*24*time.Hour; d < 0 || d > time.Second {
			t.Errorf("it went out %v after its time", d)
		}
		d, a := b.only(id)
		if lives := d.Expires.Sub(start.Add(4 * 24 * time.Hour)); lives != 3*24*time.Hour || !a.Published.Equal(start.Add(4*24*time.Hour)) {
			t.Errorf("it lives for %v and was published at %v", lives, a.Published)
		}
	})
}

func TestAPostThatIsDeletedInItsWindowLeavesNoRowAndMakesNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		asked := 0
		for _, f := range []*func(context.Context, string) (outbox.Target, error){&b.Config.Inboxes} {
			next := *f
			*f = func(ctx context.Context, id string) (outbox.Target, error) { asked++; return next(ctx, id) }
		}
		post := here + "/ap/objects/1"
		for _, author := range []string{"alice", alice} { // one person by two names
			b.keep(note(post, func(o *activity.Object) { o.CC = activity.To(bob) }), nil)
			b.work()
			edit := note(post, func(o *activity.Object) { o.Content = "y" })
			edit.Type = activity.Types{"Update"}
			b.say(edit)
			b.work()
			if got := b.records(post); !slices.Equal(got, []string{"Create"}) {
				t.Fatalf("after an edit there are %q", got)
			}
			if _, err := b.Say(t.Context(), nil, author, of("Delete", post)); err != nil {
				t.Fatal(err)
			}
			b.work()
			if got := b.records(post); len(got) != 0 {
				t.Errorf("there are %q", got)
			}
		}
		restarted, err := outbox.New(b.Config)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if more, err := restarted.Work(t.Context()); more || err != nil {
			t.Errorf("Work = %v, %v", more, err)
		}
		if left, err := b.store.Intents.NextIntents(t.Context(), 1); err != nil || len(left) != 0 {
			t.Errorf("intents %v, %v", left, err)
		}
		if len(b.sent)+asked != 0 {
			t.Errorf("sent %q, looked up %d", b.order, asked)
		}
		if got := b.Counts(); got.Withdrawn != 2 || got.GivenUp != 0 {
			t.Errorf("counts %+v", got)
		}
		// And it may be published after all.
		id := b.say(note(post, nil))
		b.work()
		b.only(id)
	})
}

func TestAPostThatIsEditedInItsWindowGoesOutAsItIsThenAndOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		post := here + "/ap/objects/1"
		create := note(post, func(o *activity.Object) { o.To = activity.To(bob) })
		create.BCC = activity.To(dave)
		id := b.keep(create, nil)
		b.work()
		for _, content := range []string{"y", "z"} {
			edit := note(post, func(o *activity.Object) { o.Content = content })
			edit.Type = activity.Types{"Update"}
			b.say(edit)
		}
		restarted, err := outbox.New(b.Config)
		if err != nil {
			t.Fatal(err)
		}
		b.Outbox = restarted
		b.work()
		time.Sleep(15 * time.Minute)
		b.work()
		d, a := b.only(id)
		if len(b.sent) != 1 || !slices.Equal(inboxes(d.to), []string{dave + "/inbox", bob + "/inbox"}) {
			t.Errorf("sent %q to %v", b.order, d.to)
		}
		doc, err := a.Object[0].Document()
		if err != nil {
			t.Fatal(err)
		}
		if o := doc.(*activity.Object); o.Content != "z" || !o.To.Has(bob) || !o.Updated.IsZero() {
			t.Errorf("%s", d.Body)
		}
	})
}

func TestWhatSomebodyElseScheduledIsNotTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *outbox.Config) {
			c.Author = func(_ context.Context, who string) (outbox.Author, error) {
				return outbox.Author{ID: here + "/ap/users/" + who, Followers: here + "/f/" + who}, nil
			}
		})
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		post := here + "/ap/objects/1"
		id := b.keep(note(post, nil), nil)
		for _, a := range []*activity.Activity{of("Delete", post), {Type: activity.Types{"Update"}, Object: note(post, nil).Object}} {
			if _, err := b.Say(t.Context(), nil, "mallory", a); err != nil {
				t.Fatal(err)
			}
		}
		b.work()
		time.Sleep(15 * time.Minute)
		b.work()
		b.only(id)
		if len(b.sent) != 1 {
			t.Errorf("sent %q", b.order)
		}
	})
}

func TestALikeThatIsUndoneBeforeItIsSaidIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	liked := "https://there.example/n/1"
	like := b.say(of("Like", liked))
	b.say(of("Undo", like))
	b.work()
	if got := b.records(liked); len(got)+len(b.sent) != 0 {
		t.Errorf("records %q, sent %q", got, b.order)
	}
}

func TestADeleteThatNamesRecipientsIsSentThoughNothingElseWas(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	post := here + "/ap/objects/1"
	b.say(note(post, nil))
	a := of("Delete", post)
	a.To = activity.To(bob)
	id := b.say(a)
	b.work()
	d, _ := b.only(id)
	if len(b.sent) != 1 || !slices.Equal(inboxes(d.to), []string{bob + "/inbox"}) {
		t.Errorf("sent %q to %v", b.order, d.to)
	}
}

// A crash may come between what drops the intents and what settles them.
func TestACrashBeforeItIsSettledSendsNothingThatWasDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		died := errors.New("died")
		log := &deafLog{}
		b := newBench(t, func(c *outbox.Config) { log.Log, c.Log = c.Log, log })
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		post := here + "/ap/objects/1"
		b.keep(note(post, nil), nil)
		b.say(of("Delete", post))
		log.err = died
		if _, err := b.Work(t.Context()); !errors.Is(err, died) {
			t.Fatalf("Work = %v", err)
		}
		log.err = nil
		if got := b.records(post); len(got) != 2 {
			t.Fatalf("it did not die where it should: %q", got)
		}
		time.Sleep(15 * time.Minute)
		b.work()
		if got := b.records(post); len(got)+len(b.sent) != 0 {
			t.Errorf("records %q, sent %q", got, b.order)
		}
	})
}

// deafLog lists no records about an object while err is set.
type deafLog struct {
	outbox.Log
	err error
}

func (d *deafLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	if d.err != nil {
		return nil, d.err
	}
	return d.Log.ObjectRecords(ctx, id, limit)
}

// Who is found only after a crash must not end up in a pass that the queue has already.
func TestWhoIsFoundAfterACrashIsNotLost(t *testing.T) {
	t.Parallel()
	died := errors.New("died")
	log := &forgetfulLog{}
	b := newBench(t, func(c *outbox.Config) { log.Log, c.Log = c.Log, log })
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	b.down[dave] = errors.New("no route")
	id := b.say(note(here+"/ap/objects/1", func(o *activity.Object) { o.CC = activity.To(activity.Followers, dave) }))
	log.err = died
	if _, err := b.Work(t.Context()); !errors.Is(err, died) {
		t.Fatalf("Work = %v", err)
	}
	if _, enqueued := b.sent[id+" 0"]; !enqueued {
		t.Fatal("it did not die where it should")
	}
	log.err = nil
	b.mu.Lock()
	delete(b.down, dave)
	b.mu.Unlock()
	b.work()
	if d, ok := b.sent[id+" 1"]; !ok || !slices.Equal(inboxes(d.to), []string{dave + "/inbox"}) {
		t.Errorf("sent %q", b.order)
	}
}

// forgetfulLog does not keep that a pass is over while err is set.
type forgetfulLog struct {
	outbox.Log
	err error
}

func (f *forgetfulLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	if f.err != nil && r.Pass > 0 {
		return f.err
	}
	return f.Log.SaveRecord(ctx, r)
}
