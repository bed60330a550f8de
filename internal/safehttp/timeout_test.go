package safehttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/internal/safehttp/safehttptest"
)

// delivery's: 5 s to connect, 5 s for TLS, 20 s for the header, 30 s in all.
func TestEachStepHasItsTimeout(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	mute := func(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			t.Cleanup(func() { theirs.Close() })
			return ours, nil
		}
	}
	for _, c := range []struct {
		name   string
		config safehttp.Config
		dial   func(*testing.T) func(context.Context, string, string) (net.Conn, error)
		serve  http.HandlerFunc
		want   time.Duration
	}{
		{"connecting", safehttp.Config{}, func(*testing.T) func(context.Context, string, string) (net.Conn, error) { return hangs }, nil, 5 * time.Second},
		{"connecting, as configured", safehttp.Config{ConnectTimeout: 2 * time.Second}, func(*testing.T) func(context.Context, string, string) (net.Conn, error) { return hangs }, nil, 2 * time.Second},
		{"TLS", safehttp.Config{}, mute, nil, 5 * time.Second},
		{"TLS, as configured", safehttp.Config{TLSTimeout: 3 * time.Second}, mute, nil, 3 * time.Second},
		{"no header", safehttp.Config{}, nil, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 10 * time.Second},
		{"no header, as configured", safehttp.Config{Timeout: 30 * time.Second, HeaderTimeout: 20 * time.Second}, nil,
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 20 * time.Second},
		{"a body that drips", safehttp.Config{Timeout: 30 * time.Second, HeaderTimeout: 20 * time.Second}, nil, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(700 * time.Millisecond)
			}
		}, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := safehttptest.NewNet(t)
				n.Name("a.example", []string{"93.184.216.34"})
				config := n.Config()
				c.config.Lookup, c.config.RootCAs, c.config.Dial = config.Lookup, config.RootCAs, config.Dial
				if c.dial != nil {
					c.config.Dial = c.dial(t)
				} else {
					n.Serve(t, "93.184.216.34", c.serve)
				}
				client := newClient(t, c.config)
				start := time.Now()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://a.example/inbox", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Transport.RoundTrip(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if err == nil || !strings.Contains(err.Error(), "time") && !strings.Contains(err.Error(), "deadline") {
					t.Errorf("error is %v", err)
				}
				if took := time.Since(start); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
}

// A header that comes a byte at a time is not there before its last byte.
func TestADrippingHeaderEndsAtItsTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err = http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		for _, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"); err == nil; _, err = io.WriteString(conn, "X: y\r\n") {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	client := newClient(t, safehttp.Config{HeaderTimeout: 200 * time.Millisecond, InsecureAllowLoopback: map[string]string{"a.test": l.Addr().String()}})
	start := time.Now()
	_, err = read(t, client, "http://a.test/")
	wantTimeout(t, err)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Delivery posts to one host many times at once, and wants the connections again.
func TestIdleConnectionsAreKeptAsConfigured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config safehttp.Config
		again  int32 // connections made for a second burst
	}{
		{"two by default", safehttp.Config{}, 4},
		{"as many as wanted", safehttp.Config{MaxIdlePerHost: 6}, 0},
		{"fewer in all", safehttp.Config{MaxIdlePerHost: 6, MaxIdle: 5}, 1},
		{"for a short time", safehttp.Config{MaxIdlePerHost: 6, IdleTimeout: time.Millisecond}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var dialed, waiting atomic.Int32
			all := make(chan struct{}, 6)
			client := serveOne(t, c.config, func(http.ResponseWriter, *http.Request) {
				if waiting.Add(1)%6 == 0 { // nobody is done before all are there
					for range 6 {
						all <- struct{}{}
					}
				}
				<-all
			})
			burst := func() int32 {
				dialed.Store(0)
				done := make(chan error)
				for range 6 {
					go func() {
						ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
							if !i.Reused {
								dialed.Add(1)
							}
						}})
						req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://a.test/", nil)
						if err == nil {
							var resp *http.Response
							if resp, err = client.Do(req); err == nil {
								resp.Body.Close()
							}
						}
						done <- err
					}()
				}
				for range 6 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				return dialed.Load()
			}
			if first := burst(); first != 6 {
				t.Errorf("the first burst made %d connections", first)
			}
			time.Sleep(50 * time.Millisecond) // until what is idle is put away
			if again := burst(); again != c.again {
				t.Errorf("the second burst made %d connections, want %d", again, c.again)
			}
		})
	}
}
