package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func TestHostThatIsBackBeginsAnew(t *testing.T) {
	for name, back := range map[string]int{"it takes the activity": 202, "it refuses the activity": 422} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := run(t, nil)
				s.set("h1.example", down)
				s.post("1", "", inbox(1))
				wait(10 * time.Hour)
				s.set("h1.example", status(back))
				wait(4 * time.Hour)
				for l := range s.Lanes(t.Context()) {
					if l.Failures != 0 || !l.Since.IsZero() || l.Err != "" {
						t.Errorf("lane of a host that is back: %+v", l)
					}
				}
				hosts, err := s.st.Hosts(t.Context(), "", 10)
				if err != nil || len(hosts) != 0 {
					t.Errorf("the store still has %+v, %v", hosts, err)
				}
				s.set("h1.example", down)
				s.post("2", "", "https://h1.example/2")
				wait(time.Minute)
				if l := s.lane("https://h1.example"); l.Failures != 2 {
					t.Errorf("%d failures in the first minute of the next outage, want 2", l.Failures)
				}
			})
		})
	}
}

func TestOutageDoesNotUseUpAnActivitysTries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.post("1", "", inbox(1))
		wait(24 * time.Hour)
		n := len(s.to("h1.example"))
		s.set("h1.example", status(500))
		wait(36 * time.Hour)
		if got := len(s.to("h1.example")) - n; n < 10 || got != 7 {
			t.Errorf("%d tries after %d failures of the host, want 7", got, n)
		}
	})
}

func TestBusyDaysDoNotCountTowardsGivingUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.Policy.Lifetime = 30 * 24 * time.Hour })
		s.set("h1.example", status(503))
		s.post("1", "", inbox(1))
		wait(10 * 24 * time.Hour)
		s.set("h1.example", down)
		wait(24 * time.Hour)
		s.status("1", 1, 0, 0)
		if l := s.lane("https://h1.example"); l.Since.IsZero() || time.Since(l.Since) > 24*time.Hour {
			t.Errorf("lane %+v", l)
		}
	})
}

func TestRestartKeepsTheBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.set("h2.example", status(500))
		s.post("1", "", inbox(1), inbox(2))
		wait(10 * time.Hour)
		next, n := s.lane("https://h1.example").Next, len(s.to("h1.example"))
		tries := len(s.to("h2.example"))
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		again := run(t, func(c *delivery.Config) { c.Store = s.st })
		again.set("h2.example", status(500))
		wait(time.Until(next) - time.Second)
		if got := len(again.to("h1.example")); got != 0 {
			t.Errorf("%d posts before the time that was waited for", got)
		}
		wait(2 * time.Second)
		if got := len(again.to("h1.example")); got != 1 || n < 5 {
			t.Errorf("%d posts when the time had come, %d before", got, n)
		}
		wait(36 * time.Hour)
		if got := tries + len(again.to("h2.example")); got != 7 {
			t.Errorf("%d tries of an activity that is refused, want 7 with those before the restart", got)
		}
	})
}

func TestLeaseRegainedBeginsAfresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.LeaseTTL = 9 * time.Second })
		s.set("h1.example", func(r *http.Request) (*http.Response, error) { time.Sleep(30 * time.Second); return status(202)(r) })
		for i := range 3 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(time.Second)
		// Someone else has it for a moment.
		steal(t, s.st, s.Owner, time.Second)
		wait(5 * time.Minute)
		got := strings.Fields(s.bodies("h1.example"))
		slices.Sort(got) // they have no key, so that in which order the last two come is not said
		if !slices.Equal(got, []string{"0", "0", "1", "2"}) {
			t.Errorf("it got %s", got)
		}
		for i := range 3 {
			s.status(fmt.Sprint(i), 0, 1, 0)
		}
	})
}

// steal takes a lease that is alive, as only its owner's name can.
func steal(t *testing.T, st delivery.Store, owner string, ttl time.Duration) {
	t.Helper()
	l, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: owner, Now: time.Now(), TTL: ttl})
	if err == nil {
		err = st.Release(t.Context(), l.Epoch)
	}
	if err == nil {
		_, err = st.Lease(t.Context(), delivery.LeaseRequest{Owner: "thief", Now: time.Now(), TTL: ttl})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// slow is a store that takes its time to load.
type slow struct {
	delivery.Store
	load time.Duration
}

func (s slow) Load(ctx context.Context, q delivery.Query) (delivery.Page, error) {
	page, err := s.Store.Load(ctx, q)
	if len(page.Records) > 0 {
		time.Sleep(s.load)
	}
	return page, err
}

func TestLeaseThatRanOutDuringASlowCallSendsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := queue.Memory()
		s := run(t, func(c *delivery.Config) { c.Store, c.LeaseTTL = slow{st, 15 * time.Second}, 9*time.Second })
		s.post("1", "", inbox(1))
		wait(10 * time.Second)
		if _, err := st.Lease(t.Context(), delivery.LeaseRequest{Owner: "other", Now: time.Now(), TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if n := len(s.to("h1.example")); n != 0 {
			t.Errorf("%d posts under a lease that another has", n)
		}
	})
}

func TestStopDoesNotWaitForAMassOfBurials(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told atomic.Int64
		s := run(t, func(c *delivery.Config) {
			c.Policy.GiveUp, c.Grace = 1, 5*time.Second
			c.OnDead = func(context.Context, *delivery.Event) error {
				time.Sleep(time.Second)
				told.Add(1)
				return errors.New("this is logged and changes nothing")
			}
		})
		s.set("h1.example", down)
		for i := range 100 {
			s.post(fmt.Sprint(i), "", inbox(1))
		}
		wait(24 * time.Second) // the second failure gives the host up
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		n := int(told.Load())
		if n < 5 || n > 10 {
			t.Errorf("%d were told of", n)
		}
		for i := range 100 {
			if i < n {
				s.status(fmt.Sprint(i), 0, 0, 1)
			} else {
				s.status(fmt.Sprint(i), 1, 0, 0)
			}
		}
	})
}

func TestFanOutThatWasCancelledElsewhereStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) { c.MaxInFlight = 2 })
		var to []string
		for i := range 50 {
			// Never both at once, so that the body stays in memory.
			s.set(fmt.Sprintf("h%d.example", i), func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Duration(700+10*i) * time.Millisecond)
				return status(202)(r)
			})
			to = append(to, inbox(i))
		}
		s.post("1", "k", to...)
		wait(3 * time.Second)
		if _, err := s.st.Cancel(t.Context(), "k", time.Now()); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		n := 0
		for i := range 50 {
			n += len(s.to(fmt.Sprintf("h%d.example", i)))
		}
		if n < 6 || n > 14 {
			t.Errorf("%d posts of a fan-out that was cancelled after about 8", n)
		}
	})
}

func TestCancelCountsWhatWasJustSentAsSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.post("1", "k", inbox(1))
		synctest.Wait() // sent, and not yet flushed
		if n, err := s.Cancel(t.Context(), "k"); err != nil || n != 0 {
			t.Errorf("Cancel: %d, %v", n, err)
		}
		s.status("1", 0, 1, 0)
	})
}

func TestHostThatWasHeardOfBeforeTheLeaseIsTriedWithIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, nil)
		s.set("h1.example", down)
		s.post("1", "", inbox(1))
		wait(10 * time.Hour)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		steal(t, s.st, "x", time.Minute)
		again := run(t, func(c *delivery.Config) { c.Store, c.LeaseTTL = s.st, 9*time.Second })
		synctest.Wait()
		again.Wake("h1.example")
		wait(65 * time.Second)
		again.status("1", 0, 1, 0)
	})
}
