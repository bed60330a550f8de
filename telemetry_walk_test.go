package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/telemetry"
)

// walk does what makes every metric and every span there is.
func walk(t *testing.T, s *sdk, v *fediverse) {
	v.followed(t)
	v.net.Serve("pictures.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)))
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(b.Bytes())
	}))
	address, err := v.Picture(t.Context(), "https://pictures.example/a.png", media.Avatar)
	if err != nil || address == "" {
		t.Fatalf("Picture = %q, %v", address, err)
	}
	for range 2 {
		resp, err := v.net.Client().Get("https://blog.example" + address)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("a picture is answered %d", resp.StatusCode)
		}
	}

	post := v.publish(t)
	v.there.Wait("Create")
	v.bob.Create(v.bob.Mention(alice, "<p>hello</p>"))
	v.bob.Replay()
	v.bob.With(inboxtest.Manner{Late: 24 * time.Hour}).Like(post)
	later, err := v.At(time.Now().Add(time.Hour)).Publish(t.Context(), "alice", &activity.Object{Content: "<p>later</p>"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Delete(t.Context(), "alice", later); err != nil {
		t.Fatal(err)
	}
	walkQueue(t, s)
}

// answers is a network in which each host has its way to answer.
type answers map[string]func() (status int)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(time.Millisecond) // for the signature, say
	httptrace.ContextClientTrace(r.Context()).GetConn(r.URL.Host)
	status := a[r.URL.Host]()
	if status == 0 {
		return nil, errors.New("down")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// walkQueue has a Queue of the app's deliver to one host that refuses for good, one that is down until the activity has expired,
// and one that takes it the second time.
func walkQueue(t *testing.T, s *sdk) {
	var tries atomic.Int64
	network := answers{
		"refuses.example": func() int { return http.StatusMethodNotAllowed }, "down.example": func() int { return 0 },
		"second.example": func() int { return []int{http.StatusInternalServerError, http.StatusAccepted}[min(tries.Add(1)-1, 1)] },
	}
	q, err := delivery.New(delivery.Config{
		Store: storage.Memory().Queue, Observer: s.Delivery(), Logger: slog.New(slog.DiscardHandler),
		Transport: func(string) (http.RoundTripper, error) { return network, nil },
		Policy:    delivery.Policy{ItemDelay: func(int) (time.Duration, bool) { return time.Second, true }},
	})
	if err != nil {
		t.Fatal(err)
	}
	var to []delivery.Target
	for host := range network {
		to = append(to, delivery.Target{Inbox: "https://" + host + "/inbox"})
	}
	a := delivery.Activity{ID: "https://blog.example/1", Sender: alice, Body: []byte("{}"), Expires: time.Now().Add(5 * time.Second)}
	if _, err := q.Enqueue(t.Context(), nil, a, slices.Values(to)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := q.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestAWalkTellsAllThatIsListedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSDK(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	dir := t.TempDir()
	inFediverseWith(t, func(c *fedihook.Config) {
		s.observed(c)
		c.PicturesDir = dir
	}, func(t *testing.T, v *fediverse) {
		walk(t, s, v)
		var got metricdata.ResourceMetrics
		if err := s.reader.Collect(t.Context(), &got); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, scope := range got.ScopeMetrics {
			for _, m := range scope.Metrics {
				seen[m.Name] = true
				checkMetric(t, m)
			}
		}
		for _, m := range telemetry.Metrics() {
			if !seen[m.Name] {
				t.Errorf("nothing was heard of %s", m.Name)
			}
		}
		checkSpans(t, s.spans.GetSpans())
	})
}

func checkMetric(t *testing.T, m metricdata.Metrics) {
	t.Helper()
	i := slices.IndexFunc(telemetry.Metrics(), func(known telemetry.Metric) bool { return known.Name == m.Name })
	if i < 0 {
		t.Errorf("%s is not listed", m.Name)
		return
	}
	known := telemetry.Metrics()[i]
	var kind telemetry.Kind
	var sets []attribute.Set
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		kind = telemetry.Counter
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
		if !d.IsMonotonic {
			t.Errorf("%s may fall", m.Name)
		}
	case metricdata.Histogram[float64]:
		kind = telemetry.Histogram
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
			if v, ok := p.Min.Value(); ok && v < 0 {
				t.Errorf("%s has been %v", m.Name, v)
			}
		}
	case metricdata.Gauge[float64]:
		kind = telemetry.Gauge
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	}
	if kind != known.Kind || m.Unit != known.Unit || m.Description != known.About {
		t.Errorf("%s is a %q in %q: %q; listed is %+v", m.Name, kind, m.Unit, m.Description, known)
	}
	for _, set := range sets {
		if set.Len() != len(known.Attributes) {
			t.Errorf("%s has %v", m.Name, set.ToSlice())
		}
		for _, a := range known.Attributes {
			if v, ok := set.Value(attribute.Key(a.Name)); !ok || !slices.Contains(a.Values, v.AsString()) {
				t.Errorf("%s has %s %q, which is not listed", m.Name, a.Name, v.AsString())
			}
		}
	}
}

func checkSpans(t *testing.T, spans tracetest.SpanStubs) {
	t.Helper()
	told := map[string]map[string]bool{} // of each span which attributes
	for _, span := range spans {
		i := slices.IndexFunc(telemetry.Spans(), func(known telemetry.Span) bool { return known.Name == span.Name })
		if i < 0 {
			t.Errorf("the span %s is not listed", span.Name)
			continue
		}
		known := telemetry.Spans()[i]
		if span.SpanKind.String() != known.Kind {
			t.Errorf("%s is of kind %v", span.Name, span.SpanKind)
		}
		if span.Status.Description != "" || len(span.Events) > 0 {
			t.Errorf("%s says %q and %v", span.Name, span.Status.Description, span.Events)
		}
		if told[span.Name] == nil {
			told[span.Name] = map[string]bool{}
		}
		for _, a := range span.Attributes {
			n := slices.IndexFunc(known.Attributes, func(k telemetry.Attribute) bool { return k.Name == string(a.Key) })
			if n < 0 || known.Attributes[n].Values != nil && !slices.Contains(known.Attributes[n].Values, a.Value.AsString()) {
				t.Errorf("%s has %s %s, which is not listed", span.Name, a.Key, a.Value.Emit())
			}
			told[span.Name][string(a.Key)] = true
		}
	}
	for _, known := range telemetry.Spans() {
		for _, a := range known.Attributes {
			if !told[known.Name][a.Name] && a.Name != "fedihook.batch" { // of hooks that take many: see package telemetry's tests
				t.Errorf("no span %s had %s", known.Name, a.Name)
			}
		}
	}
}
