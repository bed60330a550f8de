package delivery_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// These tests go over real connections and by the real clock.

// eventually waits until ok, for a minute at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute: not %s", what)
		}
	}
}

func loopback(t *testing.T, st delivery.Store) (*delivery.Queue, *http.Transport) {
	t.Helper()
	rt := &http.Transport{}
	t.Cleanup(rt.CloseIdleConnections)
	c := config(nil, st)
	c.MaxWindow = 1 // so that it is known which connection is used
	c.Transport = func(string) (http.RoundTripper, error) { return rt, nil }
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return q, rt
}

func enqueue(t *testing.T, q *delivery.Queue, id string, inboxes ...string) {
	t.Helper()
	if _, err := q.Enqueue(t.Context(), nil, activity(id, "k"), targets(inboxes...)); err != nil {
		t.Fatal(err)
	}
}

func settled(t *testing.T, q *delivery.Queue, id string) func() bool {
	return func() bool {
		st, err := q.Status(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return st.Pending == 0
	}
}

// A server may close a connection that was idle just when we use it again: it reads
// the second request, or not even that, and hangs up without an answer.
func TestConnectionThatClosesUnderUsIsReplaced(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var mu sync.Mutex
	var got []string
	var hungUp atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for n := 0; ; n++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					body, err := io.ReadAll(req.Body)
					if err != nil {
						return
					}
					if n == 1 {
						hungUp.Add(1)
						return
					}
					mu.Lock()
					got = append(got, string(body))
					if _, sent := req.Header["Idempotency-Key"]; sent {
						t.Error("an Idempotency-Key was sent")
					}
					mu.Unlock()
					fmt.Fprint(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
				}
			}()
		}
	}()
	q, _ := loopback(t, queue.Memory())
	start(t, q)
	inbox := fmt.Sprintf("http://%s/inbox", l.Addr())
	for i := range 4 {
		enqueue(t, q, fmt.Sprint(i), inbox)
	}
	eventually(t, "settled", settled(t, q, "3"))
	mu.Lock()
	defer mu.Unlock()
	if s := strings.Join(got, " "); s != "0 1 2 3" {
		t.Errorf("the server took %s", s)
	}
	if hungUp.Load() == 0 {
		t.Error("the server never hung up: the test proves nothing")
	}
	for l := range q.Lanes(t.Context()) {
		t.Errorf("it was put down to the host: %+v", l)
	}
}

func TestConnectionsAreUsedAgainWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	var conns, posts atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(r.URL.Path, "/no") {
			w.WriteHeader(422)
		}
		io.WriteString(w, strings.Repeat("x", 20_000))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	q, _ := loopback(t, queue.Memory())
	start(t, q)
	for i := range 10 {
		a := activity(fmt.Sprint(i), "")
		if _, err := q.Enqueue(t.Context(), nil, a, targets(srv.URL+"/yes", srv.URL+"/no")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "posted", func() bool { return posts.Load() == 20 })
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for %d posts", n, posts.Load())
	}
}

func TestAnswerWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	var wrote atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(202)
		for {
			n, err := w.Write(make([]byte, 64<<10))
			wrote.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	q, _ := loopback(t, queue.Memory())
	start(t, q)
	enqueue(t, q, "1", srv.URL)
	eventually(t, "settled", settled(t, q, "1"))
	if n := wrote.Load(); n > 32<<20 { // what sockets hold is not little
		t.Errorf("%d bytes were taken", n)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	q, _ := loopback(t, queue.Memory())
	start(t, q)
	enqueue(t, q, "1", srv.URL)
	eventually(t, "put off", func() bool {
		st, err := q.Status(t.Context(), "1")
		return err == nil && st.Deferred == 1
	})
	if followed.Load() {
		t.Error("it was followed")
	}
}

func TestDefaultTransportRefusesPrivateAddresses(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer srv.Close()
	c := config(nil, queue.Memory())
	c.Transport = nil
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	start(t, q)
	enqueue(t, q, "1", srv.URL)
	eventually(t, "tried", func() bool {
		for l := range q.Lanes(t.Context()) {
			if l.Failures > 0 {
				return true
			}
		}
		return false
	})
	if reached.Load() {
		t.Error("a server on loopback was reached")
	}
}

// The body of a range over the store's single connection must be able to use it.
func TestRangesMayCallTheQueue(t *testing.T) {
	t.Parallel()
	c := config(nil, openSQLite(t, filepath.Join(t.TempDir(), "queue.db")))
	c.Transport = func(string) (http.RoundTripper, error) { return failing{errDown}, nil }
	c.Policy.GiveUp = 1
	c.Policy.HostDelay = func(int) time.Duration { return time.Millisecond }
	q, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, q)
	enqueue(t, q, "1", inbox(1), inbox(2))
	eventually(t, "given up", settled(t, q, "1"))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for d, err := range q.DeadLetters(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Status(t.Context(), d.Activity); err != nil {
			t.Error(err)
		}
		n++
	}
	for l, err := range q.Lanes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, q, l.Origin, l.Origin+"/inbox")
		n++
	}
	if n != 4 {
		t.Errorf("%d dead letters and lanes, want 2 and 2", n)
	}
}

const childFile, childInbox = "FEDIHOOK_TEST_QUEUE_FILE", "FEDIHOOK_TEST_QUEUE_INBOX"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := child(path, os.Getenv(childInbox)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// childQueue is the same process again: it has its old name, and so its lease at once.
func childQueue(path string) (*delivery.Queue, *sql.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, nil, err
	}
	st, err := queue.OpenSQLite(context.Background(), db)
	if err != nil {
		return nil, nil, err
	}
	c := config(nil, st)
	c.Owner = "child"
	c.Transport = func(string) (http.RoundTripper, error) { return http.DefaultTransport, nil }
	q, err := delivery.New(c)
	return q, db, err
}

// child enqueues and delivers until it is killed. It prints each ID once it is durable.
func child(path, inbox string) error {
	q, _, err := childQueue(path)
	if err != nil {
		return err
	}
	go q.Run(context.Background())
	for i := range 10_000 {
		id := fmt.Sprint(i)
		if _, err := q.Enqueue(context.Background(), nil, activity(id, "k"), targets(inbox, inbox+"/2")); err != nil {
			return err
		}
		if _, err := fmt.Println(id); err != nil {
			return err
		}
	}
	select {}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := make(map[string]int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path+" "+string(body)]++
	}))
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "queue.db")

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path, childInbox+"="+srv.URL+"/inbox")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var durable []string
	lines := bufio.NewScanner(out)
	for len(durable) < 40 && lines.Scan() {
		durable = append(durable, lines.Text())
	}
	eventually(t, "delivering", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) > 20
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it said before it died
		durable = append(durable, lines.Text())
	}
	cmd.Wait() // killed, as it should be
	if len(durable) < 40 {
		t.Fatalf("the child enqueued only %d", len(durable))
	}
	mu.Lock()
	before := len(got)
	mu.Unlock()

	q, db, err := childQueue(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	start(t, q)
	for _, id := range durable {
		eventually(t, "settled", settled(t, q, id))
	}
	mu.Lock()
	defer mu.Unlock()
	repeats := 0
	for _, id := range durable {
		for _, inbox := range []string{"/inbox", "/inbox/2"} {
			n := got[inbox+" "+id]
			if n == 0 {
				t.Errorf("%s never arrived at %s", id, inbox)
			}
			repeats += max(n-1, 0)
		}
	}
	if repeats > 257 { // one under way, and what one flush tells
		t.Errorf("%d repeats", repeats)
	}
	t.Logf("%d posts before the kill, %d repeats after", before, repeats)
}
