package telemetry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/telemetry"
)

const (
	recorded    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	notRecorded = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func traced() (*telemetry.Telemetry, *tracetest.InMemoryExporter) {
	spans := tracetest.NewInMemoryExporter()
	return &telemetry.Telemetry{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))}, spans
}

func posting(t testing.TB, tell *telemetry.Telemetry) delivery.Tracer {
	t.Helper()
	tracer, ok := tell.Delivery().(delivery.Tracer)
	if !ok {
		t.Fatal("the Observer is no Tracer")
	}
	return tracer
}

func TestWhatIsNoTraceparentIsInNoTrace(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "1", recorded[:54], recorded + "1", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "00-0AF7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		tell, spans := traced()
		_, done := posting(t, tell).Posting(t.Context(), delivery.Posting{Trace: s})
		if done != nil {
			done(delivery.Posted{Verdict: "delivered"})
		}
		for _, span := range spans.GetSpans() {
			if span.Parent.IsValid() {
				t.Errorf("%q leads to %v", s, span.Parent.TraceID())
			}
		}
	}
}

func TestAPostIsInTheTraceThatItIsSaidToBeIn(t *testing.T) {
	t.Parallel()
	tell, spans := traced()
	ctx, done := posting(t, tell).Posting(t.Context(), delivery.Posting{Trace: recorded, Host: "a.example"})
	done(delivery.Posted{Verdict: "dead", Status: 405, Err: errors.New("a secret")})
	list := spans.GetSpans()
	if len(list) != 1 || list[0].Parent.TraceID().String() != recorded[3:35] || list[0].Parent.SpanID().String() != recorded[36:52] {
		t.Fatalf("spans %v", list)
	}
	if got := trace.SpanContextFromContext(ctx).SpanID(); got != list[0].SpanContext.SpanID() || list[0].Status.Description != "" {
		t.Errorf("it runs in %v and says %q", got, list[0].Status.Description)
	}
	if got := tell.Inbox().Trace(ctx); len(got) != 55 || got[:35] != recorded[:35] || got[36:52] != list[0].SpanContext.SpanID().String() || got[52:] != "-01" {
		t.Errorf("its traceparent is %s", got)
	}
}

// One hook that takes several is in no one's trace.
func TestAHookThatTakesSeveralLinksToEach(t *testing.T) {
	t.Parallel()
	tell, spans := traced()
	now := time.Now()
	_, done := tell.Inbox().Working(t.Context(), []inbox.Working{{Type: "Like", Trace: recorded, Received: now}, {Type: "Like", Received: now}, {Type: "Like", Trace: notRecorded, Received: now}})
	done([]inbox.Worked{{}, {State: inbox.Again}, {}})
	list := spans.GetSpans()
	if len(list) != 1 || list[0].Parent.IsValid() || len(list[0].Links) != 2 || list[0].Status.Code.String() != "Error" {
		t.Errorf("spans %+v", list)
	}
}

func TestWithoutATracerProviderNoTraceIsKept(t *testing.T) {
	t.Parallel()
	_, spans := traced()
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("").Start(t.Context(), "the app's")
	defer span.End()
	tell := new(telemetry.Telemetry)
	trace, said := tell.Outbox().Saying(ctx, "Create")
	said("1", nil)
	if kept := tell.Inbox().Trace(ctx); trace != "" || kept != "" {
		t.Errorf("%q and %q are kept", trace, kept)
	}
	if ctx2, done := posting(t, tell).Posting(ctx, delivery.Posting{Trace: recorded}); done != nil || ctx2 != ctx {
		t.Error("a post is traced")
	}
}

// It may be 100,000 posts of one activity.
func TestAPostThatIsNotSampledAllocatesNothing(t *testing.T) {
	tell, _ := traced()
	tracer, ctx := posting(t, tell), context.Background()
	if n := testing.AllocsPerRun(100, func() {
		if _, done := tracer.Posting(ctx, delivery.Posting{Trace: notRecorded, Host: "a.example"}); done != nil {
			t.Error("it is traced")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPosted(b *testing.B) {
	tell, _ := traced()
	o := tell.Delivery()
	b.ReportAllocs()
	for b.Loop() {
		o.Posted(delivery.Posted{Verdict: "delivered", Status: 202, Attempts: 1, Took: time.Millisecond, Stages: delivery.Stages{Sign: time.Millisecond}})
	}
}
