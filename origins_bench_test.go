package fedihook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage"
)

// window is a remote host that notes how many posts are under way to it at once.
type window struct{ now, most, all atomic.Int64 }

func (w *window) RoundTrip(r *http.Request) (*http.Response, error) {
	n := w.now.Add(1)
	defer w.now.Add(-1)
	for most := w.most.Load(); n > most && !w.most.CompareAndSwap(most, n); most = w.most.Load() {
	}
	time.Sleep(time.Millisecond)
	w.all.Add(1)
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
}

// BenchmarkOrigins makes a thousand Servers of one queue, resolver and what may be shared of the stores, runs them, and has each
// post to one host. It reports what each costs, and how many posts were under way to the host at once.
func BenchmarkOrigins(b *testing.B) {
	const origins, inbox = 1000, "https://there.example/users/bob"
	for b.Loop() {
		shared, host := storage.Memory(), &window{}
		logger := slog.New(slog.DiscardHandler)
		queue, err := delivery.New(delivery.Config{
			Store: shared.Queue, Transport: func(string) (http.RoundTripper, error) { return host, nil }, Logger: logger,
		})
		if err != nil {
			b.Fatal(err)
		}
		resolver, err := actor.NewResolver(actor.ResolverConfig{Store: shared.Remotes, Logger: logger})
		if err != nil {
			b.Fatal(err)
		}
		before, routines := heap(), runtime.NumGoroutine()
		servers := make([]*fedihook.Server, origins)
		for i := range servers {
			own := storage.Memory()
			own.Queue, own.Keys, own.Followers, own.Remotes = shared.Queue, shared.Keys, shared.Followers, shared.Remotes
			own.Rules, own.Hosts = shared.Rules, shared.Hosts
			servers[i], err = fedihook.New(fedihook.Config{
				Origin: fmt.Sprintf("https://blog%d.example", i), Storage: own, Queue: queue, Resolver: resolver, Logger: logger,
				NoLDSignatures: true, NoProofs: true, // keys are not what is measured
				Profile: func(_ context.Context, handle string) (actor.Profile, error) {
					if strings.Contains(handle, "/") {
						return actor.Profile{}, actor.ErrNotFound
					}
					return actor.Profile{Handle: handle}, nil
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			f := actor.Follow{
				Follower: inbox, Followed: fmt.Sprintf("https://blog%d.example/ap/users/alice", i), ID: fmt.Sprintf("%s/follows/%d", inbox, i),
				State: actor.Accepted, Inbox: inbox + "/inbox", SharedInbox: "https://there.example/inbox", At: time.Now(),
			}
			if err := shared.Followers.PutFollow(b.Context(), f); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/origins, "B/origin")
		ctx, stop := context.WithCancel(b.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = queue.Run(ctx) })
		for _, s := range servers {
			all.Go(func() { _ = s.Run(ctx) })
		}
		for _, s := range servers {
			if _, err := s.Publish(ctx, "alice", note()); err != nil {
				b.Fatal(err)
			}
		}
		for host.all.Load() < origins {
			time.Sleep(10 * time.Millisecond)
		}
		b.ReportMetric(float64(runtime.NumGoroutine()-routines)/origins, "goroutines/origin")
		b.ReportMetric(float64(heap()-before)/origins, "running-B/origin")
		b.ReportMetric(float64(host.most.Load()), "window")
		stop()
		all.Wait()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
