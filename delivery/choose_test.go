package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

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
