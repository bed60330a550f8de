package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// queueAlone is for stores from which one process at a time delivers.
var queueAlone = []queueCheck{
	{"one owner has the lease until it runs out", func(q *queue) {
		ask := func(owner string, epoch int64) (delivery.Lease, error) {
			return q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: owner, Epoch: epoch, Now: q.now, TTL: 10 * time.Second})
		}
		a, err := ask("a", 0)
		q.must(err)
		if a.Epoch <= 0 || !a.Until.Equal(q.now.Add(10*time.Second)) {
			q.Errorf("first lease: %+v", a)
		}
		if _, err := ask("b", 0); !errors.Is(err, delivery.ErrLeaseHeld) {
			q.Errorf("second owner: %v", err)
		}
		q.now = q.now.Add(9 * time.Second)
		renewed, err := ask("a", a.Epoch)
		q.must(err)
		if renewed.Epoch != a.Epoch || !renewed.Until.Equal(q.now.Add(10*time.Second)) {
			q.Errorf("renewed %+v to %+v", a, renewed)
		}
		q.now = q.now.Add(9 * time.Second)
		if _, err := ask("b", 0); !errors.Is(err, delivery.ErrLeaseHeld) {
			q.Errorf("second owner after a renewal: %v", err)
		}
		if _, err := ask("b", a.Epoch); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("a stranger renewed: %v", err)
		}
		q.now = q.now.Add(time.Second)
		b, err := ask("b", 0)
		q.must(err)
		if b.Epoch <= a.Epoch {
			q.Errorf("epoch went from %d to %d", a.Epoch, b.Epoch)
		}
		if _, err := ask("a", a.Epoch); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("a lease that was taken over was renewed: %v", err)
		}
		if _, err := ask("a", 0); !errors.Is(err, delivery.ErrLeaseHeld) {
			q.Errorf("first owner after a takeover: %v", err)
		}
	}},
	{"of many who ask one gets the lease", func(q *queue) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		granted := 0
		for i := range 8 {
			wg.Go(func() {
				_, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: fmt.Sprint("owner ", i), Now: q.now, TTL: time.Minute})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					granted++
				} else if !errors.Is(err, delivery.ErrLeaseHeld) {
					q.Errorf("owner %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if granted != 1 {
			q.Errorf("%d of 8 got the lease", granted)
		}
	}},
	{"the lease is for all shards, and none is given", func(q *queue) {
		for _, give := range []delivery.Shards{0, delivery.Shard(3), delivery.AllShards} {
			l, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "a", Epoch: q.epoch, Now: q.now, TTL: time.Second, Give: give})
			q.must(err)
			if q.epoch = l.Epoch; l.Shards != delivery.AllShards || l.Surplus != 0 {
				q.Errorf("who gives %x has %x and %x too many", give, l.Shards, l.Surplus)
			}
		}
	}},
}
