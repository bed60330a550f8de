package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// BenchmarkFanOut enqueues one activity for 10,000 inboxes on 1,000 hosts that are known, posts it
// (to nowhere) and records that. The CPU time per target is reported, too; bare is what the requests cost without a queue.
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
			f := newFan(b, st)
			f.out(b, "warm", to)
			n := 0
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				f.out(b, fmt.Sprint(n), to)
				n++
			}
			b.ReportMetric(float64(cpu()-before)/float64(n*len(to)), "cpu-ns/target")
		})
	}
	b.Run("bare", func(b *testing.B) {
		n := 0
		body := []byte(strings.Repeat("x", 3000))
		before := cpu()
		for b.Loop() {
			for _, t := range to {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, t.Inbox, bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/activity+json")
				r.Header.Set("User-Agent", "Fedihook")
				if _, err := nowhere(r); err != nil {
					b.Fatal(err)
				}
			}
			n++
		}
		b.ReportMetric(float64(cpu()-before)/float64(n*len(to)), "cpu-ns/target")
	})
}

// cpu is the time that all cores have worked for this process.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func nowhere(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
}

// fan is a queue that runs, and tells when so many were posted.
type fan struct {
	*delivery.Queue
	posted, want atomic.Int64
	all          chan struct{}
}

func newFan(b *testing.B, st delivery.Store) *fan {
	f := &fan{all: make(chan struct{}, 1)}
	c := config(nil, st)
	c.Transport = func(string) (http.RoundTripper, error) {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if f.posted.Add(1) == f.want.Load() {
				defer func() { f.all <- struct{}{} }()
			}
			return nowhere(r)
		}), nil
	}
	var err error
	if f.Queue, err = delivery.New(c); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return f
}

// out posts one activity to all targets, and returns when that is recorded.
func (f *fan) out(b *testing.B, id string, to []delivery.Target) {
	f.want.Store(f.posted.Load() + int64(len(to)))
	a := activity(id, "key")
	a.Body = []byte(strings.Repeat("x", 3000))
	if _, err := f.Enqueue(b.Context(), nil, a, slices.Values(to)); err != nil {
		b.Fatal(err)
	}
	select {
	case <-f.all:
	case <-time.After(time.Minute):
		b.Fatalf("%d of %d posted in a minute", f.posted.Load(), f.want.Load())
	}
	for {
		s, err := f.Status(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		if s.Delivered == len(to) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return f(r)
}
