package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
)

// cpu measures what the queue itself costs: posting to nowhere, less what a bare loop that builds the same
// requests and counts the answers costs. It counts everything from Enqueue to the recorded end of the last delivery,
// in a process that has done the same before.
func (r *runner) cpu(ctx context.Context) error {
	perHost := max(r.fanOut/1000, 1)
	for _, c := range []struct {
		what    string
		store   string
		targets []delivery.Target
		limit   bool
	}{
		{"SQLite, one inbox per host", "sqlite", slices.Collect(inboxes(fine, r.fanOut)), true},
		{fmt.Sprintf("SQLite, %d inboxes per host", perHost), "sqlite", personal(r.fanOut, perHost), true},
		{"memory, one inbox per host", "memory", slices.Collect(inboxes(fine, r.fanOut)), false},
	} {
		var bares, queues, pools []float64
		for range r.rounds { // in turn, because others may be at work on this machine
			bare, err := r.bareCPU(ctx, c.targets)
			if err != nil {
				return err
			}
			queue, _, err := r.engineCPU(ctx, c.what, false, c.store, c.targets)
			if err != nil {
				return err
			}
			bares, queues = append(bares, bare...), append(queues, queue...)
			if r.baseline && c.store == "sqlite" {
				pool, _, err := r.engineCPU(ctx, c.what+", pool", true, "", c.targets)
				if err != nil {
					return err
				}
				pools = append(pools, pool...)
			}
		}
		bare, queue := median(bares), median(queues)
		w := r.row(c.what, "µs each beyond bare", max(queue-bare, 0)).bare(bare)
		if c.limit {
			w.atMost(2)
		}
		if len(pools) > 0 {
			w.pool(median(pools) - bare)
		}
	}
	return nil
}

const (
	cpuFirst = 3 // fan-outs make the inboxes known and the heap as large as it will be
	cpuTimes = 4 // are measured, each
	cpuSum   = 5 // fan-outs long: the garbage collector runs about once in a fan-out
)

// personal are n inboxes, so many on each host.
func personal(n, perHost int) []delivery.Target {
	list := make([]delivery.Target, n)
	for i := range list {
		list[i].Inbox = fmt.Sprintf("http://%s%d.test/users/%d/inbox", fine, i/perHost, i)
	}
	return list
}

// bareCPU returns what each request costs, in µs, some times over.
func (r *runner) bareCPU(ctx context.Context, targets []delivery.Target) (each []float64, err error) {
	m := measure(null{}, fine, len(targets))
	each, _, err = r.sums(targets, func(int) error {
		m.again(len(targets))
		for _, t := range targets {
			request, err := newRequest(ctx, t.Inbox, r.body)
			if err != nil {
				return err
			}
			answer, err := m.RoundTrip(request)
			if err != nil {
				return err
			}
			_ = answer.Body.Close()
		}
		return nil
	}, func() {})
	return each, err
}

// engineCPU returns what each delivery costs here and in the database's server, in µs, some times over, or endless if
// that came to no end.
func (r *runner) engineCPU(ctx context.Context, label string, usePool bool, store string, targets []delivery.Target) (each, server []float64, err error) {
	s, err := r.scene(ctx, usePool, store, null{}, fine, len(targets))
	if err != nil {
		return nil, nil, err
	}
	each, server, err = r.sums(targets, func(i int) error {
		s.again(len(targets))
		if err := s.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, slices.Values(targets)); err != nil {
			return err
		}
		ok, err := r.wait(ctx, s.meter, label)
		if err == nil && !ok {
			err = errEndless
		}
		return err
	}, func() { time.Sleep(300 * time.Millisecond) }) // until what it did is recorded
	stopErr := s.end()
	if errors.Is(err, errEndless) {
		return []float64{endless}, []float64{endless}, nil // what it says at its end does not matter any more
	}
	return each, server, cmp.Or(err, stopErr)
}

var errEndless = errors.New("it came to no end")

// sums does all targets often enough and returns what each cost here and in the database's server, in µs. It calls rest
// before it looks at the clock.
func (r *runner) sums(targets []delivery.Target, all func(i int) error, rest func()) (each, server []float64, err error) {
	for i := range cpuFirst {
		if err := all(i); err != nil {
			return nil, nil, err
		}
	}
	rest()
	runtime.GC()
	served := func() (d time.Duration) {
		if r.server != nil {
			d = r.server.CPU()
		}
		return d
	}
	for sum := range cpuTimes {
		before, servedBefore := bench.CPU(), served()
		for i := range cpuSum {
			if err := all(cpuFirst + sum*cpuSum + i); err != nil {
				return nil, nil, err
			}
		}
		rest()
		n := float64(cpuSum * len(targets))
		each, server = append(each, us(bench.CPU()-before)/n), append(server, us(served()-servedBefore)/n)
	}
	return each, server, nil
}
