package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

func inboxesUpTo(n int) (list []string) {
	for i := range n {
		list = append(list, inbox(i))
	}
	return list
}

// serving is a process that never calls Run.
func serving(t *testing.T, st delivery.Store) *delivery.Queue {
	t.Helper()
	q, err := delivery.New(delivery.Config{Store: st, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func (r *referee) say(q *delivery.Queue, a delivery.Activity, inboxes ...string) {
	r.Helper()
	if _, err := q.Enqueue(r.Context(), nil, a, targets(inboxes...)); err != nil {
		r.Fatal(err)
	}
}

// arrived counts the inboxes to which a body came.
func (r *referee) arrived(body string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, bodies := range r.seen {
		if bodies[body] {
			n++
		}
	}
	return n
}

func TestHostsOfADeadNodeAreServedWithinTwentySeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		web := serving(t, r.store)
		a, b, c := r.node("a", nil), r.node("b", nil), r.node("c", nil)
		wait(10 * time.Second) // three renewals
		r.fair("after three renewals", a, b, c)
		to := inboxesUpTo(500)
		r.say(web, activity("under way", ""), to...)
		wait(5 * time.Millisecond)
		a.die()
		r.say(web, activity("later", ""), to...)
		wait(20 * time.Second)
		for _, id := range []string{"under way", "later"} {
			if n := r.arrived(id); n != len(to) {
				t.Errorf("%s came to %d of %d", id, n, len(to))
			}
			if st, err := web.Status(t.Context(), id); err != nil || st.Delivered != len(to) {
				t.Errorf("status of %s: %+v, %v", id, st, err)
			}
		}
		r.fair("after a died", b, c)
		b.leave()
		wait(4 * time.Second)
		r.fair("after b left", c)
		c.leave()
	})
}

func TestStoppedNodeBeginsNothingWhenItGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		web := serving(t, r.store)
		a, b := r.node("a", nil), r.node("b", nil)
		wait(10 * time.Second)
		to := inboxesUpTo(300)
		r.slower(func(string) time.Duration { return time.Second })
		for i := range 5 {
			r.say(web, activity(fmt.Sprint(i), "k"), to...)
		}
		wait(1500 * time.Millisecond) // posts are under way, and others are about to begin
		before := r.begun()
		a.stop()
		wait(20 * time.Second)
		if r.begun() == before {
			t.Fatal("b does nothing")
		}
		r.fair("while a is stopped", b)
		a.goOn()
		wait(time.Minute)
		for i := range 5 {
			if st, err := web.Status(t.Context(), fmt.Sprint(i)); err != nil || st.Delivered != len(to) {
				t.Errorf("status of %d: %+v, %v", i, st, err)
			}
		}
		for to, bodies := range r.came {
			if got := strings.Join(bodies, ""); got != "01234" {
				t.Errorf("to %s came %s", to, got)
			}
		}
		r.fair("when a is back", a, b)
		a.leave()
		b.leave()
	})
}

func TestNodeThatJoinsWaitsForWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		a := r.node("a", nil)
		synctest.Wait()
		to := inboxesUpTo(40)
		r.slow = func(string) time.Duration { return 2 * time.Second } // less than a third of a lease
		for i := range 4 {
			r.say(a.queue, activity(fmt.Sprint(i), "k"), to...)
		}
		b := r.node("b", nil)
		wait(time.Minute)
		if r.begun() != 4*len(to) {
			t.Errorf("%d posts of %d: what was under way went again", r.begun(), 4*len(to))
		}
		for to, bodies := range r.came {
			if got := strings.Join(bodies, ""); got != "0123" {
				t.Errorf("to %s came %s", to, got)
			}
		}
		r.fair("then", a, b)
		a.leave()
		b.leave()
	})
}

func TestHostThatHangsDoesNotKeepItsShardFromANewNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		a := r.node("a", nil)
		synctest.Wait()
		r.slower(func(string) time.Duration { return 25 * time.Second })
		r.say(a.queue, activity("1", ""), inboxesUpTo(40)...)
		synctest.Wait()
		b := r.node("b", nil)
		wait(3 * 10 * time.Second / 3)
		r.fair("after three renewals", a, b)
		r.slower(func(string) time.Duration { return 0 })
		wait(time.Minute)
		if st, err := a.queue.Status(t.Context(), "1"); err != nil || st.Delivered != 40 {
			t.Errorf("%+v, %v", st, err)
		}
		a.leave()
		b.leave()
	})
}

func TestMoreNodesThanShardsLetSomeWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		var nodes []*node
		for i := range delivery.ShardCount + 2 {
			nodes = append(nodes, r.node(fmt.Sprint(i), nil))
		}
		wait(12 * time.Second)
		r.fair("of 66", nodes...)
		to := inboxesUpTo(300)
		r.say(nodes[65].queue, activity("1", ""), to...)
		wait(3 * time.Second)
		if n := r.arrived("1"); n != len(to) {
			t.Errorf("it came to %d of %d", n, len(to))
		}
		nodes[0].leave()
		nodes[1].leave()
		wait(4 * time.Second)
		r.fair("of 64", nodes[2:]...)
		for _, n := range nodes[2:] {
			n.leave()
		}
	})
}

func TestProgressCountsWhatAllNodesHaveSettled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		var last, told int
		change := func(c *delivery.Config) {
			c.Policy.BulkAbove = 10
			c.OnProgress = func(p delivery.Progress) {
				r.mu.Lock()
				defer r.mu.Unlock()
				last, told = p.Left, told+1
			}
		}
		a, b := r.node("a", change), r.node("b", change)
		wait(10 * time.Second)
		r.slower(func(string) time.Duration { return time.Second })
		r.say(a.queue, activity("1", ""), inboxesUpTo(300)...)
		wait(time.Minute)
		if last != 0 || told < 4 {
			t.Errorf("told %d times, of %d left in the end", told, last)
		}
		a.leave()
		b.leave()
	})
}

func TestBodyThatMayNotBeginIsNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		read := 0
		dial := make(chan struct{})
		a := r.node("a", func(c *delivery.Config) {
			c.Transport = func(string) (http.RoundTripper, error) {
				return roundTrip(func(q *http.Request) (*http.Response, error) {
					<-dial // it waits for a connection, and the lease runs out meanwhile
					n, err := q.Body.Read(make([]byte, 10))
					if read += n; err != nil {
						return nil, fmt.Errorf("net/http: write: %w", err)
					}
					return status(202)(q)
				}), nil
			}
		})
		synctest.Wait()
		r.say(a.queue, activity("1", ""), inbox(1))
		synctest.Wait()
		a.stop()
		wait(time.Minute)
		close(dial)
		synctest.Wait()
		if read != 0 {
			t.Errorf("%d bytes were sent under a lease that has run out", read)
		}
		a.goOn()
		wait(time.Minute)
		if st, err := a.queue.Status(context.Background(), "1"); err != nil || st.Delivered != 1 {
			t.Errorf("%+v, %v", st, err)
		}
		for l := range a.queue.Lanes(t.Context()) {
			if l.Failures > 0 {
				t.Errorf("it was put down to the host: %+v", l)
			}
		}
		a.leave()
	})
}
