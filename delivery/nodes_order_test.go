package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

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
		r.slower(func(string) time.Duration { return time.Second })
		wait(time.Minute)
		if r.got(inbox(1), "held") || !r.got(inbox(3), "held") {
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
				if r.begun() != n+10 {
					t.Errorf("%d posts, want %d", r.begun(), n+10)
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
		r.slower(func(string) time.Duration { return 500 * time.Millisecond })
		to := inboxesUpTo(2000)
		r.say(web, activity("1", "k"), to...)
		wait(1200 * time.Millisecond)
		before := r.begun()
		if n, err := web.Cancel(t.Context(), "k"); err != nil || n == 0 {
			t.Errorf("Cancel: %d, %v", n, err)
		}
		wait(time.Minute)
		if more := r.begun() - before; before == 0 || more > 80 { // one flush of each
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
			if r.has(a, u) {
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

func TestDeleteGoesWhereADeadNodeHadTried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		a, b := r.node("a", nil), r.node("b", nil)
		wait(20 * time.Second)
		r.slower(func(string) time.Duration { return time.Minute })
		to := inboxesUpTo(30)
		r.say(b.queue, activity("create", "k"), to...) // under way everywhere; b is sure of its own hosts
		wait(time.Second)
		if n := r.arrived("create"); n != len(to) {
			t.Fatalf("it came to %d", n)
		}
		for i := range to { // so that b does not try what a had tried
			if err := b.queue.Pause(t.Context(), fmt.Sprintf("h%d.example", i)); err != nil {
				t.Fatal(err)
			}
		}
		wait(2 * time.Second)
		a.die()
		wait(15 * time.Second)
		r.fair("then", b)
		d := activity("delete", "k")
		d.Supersedes = delivery.SupersedeAll
		r.slower(func(string) time.Duration { return 0 })
		if got, err := b.queue.Enqueue(t.Context(), nil, d, targets()); err != nil || got.Targets != len(to) {
			t.Errorf("it goes to %d of %d, %v", got.Targets, len(to), err)
		}
		b.leave()
	})
}

func TestDeleteGoesWhereTheNodeBeforeHadTried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		a := r.node("a", nil)
		wait(time.Second)
		r.slower(func(string) time.Duration { return time.Minute })
		to := inboxesUpTo(30)
		r.say(a.queue, activity("create", "k"), to...)
		wait(time.Second)
		for i := range to { // so that b does not try what a had tried
			if err := a.queue.Pause(t.Context(), fmt.Sprintf("h%d.example", i)); err != nil {
				t.Fatal(err)
			}
		}
		wait(2 * time.Second)
		a.die()
		b := r.node("b", nil)
		wait(30 * time.Second)
		d := activity("delete", "k")
		d.Supersedes = delivery.SupersedeAll
		if got, err := b.queue.Enqueue(t.Context(), nil, d, targets()); err != nil || got.Targets != len(to) {
			t.Errorf("it goes to %d of %d, %v", got.Targets, len(to), err)
		}
		b.leave()
	})
}
