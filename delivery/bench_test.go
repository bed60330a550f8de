package delivery_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// BenchmarkFanOut enqueues one activity for 10,000 inboxes on 1,000 hosts, replays it
// as after a restart, posts it (to nowhere) and records that. The time per target is
// reported, too.
func BenchmarkFanOut(b *testing.B) {
	const hosts, targetsPerHost = 1000, 10
	var to []delivery.Target
	for i := range hosts * targetsPerHost {
		to = append(to, delivery.Target{Inbox: fmt.Sprintf("https://h%d.example/users/%d/inbox", i%hosts, i)})
	}
	for name, open := range map[string]func() delivery.Store{
		"memory": queue.Memory,
		"SQLite": func() delivery.Store { return openSQLite(b, filepath.Join(b.TempDir(), "queue.db")) },
	} {
		b.Run(name, func(b *testing.B) {
			st := open()
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				fanOut(b, st, fmt.Sprint(n), to)
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(to)), "ns/target")
		})
	}
}

func fanOut(b *testing.B, st delivery.Store, id string, to []delivery.Target) {
	c := config(nil, st)
	var posted atomic.Int64
	all := make(chan struct{})
	c.Transport = func(string) (http.RoundTripper, error) {
		return roundTrip(func(*http.Request) (*http.Response, error) {
			if posted.Add(1) == int64(len(to)) {
				close(all)
			}
			return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
		}), nil
	}
	q, err := delivery.New(c)
	if err != nil {
		b.Fatal(err)
	}
	a := activity(id, "key")
	a.Body = []byte(strings.Repeat("x", 3000))
	if _, err := q.Enqueue(b.Context(), nil, a, func(yield func(delivery.Target) bool) {
		for _, t := range to {
			if !yield(t) {
				return
			}
		}
	}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	select {
	case <-all:
	case <-time.After(time.Minute):
		b.Fatalf("%d of %d posted in a minute", posted.Load(), len(to))
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if s, err := q.Status(b.Context(), id); err != nil || s.Delivered != len(to) {
		b.Fatalf("%+v, %v", s, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	return f(r)
}
