package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/fedihook/fedihook/delivery"
)

// Delivery returns an Observer for one Queue, which is a delivery.Tracer, too.
func (t *Telemetry) Delivery() delivery.Observer {
	_ = t.Check() // what can't be made does nothing
	o := &queueObserver{t: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queues = append(t.queues, o)
	return o
}

type queueObserver struct {
	t    *Telemetry
	last atomic.Pointer[delivery.Stats] // nil: not measured yet
}

func (o *queueObserver) Posted(p delivery.Posted) {
	ctx, t := context.Background(), o.t
	class := p.Class.String()
	t.add(ctx, deliveryPosts, 1, p.Verdict, class, statusClass(p.Status))
	if p.Attempts > 1 {
		t.add(ctx, deliveryRetries, 1, p.Verdict)
	}
	t.record(ctx, deliveryDuration, p.Took.Seconds(), p.Verdict)
	t.record(ctx, deliveryAge, p.Age.Seconds(), class)
	for _, part := range [...]struct {
		stage string
		took  time.Duration
	}{{"sign", p.Stages.Sign}, {"wait", p.Stages.Wait}, {"dial", p.Stages.Dial}, {"tls", p.Stages.TLS}, {"answer", p.Stages.Answer}} {
		if part.took > 0 {
			t.record(ctx, deliveryStages, part.took.Seconds(), part.stage)
		}
	}
}

func (o *queueObserver) Flushed(settled int, took time.Duration, err error) {
	outcome := attrFlush.Values[0]
	if err != nil {
		outcome, settled = attrFlush.Values[1], 0
	}
	o.t.add(context.Background(), deliverySettled, int64(settled))
	o.t.record(context.Background(), deliveryFlush, took.Seconds(), outcome)
}

func (o *queueObserver) Measured(s delivery.Stats) {
	var was delivery.Stats
	if last := o.last.Swap(&s); last != nil {
		was = *last
	}
	for name, pair := range map[string][2]int64{
		deliveryExpired: {was.Expired, s.Expired}, deliveryDead: {was.Dead, s.Dead}, deliveryLeases: {was.LeaseChanges, s.LeaseChanges},
	} {
		if pair[1] < pair[0] {
			pair[0] = 0 // another Run counts anew
		}
		o.t.add(context.Background(), name, pair[1]-pair[0])
	}
}

// Posting is delivery.Tracer's. Of a trace that is not recorded nothing is.
func (o *queueObserver) Posting(ctx context.Context, p delivery.Posting) (context.Context, func(delivery.Posted)) {
	if o.t.TracerProvider == nil || !sampled(p.Trace) {
		return ctx, nil
	}
	ctx, span := o.t.start(ctx, p.Trace, spanDeliver, trace.SpanKindClient,
		attrID.text(p.Activity), attrHost.text(p.Host), attrAttempt.number(p.Attempts))
	return ctx, func(p delivery.Posted) {
		end(span, p.Verdict != "delivered", attrOutcome.folded(p.Verdict), attrStatusClass.folded(statusClass(p.Status)))
	}
}

// observeQueues adds up the gauges of all Queues. t.mu is held.
func (t *Telemetry) observeQueues(o metric.Observer) {
	var all delivery.Stats
	known := false
	for _, q := range t.queues {
		s := q.last.Load()
		if s == nil {
			continue
		}
		known = true
		all.InFlight += s.InFlight
		all.SlowInFlight += s.SlowInFlight
		all.Lanes += s.Lanes
		all.Failing += s.Failing
		all.Held += s.Held
		all.Parked += s.Parked
		all.Unflushed += s.Unflushed
		all.Shards += s.Shards
		for c := range s.Waiting {
			all.Waiting[c] += s.Waiting[c]
			all.Oldest[c] = max(all.Oldest[c], s.Oldest[c])
		}
	}
	if !known {
		return
	}
	t.gauge(o, deliveryInFlight, float64(all.InFlight))
	t.gauge(o, deliverySlow, float64(all.SlowInFlight))
	t.gauge(o, deliveryLate, float64(all.Unflushed))
	t.gauge(o, deliveryShards, float64(all.Shards))
	for i, n := range []int{all.Lanes, all.Failing, all.Held, all.Parked} {
		t.gauge(o, deliveryHosts, float64(n), attrHostState.Values[i])
	}
	for c := range all.Waiting {
		class := delivery.Class(c).String()
		t.gauge(o, deliveryWaiting, float64(all.Waiting[c]), class)
		t.gauge(o, deliveryOldest, all.Oldest[c].Seconds(), class)
	}
}
