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

const slowHost = "https://slow.example/"

// hanging makes lookups at slow.example take ten seconds and fail, until it is called.
func hanging(b *bench) (fixed func()) {
	done := make(chan struct{})
	known := b.Config.Inboxes
	b.Config.Inboxes = func(ctx context.Context, id string) (outbox.Target, error) {
		if !strings.HasPrefix(id, slowHost) {
			return known(ctx, id)
		}
		select {
		case <-done:
			return known(ctx, id)
		default:
		}
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
		}
		return outbox.Target{}, errors.New("no answer")
	}
	return func() { close(done) }
}

// running runs b in the bubble until the test ends.
func running(t *testing.T, b *bench) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// times tells when each hand-over of an activity was, counted from start, and to whom.
func timed(b *bench, start time.Time) map[string]time.Duration {
	at := map[string]time.Duration{}
	next := b.Config.Enqueue
	b.Config.Enqueue = func(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
		err := next(ctx, d, to)
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, again := at[d.ID]; !again && err == nil {
			at[d.ID] = time.Since(start)
		}
		return err
	}
	return at
}

func TestAHostThatHangsDelaysNothingThatWasSaidAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		hanging(b)
		at := timed(b, time.Now())
		running(t, b)
		var slow []string // more than may hang at one host, each before something for others
		var quick []string
		for i := range 20 {
			slow = append(slow, b.say(note(fmt.Sprintf("%s/ap/objects/slow%d", here, i), func(o *activity.Object) {
				o.To, o.CC = activity.To(activity.Public), activity.To(activity.Followers, slowHost+"u"+fmt.Sprint(i))
			})))
			quick = append(quick, b.say(of("Follow", fmt.Sprintf("https://there.example/users/%d", i))))
		}
		time.Sleep(5 * time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, id := range quick {
			if d, ok := at[id+" 0"]; !ok || d > time.Second/10 {
				t.Errorf("a Follow of others: %v after %v", ok, d)
			}
		}
		for _, id := range slow {
			if d, ok := at[id+" 0"]; !ok || d > time.Second/2 || len(b.sent[id+" 0"].to) != 1 {
				t.Errorf("a post to followers: %v after %v to %v", ok, d, b.sent[id+" 0"].to)
			}
		}
	})
}

func TestADeleteDoesNotWaitForAHostThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.followers = []outbox.Target{{Inbox: eve + "/inbox"}}
		fixed := hanging(b)
		at := timed(b, time.Now())
		running(t, b)
		post := here + "/ap/objects/1"
		create := b.say(note(post, func(o *activity.Object) { o.CC = activity.To(activity.Followers, slowHost+"dave", bob) }))
		time.Sleep(time.Second) // the lookup hangs for nine more
		deleted := b.say(of("Delete", post))
		time.Sleep(time.Second)
		b.mu.Lock()
		if d, ok := at[deleted+" 0"]; !ok || d > 1100*time.Millisecond {
			t.Errorf("the Delete went out: %v after %v", ok, d)
		}
		if got, want := inboxes(b.sent[deleted+" 0"].to), []string{bob + "/inbox", eve + "/inbox"}; !slices.Equal(got, want) {
			t.Errorf("the Delete goes to %q, want %q", got, want)
		}
		b.mu.Unlock()
		fixed()
		time.Sleep(24 * time.Hour)
		b.mu.Lock()
		defer b.mu.Unlock()
		for id, d := range b.sent {
			if strings.HasPrefix(id, create) && slices.Contains(inboxes(d.to), slowHost+"dave/inbox") {
				t.Error("who was not reached before the Delete got the post after it")
			}
		}
	})
}

func TestAnUpdateFollowsItsCreateToWhoIsReachedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		fixed := hanging(b)
		running(t, b)
		post, dave := here+"/ap/objects/1", slowHost+"dave"
		create := b.say(note(post, func(o *activity.Object) { o.CC = activity.To(dave, bob) }))
		time.Sleep(time.Second)
		edit := note(post, func(o *activity.Object) { o.Content = "y" })
		edit.Type = activity.Types{"Update"}
		update := b.say(edit)
		time.Sleep(time.Second)
		b.mu.Lock()
		if got := inboxes(b.sent[update+" 0"].to); !slices.Equal(got, []string{bob + "/inbox"}) {
			t.Errorf("the Update went to %q", got)
		}
		b.mu.Unlock()
		fixed()
		time.Sleep(time.Hour)
		b.mu.Lock()
		defer b.mu.Unlock()
		var got []string
		for _, id := range b.order {
			if slices.Contains(inboxes(b.sent[id].to), dave+"/inbox") {
				got = append(got, strings.Fields(id)[0])
			}
		}
		if !slices.Equal(got, []string{create, update}) {
			t.Errorf("who was reached late got %q, want %q", got, []string{create, update})
		}
	})
}

func TestNoMoreThanFourLookupsHangAtOneHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		now, most := 0, 0
		b.Config.Inboxes = func(ctx context.Context, id string) (outbox.Target, error) {
			b.mu.Lock()
			now++
			most = max(most, now)
			b.mu.Unlock()
			time.Sleep(time.Second)
			b.mu.Lock()
			now--
			b.mu.Unlock()
			return outbox.Target{Inbox: id + "/inbox"}, nil
		}
		running(t, b)
		var people []string
		for i := range 12 {
			people = append(people, fmt.Sprintf("%sp%d", slowHost, i))
		}
		id := b.say(note(here+"/ap/objects/1", func(o *activity.Object) { o.To = activity.To(people...) }))
		time.Sleep(10 * time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if most != 4 {
			t.Errorf("%d lookups at once at one host, want 4", most)
		}
		n := 0
		for key, d := range b.sent {
			if strings.HasPrefix(key, id) {
				n += len(d.to)
			}
		}
		if n != len(people) {
			t.Errorf("%d of %d were reached", n, len(people))
		}
	})
}
