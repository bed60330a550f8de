package delivery_test

import (
	"context"
	"errors"
	"fmt"
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

func TestOperatorsNeedTheProcessThatDeliversIfNoOrdersAreKept(t *testing.T) {
	t.Parallel()
	q, err := delivery.New(config(&world{}, struct{ delivery.Store }{queue.Memory()}))
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
		n := len(s.to("h1.example")) // once each, and three again
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
