package delivery_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// signer is a RoundTripper that signs few posts at once, first come, first served, before it asks for a connection.
type signer struct {
	*world
	permits chan struct{} // nil: as many as come
	signs   time.Duration // each takes
	tells   bool          // of the connection
	works   func()        // as it signs
	most    atomic.Int64  // posts that were here at once
	now     atomic.Int64
}

func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	if s.permits != nil {
		s.permits <- struct{}{}
	}
	time.Sleep(s.signs)
	if s.works != nil {
		s.works()
	}
	if s.permits != nil {
		<-s.permits
	}
	if trace := httptrace.ContextClientTrace(r.Context()); s.tells && trace != nil {
		trace.GetConn(r.URL.Host)
	}
	return s.world.RoundTrip(r)
}

// runSigned runs a queue that posts through a signer whose hosts take 20 ms to answer.
func runSigned(t *testing.T, s *signer, change func(*delivery.Config)) *site {
	return run(t, func(c *delivery.Config) {
		c.Transport = func(string) (http.RoundTripper, error) { return s, nil }
		if change != nil {
			change(c)
		}
	})
}

// slowly makes the hosts of a fan-out, which it returns, take their time.
func (s *signer) slowly(hosts int, takes time.Duration) (inboxes []string) {
	s.world = &world{}
	for i := range hosts {
		inboxes = append(inboxes, inbox(i))
		s.set(inbox(i)[len("https://"):len(inbox(i))-len("/inbox")], func(r *http.Request) (*http.Response, error) {
			time.Sleep(takes)
			return status(202)(r)
		})
	}
	return inboxes
}

func TestUrgentPostWaitsForFewThatAreSigned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &signer{permits: make(chan struct{}, 2), signs: time.Millisecond, tells: true}
		crowd := s.slowly(3000, 20*time.Millisecond)
		q := runSigned(t, s, func(c *delivery.Config) { c.MaxPreparing = 8 })
		q.post("fan-out", "", crowd...)
		wait(100 * time.Millisecond)
		for range 10 {
			urgent := activity("urgent", "")
			urgent.ID += time.Now().String()
			urgent.Class = delivery.Interactive
			said := time.Now()
			if _, err := q.Enqueue(t.Context(), nil, urgent, targets("https://urgent.example/inbox")); err != nil {
				t.Fatal(err)
			}
			wait(50 * time.Millisecond)
			calls := s.to("urgent.example")
			if len(calls) == 0 {
				t.Fatal("it did not leave within 50 ms")
			}
			// Eight are before it, of which two are signed at once.
			if took := calls[len(calls)-1].at.Sub(said); took < 0 || took > 6*time.Millisecond {
				t.Errorf("it left after %v, want at most 6ms", took)
			}
		}
		// The bound costs no throughput: two are signed per millisecond.
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.calls); n < 1150 {
			t.Errorf("%d were posted in 600 ms, want all but 1,200", n)
		}
	})
}

func TestPostsThatDoNotTellOfTheirConnectionAreNotHeldBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &signer{}
		crowd := s.slowly(5000, 100*time.Millisecond)
		q := runSigned(t, s, func(c *delivery.Config) { c.MaxPreparing, c.MaxInFlight = 8, 1000 })
		q.post("fan-out", "", crowd...)
		wait(2 * time.Second)
		if most := s.most.Load(); most != 900 {
			t.Errorf("%d were under way at once, want 900", most)
		}
		q.status("fan-out", 0, 5000, 0)
	})
}

// What waits in the scheduler's queue of all processors comes next when theirs have no more, or after 60 of those.
func TestPostsThatAreSignedLetOthersHaveTheProcessor(t *testing.T) {
	var signed atomic.Int64
	s := &signer{tells: true, works: func() {
		sum := sha256.Sum256(nil)
		for began := time.Now(); time.Since(began) < 200*time.Microsecond; {
			sum = sha256.Sum256(sum[:])
		}
		signed.Add(1)
	}}
	crowd := s.slowly(20_000, time.Millisecond)
	q := runSigned(t, s, nil)
	q.post("fan-out", "", crowd...)
	for signed.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	var passed []int64
	for range 101 {
		before := signed.Load()
		runtime.Gosched() // like one who comes back from the disk
		passed = append(passed, signed.Load()-before)
		time.Sleep(time.Millisecond)
	}
	if signed.Load() == int64(len(crowd)) {
		t.Fatal("the fan-out was over too soon")
	}
	slices.Sort(passed)
	if median, most := passed[50], int64(8*runtime.GOMAXPROCS(0)); median > most {
		t.Errorf("%d were signed meanwhile, want at most %d", median, most)
	}
}

func TestPostsThatTakeTheirTimeAfterManyThatCameBackAtOnceAreAllBegunSoon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &signer{}
		crowd := s.slowly(200, 10*time.Second)
		for i := range 100 {
			s.set(inbox(i)[len("https://"):len(inbox(i))-len("/inbox")], status(202))
		}
		q := runSigned(t, s, nil)
		for i := range 10 { // one after the other
			q.post(fmt.Sprint("quick", i), "", crowd[:10]...)
			wait(5 * time.Millisecond)
		}
		q.post("slow", "", crowd[100:]...)
		wait(50 * time.Millisecond)
		if n := s.now.Load(); n != 100 {
			t.Errorf("%d are under way, want 100", n)
		}
	})
}

func TestSlowPreparationHoldsUpNobodyForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &signer{signs: 10 * time.Second, tells: true}
		crowd := s.slowly(5000, 0)
		q := runSigned(t, s, func(c *delivery.Config) { c.MaxPreparing = 8 })
		q.post("fan-out", "", crowd...)
		wait(time.Second)
		if n := s.now.Load(); n < 160 { // 8 per 50 ms
			t.Errorf("%d were begun in a second, want at least 160", n)
		}
	})
}

func TestSigningThatFailsMakesRoomForTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tries atomic.Int64
		q := run(t, func(c *delivery.Config) {
			c.MaxPreparing = 2
			c.Transport = func(string) (http.RoundTripper, error) {
				tries.Add(1)
				return nil, delivery.ErrRefused
			}
		})
		s := &signer{}
		q.post("fan-out", "", s.slowly(500, 0)...)
		synctest.Wait() // no time passes
		if n := tries.Load(); n != 500 {
			t.Errorf("%d were tried at once, want 500", n)
		}
	})
}
