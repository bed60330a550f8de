// Package telemetry tells OpenTelemetry what the rooms do: metrics of bounded cardinality, and traces that go on from what an app
// says to each delivery of it, and from the receipt of an activity to its hook.
//
// Give a [Telemetry] to fedihook.Config, or its parts to the rooms: [Telemetry.Delivery] to delivery.Config.Observer, and so on. It
// uses the API of OpenTelemetry alone: which SDK takes what it tells, and where that sends it, is the app's choice. No global provider
// is read or set.
//
// [Metrics] and [Spans] list everything that there is; docs/telemetry.md shows them. No metric has a host, an id or an actor among
// its attributes. Spans have hosts and ids. Neither has the text of an error, for that may quote strangers, users or the app.
//
// Experimental: names may change before version 1.0.
package telemetry

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is what tracers and meters are asked for by.
const scope = "github.com/fedihook/fedihook"

// Telemetry makes spans and metrics. It may be shared by all Servers and rooms of a process, whose gauges are added up. Its
// methods may be called by many goroutines at once; it must not be copied after the first.
type Telemetry struct {
	// TracerProvider makes spans. Nil: there are none, and no trace context is kept.
	TracerProvider trace.TracerProvider
	// MeterProvider makes metrics. Nil: there are none.
	MeterProvider metric.MeterProvider

	once   sync.Once
	err    error
	tracer trace.Tracer
	tools  map[string]*tool // by metric

	mu         sync.Mutex
	queues     []*queueObserver
	inboxes    []*inboxObserver
	attributes sync.Map // metric.MeasurementOption by setKey
}

// tool is a metric with its instrument, which is that of its Kind.
type tool struct {
	Metric
	count  metric.Int64Counter
	record metric.Float64Histogram
	gauge  metric.Float64ObservableGauge
}

// Check tells whether the MeterProvider makes all instruments. fedihook.New calls it; who uses rooms alone may.
func (t *Telemetry) Check() error {
	t.once.Do(t.open)
	return t.err
}

func (t *Telemetry) open() {
	var tracers trace.TracerProvider = tracenoop.NewTracerProvider()
	if t.TracerProvider != nil {
		tracers = t.TracerProvider
	}
	t.tracer = tracers.Tracer(scope)
	var meters metric.MeterProvider = metricnoop.NewMeterProvider()
	if t.MeterProvider != nil {
		meters = t.MeterProvider
	}
	meter := meters.Meter(scope)
	t.tools = make(map[string]*tool)
	var gauges []metric.Observable
	for _, m := range Metrics() {
		made := &tool{Metric: m}
		var err error
		switch m.Kind {
		case Counter:
			made.count, err = meter.Int64Counter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.About))
		case Histogram:
			made.record, err = meter.Float64Histogram(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.About),
				metric.WithExplicitBucketBoundaries(m.Buckets...))
		case Gauge:
			made.gauge, err = meter.Float64ObservableGauge(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.About))
			gauges = append(gauges, made.gauge)
		}
		t.fail(m.Name, err)
		t.tools[m.Name] = made
	}
	_, err := meter.RegisterCallback(t.observe, gauges...)
	t.fail("gauges", err)
}

// fail keeps the first error.
func (t *Telemetry) fail(name string, err error) {
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("telemetry: %s: %w", name, err)
	}
}

// observe tells all gauges when the SDK wants to know.
func (t *Telemetry) observe(_ context.Context, o metric.Observer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.observeQueues(o)
	t.observeInboxes(o)
	return nil
}

// add counts, under the values of the metric's attributes in their order.
func (t *Telemetry) add(ctx context.Context, name string, n int64, of ...string) {
	if n > 0 {
		m := t.tools[name]
		m.count.Add(ctx, n, t.set(m, of))
	}
}

// record notes a value in a histogram.
func (t *Telemetry) record(ctx context.Context, name string, v float64, of ...string) {
	m := t.tools[name]
	m.record.Record(ctx, v, t.set(m, of))
}

func (t *Telemetry) gauge(o metric.Observer, name string, v float64, of ...string) {
	m := t.tools[name]
	o.ObserveFloat64(m.gauge, v, t.set(m, of))
}
