package delivery_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
	"github.com/fedihook/fedihook/storage/queue"
)

// These tests are of the default client, in a network of the test's: the same table that the actor room
// runs for what is fetched.

// netted is a queue with the default client.
func netted(t *testing.T, n *safehttptest.Net) *delivery.Queue {
	t.Helper()
	c := config(nil, queue.Memory())
	c.Transport = nil
	q, err := delivery.NewIn(c, n.Config())
	if err != nil {
		t.Fatal(err)
	}
	start(t, q)
	return q
}

// sink is a server that takes posts.
type sink struct {
	mu  sync.Mutex
	got []string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r.Method+" "+r.Host+r.URL.Path+" "+string(body))
	w.WriteHeader(http.StatusAccepted)
}

func (s *sink) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, ", ")
}

func TestNothingThatIsNoStrangersServerIsPostedTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, honest := safehttptest.NewNet(t), &sink{}
		n.Name("honest.example", []string{n.Serve(t, "93.184.216.34", honest)})
		q := netted(t, n)
		inboxes := []string{"https://honest.example/inbox"}
		for _, to := range n.NameTargets() {
			if to.Addr != "93.184.216.34" { // ports and names of no server: theirs below
				inboxes = append(inboxes, "https://"+to.Host+"/inbox")
			}
		}
		var malformed *delivery.TargetError
		if _, err := q.Enqueue(t.Context(), nil, activity("1", ""), targets(inboxes...)); err != nil && !errors.As(err, &malformed) {
			t.Fatal(err)
		}
		wait(24 * time.Hour)
		if got := honest.log(); got != "POST honest.example/inbox 1" {
			t.Errorf("the honest server got %q", got)
		}
		for _, address := range n.Dialed() {
			if address != "93.184.216.34:443" {
				t.Errorf("dialed %s", address)
			}
		}
		before := len(n.Dialed())
		for _, to := range n.NameTargets() {
			if to.Addr == "93.184.216.34" {
				q.Enqueue(t.Context(), nil, activity(to.Host, ""), targets("https://"+to.Host+"/inbox")) // its error is a refusal, too
			}
		}
		wait(24 * time.Hour)
		if got := n.Dialed(); len(got) != before || strings.Contains(honest.log(), ",") {
			t.Errorf("dialed %v; the honest server got %q", got[before:], honest.log())
		}
	})
}

func TestARedirectedPostGoesNowhereElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, elsewhere := safehttptest.NewNet(t), &sink{}
		n.Serve(t, "10.0.0.1", elsewhere)
		n.Name("other.example", []string{n.Serve(t, "93.184.217.1", elsewhere)})
		n.Serve(t, "93.184.216.34", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", "https://"+strings.TrimPrefix(r.URL.Path, "/"))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}))
		q := netted(t, n)
		var inboxes []string
		for i, to := range append(n.NameTargets(), safehttptest.Target{Host: "10.0.0.1"}, safehttptest.Target{Host: "other.example"}) {
			liar := fmt.Sprintf("liar%d.example", i) // each its own, so that none waits for another
			n.Name(liar, []string{"93.184.216.34"})
			inboxes = append(inboxes, "https://"+liar+"/"+to.Host)
		}
		var malformed *delivery.TargetError
		if _, err := q.Enqueue(t.Context(), nil, activity("1", ""), targets(inboxes...)); err != nil && !errors.As(err, &malformed) {
			t.Fatal(err)
		}
		wait(time.Hour)
		for _, address := range n.Dialed() {
			if address != "93.184.216.34:443" {
				t.Errorf("dialed %s", address)
			}
		}
		if len(n.Dialed()) == 0 || elsewhere.log() != "" {
			t.Errorf("after %d connections, the servers elsewhere got %q", len(n.Dialed()), elsewhere.log())
		}
	})
}

func TestANameThatLeadsInsideTheSecondTimeIsNotPostedTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, outside, inside := safehttptest.NewNet(t), &sink{}, &sink{}
		n.Serve(t, "93.184.216.34", outside)
		n.Serve(t, "127.0.0.1", inside)
		n.Name("rebind.example", []string{"93.184.216.34"}, []string{"127.0.0.1"}, []string{"127.0.0.1", "::1"})
		q := netted(t, n)
		enqueue(t, q, "1", "https://rebind.example/inbox")
		synctest.Wait()
		if got := outside.log(); got != "POST rebind.example/inbox 1" {
			t.Fatalf("the server outside got %q", got)
		}
		wait(10 * time.Minute) // neither the connection nor the answer is kept that long
		enqueue(t, q, "2", "https://rebind.example/inbox")
		wait(24 * time.Hour)
		if got := n.Dialed(); len(got) != 1 || inside.log() != "" || n.Lookups("rebind.example") < 3 {
			t.Errorf("dialed %v after %d lookups; the server inside got %q", got, n.Lookups("rebind.example"), inside.log())
		}
		if st, err := q.Status(t.Context(), "2"); err != nil || st.Pending == 0 {
			t.Errorf("the second post is settled: %+v, %v", st, err)
		}
	})
}
