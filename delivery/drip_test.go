package delivery_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// A server that answers byte by byte, and never to the end, costs one post of limited time; others don't notice.
func TestHostThatDripsItsAnswerIsLeftAlone(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	defer conns.Wait()
	defer l.Close()
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			conns.Go(func() {
				defer conn.Close()
				for _, b := range []byte("HTTP/1.1 202 Accepted\r\nX-Slow: " + strings.Repeat("x", 100_000)) {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
	})
	var healthy atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { healthy.Add(1) }))
	defer srv.Close()

	rt := &http.Transport{}
	defer rt.CloseIdleConnections()
	c := config(nil, queue.Memory())
	c.Transport = func(string) (http.RoundTripper, error) { return rt, nil }
	c.Policy.Timeout = 300 * time.Millisecond
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	start(t, q)
	enqueue(t, q, "1", "http://"+l.Addr().String()+"/inbox", srv.URL)
	enqueue(t, q, "2", "http://"+l.Addr().String()+"/inbox", srv.URL)
	eventually(t, "sent to the other host", func() bool { return healthy.Load() == 2 })
	eventually(t, "paused", func() bool {
		for l, err := range q.Lanes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if l.Failures > 0 {
				return true
			}
		}
		return false
	})
	if n := asked.Load(); n != 1 {
		t.Errorf("the host that drips got %d connections, want 1", n)
	}
}

// A connection that is reset in mid-answer, or before it, is the host's failure: nothing counts as delivered, and it
// goes again when the host is back.
func TestResetConnectionsDeliverNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"before the answer": "", "in the status line": "HTTP/1.1 20", "in the headers": "HTTP/1.1 202 Accepted\r\nContent-Le",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var resets, taken atomic.Int64
			var well atomic.Bool
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if well.Load() {
					taken.Add(1)
					return
				}
				resets.Add(1)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(conn, answer)
				conn.(*net.TCPConn).SetLinger(0) // so that closing resets
				conn.Close()
			}))
			defer srv.Close()
			q, _ := loopback(t, queue.Memory())
			start(t, q)
			enqueue(t, q, "1", srv.URL)
			var lane delivery.Lane
			eventually(t, "paused", func() bool {
				for l, err := range q.Lanes(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					lane = l
				}
				return lane.Failures > 0
			})
			if st, err := q.Status(t.Context(), "1"); err != nil || st.Pending != 1 || st.Delivered != 0 {
				t.Errorf("%+v, %v: want it pending", st, err)
			}
			if lane.Err == "" || resets.Load() != 1 {
				t.Errorf("%d posts, error %q: want one, with its reason", resets.Load(), lane.Err)
			}
			well.Store(true)
			if err := q.RetryNow(t.Context(), strings.TrimPrefix(srv.URL, "http://")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "settled", settled(t, q, "1"))
			if n := taken.Load(); n != 1 {
				t.Errorf("taken %d times, want once", n)
			}
		})
	}
}

type stagesSeen struct {
	delivery.Observer
	mu    sync.Mutex
	posts []delivery.Posted
}

func (o *stagesSeen) Posted(p delivery.Posted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.posts = append(o.posts, p)
}
func (*stagesSeen) Flushed(int, time.Duration, error) {}
func (*stagesSeen) Measured(delivery.Stats)           {}

// slowly takes its time as one that signs does.
type slowly struct{ http.RoundTripper }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(20 * time.Millisecond)
	return s.RoundTripper.RoundTrip(r)
}

func TestObserverIsToldHowLongEachStageTook(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		time.Sleep(30 * time.Millisecond)
	}))
	defer srv.Close()
	o := new(stagesSeen)
	c := config(nil, queue.Memory())
	c.Transport = func(string) (http.RoundTripper, error) { return slowly{srv.Client().Transport}, nil }
	c.Observer, c.MaxWindow = o, 1
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	start(t, q)
	enqueue(t, q, "1", srv.URL)
	enqueue(t, q, "2", srv.URL)
	eventually(t, "posted", func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.posts) == 2 })
	first, second := o.posts[0].Stages, o.posts[1].Stages
	for i, s := range []delivery.Stages{first, second} {
		if s.Sign < 20*time.Millisecond || s.Answer < 20*time.Millisecond {
			t.Errorf("post %d: %+v: want 20 ms of Sign and nearly 30 of Answer", i, s)
		}
		if sum := s.Sign + s.Wait + s.Dial + s.TLS + s.Answer; sum > o.posts[i].Took {
			t.Errorf("post %d: the stages took %v, all of it %v", i, sum, o.posts[i].Took)
		}
	}
	if first.Dial == 0 || first.TLS == 0 || first.Reused {
		t.Errorf("the first: %+v: want Dial and TLS", first)
	}
	if second.Dial != 0 || second.TLS != 0 || !second.Reused {
		t.Errorf("the second: %+v: want the same connection", second)
	}
}

func TestGuardedTransportReachesNothingPrivate(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer srv.Close()
	rt, err := delivery.Config{}.Guarded()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		t.Fatalf("answered %s", resp.Status)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("it was dialled: %v", err)
	}
}

func TestGuardedTransportReachesLoopbackForTheHostsOfATrial(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer srv.Close()
	post := func(rt http.RoundTripper, url string) (status int, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("x"))
		if err != nil {
			return 0, err
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	rt, err := delivery.Config{InsecureAllowLoopback: map[string]string{"a.test": srv.Listener.Addr().String()}}.Guarded()
	if err != nil {
		t.Fatal(err)
	}
	if status, err := post(rt, "http://a.test/inbox"); status != http.StatusAccepted || err != nil {
		t.Errorf("the host of the trial: %d, %v", status, err)
	}
	if status, err := post(rt, srv.URL); err == nil {
		t.Errorf("the address by itself: %d", status)
	}
	if _, err := (delivery.Config{InsecureAllowLoopback: map[string]string{"a.test": "192.0.2.1:80"}}).Guarded(); err == nil {
		t.Error("an address that is none of loopback is taken")
	}
}
