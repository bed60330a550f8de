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
