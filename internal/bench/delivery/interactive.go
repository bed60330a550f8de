package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

const (
	urgentEvery = 20 * time.Millisecond
	urgentHost  = "urgent"
)

// interactive measures how long something urgent takes from Enqueue until it is signed and handed to its
// connection, while a large fan-out that has begun keeps every signer busy.
func (r *runner) interactive(ctx context.Context) error {
	s, err := startSink(ctx, 20*time.Millisecond, false)
	if err != nil {
		return err
	}
	err = r.urgent(ctx, s)
	if stopErr := s.Stop(); err == nil {
		err = stopErr
	}
	return err
}

func (r *runner) urgent(ctx context.Context, s *sink) error {
	queue, left, err := r.urgentTimes(ctx, s, false)
	if err != nil {
		return err
	}
	var pool []time.Duration
	if r.baseline {
		if pool, _, err = r.urgentTimes(ctx, s, true); err != nil {
			return err
		}
	}
	of := func(times []time.Duration, share float64) float64 {
		// What did not leave at all is slower than all that did.
		if len(times) < int(share*float64(r.samples)) {
			return endless
		}
		return ms(bench.Percentile(times, min(share*float64(r.samples)/float64(len(times)), 1)))
	}
	r.both(fmt.Sprintf("behind %d targets (%s), p50", r.followers, r.suite), "ms", of(queue, 0.5), of(pool, 0.5))
	w := r.both("the same, p99", "ms", of(queue, 0.99), of(pool, 0.99)).atMost(50)
	if left != "" {
		w.note("%s", left)
	}
	return nil
}

// departures notes when requests to urgent hosts are handed to their connection.
type departures struct {
	base http.RoundTripper
	mu   sync.Mutex
	at   map[string]time.Time // by host, the first time
}

func (d *departures) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Host, urgentHost) {
		d.mu.Lock()
		if d.at[r.URL.Host].IsZero() {
			d.at[r.URL.Host] = time.Now()
		}
		d.mu.Unlock()
	}
	return d.base.RoundTrip(r)
}

func (r *runner) urgentTimes(ctx context.Context, sink *sink, usePool bool) (times []time.Duration, note string, err error) {
	wire := newWire(sink, r.inFlight, false)
	defer wire.CloseIdleConnections()
	out := &departures{base: wire, at: make(map[string]time.Time)}
	// As many hosts as a sink in this box can hold connections to; the rest are personal inboxes.
	hosts := min(r.hosts, r.followers)
	s, err := r.scene(ctx, usePool, r.store, r.signed(r.suite, out), fine, r.followers)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if stopErr := s.end(); err == nil {
			err = stopErr
		}
	}()
	crowd := personal(r.followers, max(r.followers/hosts, 1))
	if err := s.Enqueue(ctx, post{id: "fan-out", body: r.body}, slices.Values(crowd)); err != nil {
		return nil, "", err
	}
	for s.done.Load() == 0 { // until it flows
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	said := make(map[string]time.Time)
	for i := range r.samples {
		host := fmt.Sprintf("%s%d.test", urgentHost, i)
		said[host] = time.Now()
		p := post{id: fmt.Sprint("urgent", i), body: r.body, urgent: true}
		if err := s.Enqueue(ctx, p, inboxesOf(host)); err != nil {
			return nil, "", err
		}
		r.bar.Show(r.goal, i, r.samples)
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-time.After(urgentEvery - time.Since(said[host])):
		}
	}
	over := s.done.Load() >= int64(len(crowd))
	end := time.Now().Add(min(r.patience, 20*time.Second))
	for time.Now().Before(end) && ctx.Err() == nil {
		out.mu.Lock()
		n := len(out.at)
		out.mu.Unlock()
		if n == r.samples {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	for host, at := range out.at {
		times = append(times, at.Sub(said[host]))
	}
	switch {
	case over:
		note = "the fan-out was over before the last of them"
	case len(times) < r.samples:
		note = fmt.Sprintf("%d of %d left within %v", len(times), r.samples, min(r.patience, 20*time.Second))
	}
	return times, note, ctx.Err()
}
