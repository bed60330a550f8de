package outbox_test

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

const (
	here  = "https://here.example"
	alice = here + "/ap/users/alice"
	carol = here + "/ap/users/carol"
	bob   = "https://there.example/users/bob"
	eve   = "https://there.example/users/eve"
	dave  = "https://far.example/users/dave"
)

// bench is an outbox with everything around it; what it hands over is in sent.
type bench struct {
	*outbox.Outbox
	t     *testing.T
	store storage.Storage

	mu        sync.Mutex
	sent      map[string]delivery // by Delivery.ID, the first one only
	order     []string
	looped    []string
	related   []outbox.Relation
	follows   map[string]string // ids by "follower followed"
	followers []outbox.Target
	down      map[string]error // actors whose inboxes can't be had
	refuse    error            // what Enqueue says
}

type delivery struct {
	outbox.Delivery
	to []outbox.Target
}

func newBench(t *testing.T, change func(*outbox.Config)) *bench {
	t.Helper()
	b := &bench{t: t, store: storage.Memory(), sent: map[string]delivery{}, follows: map[string]string{}, down: map[string]error{}}
	c := outbox.Config{
		Intents: b.store.Intents, Log: b.store.Log,
		NewID: func(_ string, object bool, key string) string {
			if object {
				return here + "/ap/objects/" + key
			}
			return here + "/ap/activities/" + key
		},
		Author: func(_ context.Context, who string) (outbox.Author, error) {
			switch who {
			case "alice", alice:
				return outbox.Author{ID: alice, Followers: alice + "/followers"}, nil
			}
			return outbox.Author{}, outbox.ErrGone
		},
		Inboxes: func(_ context.Context, id string) (outbox.Target, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if err := b.down[id]; err != nil {
				return outbox.Target{}, err
			}
			host, _, _ := strings.Cut(strings.TrimPrefix(id, "https://"), "/")
			return outbox.Target{Inbox: id + "/inbox", SharedInbox: "https://" + host + "/inbox"}, nil
		},
		Owner: func(_ context.Context, _, id string) (string, error) {
			if strings.HasPrefix(id, "https://there.example/") {
				return bob, nil
			}
			return "", outbox.ErrGone
		},
		Followers: func(context.Context, string) iter.Seq2[outbox.Target, error] {
			return func(yield func(outbox.Target, error) bool) {
				for _, f := range b.followers {
					if !yield(f, nil) {
						return
					}
				}
			}
		},
		Local: func(id string) bool { return activity.SameAuthority(id, here) },
		Enqueue: func(_ context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.refuse != nil {
				return b.refuse
			}
			if _, again := b.sent[d.ID]; !again {
				b.sent[d.ID] = delivery{d, slices.Collect(to)}
				b.order = append(b.order, d.ID)
			}
			return nil
		},
		Loop: func(_ context.Context, sender string, body []byte) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.looped = append(b.looped, sender+" "+string(body))
			return nil
		},
		Relate: func(_ context.Context, change outbox.Relation) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.related = append(b.related, change)
			if change.Type == "Follow" {
				b.follows[change.Follower+" "+change.Followed] = change.FollowID
			}
			return nil
		},
		FollowID: func(_ context.Context, follower, followed string) (string, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if id := b.follows[follower+" "+followed]; id != "" {
				return id, nil
			}
			return "", outbox.ErrGone
		},
		Backoff: func(int) time.Duration { return time.Millisecond },
		Logger:  slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	o, err := outbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Outbox = o
	return b
}

func (b *bench) say(a *activity.Activity) string {
	b.t.Helper()
	id, err := b.Say(b.t.Context(), nil, "alice", a)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// work works until nothing is left that is due soon.
func (b *bench) work() {
	b.t.Helper()
	for range 20 {
		if _, err := b.Work(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// only is the one delivery of an activity.
func (b *bench) only(id string) (delivery, *activity.Activity) {
	b.t.Helper()
	var found []delivery
	for key, d := range b.sent {
		if strings.HasPrefix(key, id+" ") {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		b.t.Fatalf("%d deliveries of %s, want 1", len(found), id)
	}
	return found[0], parse(b.t, found[0].Body)
}

func parse(t *testing.T, body []byte) *activity.Activity {
	t.Helper()
	doc, err := activity.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := doc.(*activity.Activity)
	if !ok {
		t.Fatalf("%T", doc)
	}
	return a
}

func note(id string, change func(*activity.Object)) *activity.Activity {
	o := &activity.Object{ID: id, Type: activity.Types{"Note"}, Content: "x"}
	if change != nil {
		change(o)
	}
	return &activity.Activity{Type: activity.Types{"Create"}, Object: activity.Refs{activity.Embed(o)}}
}

func of(typ, object string) *activity.Activity {
	return &activity.Activity{Type: activity.Types{typ}, Object: activity.Refs{activity.IRI(object)}}
}

func inboxes(list []outbox.Target) []string {
	var out []string
	for _, t := range list {
		out = append(out, t.Inbox)
	}
	slices.Sort(out)
	return out
}
