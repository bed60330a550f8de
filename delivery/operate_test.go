package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func TestPausedHostGetsNothingUntilResumedEvenAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		synctest.Wait()
		if err := s.Pause(t.Context(), "H1.example:443"); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			s.post(fmt.Sprint(i), "", inbox(1), inbox(2))
		}
		wait(time.Hour)
		if l := s.lane("https://h1.example"); l.State != delivery.LaneHeld || l.Pending != 30 || l.Parked != 14 {
			t.Errorf("lane %+v", l)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		again := run(t, func(c *delivery.Config) { c.Store = s.st })
		wait(time.Hour)
		if n := len(s.to("h1.example")) + len(again.to("h1.example")); n != 0 {
			t.Errorf("%d posts to a host that is held", n)
		}
		if err := again.Resume(t.Context(), "h1.example"); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if n := len(again.to("h1.example")); n != 30 {
			t.Errorf("%d posts after it was resumed, want 30", n)
		}
	})
}

func TestRetryNowGoesBeforeWhatTheHostAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", status(429, "Retry-After", "86000"))
		s.set("h2.example", status(500))
		s.post("1", "", inbox(1), inbox(2))
		wait(time.Second)
		s.set("h1.example", nil)
		s.set("h2.example", nil)
		for _, h := range []string{"h1.example", "h2.example"} {
			if err := s.RetryNow(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		wait(time.Second)
		s.status("1", 0, 2, 0)
	})
}

func TestForgottenHostHasNothingLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		for i := range 40 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(time.Minute)
		n := len(s.to("h1.example"))
		if err := s.Forget(t.Context(), "h1.example"); err != nil {
			t.Fatal(err)
		}
		wait(24 * time.Hour)
		for i := range 40 {
			s.status(fmt.Sprint(i), 0, 0, 1)
		}
		if len(s.dead) != 40 || !errors.Is(s.dead[39].Err, delivery.ErrForgotten) || len(s.to("h1.example")) != n {
			t.Errorf("%d events, %d more posts", len(s.dead), len(s.to("h1.example"))-n)
		}
		if _, err := s.Host(t.Context(), "h1.example"); !errors.Is(err, delivery.ErrUnknown) {
			t.Errorf("it is still known: %v", err)
		}
	})
}

func TestOperatorsNeedTheProcessThatDelivers(t *testing.T) {
	t.Parallel()
	q, err := delivery.New(config(&world{}, queue.Memory()))
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(context.Context, string) error{"Pause": q.Pause, "Resume": q.Resume, "RetryNow": q.RetryNow, "Forget": q.Forget} {
		if err := do(t.Context(), "a.example"); !errors.Is(err, delivery.ErrNotRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := q.Drain(t.Context()); err != nil {
		t.Errorf("Drain of what does not run: %v", err)
	}
}

func TestDeadLettersGoAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Choose = func(string) string { return "plain" } })
		s.set("h1.example", status(405))
		s.set("h2.example", status(405))
		a := activity("1", "k")
		a.Other = []delivery.Body{{Name: "plain", Bytes: []byte("plain 1")}}
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1), inbox(2), inbox(3))); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		s.status("1", 0, 1, 2)
		s.set("h1.example", nil)
		s.set("h2.example", nil)
		one := func(d delivery.DeadLetter) bool { return d.Inbox == inbox(1) }
		if n, err := s.Redrive(t.Context(), one); err != nil || n != 1 {
			t.Fatalf("Redrive: %d, %v", n, err)
		}
		wait(time.Second)
		if got := s.bodies("h1.example"); got != "plain 1 plain 1" {
			t.Errorf("h1 got %s", got)
		}
		if n, err := s.Redrive(t.Context(), one); err != nil || n != 0 {
			t.Errorf("the same again: %d, %v", n, err)
		}
		if n := len(s.to("h2.example")); n != 1 {
			t.Errorf("%d posts to a host that was not meant", n)
		}
	})
}

func TestBodiesOfDeadLettersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.DeadBodies = 5 })
		s.set("h1.example", status(405))
		for i := range 20 {
			s.post(fmt.Sprint(i), "k", inbox(1))
			wait(time.Second)
		}
		if n, err := s.Redrive(t.Context(), func(delivery.DeadLetter) bool { return true }); err != nil || n != 5 {
			t.Errorf("Redrive: %d, %v; want the newest 5", n, err)
		}
	})
}

func TestDrainHandsTheLeaseOverAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := queue.Memory()
		change := func(c *delivery.Config) { c.Store, c.Poll, c.LeaseTTL = st, time.Second, 30*time.Second }
		old := run(t, change)
		synctest.Wait()
		next := run(t, change)
		old.set("h1.example", func(r *http.Request) (*http.Response, error) { time.Sleep(5 * time.Second); return status(202)(r) })
		old.post("1", "", inbox(1))
		old.post("2", "", inbox(1))
		wait(time.Second)
		begin := time.Now()
		if err := old.Drain(t.Context()); err != nil || time.Since(begin) > 5*time.Second {
			t.Errorf("Drain: %v after %v", err, time.Since(begin))
		}
		old.post("3", "", inbox(1)) // it may still enqueue
		wait(2 * time.Second)
		if got := old.bodies("h1.example") + "; " + next.bodies("h1.example"); got != "1; 2 3" {
			t.Errorf("the old and the next process sent %s", got)
		}
	})
}

func TestEachWaitingTargetSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", status(500))
		s.set("h3.example", status(429, "Retry-After", "600"))
		s.post("1", "", inbox(1), inbox(2), inbox(3), inbox(4))
		wait(time.Second)
		got := map[string]delivery.Waiting{}
		for w, err := range s.Waiting(t.Context(), "1") {
			if err != nil {
				t.Fatal(err)
			}
			got[w.Inbox] = w
		}
		a, b, c := got[inbox(1)], got[inbox(2)], got[inbox(3)]
		if len(got) != 3 || a.State != delivery.LaneFails || !strings.Contains(a.Err, "refused") || a.Next.IsZero() ||
			b.State != delivery.LaneWaits || b.Attempts != 1 || b.Status != 500 || b.Next.IsZero() ||
			c.State != delivery.LaneAsked || c.Status != 429 || time.Until(c.Next) < 500*time.Second {
			t.Errorf("got %+v", got)
		}
		if l, err := s.Host(t.Context(), "h2.example"); err != nil || l.State != delivery.LaneWaits || l.Pending != 1 {
			t.Errorf("h2: %+v, %v", l, err)
		}
	})
}

func TestLanesAreListedOldestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		for _, i := range []int{5, 3, 9, 1} {
			s.set(fmt.Sprintf("h%d.example", i), down)
			s.post(fmt.Sprint(i), "", inbox(i))
			wait(time.Second)
		}
		var got []string
		for l, err := range s.Lanes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l.Origin[9:10])
		}
		if strings.Join(got, "") != "5391" {
			t.Errorf("listed %v", got)
		}
	})
}

func TestHostThatRefusesAllIsLeftAloneForADay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var refused []string
		s := run(t, func(c *delivery.Config) {
			c.Policy.RefusedAfter = 3
			c.OnRefused = func(_ context.Context, host string) error {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, host)
				return nil
			}
		})
		s.set("h1.example", status(403))
		for i := range 10 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(3 * time.Hour)
		n := len(s.to("h1.example"))
		if len(refused) != 1 || refused[0] != "h1.example" || n > 10+3 {
			t.Errorf("hook for %v after %d posts", refused, n)
		}
		if l := s.lane("https://h1.example"); l.State != delivery.LaneRefuses {
			t.Errorf("lane %+v", l)
		}
		s.set("h1.example", nil)
		wait(20 * time.Hour)
		if got := len(s.to("h1.example")); got != n {
			t.Errorf("%d posts within its day", got-n)
		}
		wait(5 * time.Hour)
		for i := range 3 {
			s.status(fmt.Sprint(7+i), 0, 1, 0)
		}
	})
}

func TestBodyIsChosenByHostAndPrepareAddsHeaders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) {
			c.Choose = func(host string) string {
				if host == "h2.example" {
					return "plain"
				}
				return "no such body"
			}
			c.Prepare = func(_ context.Context, r *http.Request, a delivery.Activity) error {
				if r.URL.Host == "h3.example" {
					return delivery.ErrRefused
				}
				r.Header.Set("X-Activity", a.ID)
				return nil
			}
		})
		a := activity("1", "")
		a.Other = []delivery.Body{{Name: "fancy", Bytes: []byte("f")}, {Name: "plain", Bytes: []byte("p")}}
		if _, err := s.Enqueue(t.Context(), nil, a, targets(inbox(1), inbox(2), inbox(3))); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if a, b := s.bodies("h1.example"), s.bodies("h2.example"); a != "1" || b != "p" {
			t.Errorf("h1 got %q, h2 %q", a, b)
		}
		if h := s.to("h1.example")[0].header.Get("X-Activity"); h != "1" {
			t.Errorf("the header is %q", h)
		}
		s.status("1", 0, 2, 1)
	})
}

func TestOwnAndExceptedHostsAreLeftOutAndAudiencesResolved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) {
			c.Local = func(host string) bool { return host == "h1.example" }
			c.Audience = func(_ context.Context, sender, name string) iter.Seq2[delivery.Target, error] {
				return func(yield func(delivery.Target, error) bool) {
					if sender != "alice" || name != "followers" {
						yield(delivery.Target{}, errors.New("no such audience"))
						return
					}
					for i := range 5 {
						if !yield(delivery.Target{Inbox: inbox(i)}, nil) {
							return
						}
					}
				}
			}
		})
		a := activity("1", "")
		a.Except = []string{"H2.example:443"}
		to := func(yield func(delivery.Target) bool) {
			_ = yield(delivery.Target{Audience: "followers"}) && yield(delivery.Target{Inbox: inbox(3)})
		}
		r, err := s.Enqueue(t.Context(), nil, a, to)
		if err != nil || r.Targets != 3 || r.Refused != 2 {
			t.Errorf("receipt %+v, %v", r, err)
		}
		if _, err := s.Enqueue(t.Context(), nil, activity("2", ""), func(yield func(delivery.Target) bool) { yield(delivery.Target{Audience: "x"}) }); err == nil {
			t.Error("an audience that can't be resolved was taken for empty")
		}
		wait(time.Second)
		s.status("1", 0, 3, 0)
		if len(s.to("h1.example"))+len(s.to("h2.example")) != 0 {
			t.Error("posted to a host that was to be left out")
		}
	})
}

// observed counts what an Observer is told.
type observed struct {
	mu      sync.Mutex
	posted  map[string]int
	settled int
	last    delivery.Stats
}

func (o *observed) Posted(p delivery.Posted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.posted[p.Verdict]++
}

func (o *observed) Flushed(settled int, _ time.Duration, _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled += settled
}

func (o *observed) Measured(s delivery.Stats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = s
}

func TestObserverAndProgressAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &observed{posted: make(map[string]int)}
		var mu sync.Mutex
		var progress []delivery.Progress
		s := run(t, func(c *delivery.Config) {
			c.Observer = o
			c.Policy.BulkAbove = 10
			c.MaxInFlight = 2
			c.OnProgress = func(p delivery.Progress) {
				mu.Lock()
				defer mu.Unlock()
				progress = append(progress, p)
			}
		})
		var to []string
		for i := range 20 {
			s.set(fmt.Sprintf("h%d.example", i), func(r *http.Request) (*http.Response, error) { time.Sleep(time.Second); return status(202)(r) })
			to = append(to, inbox(i))
		}
		s.set("h0.example", down)
		s.post("1", "", to...)
		wait(20 * time.Second)
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.posted["delivered"] != 19 || o.posted["paused"] < 1 || o.settled != 19 {
			t.Errorf("observed %v, %d settled", o.posted, o.settled)
		}
		if o.last.Failing != 1 || o.last.Oldest[delivery.Bulk] < 10*time.Second {
			t.Errorf("measured %+v", o.last)
		}
		if n := len(progress); n < 5 || n > 25 || progress[n-1] != (delivery.Progress{Activity: "1", Targets: 20, Left: 1}) {
			t.Errorf("progress %+v", progress)
		}
	})
}

func TestThreads404IsNotGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("www.threads.net", status(404))
		s.post("1", "", "https://www.threads.net/inbox")
		wait(60 * time.Hour)
		s.status("1", 0, 0, 1)
		if len(s.gone) != 0 || len(s.dead) != 1 {
			t.Errorf("gone %d, dead %d", len(s.gone), len(s.dead))
		}
	})
}
