package fedihook_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// The parts of Run, as bits.
const (
	expands = 1 << iota
	delivers
	worksTheJournal
	allParts = expands | delivers | worksTheJournal
)

// did is which parts a process has begun with, and which hooks it ran.
type did struct {
	mu    sync.Mutex
	parts int
	heard []string
}

func (d *did) part(p int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parts |= p
}

func (d *did) said() (parts int, heard []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.parts, d.heard
}

// watched tells what a process's parts begin with. They must share no more than the storage.
func (d *did) watched(s storage.Storage) storage.Storage {
	s.Intents = nextIntents{s.Intents, d}
	s.Queue = struct {
		leasedQueue
		delivery.OrderBook
	}{leasedQueue{s.Queue, d}, s.Queue.(delivery.OrderBook)}
	s.Journal = sharedJournal{s.Journal, s.Journal.(inbox.Sharing), d}
	return s
}

type nextIntents struct {
	outbox.Intents
	did *did
}

func (n nextIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	n.did.part(expands)
	return n.Intents.NextIntents(ctx, limit)
}

type leasedQueue struct {
	delivery.Store
	did *did
}

func (q leasedQueue) Lease(ctx context.Context, r delivery.LeaseRequest) (delivery.Lease, error) {
	q.did.part(delivers)
	return q.Store.Lease(ctx, r)
}

type sharedJournal struct {
	inbox.Journal
	inbox.Sharing
	did *did
}

func (j sharedJournal) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
	j.did.part(worksTheJournal)
	return j.Sharing.Share(ctx, owner, now, ttl)
}

func TestEachPartOfRunCanBeLeftToAnotherNode(t *testing.T) {
	t.Parallel()
	keys := madeOnce()
	for name, open := range map[string]func(t *testing.T) func() storage.Storage{
		"memory": func(*testing.T) func() storage.Storage {
			s := storage.Memory()
			return func() storage.Storage { return s }
		},
		"postgres": func(t *testing.T) func() storage.Storage {
			address := pgtest.URL(t)
			return func() storage.Storage {
				s, err := storage.OpenPostgres(t.Context(), pgtest.Connect(t, address), nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
		},
	} {
		for _, split := range [][]int{
			{allParts},
			{expands, delivers | worksTheJournal},
			{delivers, expands | worksTheJournal},
			{worksTheJournal, expands | delivers},
			{expands, delivers, worksTheJournal},
			{0, allParts},
		} {
			t.Run(fmt.Sprint(name, split), func(t *testing.T) {
				t.Parallel()
				inParts(t, keys, open(t), split)
			})
		}
	}
}

// inParts has a process that only serves, and one for each of split, which runs those parts.
func inParts(t *testing.T, keys actor.Keys, open func() storage.Storage, split []int) {
	n := inboxtest.NewNet(t)
	n.Patience = time.Minute
	node := func(parts int) (*fedihook.Server, *did) {
		t.Helper()
		d := &did{}
		store := d.watched(open())
		store.Keys = keys
		s, err := fedihook.New(fedihook.Config{
			Origin: "https://blog.example", Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			NoExpansion: parts&expands == 0, NoDelivery: parts&delivers == 0, NoJournal: parts&worksTheJournal == 0,
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				return actor.Profile{Handle: handle}, nil
			},
			Hooks: inbox.Hooks{Create: func(_ context.Context, m *inbox.Message) error {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.heard = append(d.heard, m.Activity.ID)
				return nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, d
	}
	web, served := node(allParts) // Run is never called
	n.Serve("blog.example", web.Handler())
	there := n.Server("there.example")
	bob := there.Actor("bob")
	accepted(t, "the Follow", bob.Follow(alice))
	accepted(t, "a post", bob.Create(bob.Mention(alice, "<p>hello</p>")))
	id, err := web.Publish(t.Context(), "alice", &activity.Object{Content: "<p>hello</p>", To: activity.To(bob.ID())})
	if err != nil {
		t.Fatal(err)
	}
	var all []*did
	for _, parts := range split {
		s, d := node(parts)
		all = append(all, d)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		}()
	}
	n.Until("both have arrived", func() bool { return len(there.Received("Accept")) > 0 && len(there.Received("Create")) > 0 })
	if got := there.Received("Create")[0].Activity.Object.First(); got != id {
		t.Errorf("what arrived is of %s, want %s", got, id)
	}
	heard := func() (ids []string) {
		for _, d := range all {
			_, some := d.said()
			ids = append(ids, some...)
		}
		return ids
	}
	n.Until("the hook has run", func() bool { return len(heard()) > 0 })
	for i, d := range all {
		parts, heard := d.said()
		if parts != split[i] {
			t.Errorf("who is to do %03b did %03b", split[i], parts)
		}
		if len(heard) > 0 && split[i]&worksTheJournal == 0 {
			t.Errorf("who is to do %03b ran a hook", split[i])
		}
	}
	if got := heard(); len(got) != 1 {
		t.Errorf("the hook ran for %q", got)
	}
	if parts, heard := served.said(); parts != 0 || len(heard) != 0 {
		t.Errorf("who only serves did %03b and ran hooks for %q", parts, heard)
	}
}
