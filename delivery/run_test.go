package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func TestStopWaitsForPostsUnderWayAndStartsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		slow := func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(15 * time.Second):
				return status(202)(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		s.set("h1.example", slow)
		s.post("1", "", inbox(1))
		s.post("2", "", inbox(1))
		wait(time.Second)
		before := time.Now()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took != 14*time.Second {
			t.Errorf("Run ended after %v", took)
		}
		s.status("1", 0, 1, 0)
		s.status("2", 1, 0, 0)
		if got := s.bodies("h1.example"); got != "1" {
			t.Errorf("it got %s", got)
		}
		// The lease was given back: another owner begins at once.
		next := run(t, func(c *delivery.Config) { c.Store = s.st })
		synctest.Wait()
		if got := next.bodies("h1.example"); got != "2" {
			t.Errorf("the next process sent %q", got)
		}
	})
}

func TestStopEndsPostsThatOutlastTheGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Grace = 5 * time.Second })
		s.set("h1.example", hang)
		s.post("1", "", inbox(1))
		wait(time.Second)
		before := time.Now()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took != 5*time.Second {
			t.Errorf("Run ended after %v", took)
		}
		s.status("1", 1, 0, 0)
		for h := range s.Lanes(t.Context()) {
			if h.Failures != 0 {
				t.Errorf("our hurry was put down to the host: %+v", h)
			}
		}
	})
}

func TestSecondRunIsAnErrorAndALaterOneIsNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		synctest.Wait()
		if err := s.Run(t.Context()); !errors.Is(err, delivery.ErrRunning) {
			t.Errorf("got %v", err)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		start(t, s.Queue)
		s.post("1", "", inbox(1))
		wait(time.Second)
		s.status("1", 0, 1, 0)
	})
}

func TestAnotherProcessTakesOverWhenTheLeaseRunsOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := queue.Memory()
		// A process that was killed holds the lease still.
		if _, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "killed", Now: time.Now(), TTL: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		s := run(t, func(c *delivery.Config) { c.Store, c.LeaseTTL = st, 9*time.Second })
		s.post("1", "", inbox(1))
		wait(9 * time.Second)
		if n := len(s.to("h1.example")); n != 0 {
			t.Error("it sent under another's lease")
		}
		wait(4 * time.Second)
		s.status("1", 0, 1, 0)
	})
}

func TestProcessThatComesBackUnderItsNameBeginsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := queue.Memory()
		if _, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "web1", Now: time.Now(), TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		s := run(t, func(c *delivery.Config) { c.Store, c.Owner = st, "web1" })
		s.post("1", "", inbox(1))
		wait(time.Second)
		s.status("1", 0, 1, 0)
	})
}

func TestOneOfTwoProcessesDelivers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := queue.Memory()
		a := run(t, func(c *delivery.Config) { c.Store, c.Poll, c.LeaseTTL = st, time.Second, 9*time.Second })
		synctest.Wait()
		b := run(t, func(c *delivery.Config) { c.Store, c.Poll, c.LeaseTTL = st, time.Second, 9*time.Second })
		synctest.Wait()
		b.post("1", "", inbox(1)) // a sees it by polling
		wait(2 * time.Second)
		if len(a.to("h1.example")) != 1 || len(b.to("h1.example")) != 0 {
			t.Errorf("a sent %d, b %d; want 1 and 0", len(a.to("h1.example")), len(b.to("h1.example")))
		}
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		wait(4 * time.Second)
		a.post("2", "", inbox(1))
		wait(2 * time.Second)
		if len(b.to("h1.example")) != 1 {
			t.Error("b did not take over")
		}
	})
}

func TestProcessThatLostItsLeaseStopsSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Owner, c.LeaseTTL = "a", 9*time.Second })
		s.set("h1.example", func(r *http.Request) (*http.Response, error) { time.Sleep(20 * time.Second); return status(202)(r) })
		for i := range 3 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(time.Second)
		// The same name twice: the one thing that takes a lease that is alive.
		l, err := s.st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: time.Now(), TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		l, err = s.st.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Epoch: l.Epoch, Now: time.Now(), TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.st.Release(t.Context(), l.Epoch); err != nil {
			t.Fatal(err)
		}
		if _, err = s.st.Lease(t.Context(), delivery.LeaseRequest{Owner: "b", Now: time.Now(), TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Minute)
		if got := s.bodies("h1.example"); got != "0" {
			t.Errorf("after it lost the lease it had sent %s", got)
		}
		s.status("0", 1, 0, 0)
	})
}

// flaky is a store of which every second call fails, at random.
type flaky struct {
	delivery.Store
	mu   sync.Mutex
	rand *rand.Rand
	off  atomic.Bool
}

var errFlaky = errors.New("disk full")

func (f *flaky) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.off.Load() && f.rand.IntN(2) == 0
}

func (f *flaky) Load(ctx context.Context, q delivery.Query) (delivery.Page, error) {
	if f.fails() {
		return delivery.Page{}, errFlaky
	}
	return f.Store.Load(ctx, q)
}

func (f *flaky) Flush(ctx context.Context, epoch int64, fl delivery.Flush) ([]int64, error) {
	if f.fails() {
		return nil, errFlaky
	}
	return f.Store.Flush(ctx, epoch, fl)
}

func (f *flaky) Body(ctx context.Context, seq int64) (delivery.Bodies, error) {
	if f.fails() {
		return delivery.Bodies{}, errFlaky
	}
	return f.Store.Body(ctx, seq)
}

func (f *flaky) Lease(ctx context.Context, r delivery.LeaseRequest) (delivery.Lease, error) {
	if f.fails() {
		return delivery.Lease{}, errFlaky
	}
	return f.Store.Lease(ctx, r)
}

func (f *flaky) Hosts(ctx context.Context, after string, limit int) ([]delivery.HostState, error) {
	if f.fails() {
		return nil, errFlaky
	}
	return f.Store.Hosts(ctx, after, limit)
}

func TestFailingStoreLosesAndRepeatsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &flaky{Store: queue.Memory(), rand: rand.New(rand.NewPCG(1, 2))}
		s := run(t, func(c *delivery.Config) { c.Store = st })
		for i := range 20 {
			s.post(fmt.Sprint(i), "k", inbox(1), inbox(2))
			wait(time.Second)
		}
		wait(20 * time.Minute)
		for _, h := range []string{"h1.example", "h2.example"} {
			if n := len(s.to(h)); n != 20 {
				t.Errorf("%s got %d posts of 20: %s", h, n, s.bodies(h))
			}
		}
		st.off.Store(true)
		wait(time.Minute)
		for i := range 20 {
			s.status(fmt.Sprint(i), 0, 2, 0)
		}
	})
}

func TestRunThatCannotRecordItsLastSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &stuck{Store: queue.Memory()}
		c := config(&world{}, st)
		q, err := delivery.New(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()
		if _, err := q.Enqueue(ctx, nil, activity("1", ""), targets(inbox(1))); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		cancel()
		if err := <-done; !errors.Is(err, errFlaky) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// stuck is a store that can't be flushed.
type stuck struct{ delivery.Store }

func (stuck) Flush(context.Context, int64, delivery.Flush) ([]int64, error) { return nil, errFlaky }

func TestLanesAreTheSameFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", status(500))
		s.post("1", "k", inbox(1), inbox(2), inbox(3))
		wait(time.Hour)
		s.post("2", "k", inbox(1), inbox(2), inbox(3))
		wait(time.Second)
		other, err := delivery.New(config(s.world, s.st))
		if err != nil {
			t.Fatal(err)
		}
		list := func(q *delivery.Queue) (all []delivery.Lane) {
			for l, err := range q.Lanes(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, l)
			}
			return all
		}
		a, b := list(s.Queue), list(other)
		if len(a) != 2 || len(b) != 2 {
			t.Fatalf("lanes inside %+v, outside %+v", a, b)
		}
		for i := range a {
			if a[i].Origin != b[i].Origin || a[i].Pending != 2 || b[i].Pending != 2 || a[i].Deferred != b[i].Deferred || a[i].Failures != b[i].Failures || !a[i].Oldest.Equal(b[i].Oldest) || !a[i].Next.Truncate(time.Millisecond).Equal(b[i].Next) {
				t.Errorf("lane inside\n%+v, outside\n%+v", a[i], b[i])
			}
		}
	})
}
