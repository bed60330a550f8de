package fedihook_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
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

// BenchmarkOrigins has a user on each of a thousand origins post to one host, from one Server that lives at all of them, over memory and
// over SQLite, and beside it from a Server for each, over what such may share. It reports what each origin costs, how many goroutines there
// are in all, and how many posts were under way to the host at once. Keys are not what is measured.
func BenchmarkOrigins(b *testing.B) {
	one := func(b *testing.B, store storage.Storage, c fedihook.Config) []*fedihook.Server {
		c.Origin, c.Storage = "https://blogs.example", store
		c.MoreOrigins = func(host string) bool {
			n, ok := strings.CutPrefix(host, "blog")
			n, ok2 := strings.CutSuffix(n, ".example")
			return ok && ok2 && n != "" && strings.Trim(n, "0123456789") == ""
		}
		s, err := fedihook.New(c)
		if err != nil {
			b.Fatal(err)
		}
		return []*fedihook.Server{s}
	}
	each := func(b *testing.B, shared storage.Storage, c fedihook.Config) (servers []*fedihook.Server) {
		for i := range origins {
			own := storage.Memory()
			own.Queue, own.Keys, own.Followers, own.Remotes = shared.Queue, shared.Keys, shared.Followers, shared.Remotes
			own.Rules, own.Hosts = shared.Rules, shared.Hosts
			c.Origin, c.Storage = fmt.Sprintf("https://blog%d.example", i), own
			s, err := fedihook.New(c)
			if err != nil {
				b.Fatal(err)
			}
			servers = append(servers, s)
		}
		return servers
	}
	memory := func(*testing.B) storage.Storage { return storage.Memory() }
	b.Run("one Server", func(b *testing.B) { postFromOrigins(b, memory, one) })
	b.Run("one Server, SQLite", func(b *testing.B) {
		postFromOrigins(b, func(b *testing.B) storage.Storage {
			db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "own.db"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { db.Close() })
			store, err := storage.OpenSQLite(b.Context(), nil, db)
			if err != nil {
				b.Fatal(err)
			}
			return store
		}, one)
	})
	b.Run("a Server each", func(b *testing.B) { postFromOrigins(b, memory, each) })
}

const origins = 1000

// postFromOrigins posts once from each origin: handles are written with their hosts where one Server has them all.
func postFromOrigins(b *testing.B, open func(*testing.B) storage.Storage, serve func(*testing.B, storage.Storage, fedihook.Config) []*fedihook.Server) {
	const inbox = "https://there.example/users/bob"
	for b.Loop() {
		b.StopTimer()
		store, host, logger := open(b), &window{}, slog.New(slog.DiscardHandler)
		queue, err := delivery.New(delivery.Config{
			Store: store.Queue, Transport: func(string) (http.RoundTripper, error) { return host, nil }, Logger: logger,
		})
		if err != nil {
			b.Fatal(err)
		}
		resolver, err := actor.NewResolver(actor.ResolverConfig{Store: store.Remotes, Logger: logger})
		if err != nil {
			b.Fatal(err)
		}
		for i := range origins {
			if err := store.Followers.PutFollow(b.Context(), actor.Follow{
				Follower: inbox, Followed: fmt.Sprintf("https://blog%d.example/ap/users/alice", i), ID: fmt.Sprintf("%s/follows/%d", inbox, i),
				State: actor.Accepted, Inbox: inbox + "/inbox", SharedInbox: "https://there.example/inbox", At: time.Now(),
			}); err != nil {
				b.Fatal(err)
			}
		}
		before, routines := heap(), runtime.NumGoroutine()
		b.StartTimer()
		servers := serve(b, store, fedihook.Config{
			Queue: queue, Resolver: resolver, Logger: logger, NoLDSignatures: true, NoProofs: true,
			Profile: func(_ context.Context, handle string) (actor.Profile, error) {
				if strings.Contains(handle, "/") {
					return actor.Profile{}, actor.ErrNotFound
				}
				return actor.Profile{Handle: handle}, nil
			},
		})
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/origins, "B/origin")
		b.StartTimer()
		ctx, stop := context.WithCancel(b.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = queue.Run(ctx) })
		for _, s := range servers {
			all.Go(func() { _ = s.Run(ctx) })
		}
		for i := range origins {
			s, handle := servers[0], fmt.Sprintf("alice@blog%d.example", i)
			if len(servers) > 1 {
				s, handle = servers[i], "alice"
			}
			if _, err := s.Publish(ctx, handle, note()); err != nil {
				b.Fatal(err)
			}
		}
		for host.all.Load() < origins {
			time.Sleep(10 * time.Millisecond)
		}
		b.StopTimer()
		b.ReportMetric(float64(runtime.NumGoroutine()-routines), "goroutines")
		b.ReportMetric(float64(heap()-before)/origins, "running-B/origin")
		b.ReportMetric(float64(host.most.Load()), "window")
		if n := host.all.Load(); n != origins {
			b.Errorf("%d posts arrived", n)
		}
		stop()
		all.Wait()
		b.StartTimer()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
