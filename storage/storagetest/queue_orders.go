package storagetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// queueOrders is for stores that keep delivery.Orders: ours all do.
var queueOrders = []queueCheck{
	{"orders are kept until they are obeyed", func(q *queue) {
		st, ok := q.st.(delivery.Orders)
		if !ok {
			q.Fatal("the store keeps no orders")
		}
		want := []delivery.Order{
			{Shard: 3, Do: delivery.OrderPause, Origin: "https://a.example", At: q.now},
			{Shard: 63, Do: delivery.OrderReread, At: q.now.Add(time.Second)},
			{Shard: 3, Do: delivery.OrderResume, Origin: "https://a.example", At: q.now.Add(time.Minute)},
		}
		for _, o := range want {
			q.must(st.Order(q.ctx, o)) // no lease is needed
		}
		read := func(shards delivery.Shards, after int64, limit int) []delivery.Order {
			q.Helper()
			list, err := st.Orders(q.ctx, shards, after, limit)
			q.must(err)
			return list
		}
		got := read(delivery.AllShards, 0, 10)
		if len(got) != 3 {
			q.Fatalf("%d orders, want 3", len(got))
		}
		for i := range got {
			if i > 0 && got[i].ID <= got[i-1].ID || !got[i].At.Equal(want[i].At) {
				q.Errorf("got %+v", got)
			}
			want[i].ID, want[i].At = got[i].ID, got[i].At
		}
		if !slices.Equal(got, want) {
			q.Errorf("got %+v, want %+v", got, want)
		}
		if some := read(delivery.Shard(3), 0, 10); len(some) != 2 || some[1] != got[2] {
			q.Errorf("of shard 3: %+v", some)
		}
		if some := read(delivery.AllShards, got[0].ID, 1); len(some) != 1 || some[0] != got[1] {
			q.Errorf("one after the first: %+v", some)
		}
		if none := read(0, 0, 10); len(none) != 0 {
			q.Errorf("of no shard: %+v", none)
		}
		f := delivery.Flush{Now: q.now, Obeyed: []int64{got[0].ID, got[2].ID, 1 << 40}}
		q.lease()
		for _, epoch := range []int64{0, q.epoch + 1} {
			if _, err := q.st.Flush(q.ctx, epoch, f); !errors.Is(err, delivery.ErrLeaseLost) {
				q.Errorf("obeyed under epoch %d: %v", epoch, err)
			}
		}
		if left := read(delivery.AllShards, 0, 10); len(left) != 3 {
			q.Errorf("left are %+v", left)
		}
		q.flush(f)
		if left := read(delivery.AllShards, 0, 10); len(left) != 1 || left[0] != got[1] {
			q.Errorf("left are %+v", left)
		}
		q.must(st.Order(q.ctx, want[0]))
		if left := read(delivery.Shard(3), 0, 10); len(left) != 1 || left[0].ID <= got[2].ID {
			q.Errorf("ordered again: %+v", left)
		}
	}},
}

// queueWatch is for stores that are a delivery.Watcher.
var queueWatch = []queueCheck{
	{"who watches hears of what is appended", func(q *queue) {
		st, ok := q.st.(delivery.Watcher)
		if !ok {
			q.Fatal("the store is no Watcher")
		}
		heard := make(chan struct{}, 100)
		ctx, cancel := context.WithCancel(q.ctx)
		ended := make(chan error, 1)
		go func() {
			ended <- st.Watch(ctx, func() {
				select {
				case heard <- struct{}{}:
				default:
				}
			})
		}()
		await := func(what string) {
			q.Helper()
			select {
			case <-heard:
			case err := <-ended:
				q.Fatalf("%s: Watch ended: %v", what, err)
			case <-time.After(10 * time.Second):
				q.Fatalf("%s was not heard", what)
			}
		}
		await("the beginning")
		for len(heard) > 0 {
			<-heard
		}
		q.add("1", 3)
		await("a record")
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				q.Errorf("Watch ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			q.Fatal("Watch does not end with its context")
		}
	}},
}
