package delivery_test

import (
	"context"
	"errors"
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
		r.slow = func(string) time.Duration { return time.Second }
		for i := range 5 {
			r.say(web, activity(fmt.Sprint(i), "k"), to...)
		}
		wait(1500 * time.Millisecond) // posts are under way, and others are about to begin
		before := r.posts
		a.stop()
		wait(20 * time.Second)
		if r.posts == before {
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
		if r.posts != 4*len(to) {
			t.Errorf("%d posts of %d: what was under way went again", r.posts, 4*len(to))
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
		r.slow = func(string) time.Duration { return 25 * time.Second }
		r.say(a.queue, activity("1", ""), inboxesUpTo(40)...)
		synctest.Wait()
		b := r.node("b", nil)
		wait(3 * 10 * time.Second / 3)
		r.fair("after three renewals", a, b)
		r.slow = func(string) time.Duration { return 0 }
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

func TestOrdersReachWhoeverHasTheHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		web := serving(t, r.store)
		a, b := r.node("a", nil), r.node("b", nil)
		wait(10 * time.Second)
		for i, q := range []*delivery.Queue{web, a.queue, b.queue} {
			for h := range 8 {
				host, id := fmt.Sprintf("h%d.example", h), fmt.Sprint(i, " to ", h)
				do := func(what string, err error) {
					t.Helper()
					if err != nil {
						t.Errorf("%s %s: %v", what, host, err)
					}
					wait(1100 * time.Millisecond)
				}
				do("pause", q.Pause(t.Context(), host))
				r.say(web, activity(id, ""), inbox(h))
				wait(time.Minute)
				if n := r.arrived(id); n != 0 {
					t.Errorf("%s is held and was posted to", host)
				}
				if l, err := q.Host(t.Context(), host); err != nil || l.State != delivery.LaneHeld || l.Pending != 1 {
					t.Errorf("host %s: %+v, %v", host, l, err)
				}
				do("resume", q.Resume(t.Context(), host))
				if n := r.arrived(id); n != 1 {
					t.Errorf("%s was resumed and is not posted to", host)
				}
				do("pause", q.Pause(t.Context(), host))
				r.say(web, activity("forgotten "+id, ""), inbox(h))
				wait(time.Second)
				do("forget", q.Forget(t.Context(), host))
				if st, err := web.Status(t.Context(), "forgotten "+id); err != nil || st.Failed != 1 {
					t.Errorf("forgotten: %+v, %v", st, err)
				}
			}
		}
		if left, err := r.store.(delivery.OrderBook).Orders(t.Context(), delivery.AllShards, 0, 100); err != nil || len(left) != 0 {
			t.Errorf("left are %+v, %v", left, err)
		}
		a.leave()
		// One that is given while nobody delivers there is obeyed by the next.
		if err := b.queue.Pause(t.Context(), "h1.example"); err != nil {
			t.Error(err)
		}
		b.leave()
		if err := web.Pause(t.Context(), "h2.example"); err != nil {
			t.Error(err)
		}
		r.say(web, activity("held", ""), inbox(1), inbox(2), inbox(3))
		c := r.node("c", func(c *delivery.Config) { c.Poll = 100 * time.Millisecond })
		r.slow = func(string) time.Duration { return time.Second }
		wait(time.Minute)
		if r.seen[inbox(1)]["held"] || !r.seen[inbox(3)]["held"] {
			t.Errorf("held: %v", r.arrived("held"))
		}
		c.leave()
	})
}

func TestWhatIsDroppedAnywhereIsSentByNobody(t *testing.T) {
	for name, by := range map[string]func(web, a, b *delivery.Queue) *delivery.Queue{
		"a process that only serves": func(web, _, _ *delivery.Queue) *delivery.Queue { return web },
		"a process that delivers":    func(_, a, _ *delivery.Queue) *delivery.Queue { return a },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newReferee(t, queue.Memory())
				web := serving(t, r.store)
				a, b := r.node("a", nil), r.node("b", nil)
				wait(10 * time.Second)
				const n = 40
				hosts := inboxesUpTo(10)
				for h := range hosts {
					if err := web.Pause(t.Context(), fmt.Sprintf("h%d.example", h)); err != nil {
						t.Fatal(err)
					}
				}
				wait(2 * time.Second)
				for i := range n {
					r.say(web, activity(fmt.Sprint(i), "k"), hosts...)
				}
				r.say(web, activity("spared", "k"), hosts...)
				wait(10 * time.Second)
				q := by(web, a.queue, b.queue)
				yes := func(id, to string) bool { return id != "spared" && to != inbox(0) }
				if got, err := q.Count(t.Context(), yes); err != nil || got != n*9 {
					t.Errorf("Count = %d, %v", got, err)
				}
				if got, err := q.Drop(t.Context(), yes); err != nil || got != n*9 {
					t.Errorf("Drop = %d, %v", got, err)
				}
				wait(2 * time.Second)
				for h := range hosts {
					if l, err := web.Host(t.Context(), fmt.Sprintf("h%d.example", h)); err != nil || l.Pending != 1 && h > 0 || h == 0 && l.Pending != n+1 {
						t.Errorf("host %d: %+v, %v", h, l, err)
					}
					if err := web.Resume(t.Context(), fmt.Sprintf("h%d.example", h)); err != nil {
						t.Fatal(err)
					}
				}
				wait(10 * time.Minute)
				if r.posts != n+10 {
					t.Errorf("%d posts, want %d", r.posts, n+10)
				}
				if r.arrived("spared") != 10 || r.arrived("7") != 1 {
					t.Errorf("spared came to %d, another to %d", r.arrived("spared"), r.arrived("7"))
				}
				a.leave()
				b.leave()
			})
		})
	}
}

func TestCancelAnywhereEndsAFanOutSoon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		web := serving(t, r.store)
		a, b := r.node("a", nil), r.node("b", nil)
		wait(10 * time.Second)
		r.slow = func(string) time.Duration { return 500 * time.Millisecond }
		to := inboxesUpTo(2000)
		r.say(web, activity("1", "k"), to...)
		wait(1200 * time.Millisecond)
		before := r.posts
		if n, err := web.Cancel(t.Context(), "k"); err != nil || n == 0 {
			t.Errorf("Cancel: %d, %v", n, err)
		}
		wait(time.Minute)
		if more := r.posts - before; before == 0 || more > 80 { // one flush of each
			t.Errorf("%d posts, %d more after it was cancelled", before, more)
		}
		a.leave()
		b.leave()
	})
}

func TestDeleteGoesOnlyWhereANodeIsSureThatNothingWasTried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		a, b := r.node("a", nil), r.node("b", nil)
		wait(20 * time.Second)
		to := inboxesUpTo(100)
		for i := range to { // nothing is tried anywhere
			if err := a.queue.Pause(t.Context(), fmt.Sprintf("h%d.example", i)); err != nil {
				t.Fatal(err)
			}
		}
		wait(2 * time.Second)
		r.say(a.queue, activity("create", "k"), to...)
		wait(2 * time.Second)
		ours := 0
		for _, u := range to {
			if r.owner[delivery.ShardOf(u)] == a {
				ours++
			}
		}
		d := activity("delete", "k")
		d.Supersedes = delivery.SupersedeAll
		got, err := a.queue.Enqueue(t.Context(), nil, d, targets())
		if err != nil || got.Superseded != 100 || got.Targets != 100-ours || ours < 20 || ours > 80 {
			t.Errorf("%+v, %v; %d hosts are a's", got, err, ours)
		}
		a.leave()
		b.leave()
	})
}

// deafStore keeps no orders and tells nobody.
type deafStore struct{ delivery.Store }

func TestWithoutOrdersAnotherProcessIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, func(c *delivery.Config) {
			c.Store = deafStore{queue.Memory()}
			c.LeaseTTL, c.Poll = 9*time.Second, time.Second
		})
		synctest.Wait()
		if err := s.Pause(t.Context(), "h1.example"); err != nil {
			t.Errorf("where it delivers: %v", err)
		}
		other, err := delivery.New(config(&world{}, s.st))
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Pause(t.Context(), "h1.example"); !errors.Is(err, delivery.ErrNotRunning) {
			t.Errorf("elsewhere: %v", err)
		}
		if _, err := other.Drop(t.Context(), func(string, string) bool { return true }); !errors.Is(err, delivery.ErrNotRunning) {
			t.Errorf("Drop elsewhere: %v", err)
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
		r.slow = func(string) time.Duration { return time.Second }
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
