package threads_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/threadslike"
	"github.com/fedihook/fedihook/storage"
)

const (
	ourOrigin = "http://blog.test"
	alice     = ourOrigin + "/ap/users/alice"

	// patience bounds each wait: two busy cores may make it a long one.
	patience = 20 * time.Second
)

// theKey is that of all users of the double: making one takes long.
var theKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// ourKeys are those of our actors, which are the same in all worlds.
var ourKeys = sync.OnceValue(func() actor.Keys { return storage.Memory().Keys })

// world is our server with its user alice, and the double with its user frank.
type world struct {
	t       *testing.T
	ours    *fedihook.Server
	store   storage.Storage
	threads *threadslike.Server
	frank   *threadslike.Account
	config  fedihook.Config // ours, to make another one over the same storage

	mu     sync.Mutex
	ago    time.Duration // how far the clock of the double is behind
	heard  []heard
	asked  []asked
	answer func(r *http.Request) // called with each request to us, before it is answered
}

// heard is one call of a hook.
type heard struct {
	hook string
	*inbox.Message
}

// asked is one request to us that was answered.
type asked struct {
	method, path, signature, agent string
	status                         int
	date                           time.Time
}

// options change what a world is made of. Either may be nil.
type options struct {
	ours   func(*fedihook.Config)
	theirs func(*threadslike.Config)
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := &world{t: t, store: storage.Memory()}
	w.store.Keys = ourKeys()
	names := map[string]string{}
	listen := func(hosts ...string) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range hosts {
			names[host] = l.Addr().String()
		}
		return l
	}
	here, there := listen("blog.test"), listen("threads.net", "www.threads.net", "scontent.cdninstagram.com")

	theirs := threadslike.Config{
		Origin: "http://threads.net", Media: "http://scontent.cdninstagram.com", Now: w.now,
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil || names[host] == "" {
				return nil, fmt.Errorf("no host %s: %w", address, err)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, names[host])
		}},
	}
	if o.theirs != nil {
		o.theirs(&theirs)
	}
	var err error
	if w.threads, err = threadslike.New(theirs); err != nil {
		t.Fatal(err)
	}
	w.frank = w.addUser(threadslike.User{Handle: "frank", Name: "Frank", Sharing: true})

	w.config = fedihook.Config{
		Origin: ourOrigin, Storage: w.store, InsecureAllowLoopback: names, Logger: slog.New(slog.DiscardHandler), Hooks: w.hooks(),
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "alice" && handle != "bea" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle, Name: "Name of " + handle}, nil
		},
		Delivery: delivery.Policy{
			HostDelay: func(int) time.Duration { return 50 * time.Millisecond },
			ItemDelay: func(attempts int) (time.Duration, bool) { return 50 * time.Millisecond, attempts < 3 },
		},
	}
	if o.ours != nil {
		o.ours(&w.config)
	}
	if w.ours, err = fedihook.New(w.config); err != nil {
		t.Fatal(err)
	}
	pages := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "a page for people") })
	serve(t, here, w.watch(w.ours.Wrap(pages)))
	serve(t, there, w.threads)
	run(t, w.ours)
	return w
}

func serve(t *testing.T, l net.Listener, h http.Handler) {
	web := httptest.NewUnstartedServer(h)
	web.Listener.Close()
	web.Listener = l
	web.Start()
	t.Cleanup(web.Close)
}

// run keeps s running until the test is over.
func run(t *testing.T, s *fedihook.Server) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func (w *world) addUser(u threadslike.User) *threadslike.Account {
	w.t.Helper()
	var err error
	if u.Key, err = theKey(); err != nil {
		w.t.Fatal(err)
	}
	a, err := w.threads.AddUser(u)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// now is the clock of the double.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(-w.ago)
}

// then sets that clock back.
func (w *world) then(ago time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ago = ago
}

func (w *world) hooks() inbox.Hooks {
	as := func(hook string) inbox.Hook {
		return func(_ context.Context, m *inbox.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard = append(w.heard, heard{hook, m})
			return nil
		}
	}
	return inbox.Hooks{
		Follow: as("Follow"), Unfollow: as("Unfollow"), Accepted: as("Accepted"), Rejected: as("Rejected"), Create: as("Create"),
		Update: as("Update"), Delete: as("Delete"), Like: as("Like"), React: as("React"), Announce: as("Announce"), Undo: as("Undo"),
		Other: as("Other"),
	}
}

// watch remembers what was asked of us.
func (w *world) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		hook := w.answer
		w.mu.Unlock()
		if hook != nil {
			hook(r)
		}
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		a := asked{method: r.Method, path: r.URL.Path, signature: r.Header.Get("Signature"), agent: r.UserAgent()}
		a.date, _ = http.ParseTime(r.Header.Get("Date")) // WebFinger has none
		r.Body = io.NopCloser(bytes.NewReader(body))
		out := httptest.NewRecorder()
		next.ServeHTTP(out, r)
		a.status = out.Code
		w.mu.Lock()
		w.asked = append(w.asked, a)
		w.mu.Unlock()
		for name, values := range out.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(out.Code)
		_, _ = rw.Write(out.Body.Bytes())
	})
}

// deliver makes the double send what is due, and expects that we take it.
func (w *world) deliver() []threadslike.Delivery {
	w.t.Helper()
	sent := w.threads.Deliver(w.t.Context())
	for _, d := range sent {
		if d.Err != nil || d.Status != http.StatusAccepted {
			w.t.Fatalf("%s %s to %s: %d %v", d.Type, d.ID, d.Inbox, d.Status, d.Err)
		}
	}
	return sent
}

// hears makes the double deliver and waits until a hook was called that is.
func (w *world) hears(hook string, is func(heard) bool) heard {
	w.t.Helper()
	w.deliver()
	var found heard
	w.until("hook "+hook, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, h := range w.heard {
			if h.hook == hook && is(h) {
				found = h
				return true
			}
		}
		return false
	})
	return found
}

func about(objectID string) func(heard) bool {
	return func(h heard) bool { return h.ObjectID == objectID }
}

// count tells how often a hook was called about something.
func (w *world) count(hook string, is func(heard) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.heard {
		if h.hook == hook && is(h) {
			n++
		}
	}
	return n
}

// requests lists what was asked of us and fits.
func (w *world) requests(is func(asked) bool) []asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.asked), func(a asked) bool { return !is(a) })
}

// exchange waits until the double has answered a request of ours that is, and returns it.
func (w *world) exchange(what string, is func(threadslike.Exchange) bool) threadslike.Exchange {
	w.t.Helper()
	var found threadslike.Exchange
	w.until(what, func() bool {
		all := w.threads.Exchanges()
		i := slices.IndexFunc(all, is)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// answered fits POSTs of one type with one status.
func answered(typ string, status int) func(threadslike.Exchange) bool {
	return func(e threadslike.Exchange) bool { return e.Type == typ && e.Status == status }
}

func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if !time.Now().After(end) {
			continue
		}
		var text strings.Builder
		for _, e := range w.threads.Exchanges() {
			fmt.Fprintf(&text, "\n%+v", e)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, h := range w.heard {
			fmt.Fprintf(&text, "\nhook %s: %s", h.hook, h.Body)
		}
		w.t.Fatalf("%s: never%s", what, text.String())
	}
}

// state is how one actor follows another, as far as we know.
func (w *world) state(follower, followed string) actor.FollowState {
	f, err := w.store.Followers.Follow(w.t.Context(), follower, followed)
	if err != nil {
		return 0
	}
	return f.State
}

// theyFollow makes frank follow alice.
func (w *world) theyFollow() {
	w.t.Helper()
	if _, err := w.frank.Follow(w.t.Context(), "@alice@blog.test"); err != nil {
		w.t.Fatal(err)
	}
	w.hears("Follow", func(h heard) bool { return h.Sender == w.frank.ID() })
	w.until("our Accept", func() bool { accepted, _ := w.frank.Following(alice); return accepted })
}

// weFollow makes alice follow frank, and returns the id of the Follow.
func (w *world) weFollow() string {
	w.t.Helper()
	who, err := w.ours.Lookup(w.t.Context(), "@frank@threads.net")
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := w.ours.Follow(w.t.Context(), "alice", who.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	w.exchange("our Follow", answered("Follow", http.StatusOK))
	w.hears("Accepted", func(h heard) bool { return h.Sender == w.frank.ID() })
	w.until("followed", func() bool { return w.state(alice, w.frank.ID()) == actor.Accepted })
	return id
}

// feed waits until frank sees as many posts as told.
func (w *world) feed(n int) []threadslike.Shown {
	w.t.Helper()
	w.until(fmt.Sprintf("%d posts in the feed", n), func() bool { return len(w.frank.Feed()) == n })
	return w.frank.Feed()
}

// publish makes alice publish.
func (w *world) publish(o *activity.Object) string {
	w.t.Helper()
	id, err := w.ours.Publish(w.t.Context(), "alice", o)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func note(text string) *activity.Object {
	return &activity.Object{Content: text, URL: activity.Refs{activity.IRI(ourOrigin + "/posts/1")}}
}
