package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
)

// cpu measures what the queue itself costs: posting to nowhere, less what a bare loop that builds the same
// requests and counts the answers costs. It counts everything from Enqueue to the recorded end of the last delivery.
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
		bare, err := r.bareCPU(ctx, c.targets)
		if err != nil {
			return err
		}
		queue, _, err := r.engineCPU(ctx, c.what, false, c.store, c.targets)
		if err != nil {
			return err
		}
		w := r.row(c.what, "µs each beyond bare", max(us(queue-bare), 0)).bare(us(bare))
		if queue == never {
			w.Queue = endless
		}
		if c.limit {
			w.atMost(2)
		}
		if r.baseline && c.store == "sqlite" {
			pool, _, err := r.engineCPU(ctx, c.what+", pool", true, "", c.targets)
			if err != nil {
				return err
			}
			w.pool(us(pool - bare))
		}
	}
	return nil
}

// cpuTimes is how many fan-outs are summed up.
func (r *runner) cpuTimes() int { return 3 * r.rounds }

// never is a time that did not come about.
const never = time.Duration(1<<63 - 1)

// personal are n inboxes, so many on each host.
func personal(n, perHost int) []delivery.Target {
	list := make([]delivery.Target, n)
	for i := range list {
		list[i].Inbox = fmt.Sprintf("http://%s%d.test/users/%d/inbox", fine, i/perHost, i)
	}
	return list
}

func (r *runner) bareCPU(ctx context.Context, targets []delivery.Target) (time.Duration, error) {
	times := r.cpuTimes()
	m := measure(null{}, fine, len(targets))
	runtime.GC()
	before := bench.CPU()
	for range times {
		m.again(len(targets))
		for _, t := range targets {
			request, err := newRequest(ctx, t.Inbox, r.body)
			if err != nil {
				return 0, err
			}
			answer, err := m.RoundTrip(request)
			if err != nil {
				return 0, err
			}
			_ = answer.Body.Close()
		}
	}
	return (bench.CPU() - before) / time.Duration(times*len(targets)), nil
}

func (r *runner) engineCPU(ctx context.Context, label string, usePool bool, store string, targets []delivery.Target) (each, server time.Duration, err error) {
	times := r.cpuTimes()
	s, err := r.scene(ctx, usePool, store, null{}, fine, len(targets))
	if err != nil {
		return 0, 0, err
	}
	defer s.shut()
	var before time.Duration
	for i := 0; i <= times && err == nil; i++ { // the first makes the inboxes known
		if i == 1 {
			time.Sleep(300 * time.Millisecond) // until what it did is recorded
			runtime.GC()
			before = bench.CPU()
			if r.server != nil {
				server = r.server.CPU()
			}
		}
		s.again(len(targets))
		if err = s.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, slices.Values(targets)); err != nil {
			break
		}
		var ok bool
		if ok, err = r.wait(ctx, s.meter, label); err == nil && !ok {
			_ = s.stop() // what it says does not matter any more
			return never, 0, nil
		}
	}
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	all := time.Duration(times * len(targets))
	each = (bench.CPU() - before) / all
	if r.server != nil {
		server = (r.server.CPU() - server) / all
	}
	return each, server, err
}
