package storagetest

import (
	"errors"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

var queueLeases = []queueCheck{
	{"a lease that ran out is renewed if nobody took it", func(q *queue) {
		q.lease()
		q.now = q.now.Add(time.Hour)
		l, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "a", Epoch: q.epoch, Now: q.now, TTL: time.Second})
		q.must(err)
		if l.Epoch != q.epoch || !l.Until.Equal(q.now.Add(time.Second)) {
			q.Errorf("got %+v", l)
		}
	}},
	{"the same owner's new lease ends its old one", func(q *queue) {
		q.lease()
		old := q.epoch
		q.lease()
		if q.epoch <= old {
			q.Errorf("epoch went from %d to %d", old, q.epoch)
		}
		if _, err := q.st.Flush(q.ctx, old, delivery.Flush{Now: q.now}); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("Flush under the old lease: %v", err)
		}
		if _, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "a", Epoch: old, Now: q.now, TTL: time.Second}); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("the old lease was renewed: %v", err)
		}
	}},
	{"a lease given back is free at once", func(q *queue) {
		q.lease()
		first := q.epoch
		q.must(q.st.Release(q.ctx, first))
		b, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "b", Now: q.now, TTL: time.Second})
		q.must(err)
		if b.Epoch <= first {
			q.Errorf("epoch went from %d to %d", first, b.Epoch)
		}
		q.must(q.st.Release(q.ctx, first)) // late: not its lease any more
		if _, err := q.st.Flush(q.ctx, b.Epoch, delivery.Flush{Now: q.now}); err != nil {
			q.Errorf("someone else's Release ended the lease: %v", err)
		}
		if _, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "a", Epoch: first, Now: q.now, TTL: time.Second}); !errors.Is(err, delivery.ErrLeaseLost) {
			q.Errorf("a lease given back was renewed: %v", err)
		}
	}},
}

var queueLedger = []queueCheck{
	{"the status of an unknown ID is unknown", func(q *queue) {
		if _, err := q.st.Status(q.ctx, "never"); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("got %v", err)
		}
		q.add("1", 1)
		q.lease()
		q.ack(q.one(), urls(1)...)
		q.must(q.st.Forget(q.ctx, delivery.Forget{Finished: q.now.Add(time.Second)}))
		if _, err := q.st.Status(q.ctx, "1"); !errors.Is(err, delivery.ErrUnknown) {
			q.Errorf("after forgetting: %v", err)
		}
	}},
	{"hosts are forgotten by their last attempt", func(q *queue) {
		q.lease()
		q.flush(delivery.Flush{Hosts: []delivery.HostState{
			{Origin: "https://new.example", Failures: 1, Last: q.now}, {Origin: "https://old.example", Failures: 1, Last: q.now.Add(-time.Hour)},
		}})
		q.must(q.st.Forget(q.ctx, delivery.Forget{Hosts: q.now}))
		if page, err := q.st.Hosts(q.ctx, "", 10); err != nil || len(page) != 1 || page[0].Origin != "https://new.example" {
			q.Errorf("got %+v, %v", page, err)
		}
	}},
	{"zero fields of Forget keep everything", func(q *queue) {
		q.add("1", 1)
		q.lease()
		q.ack(q.one(), urls(1)...)
		q.flush(delivery.Flush{Hosts: []delivery.HostState{{Origin: "https://a.example", Failures: 1, Last: q.now}}, Dead: []delivery.DeadLetter{{Activity: "1", At: q.now}}})
		q.must(q.st.Forget(q.ctx, delivery.Forget{}))
		if _, err := q.st.Status(q.ctx, "1"); err != nil {
			q.Error(err)
		}
		if page, err := q.st.Hosts(q.ctx, "", 10); err != nil || len(page) != 1 {
			q.Errorf("hosts: %+v, %v", page, err)
		}
		if page, err := q.st.Dead(q.ctx, 0, 10); err != nil || len(page) != 1 {
			q.Errorf("dead letters: %+v, %v", page, err)
		}
	}},
	{"a URL that is needed is not forgotten, and no number is given twice", func(q *queue) {
		q.lease()
		q.add("old", 3)
		old := inboxes(q.one())
		u := urls(3)
		q.ack(q.one(), u...)
		q.now = q.now.Add(10 * time.Hour)
		r := q.record("waits")
		_, err := q.st.Append(q.ctx, delivery.Addition{Record: r, Inboxes: u[:1], Max: delivery.Limit{}})
		q.must(err)
		q.must(q.st.Forget(q.ctx, delivery.Forget{Inboxes: q.now.Add(1000 * time.Hour)}))
		q.left(q.one(), u[0])
		q.ack(q.one(), u[0])
		q.now = q.now.Add(1000 * time.Hour)
		q.must(q.st.Forget(q.ctx, delivery.Forget{Inboxes: q.now}))
		_, err = q.st.Append(q.ctx, delivery.Addition{Record: q.record("new"), Inboxes: []string{u[2], "https://other.example/", u[1]}, Max: delivery.Limit{}})
		q.must(err)
		for url, id := range inboxes(q.one()) {
			for other, taken := range old {
				if id == taken && url != other {
					q.Errorf("number %d was %s and is now %s", id, other, url)
				}
			}
		}
	}},
}
