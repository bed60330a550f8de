package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
)

// Inbox returns an Observer for one Inbox.
func (t *Telemetry) Inbox() inbox.Observer {
	_ = t.Check()
	o := &inboxObserver{t: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inboxes = append(t.inboxes, o)
	return o
}

type inboxObserver struct {
	t    *Telemetry
	last atomic.Pointer[inbox.Backlog] // nil: not measured yet
}

// Receiving goes on with the trace that the request's context is in. What its traceparent field says is a stranger's, and is
// for the app's own middleware to believe or not.
func (o *inboxObserver) Receiving(ctx context.Context) (context.Context, func(inbox.Received)) {
	ctx, span := o.t.tracer.Start(ctx, spanReceive)
	return ctx, func(r inbox.Received) {
		status, why := strconv.Itoa(r.Status), reason(r)
		o.t.add(ctx, inboxRequests, 1, status, why)
		o.t.record(ctx, inboxDuration, r.Took.Seconds(), status)
		end(span, r.Status >= 500, attrStatus.folded(status), attrReason.folded(why), attrID.text(r.Activity))
	}
}

func (o *inboxObserver) Trace(ctx context.Context) string { return o.t.traceparent(ctx) }

func (o *inboxObserver) Kept(typ string, seen bool) {
	o.t.add(context.Background(), inboxKept, 1, typ, strconv.FormatBool(seen))
}

func (o *inboxObserver) Working(ctx context.Context, entries []inbox.Working) (context.Context, func([]inbox.Worked)) {
	now := time.Now()
	for _, e := range entries {
		if e.Attempts == 1 {
			o.t.record(ctx, inboxDelay, now.Sub(e.Received).Seconds(), e.Type)
		}
	}
	ctx, span := o.hook(ctx, entries)
	return ctx, func(list []inbox.Worked) {
		failed, outcome := false, ""
		for i, w := range list {
			outcome = became(w)
			failed = failed || outcome == "again" || outcome == "dead"
			o.t.record(ctx, inboxHook, w.Took.Seconds(), entries[i].Type, outcome)
		}
		end(span, failed, attrHook.folded(outcome))
	}
}

// hook begins the span of a hook.
func (o *inboxObserver) hook(ctx context.Context, entries []inbox.Working) (context.Context, trace.Span) {
	first := entries[0]
	if len(entries) == 1 {
		return o.t.start(ctx, first.Trace, spanHook, trace.SpanKindConsumer,
			attrType.folded(first.Type), attrID.text(first.Activity), attrHost.text(host(first.Sender)), attrAttempt.number(first.Attempts))
	}
	var links []trace.Link
	for _, e := range entries {
		if c := parse(e.Trace); c.IsValid() {
			links = append(links, trace.Link{SpanContext: c})
		}
	}
	return o.t.tracer.Start(ctx, spanHook, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...),
		trace.WithAttributes(attrType.folded(first.Type), attrBatch.number(len(entries))))
}

func host(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Host
}

// became folds what became of an entry.
func became(w inbox.Worked) string {
	switch {
	case w.State == inbox.Again:
		return "again"
	case w.State == inbox.Dead:
		return "dead"
	case w.State == inbox.Review:
		return "review"
	case errors.Is(w.Err, inbox.ErrRefuse):
		return "refused"
	case errors.Is(w.Err, inbox.ErrPending):
		return "pending"
	case errors.Is(w.Err, inbox.ErrDrop):
		return "dropped"
	}
	return "done"
}

func (o *inboxObserver) Measured(b inbox.Backlog) { o.last.Store(&b) }

// observeInboxes adds up what all count; of a journal that many work one of them counts. t.mu is held.
func (t *Telemetry) observeInboxes(o metric.Observer) {
	var all inbox.Backlog
	known := false
	for _, in := range t.inboxes {
		b := in.last.Load()
		if b == nil {
			continue
		}
		known = true
		all.Unfinished += b.Unfinished
		all.Held += b.Held
		all.Dead += b.Dead
		if all.Oldest.IsZero() || !b.Oldest.IsZero() && b.Oldest.Before(all.Oldest) {
			all.Oldest = b.Oldest
		}
	}
	if !known {
		return
	}
	for i, n := range []int{all.Unfinished, all.Held, all.Dead} {
		t.gauge(o, inboxJournal, float64(n), attrJournal.Values[i])
	}
	age := 0.0
	if !all.Oldest.IsZero() {
		age = max(time.Since(all.Oldest).Seconds(), 0)
	}
	t.gauge(o, inboxOldest, age)
}

// Verifier returns v, of which is told how long it took and what it found.
func (t *Telemetry) Verifier(v inbox.Verifier) inbox.Verifier {
	_ = t.Check()
	return verifier{t, v}
}

type verifier struct {
	t *Telemetry
	inbox.Verifier
}

func (v verifier) Verify(r *http.Request, body []byte) (signature.Verified, error) {
	began := time.Now()
	ctx, span := v.t.tracer.Start(r.Context(), spanVerify)
	got, err := v.Verifier.Verify(r.WithContext(ctx), body)
	result, scheme := verification(err), "none"
	if err == nil {
		scheme = got.Scheme.String()
	}
	v.t.record(ctx, inboxVerification, time.Since(began).Seconds(), result, scheme)
	end(span, false, attrVerification.folded(result), attrScheme.folded(scheme))
	return got, err
}

// verification folds the error of a Verifier. The first that it wraps counts: that a key could not be had may have any cause.
func verification(err error) string {
	if err == nil {
		return "verified"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{signature.ErrKeyUnavailable, "key unavailable"}, {signature.ErrRefused, "refused"}, {signature.ErrOwner, "owner"},
		{signature.ErrReplayed, "replayed"}, {signature.ErrKeyGone, "key gone"}, {signature.ErrNoKey, "no key"}, {signature.ErrUnsigned, "unsigned"},
		{signature.ErrUnsupported, "unsupported"}, {signature.ErrCoverage, "coverage"}, {signature.ErrExpired, "expired"},
		{signature.ErrTarget, "target"}, {signature.ErrDigest, "digest"}, {signature.ErrBadSignature, "bad signature"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "failed"
}

// reason folds why a request was not taken in.
func reason(r inbox.Received) string {
	if r.Err == nil {
		return "accepted"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{inbox.ErrFull, "full"}, {inbox.ErrBusy, "busy"}, {inbox.ErrFiltered, "filtered"}, {inbox.ErrOwn, "own"}, {inbox.ErrAuthority, "authority"},
		{moderation.ErrRefused, "moderated"},
	} {
		if errors.Is(r.Err, known.err) {
			return known.name
		}
	}
	switch r.Status {
	case http.StatusRequestEntityTooLarge:
		return "too large"
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return "malformed"
	}
	return verification(r.Err)
}
