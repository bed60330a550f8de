package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
)

// isolation compares how fast healthy hosts are served beside bad ones and without them. The same healthy hosts
// get the same posts both times, over connections that the first one of them opens.
func (r *runner) isolation(ctx context.Context) error {
	s, err := startSink(ctx, r.thinks, false)
	if err != nil {
		return err
	}
	err = r.besideBad(ctx, s)
	if stopErr := s.Stop(); err == nil {
		err = stopErr
	}
	return err
}

func (r *runner) besideBad(ctx context.Context, s *sink) error {
	dead := int(math.Round(float64(r.hosts) * r.dead))
	tarpits := int(math.Round(float64(r.hosts) * r.tarpit))
	healthy := r.hosts - dead - tarpits
	var calm, storm served
	var calms, storms, ratios []float64
	for range r.rounds {
		var err error
		if calm, err = r.healthyP99(ctx, s, "no bad hosts", false, healthy, 0, 0); err != nil {
			return err
		}
		if storm, err = r.healthyP99(ctx, s, "bad hosts", false, healthy, dead, tarpits); err != nil {
			return err
		}
		calms, storms, ratios = append(calms, calm.seconds()), append(storms, storm.seconds()), append(ratios, storm.over(calm))
	}
	var poolCalm, poolStorm served
	if r.baseline { // once: what it comes to is plain enough
		var err error
		if poolCalm, err = r.healthyP99(ctx, s, "no bad hosts, pool", true, healthy, 0, 0); err != nil {
			return err
		}
		if poolStorm, err = r.healthyP99(ctx, s, "bad hosts, pool", true, healthy, dead, tarpits); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%d posts × %d healthy hosts", r.posts, healthy)
	r.both(what+", p99", "s", median(calms), poolCalm.seconds())
	r.both(fmt.Sprintf("beside %d dead, %d hanging, p99", dead, tarpits), "s", median(storms), poolStorm.seconds())
	if storm.n < storm.of {
		r.rows[len(r.rows)-1].note("%d of %d delivered in %v", storm.n, storm.of, r.patience)
	}
	r.both("the same, to the time without", "×", median(ratios), poolStorm.over(poolCalm)).atMost(1.25)
	r.both("attempts at bad hosts meanwhile", "", float64(storm.tries), float64(poolStorm.tries))
	return nil
}

// both starts a row with the pool's figure, if there is one.
func (r *runner) both(what, unit string, queue, pool float64) *row {
	w := r.row(what, unit, queue)
	if r.baseline {
		w.pool(pool)
	}
	return w
}

// never is a time that did not come about.
const never = time.Duration(1<<63 - 1)

type served struct {
	p99   time.Duration // never if not so many were
	n, of int
	tries int64 // at bad hosts
}

func (s served) seconds() float64 {
	if s.p99 == never {
		return endless
	}
	return s.p99.Seconds()
}

func (s served) over(calm served) float64 {
	if s.p99 == never || calm.p99 == 0 {
		return endless
	}
	return float64(s.p99) / float64(calm.p99)
}

func (r *runner) healthyP99(ctx context.Context, sink *sink, label string, usePool bool, healthy, dead, tarpits int) (served, error) {
	wire := newWire(sink, r.inFlight, false)
	defer wire.CloseIdleConnections()
	want := healthy * r.posts
	s, err := r.scene(ctx, usePool, r.store, r.signed(r.suite, wire), fine, want)
	if err != nil {
		return served{}, err
	}
	s.again(want)
	all := mixed(
		inboxes(fine, healthy), inboxes(refuse, dead/2), inboxes(dark, dead-dead/2), inboxes(tar, tarpits),
	)
	for i := 0; i < r.posts && err == nil; i++ {
		err = s.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, all)
	}
	if err == nil {
		_, err = r.wait(ctx, s.meter, label)
	}
	out := served{p99: never, of: want, n: int(s.done.Load()), tries: s.tries.Load()}
	times := s.times()
	if stopErr := s.end(); err == nil {
		err = stopErr
	}
	if len(times)*100 >= want*99 {
		// Of all that were wanted, those that did not come count as the slowest.
		p := float64(want) * 0.99 / float64(len(times))
		out.p99 = bench.Percentile(times, min(p, 1))
	}
	return out, err
}

// mixed deals several kinds of targets evenly among each other.
func mixed(kinds ...iter.Seq[delivery.Target]) iter.Seq[delivery.Target] {
	type placed struct {
		at float64
		t  delivery.Target
	}
	var all []placed
	for _, kind := range kinds {
		var list []delivery.Target
		for t := range kind {
			list = append(list, t)
		}
		for i, t := range list {
			all = append(all, placed{(float64(i) + 0.5) / float64(len(list)), t})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	return func(yield func(delivery.Target) bool) {
		for _, p := range all {
			if !yield(p.t) {
				return
			}
		}
	}
}
