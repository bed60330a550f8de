package lemmy_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/internal/lemmylike"
	"github.com/fedihook/fedihook/storage"
)

const (
	ours  = "https://blog.example"
	alice = ours + "/ap/users/alice"
	club  = ours + "/ap/users/club" // a group of ours, which kim of two.example moderates
)

// world is our site and two instances of the double.
type world struct {
	t          *testing.T
	ours       *fedihook.Server
	one, two   *lemmylike.Server
	frank, kim *lemmylike.Person // of one and of two
	cats       *lemmylike.Community

	mu     sync.Mutex
	heard  []heard
	banned map[string]bool
}

type heard struct {
	hook string
	*inbox.Message
}

// Making keys takes long.
var (
	theirKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	ourKeys  = sync.OnceValue(func() actor.Keys { return storage.Memory().Keys })
)

func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	key, err := theirKey()
	if err != nil {
		t.Fatal(err)
	}
	keys := ourKeys()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		client := n.Client()
		t.Cleanup(client.CloseIdleConnections)
		w := &world{t: t, banned: map[string]bool{}}
		double := func(host string) *lemmylike.Server {
			s, err := lemmylike.New(lemmylike.Config{Origin: "https://" + host, Transport: client.Transport, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			n.Serve(host, s)
			return s
		}
		w.one, w.two = double("one.example"), double("two.example")
		w.frank, w.kim = w.one.AddPerson("frank"), w.two.AddPerson("kim")
		w.cats = w.one.AddCommunity("cats", w.frank)
		w.one.AddPerson("cats") // who is called as the community is
		store := storage.Memory()
		store.Keys = keys
		w.ours, err = fedihook.New(fedihook.Config{
			Origin: ours, Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler), Hooks: w.hooks(),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				switch handle {
				case "alice":
					return actor.Profile{Handle: handle}, nil
				case "club":
					return actor.Profile{Handle: handle, Type: "Group"}, nil
				}
				return actor.Profile{}, actor.ErrNotFound
			},
			Groups: &fedihook.Groups{
				Moderators: func(context.Context, string) ([]string, error) { return []string{w.kim.ID()}, nil },
				Banned: func(_ context.Context, _, who string) (bool, error) {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.banned[who], nil
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", w.ours.Handler())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.ours.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		f(t, w)
	})
}

func (w *world) hooks() inbox.Hooks {
	as := func(hook string) inbox.Hook {
		return func(_ context.Context, m *inbox.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard = append(w.heard, heard{hook, m})
			if o := m.Activity; hook == "Moderate" && o.Is("Block") && m.Group == club {
				w.banned[m.ObjectID] = true
			}
			return nil
		}
	}
	return inbox.Hooks{
		Follow: as("Follow"), Accepted: as("Accepted"), Create: as("Create"), Update: as("Update"), Delete: as("Delete"), Like: as("Like"),
		Announce: as("Announce"), Undo: as("Undo"), Moderate: as("Moderate"), Other: as("Other"),
	}
}

// settle lets everybody deliver until nothing is left to do.
func (w *world) settle() (sent []lemmylike.Delivery) {
	w.t.Helper()
	for range 4 {
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, s := range []*lemmylike.Server{w.one, w.two} {
			for _, d := range s.Deliver(w.t.Context()) {
				if d.Err != nil {
					w.t.Errorf("to %s: %v", d.Inbox, d.Err)
				}
				if d.Status >= 300 {
					w.t.Logf("to %s: %d %s", d.Inbox, d.Status, d.Body)
				}
				sent = append(sent, d)
			}
		}
	}
	return sent
}

// count tells how often a hook was called about something, or by somebody.
func (w *world) count(hook, id string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.heard {
		if h.hook == hook && (h.ObjectID == id || h.Sender == id) {
			n++
		}
	}
	return n
}

// last is what a hook was called with last.
func (w *world) last(hook string) *inbox.Message {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range slices.Backward(w.heard) {
		if h.hook == hook {
			return h.Message
		}
	}
	w.t.Fatalf("hook %s was never called", hook)
	return nil
}

// refused lists what an instance refused, as "type error".
func refused(s *lemmylike.Server) (list []string) {
	for _, e := range s.Exchanges() {
		if e.Method == http.MethodPost && e.Status != http.StatusOK {
			list = append(list, e.Type+" "+e.Error)
		}
	}
	return list
}

// must ends the test if something there failed, and returns what it made.
func must(t *testing.T) func(id string, err error) string {
	return func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func shown(t *testing.T, s *lemmylike.Server, id string) lemmylike.Post {
	t.Helper()
	p, ok := s.Shown(id)
	if !ok {
		t.Errorf("%s is not there; refused %q", id, refused(s))
	}
	return p
}

// weFollow makes alice follow a community as people name it.
func (w *world) weFollow() {
	w.t.Helper()
	a, err := w.ours.Lookup(w.t.Context(), w.cats.Handle())
	if err != nil {
		w.t.Fatal(err)
	}
	if a.ID != w.cats.ID() {
		w.t.Fatalf("%s is %s", w.cats.Handle(), a.ID)
	}
	must(w.t)(w.ours.Follow(w.t.Context(), "alice", a.ID))
	w.settle()
	if got := w.cats.Followers(); !slices.Equal(got, []string{alice}) || w.count("Accepted", w.cats.ID()) != 1 {
		w.t.Fatalf("followers %q, refused %q", got, refused(w.one))
	}
}

// theyFollow makes frank and kim follow our group.
func (w *world) theyFollow() {
	w.t.Helper()
	for _, p := range []*lemmylike.Person{w.frank, w.kim} {
		must(w.t)(p.Follow(w.t.Context(), "!club@blog.example"))
	}
	w.settle()
	if !w.frank.Following(club) || !w.kim.Following(club) {
		w.t.Fatalf("not accepted; refused %q", refused(w.one))
	}
}

func content(o string) *activity.Object { return &activity.Object{Content: o} }
