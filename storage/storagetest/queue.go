package storagetest

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// RunQueue checks that what open returns keeps the contracts of [delivery.Store] and [delivery.OrderBook] and is one from which one process
// at a time delivers. open is called once for each check and returns an empty store; what it opens it closes by
// t.Cleanup. The checks tell the store what the time is, and each ends after a minute.
func RunQueue(t *testing.T, open func(t *testing.T) delivery.Store) { runQueue(t, open, queueAlone) }

// RunSharedQueue is RunQueue for a store from which many processes deliver at the same time, and which is a [delivery.Watcher].
func RunSharedQueue(t *testing.T, open func(t *testing.T) delivery.Store) {
	runQueue(t, open, slices.Concat(queueNodes, queueWatch))
}

func runQueue(t *testing.T, open func(t *testing.T) delivery.Store, leases []queueCheck) {
	for _, check := range slices.Concat(queueLog, queueFlush, queueLeases, queueLedger, queueSupersede, queueRedrive, queueShards, queueOrders, leases) {
		t.Run(check.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			q := &queue{T: t, ctx: ctx, st: open(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			// A store that ignores its context must fail, too, and not hang.
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				defer func() {
					if p := recover(); p != nil {
						q.Errorf("panic: %v\n%s", p, debug.Stack())
					}
				}()
				check.run(q)
			}()
			select {
			case <-finished:
			case <-ctx.Done():
				select {
				case <-finished:
				case <-time.After(5 * time.Second):
					t.Error("the store did not return within a minute, nor when its context ended")
				}
			}
		})
	}
}

type queueCheck struct {
	name string
	run  func(*queue)
}

// queue is one check's store, with the time that it is told.
type queue struct {
	*testing.T
	ctx   context.Context
	st    delivery.Store
	now   time.Time
	epoch int64
}

// Fatal and Fatalf end the check, which is not in the test's own goroutine.
func (q *queue) Fatal(args ...any) {
	q.Helper()
	q.Error(args...)
	runtime.Goexit()
}

func (q *queue) Fatalf(format string, args ...any) {
	q.Helper()
	q.Errorf(format, args...)
	runtime.Goexit()
}

// must ends the check if err is not nil.
func (q *queue) must(err error) {
	q.Helper()
	if err != nil {
		q.Fatal(err)
	}
}

// record is one to be appended, with every field set.
func (q *queue) record(id string) delivery.Record {
	return delivery.Record{
		ID: id, Sender: "https://here.example/ap/users/1", Key: "key of " + id, ContentType: "application/activity+json",
		Class: delivery.Bulk, Bodies: delivery.Bodies{Body: []byte(`{"id":"` + id + `"}`)},
		Created: q.now, NotBefore: q.now.Add(time.Second), Expires: q.now.Add(48 * time.Hour),
		Trace: "00-0af7651916cd43dd8448eb211c80319c-" + fmt.Sprintf("%016x", len(id)) + "-01",
	}
}

// urls makes n inboxes on n hosts.
func urls(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://h%04d.example/inbox", i)
	}
	return list
}

// add appends a record with n inboxes.
func (q *queue) add(id string, n int) int64 {
	q.Helper()
	a, err := q.st.Append(q.ctx, delivery.Addition{Record: q.record(id), Inboxes: urls(n), Max: delivery.Limit{}})
	q.must(err)
	if a.Duplicate || a.Targets != n || a.Seq <= 0 {
		q.Fatalf("Append of a new record with %d inboxes returned %+v", n, a)
	}
	return a.Seq
}

// lease takes the lease.
func (q *queue) lease() {
	q.Helper()
	l, err := q.st.Lease(q.ctx, delivery.LeaseRequest{Owner: "a", Now: q.now, TTL: 10 * time.Second})
	q.must(err)
	q.epoch = l.Epoch
}

// all loads everything, page by page.
func (q *queue) all() []pending {
	q.Helper()
	return q.pages(1_000_000)
}

// pending is a record that was loaded, with the URLs and deferrals of its targets.
type pending struct {
	delivery.Pending
	Targets []remaining
}

type remaining struct {
	URL string
	delivery.Deferral
}

func (q *queue) pages(limit int) []pending {
	q.Helper()
	var all []pending
	for after := int64(0); ; {
		page := q.load(delivery.Query{After: after, Limit: limit})
		for _, p := range page.Records {
			if p.Seq <= after || p.Seq > page.Through {
				q.Fatalf("Load after %d returned record %d, through %d", after, p.Seq, page.Through)
			}
		}
		all = append(all, q.named(page)...)
		if !page.More {
			return all
		}
		if page.Through <= after {
			q.Fatalf("Load after %d has more and came to %d", after, page.Through)
		}
		after = page.Through
	}
}

func (q *queue) load(query delivery.Query) delivery.Page {
	q.Helper()
	page, err := q.st.Load(q.ctx, query)
	q.must(err)
	return page
}

func (q *queue) named(page delivery.Page) (all []pending) {
	q.Helper()
	for _, p := range page.Records {
		urls, err := q.st.URLs(q.ctx, p.Targets)
		q.must(err)
		one := pending{Pending: p}
		deferred := p.Deferred
		for i, id := range p.Targets {
			t := remaining{URL: urls[i], Deferral: delivery.Deferral{Seq: p.Seq, Inbox: id}}
			if len(deferred) > 0 && deferred[0].Inbox == id {
				t.Deferral, deferred = deferred[0], deferred[1:]
			}
			one.Targets = append(one.Targets, t)
		}
		if len(deferred) > 0 {
			q.Errorf("deferrals of no target, or in no order: %+v", p.Deferred)
		}
		if p.Left < len(p.Targets) || p.Total < p.Left {
			q.Errorf("of %d targets %d are left and %d were loaded", p.Total, p.Left, len(p.Targets))
		}
		all = append(all, one)
	}
	return all
}

// one loads the only record there is.
func (q *queue) one() pending {
	q.Helper()
	all := q.all()
	if len(all) != 1 {
		q.Fatalf("%d records are left, want 1", len(all))
	}
	return all[0]
}

// inboxes returns the numbers of a record's remaining targets by URL.
func inboxes(p pending) map[string]int64 {
	m := make(map[string]int64)
	for _, t := range p.Targets {
		m[t.URL] = t.Inbox
	}
	return m
}

// flush applies f, of whose acks and deferrals all must be known.
func (q *queue) flush(f delivery.Flush) {
	q.Helper()
	f.Now = q.now
	gone, err := q.st.Flush(q.ctx, q.epoch, f)
	q.must(err)
	if len(gone) > 0 {
		q.Fatalf("records %v are gone", gone)
	}
}

// ack settles the targets with these URLs.
func (q *queue) ack(p pending, urls ...string) {
	q.Helper()
	ids := inboxes(p)
	a := delivery.Ack{Seq: p.Seq}
	for _, u := range urls {
		a.Done = append(a.Done, ids[u])
	}
	q.flush(delivery.Flush{Acks: []delivery.Ack{a}})
}

// left checks which URLs remain.
func (q *queue) left(p pending, want ...string) {
	q.Helper()
	got := slices.Sorted(maps.Keys(inboxes(p)))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		q.Errorf("of %s remain %v, want %v", p.ID, got, want)
	}
}

// status checks an activity's numbers.
func (q *queue) status(id string, want delivery.Status) {
	q.Helper()
	got, err := q.st.Status(q.ctx, id)
	q.must(err)
	if !got.Created.Equal(want.Created) || !got.Finished.Equal(want.Finished) {
		q.Errorf("%s was created %v and finished %v, want %v and %v", id, got.Created, got.Finished, want.Created, want.Finished)
	}
	want.ID, want.Created, want.Finished = id, got.Created, got.Finished
	if want.Seq == 0 {
		want.Seq = got.Seq
	}
	if got != want {
		q.Errorf("status of %s is\n%+v, want\n%+v", id, got, want)
	}
}
