package delivery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// counted counts what a process asks the store for.
type counted struct {
	delivery.Store
	book delivery.OrderBook

	mu            sync.Mutex
	reads, orders int
}

func count(st delivery.Store) *counted { return &counted{Store: st, book: st.(delivery.OrderBook)} }

func (c *counted) HostsOf(ctx context.Context, origins []string) ([]delivery.HostState, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.Store.HostsOf(ctx, origins)
}

func (c *counted) Order(ctx context.Context, o delivery.Order) error {
	c.mu.Lock()
	c.orders++
	c.mu.Unlock()
	return c.book.Order(ctx, o)
}

func (c *counted) Orders(ctx context.Context, shards delivery.Shards, after int64, limit int) ([]delivery.Order, error) {
	return c.book.Orders(ctx, shards, after, limit)
}

// asked returns how often that was, and counts anew.
func (c *counted) asked() (reads, orders int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reads, orders = c.reads, c.orders
	c.reads, c.orders = 0, 0
	return reads, orders
}

func TestHostThatIsHeardOfAnywhereIsTriedByWhoeverHasIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		st := count(r.store)
		web := serving(t, st)
		a, b := r.node("a", nil), r.node("b", nil)
		wait(10 * time.Second)
		for i, q := range []*delivery.Queue{web, a.queue, b.queue} {
			for h := range 6 { // some are a's, some b's
				host, id := fmt.Sprintf("h%d.example", 10*i+h), fmt.Sprint(i, " to ", h)
				r.reach(host, false)
				r.say(web, activity(id, ""), inbox(10*i+h))
			}
			wait(10 * time.Hour)
			for h := range 6 {
				host := fmt.Sprintf("h%d.example", 10*i+h)
				if l, err := web.Host(t.Context(), host); err != nil || l.Failures < 5 || l.Next.Before(time.Now().Add(time.Minute)) {
					t.Fatalf("%s: %+v, %v: the test would prove nothing", host, l, err)
				}
				r.reach(host, true)
				q.Wake(host)
			}
			wait(1500 * time.Millisecond)
			for h := range 6 {
				if n := r.arrived(fmt.Sprint(i, " to ", h)); n != 1 {
					t.Errorf("h%d.example was heard of by %d and not tried", 10*i+h, i)
				}
			}
		}
		if left, err := r.store.(delivery.OrderBook).Orders(t.Context(), delivery.AllShards, 0, 100); err != nil || len(left) != 0 {
			t.Errorf("left are %+v, %v", left, err)
		}
		if _, orders := st.asked(); orders != 6 {
			t.Errorf("who only serves gave %d orders, want 6", orders)
		}
		a.leave()
		b.leave()
	})
}

func TestHostsThatAreHeardOfCostFewReadsAndNoWritesUnlessTheyFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		st := count(r.store)
		web := serving(t, st)
		a := r.node("a", nil)
		wait(time.Second)
		r.reach("h1.example", false)
		r.say(web, activity("1", ""), inbox(1), inbox(2))
		wait(10 * time.Hour)
		st.asked()
		tried := r.tried("h1.example")
		for range 100 { // for ten seconds, ten times a second
			for h := range 10 {
				web.Wake(fmt.Sprintf("h%d.example", h))
			}
			wait(100 * time.Millisecond)
		}
		reads, orders := st.asked()
		if reads < 10 || reads > 4*10+1 {
			t.Errorf("%d reads in ten seconds, want at most 4 a second", reads)
		}
		if orders != 1 {
			t.Errorf("%d orders for one host that fails", orders)
		}
		if n := r.tried("h1.example") - tried; n != 1 {
			t.Errorf("it was tried %d times", n)
		}
		for range 3 * 15 { // and a try for each quarter of an hour
			wait(time.Minute)
			web.Wake("h1.example")
		}
		wait(2 * time.Second)
		if _, orders := st.asked(); orders != 3 {
			t.Errorf("%d orders in 45 minutes, want 3", orders)
		}
		a.leave()
	})
}

func TestHostThatAskedForTimeIsNotTriedBecauseAnotherProcessHeardOfIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReferee(t, queue.Memory())
		st := count(r.store)
		web := serving(t, st)
		lease, err := r.store.Lease(t.Context(), delivery.LeaseRequest{Owner: "a", Now: time.Now(), TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for i, h := range []delivery.HostState{
			{Failures: 3, Last: now, Next: now.Add(time.Hour), Asked: true},
			{Failures: 3, Last: now, Next: now.Add(time.Hour), Held: true},
			{Failures: 3, Last: now.Add(-time.Hour), Next: now}, // whoever has it tries it anyway
			{Refusals: 30, Last: now, Next: now.Add(time.Hour)},
			{Failures: 3, Last: now, Next: now.Add(time.Hour)},
		} {
			h.Origin = fmt.Sprintf("https://h%d.example", i)
			if _, err := r.store.Flush(t.Context(), lease.Epoch, delivery.Flush{Now: now, Hosts: []delivery.HostState{h}}); err != nil {
				t.Fatal(err)
			}
			web.Wake(fmt.Sprintf("h%d.example", i))
		}
		wait(time.Second)
		left, err := r.store.(delivery.OrderBook).Orders(t.Context(), delivery.AllShards, 0, 100)
		if err != nil || len(left) != 1 || left[0].Origin != "https://h4.example" || left[0].Do != delivery.OrderWake || left[0].Shard != delivery.ShardOf(inbox(4)) {
			t.Errorf("ordered was %+v, %v", left, err)
		}
	})
}

// hung is a store that does not answer when it is asked for hosts.
type hung struct {
	*counted
	answers chan struct{}
}

func (h *hung) HostsOf(ctx context.Context, origins []string) ([]delivery.HostState, error) {
	<-h.answers
	return h.counted.HostsOf(ctx, origins)
}

func TestWhoIsHeardOfWhileTheStoreHangsDoesNotPileUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &hung{count(queue.Memory()), make(chan struct{})}
		web := serving(t, st)
		for i := range 20 {
			for h := range 50 {
				web.Wake(fmt.Sprintf("h%d.example", 50*i+h))
			}
			wait(time.Second)
		}
		close(st.answers)
		wait(time.Second)
		synctest.Wait()
		if reads, _ := st.asked(); reads != 2 {
			t.Errorf("%d reads, want the one that hung and one more", reads)
		}
	})
}
