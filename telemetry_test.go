package fedihook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/telemetry"
)

// heardIn is what a hook of the app was called with, and the trace that it ran in.
type heardIn struct {
	mu   sync.Mutex
	list map[string]trace.SpanContext // by type
}

func (h *heardIn) note(ctx context.Context, m *inbox.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list[m.Activity.Type.String()] = trace.SpanContextFromContext(ctx)
	return nil
}

func (h *heardIn) of(typ string) trace.SpanContext {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list[typ]
}

// sdk is an SDK that keeps everything in memory.
type sdk struct {
	telemetry.Telemetry
	spans  *tracetest.InMemoryExporter
	reader *metric.ManualReader
	tracer trace.Tracer // the app's own
	heard  heardIn
}

// headers are those that would tell others of a trace.
type headers struct {
	mu   sync.Mutex
	n    int // requests
	list []string
}

func (h *headers) of(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.n++
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage", "B3", "X-B3-Traceid", "Uber-Trace-Id"} {
			if r.Header.Get(name) != "" {
				h.list = append(h.list, name)
			}
		}
		h.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (h *headers) load() (list []string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list), h.n
}

func newSDK(sampler sdktrace.Sampler) *sdk {
	s := &sdk{spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans), sdktrace.WithSampler(sampler))
	s.TracerProvider, s.MeterProvider = traces, metric.NewMeterProvider(metric.WithReader(s.reader))
	s.tracer, s.heard.list = traces.Tracer("app"), map[string]trace.SpanContext{}
	return s
}

// observed configures an app that tells s.
func (s *sdk) observed(c *fedihook.Config) {
	c.Telemetry = &s.Telemetry
	c.Hooks.Create, c.Hooks.Like = s.heard.note, s.heard.note
}

func (s *sdk) named(name string) (list tracetest.SpanStubs) {
	for _, span := range s.spans.GetSpans() {
		if span.Name == name {
			list = append(list, span)
		}
	}
	return list
}

// tell writes all that was exported, as an exporter would send it.
func (s *sdk) tell(t *testing.T, w io.Writer) {
	for _, span := range s.spans.GetSpans() {
		fmt.Fprintln(w, span.Name, span.Status.Code, span.Status.Description, span.SpanContext.TraceID())
		for _, a := range span.Attributes {
			fmt.Fprintln(w, a.Key, a.Value.Emit())
		}
		for _, e := range span.Events {
			fmt.Fprintln(w, e.Name)
			for _, a := range e.Attributes {
				fmt.Fprintln(w, a.Key, a.Value.Emit())
			}
		}
	}
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &all); err != nil {
		t.Error(err)
	}
	if err := json.NewEncoder(w).Encode(all); err != nil {
		t.Error(err)
	}
}

func text(span tracetest.SpanStub, name string) string {
	for _, a := range span.Attributes {
		if string(a.Key) == name {
			return a.Value.AsString()
		}
	}
	return ""
}

func TestATraceGoesFromPublishToEachDeliveryAndFromReceiptToTheHook(t *testing.T) {
	t.Parallel()
	s := newSDK(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	inFediverseWith(t, s.observed, func(t *testing.T, v *fediverse) {
		var told headers
		v.net.Serve("there.example", told.of(v.there))
		v.followed(t)
		carol := v.net.Server("elsewhere.example").Actor("carol")
		carol.Follow(alice)
		carol.Server().Wait("Accept")
		s.spans.Reset()

		ctx, app := s.tracer.Start(t.Context(), "the app's")
		if _, err := v.Publish(ctx, "alice", &activity.Object{Content: "<p>hello</p>"}); err != nil {
			t.Fatal(err)
		}
		app.End()
		v.there.Wait("Create")
		carol.Server().Wait("Create")
		v.bob.Create(v.bob.Mention(alice, "<p>hello</p>"))
		v.net.Until("the hook ran", func() bool { return len(s.named("fedihook.hook")) == 1 && len(s.named("fedihook.deliver")) == 2 })

		said := s.named("fedihook.say")
		if len(said) != 1 || said[0].Parent.SpanID() != app.SpanContext().SpanID() {
			t.Fatalf("said in %d spans: %v", len(said), said)
		}
		hosts := map[string]bool{}
		for _, span := range append(s.named("fedihook.deliver"), s.named("fedihook.hand_over")...) {
			if span.SpanContext.TraceID() != app.SpanContext().TraceID() || span.Parent.SpanID() != said[0].SpanContext.SpanID() {
				t.Errorf("%s is in %v below %v", span.Name, span.SpanContext.TraceID(), span.Parent.SpanID())
			}
			if span.Name == "fedihook.deliver" {
				hosts[text(span, "server.address")] = true
			}
		}
		if len(hosts) != 2 || !hosts["there.example"] || !hosts["elsewhere.example"] {
			t.Errorf("delivered to %v", hosts)
		}

		received, hook := s.named("fedihook.receive"), s.named("fedihook.hook")
		if len(received) != 1 || hook[0].Parent.SpanID() != received[0].SpanContext.SpanID() {
			t.Errorf("the hook's parent is %v, received in %v", hook[0].Parent.SpanID(), received)
		}
		if got := s.heard.of("Create"); got.SpanID() != hook[0].SpanContext.SpanID() || got.TraceID() != received[0].SpanContext.TraceID() {
			t.Errorf("the hook ran in %v", got)
		}
		if told, n := told.load(); n == 0 || len(told) > 0 {
			t.Errorf("of %d requests some carry %v", n, told)
		}
	})
}

// A server that is told of no trace that is recorded makes no span, but a hook knows in which one it is.
func TestWhatIsNotSampledCostsNoSpan(t *testing.T) {
	t.Parallel()
	s := newSDK(sdktrace.ParentBased(sdktrace.NeverSample()))
	inFediverseWith(t, s.observed, func(t *testing.T, v *fediverse) {
		v.followed(t)
		v.publish(t)
		v.there.Wait("Create")
		v.bob.Create(v.bob.Mention(alice, "<p>hello</p>"))
		v.net.Until("the hook ran", func() bool { return s.heard.of("Create").IsValid() })
		if got := s.spans.GetSpans(); len(got) != 0 {
			t.Errorf("%d spans, the first of them %s", len(got), got[0].Name)
		}
	})
}

// What a stranger's request claims of its trace is not believed.
func TestAStrangersTraceparentIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	s := newSDK(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	inFediverseWith(t, s.observed, func(t *testing.T, v *fediverse) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://blog.example/ap/inbox", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
		resp, err := v.net.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		v.net.Until("it was answered", func() bool { return len(s.named("fedihook.receive")) == 1 })
		if got := s.named("fedihook.receive")[0]; got.SpanContext.TraceID().String() == theirs || got.Parent.IsValid() {
			t.Errorf("it is in trace %v below %v", got.SpanContext.TraceID(), got.Parent.SpanID())
		}
	})
}

// A process that dies between Publish and delivery, or between receipt and hook, takes no trace with it: that is kept with what
// waits. Here nobody works at first.
func TestATraceOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s, keys := newSDK(sdktrace.ParentBased(sdktrace.AlwaysSample())), madeOnce()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		bob := n.Server("there.example").Actor("bob")
		c := fedihook.Config{
			Origin: "https://blog.example", Storage: storage.Memory(), InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				return actor.Profile{Handle: "alice"}, nil
			},
		}
		c.Storage.Keys = keys
		s.observed(&c)
		first, err := fedihook.New(c)
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", first.Handler())
		if got := bob.Create(bob.Mention(alice, "<p>hello</p>")); got != http.StatusAccepted {
			t.Fatalf("the note is answered %d", got)
		}
		ctx, app := s.tracer.Start(t.Context(), "the app's")
		if _, err := first.Publish(ctx, "alice", &activity.Object{Content: "<p>hello</p>", To: activity.To(bob.ID())}); err != nil {
			t.Fatal(err)
		}
		app.End()
		received := s.named("fedihook.receive")[0]

		second, err := fedihook.New(c)
		if err != nil {
			t.Fatal(err)
		}
		n.Serve("blog.example", second.Handler())
		run, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- second.Run(run) }()
		bob.Server().Wait("Create")
		n.Until("it was told", func() bool { return len(s.named("fedihook.deliver")) == 1 && len(s.named("fedihook.hook")) == 1 })
		if got := s.named("fedihook.deliver")[0].SpanContext.TraceID(); got != app.SpanContext().TraceID() {
			t.Errorf("delivered in %v, said in %v", got, app.SpanContext().TraceID())
		}
		if got := s.named("fedihook.hook")[0].Parent; got.SpanID() != received.SpanContext.SpanID() || !got.IsRemote() {
			t.Errorf("the hook's parent is %v, received in %v", got.SpanID(), received.SpanContext.SpanID())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
