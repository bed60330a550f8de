package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// received is what one inbox was sent about one object: "Create 0", "Update 3", "Delete".
type received map[string]map[string][]string

// received plays a delivery queue that, as ours does, takes each ID once and keeps the order of each inbox.
func (b *bench) received() received {
	all := received{}
	for _, id := range b.order {
		d := b.sent[id]
		a := parse(b.t, d.Body)
		what := d.Type
		if doc, err := a.Object[0].Document(); err == nil && d.Type != "Delete" {
			what += " " + doc.(*activity.Object).Content
		}
		object := a.Object.First()
		if all[object] == nil {
			all[object] = map[string][]string{}
		}
		for _, t := range d.to {
			all[object][t.Inbox] = append(all[object][t.Inbox], what)
		}
	}
	return all
}

// wrong says what is wrong with what one inbox was sent.
func wrong(list []string) string {
	version := -1
	for i, what := range list {
		typ, content, _ := strings.Cut(what, " ")
		switch typ {
		case "Create":
			if i > 0 {
				return "a Create that is not the first"
			}
		case "Delete":
			if i != len(list)-1 {
				return "something after the Delete"
			}
			continue
		}
		var n int
		fmt.Sscan(content, &n)
		if n <= version {
			return "versions out of order"
		}
		version = n
	}
	return ""
}

// Whatever is said about objects in whatever order, by two processes over one storage, while hosts hang, fail and come
// back and the queue refuses now and then: each inbox gets Create, Updates and Delete in order, who got anything gets
// the Delete, and who can be reached in the end has the last version.
func TestEachInboxGetsAnObjectsLifeInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { life(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func life(t *testing.T, random *rand.Rand) {
	b := newBench(t, func(c *outbox.Config) {
		c.Backoff = func(int) time.Duration { return 5 * time.Second }
	})
	var people []string
	for i := range 6 {
		people = append(people, fmt.Sprintf("https://h%d.example/u", i))
	}
	b.followers = []outbox.Target{{Inbox: "https://f.example/inbox"}}
	known := b.Config.Inboxes
	chance := func(p float64) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return random.Float64() < p
	}
	pick := func(n int) int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return random.IntN(n)
	}
	var calm atomic.Bool
	b.Config.Inboxes = func(ctx context.Context, id string) (outbox.Target, error) {
		if !calm.Load() && chance(0.5) {
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
			if chance(0.5) {
				return outbox.Target{}, errors.New("no answer")
			}
		}
		return known(ctx, id)
	}
	enqueue := b.Config.Enqueue
	b.Config.Enqueue = func(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
		if !calm.Load() && chance(0.2) {
			return errors.New("backlog")
		}
		err := enqueue(ctx, d, to)
		if !calm.Load() && chance(0.1) {
			return errors.New("enqueued, and died before anybody knew")
		}
		return err
	}
	running(t, b)
	other, err := outbox.New(b.Config) // another process
	if err != nil {
		t.Fatal(err)
	}
	running(t, &bench{Outbox: other, t: t})

	last := map[string]string{} // what was said last of each object
	to := map[string][]string{}
	for version := range 40 {
		post := fmt.Sprintf("%s/ap/objects/%d", here, pick(3))
		var a *activity.Activity
		switch {
		case last[post] == "Delete":
			continue
		case last[post] == "":
			a = note(post, func(o *activity.Object) {
				o.Content = fmt.Sprint(version)
				for _, p := range people {
					if chance(0.6) {
						to[post] = append(to[post], p)
					}
				}
				o.To, o.CC = activity.To(to[post]...), activity.To(activity.Followers)
			})
			last[post] = fmt.Sprint(version)
		case chance(0.15):
			a = of("Delete", post)
			last[post] = "Delete"
		default:
			a = note(post, func(o *activity.Object) { o.Content = fmt.Sprint(version) })
			a.Type = activity.Types{"Update"}
			last[post] = fmt.Sprint(version)
		}
		b.say(a)
		if chance(0.7) {
			time.Sleep(time.Duration(pick(8000)) * time.Millisecond)
		}
	}
	calm.Store(true)
	time.Sleep(10 * time.Minute)
	b.mu.Lock()
	defer b.mu.Unlock()
	for post, inboxes := range b.received() {
		for inbox, list := range inboxes {
			if fault := wrong(list); fault != "" {
				t.Errorf("%s at %s: %s: %q", post, inbox, fault, list)
			}
			if end := list[len(list)-1]; last[post] == "Delete" && end != "Delete" || last[post] != "Delete" && !strings.HasSuffix(end, " "+last[post]) {
				t.Errorf("%s at %s ends in %q, want %q: %q", post, inbox, end, last[post], list)
			}
		}
		if last[post] == "Delete" {
			continue
		}
		for _, who := range append(slices.Clone(to[post]), "https://f.example") {
			if len(inboxes[who+"/inbox"]) == 0 {
				t.Errorf("%s never reached %s", post, who)
			}
		}
	}
}
