package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
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
		id := b.keep(note(here+"/ap/objects/1", nil), func(d *outbox.Draft) { d.NotBefore = start.Add(30 * 24 * time.Hour) })
		time.Sleep(30*24*time.Hour - time.Second)
		if len(at) != 0 {
			t.Fatalf("it went out after %v", at)
		}
		time.Sleep(3 * time.Second)
		if d := at[id+" 0"] - 30*24*time.Hour; d < 0 || d > time.Second {
			t.Errorf("it went out %v after its time", d)
		}
		d, a := b.only(id)
		if lives := d.Expires.Sub(start.Add(30 * 24 * time.Hour)); lives != 3*24*time.Hour || !a.Published.Equal(start.Add(30*24*time.Hour)) {
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

func TestWhatIsNotWorthSendingAnyMoreIsCountedAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended []outbox.Ended
		b := newBench(t, func(c *outbox.Config) {
			c.Ended = func(_ context.Context, e outbox.Ended) { ended = append(ended, e) }
			c.Backoff = func(int) time.Duration { return time.Hour }
			c.GiveUp = 30 * 24 * time.Hour
		})
		b.refuse = errors.New("backlog")
		like, follow := b.say(of("Like", "https://there.example/n/1")), b.say(of("Follow", bob))
		b.down[dave] = errors.New("no route")
		b.work()
		time.Sleep(25 * time.Hour)
		b.work()
		if len(ended) != 1 || ended[0].ID != like || !ended[0].Expired || ended[0].Partly || ended[0].Actor != alice {
			t.Fatalf("ended %+v", ended)
		}
		b.refuse = nil
		time.Sleep(time.Hour)
		b.work()
		b.only(follow)
		if got := b.Counts(); got.Expired != 1 || got.Sent != 1 || got.GivenUp != 0 {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestLifetimesAreByTypeAndClassesByTypeAndSize(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for typ, want := range map[string]time.Duration{
		"Follow": 7 * day, "Delete": 7 * day, "Undo": 7 * day, "Block": 7 * day, "Move": 7 * day, "Accept": 7 * day, "Reject": 7 * day,
		"Create": 3 * day, "Update": 3 * day, "Like": day, "EmojiReact": day, "Announce": day,
	} {
		if got := outbox.Lifetime(typ, false); got != want {
			t.Errorf("%s lives %v, want %v", typ, got, want)
		}
	}
	b := newBench(t, nil)
	follow := b.say(of("Follow", bob))
	announce := b.say(of("Announce", "https://there.example/n/1"))
	profile := b.say(&activity.Activity{
		Type: activity.Types{"Update"}, Object: activity.Refs{activity.Embed(&activity.Actor{ID: alice, Type: activity.Types{"Person"}})},
		To: activity.To(bob),
	})
	direct := b.say(note(here+"/ap/objects/direct", func(o *activity.Object) { o.To = activity.To(bob) }))
	b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
	small := b.say(note(here+"/ap/objects/small", nil))
	b.work()
	b.followers = nil
	for i := range 1001 {
		b.followers = append(b.followers, outbox.Target{Inbox: fmt.Sprintf("https://h%d.example/u/inbox", i)})
	}
	large := b.say(note(here+"/ap/objects/large", nil))
	b.work()
	for id, want := range map[string]outbox.Class{
		follow: outbox.Interactive, announce: outbox.Bulk, direct: outbox.Interactive, small: outbox.Normal, large: outbox.Bulk,
	} {
		if d, _ := b.only(id); d.Class != want {
			t.Errorf("%s to %d is %v, want %v", d.Type, len(d.to), d.Class, want)
		}
	}
	if d, _ := b.only(profile); time.Until(d.Expires) < 6*day {
		t.Errorf("an Update of who speaks lives until %v", d.Expires)
	}
}

func TestFollowersOnSomeHostsAreLeftOutAndStayLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: "https://a.example/u/inbox"}, {Inbox: "https://b.example:8443/u/inbox"}, {Inbox: "https://c.example/u/inbox"}}
	post := here + "/ap/objects/1"
	first := note(post, func(o *activity.Object) {
		o.CC = activity.To(activity.Followers, "https://a.example/named")
	})
	id := b.keep(first, func(d *outbox.Draft) { d.NotBefore, d.Except = time.Time{}, []string{"A.example", "b.example:8443"} })
	b.work()
	edit := note(post, nil)
	edit.Type = activity.Types{"Update"}
	update := b.say(edit)
	b.work()
	deleted := b.say(of("Delete", post))
	b.work()
	for _, id := range []string{id, update, deleted} {
		d, _ := b.only(id)
		if got, want := inboxes(d.to), []string{"https://a.example/named/inbox", "https://c.example/u/inbox"}; !slices.Equal(got, want) {
			t.Errorf("%s to %q, want %q", d.Type, got, want)
		}
	}
	for _, host := range []string{"", "https://a.example", "a.example/x", "a b"} {
		_, err := b.Keep(t.Context(), nil, outbox.Draft{Author: "alice", Activity: of("Follow", bob), Except: []string{host}})
		if !errors.Is(err, outbox.ErrIncomplete) {
			t.Errorf("leaving out %q: %v", host, err)
		}
	}
}

func TestNothingIsPostedToOurselves(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: here + "/ap/inbox"}, {Inbox: eve + "/inbox", SharedInbox: here + "/ap/inbox"}, {}}
	b.Config.Inboxes = func(context.Context, string) (outbox.Target, error) {
		return outbox.Target{Inbox: bob + "/inbox", SharedInbox: here + "/ap/inbox"}, nil
	}
	b.say(note(here+"/ap/objects/1", func(o *activity.Object) { o.CC = activity.To(activity.Followers, bob, carol) }))
	b.work()
	if len(b.sent) != 0 || len(b.looped) != 1 {
		t.Errorf("sent %q, looped %d", b.order, len(b.looped))
	}
}

func TestAFanOutFailsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	broken := errors.New("disk")
	b.Config.Followers = func(context.Context, string) iter.Seq2[outbox.Target, error] {
		return func(yield func(outbox.Target, error) bool) {
			if yield(outbox.Target{Inbox: eve + "/inbox"}, nil) && broken != nil && !yield(outbox.Target{}, broken) {
				return
			}
		}
	}
	id := b.say(note(here+"/ap/objects/1", nil))
	b.work()
	if len(b.sent) != 0 {
		t.Fatalf("sent %q after half of the followers", b.order)
	}
	broken = nil
	b.work()
	b.only(id)
}

func TestBlindCopiesAreOnNoWire(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.followers = []outbox.Target{{Inbox: "https://threads.net/inbox"}, {}}
	create := note(here+"/ap/objects/1", func(o *activity.Object) {
		o.Content, o.BTo, o.BCC = "<p>x</p>", activity.To(eve), activity.To(dave)
		o.CC = activity.To(activity.Followers)
	})
	create.BTo, create.BCC = activity.To(eve), activity.To(dave)
	b.Config.Variant = func(form string, a *activity.Activity, people []string) *activity.Activity {
		return outbox.Plain(form, a, people, func(s string) string { return s })
	}
	b.say(create)
	flag := activity.Flag("", "", "why", dave, "https://far.example/n/1")
	b.say(flag)
	b.work()
	n := 0
	for _, d := range b.sent {
		for _, body := range append([][]byte{d.Body}, variantBodies(d)...) {
			n++
			if d.Type != "Flag" && (strings.Contains(string(body), dave) || strings.Contains(string(body), eve)) || strings.Contains(string(body), `"bto"`) || strings.Contains(string(body), `"bcc"`) {
				t.Errorf("%s", body)
			}
		}
	}
	for _, body := range b.looped {
		if strings.Contains(body, dave) || strings.Contains(body, `"bto"`) {
			t.Errorf("looped %s", body)
		}
	}
	if n != 3 || len(b.looped) != 1 {
		t.Errorf("%d bodies, %d looped", n, len(b.looped))
	}
}

func variantBodies(d delivery) (bodies [][]byte) {
	for _, v := range d.Variants {
		bodies = append(bodies, v.Body)
	}
	return bodies
}
