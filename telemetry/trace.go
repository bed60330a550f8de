package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// size is how many bytes a traceparent has. W3C Trace Context §3.2.2
const size = 55

// traceparent names the span of ctx, "" if it is in none or nobody wants traces.
func (t *Telemetry) traceparent(ctx context.Context) string {
	c := trace.SpanContextFromContext(ctx)
	if t.TracerProvider == nil || !c.IsValid() {
		return ""
	}
	var b [size]byte
	id, span := c.TraceID(), c.SpanID()
	copy(b[:], "00-")
	hex.Encode(b[3:35], id[:])
	b[35] = '-'
	hex.Encode(b[36:52], span[:])
	copy(b[52:], "-00")
	if c.IsSampled() {
		b[54] = '1'
	}
	return string(b[:])
}

// parse reads what traceparent wrote. What is none is not valid.
func parse(s string) trace.SpanContext {
	if len(s) != size || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(s[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(s[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	var flags trace.TraceFlags
	if sampled(s) {
		flags = trace.FlagsSampled
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags, Remote: true})
}

// sampled tells by the last digit whether the trace is recorded. W3C Trace Context §3.2.2.5
func sampled(s string) bool {
	if len(s) != size {
		return false
	}
	switch s[size-1] {
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return true
	}
	return false
}

// start begins a span in the trace that s names, or a new trace if it names none: what Run does has nothing to do with
// whatever Run was called in.
func (t *Telemetry) start(ctx context.Context, s, name string, kind trace.SpanKind, of ...attribute.KeyValue) (context.Context, trace.Span) {
	options := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(of...)}
	if parent := parse(s); parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	} else {
		options = append(options, trace.WithNewRoot())
	}
	return t.tracer.Start(ctx, name, options...)
}

// end ends a span. Of what failed the attributes tell as much as is to be told.
func end(span trace.Span, failed bool, of ...attribute.KeyValue) {
	span.SetAttributes(of...)
	if failed {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

func (a Attribute) text(v string) attribute.KeyValue { return attribute.String(a.Name, v) }

func (a Attribute) folded(v string) attribute.KeyValue { return attribute.String(a.Name, a.fold(v)) }

func (a Attribute) number(n int) attribute.KeyValue { return attribute.Int(a.Name, n) }
