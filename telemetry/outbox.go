package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/fedihook/fedihook/outbox"
)

// Outbox returns an Observer for outbox.Config.
func (t *Telemetry) Outbox() outbox.Observer {
	_ = t.Check()
	return outboxObserver{t}
}

type outboxObserver struct{ t *Telemetry }

func (o outboxObserver) Saying(ctx context.Context, typ string) (string, func(string, error)) {
	ctx, span := o.t.tracer.Start(ctx, spanSay, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attrType.folded(typ)))
	return o.t.traceparent(ctx), func(id string, err error) {
		if err == nil {
			o.t.add(ctx, outboxSaid, 1, typ)
		}
		end(span, err != nil, attrID.text(id))
	}
}

func (o outboxObserver) Handing(ctx context.Context, h outbox.Handing) (context.Context, func(int, error)) {
	began := time.Now()
	ctx, span := o.t.start(ctx, h.Trace, spanHand, trace.SpanKindInternal, attrType.folded(h.Type), attrID.text(h.Activity))
	return ctx, func(inboxes int, err error) {
		outcome := attrHandover.Values[0]
		if err != nil {
			outcome = attrHandover.Values[1]
		} else {
			o.t.record(ctx, outboxInboxes, float64(inboxes), h.Type)
			if h.First {
				o.t.record(ctx, outboxDelay, began.Sub(h.At).Seconds(), h.Type)
			}
		}
		o.t.record(ctx, outboxDuration, time.Since(began).Seconds(), outcome)
		end(span, err != nil, attrInboxes.number(inboxes), attrHandover.text(outcome))
	}
}

func (o outboxObserver) Ended(why string, n int) {
	o.t.add(context.Background(), outboxEnded, int64(n), why)
}
