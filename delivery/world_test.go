package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// world is the network of a test: a RoundTripper whose hosts are funcs.
type world struct {
	mu    sync.Mutex
	hosts map[string]func(*http.Request) (*http.Response, error) // nil: 202
	calls []call
}

type call struct {
	at     time.Time
	url    string
	host   string
	body   string
	header http.Header
	method string
}

var errDown = errors.New("dial tcp: connection refused")

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.calls = append(w.calls, call{time.Now(), r.URL.String(), r.URL.Host, string(body), r.Header.Clone(), r.Method})
	host := w.hosts[r.URL.Host]
	w.mu.Unlock()
	if host == nil {
		return status(202)(r)
	}
	return host(r)
}

// set changes what a host does.
func (w *world) set(host string, do func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = make(map[string]func(*http.Request) (*http.Response, error))
	}
	w.hosts[host] = do
}

// to returns the calls that a host got.
func (w *world) to(host string) []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.calls), func(c call) bool { return c.host != host })
}

// bodies returns what a host got, in order.
func (w *world) bodies(host string) string {
	var list []string
	for _, c := range w.to(host) {
		list = append(list, c.body)
	}
	return strings.Join(list, " ")
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := make(http.Header)
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("because"))}, nil
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errDown }

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func (w *world) transport(string) (http.RoundTripper, error) { return w, nil }

func half() float64 { return 0.5 }

// bubble runs a test in a bubble of its own time. Goroutines that are left at its end
// fail the test.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// site is a queue that runs.
type site struct {
	*delivery.Queue
	*world
	t    *testing.T
	st   delivery.Store
	stop func() error
	dead []*delivery.Event
	gone []*delivery.Event
	sent []*delivery.Event
}

func config(w *world, st delivery.Store) delivery.Config {
	return delivery.Config{
		Store: st, Transport: w.transport, Policy: delivery.Policy{Rand: half},
		Poll: time.Hour, LeaseTTL: 24 * time.Hour, // simulated weeks are short
		Logger: slog.New(slog.DiscardHandler),
	}
}

// run starts a queue over st, by default a memory store, after change.
func run(t *testing.T, change func(*delivery.Config)) *site {
	t.Helper()
	s := &site{world: &world{}, t: t}
	c := config(s.world, queue.Memory())
	note := func(list *[]*delivery.Event) func(context.Context, *delivery.Event) error {
		return func(_ context.Context, e *delivery.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			*list = append(*list, e)
			return nil
		}
	}
	c.OnDelivered, c.OnGone, c.OnDead = note(&s.sent), note(&s.gone), note(&s.dead)
	if change != nil {
		change(&c)
	}
	s.st = c.Store
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Queue = q
	s.stop = start(t, q)
	return s
}

// start runs q until the returned func is called, or the test ends.
func start(t *testing.T, q *delivery.Queue) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// post enqueues an activity with this ID as its body.
func (s *site) post(id, key string, inboxes ...string) delivery.Receipt {
	s.t.Helper()
	r, err := s.Enqueue(s.t.Context(), nil, activity(id, key), targets(inboxes...))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func activity(id, key string) delivery.Activity {
	return delivery.Activity{ID: id, Sender: "alice", Key: key, Body: []byte(id)}
}

func targets(inboxes ...string) iter.Seq[delivery.Target] {
	return func(yield func(delivery.Target) bool) {
		for _, i := range inboxes {
			if !yield(delivery.Target{Inbox: i}) {
				return
			}
		}
	}
}

// wait lets time pass. (synctest.Wait before, so that what is due now is done.)
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// status checks an activity's numbers: pending, delivered, failed.
func (s *site) status(id string, pending, delivered, failed int) {
	s.t.Helper()
	st, err := s.Status(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	if st.Pending != pending || st.Delivered != delivered || st.Failed != failed {
		s.t.Errorf("%s: %d pending, %d delivered, %d failed; want %d, %d, %d", id, st.Pending, st.Delivered, st.Failed, pending, delivered, failed)
	}
}

// times tells when a host was called, from the first call on.
func (w *world) times(host string) []time.Duration {
	var list []time.Duration
	calls := w.to(host)
	for _, c := range calls {
		list = append(list, c.at.Sub(calls[0].at))
	}
	return list
}

func (s *site) lane(origin string) delivery.Lane {
	s.t.Helper()
	for l, err := range s.Lanes(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if l.Origin == origin {
			return l
		}
	}
	s.t.Fatalf("there is no lane for %s", origin)
	return delivery.Lane{}
}

func inbox(i int) string { return fmt.Sprintf("https://h%d.example/inbox", i) }
