package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/signature"
)

// Kinds of hosts, by how their names begin.
const (
	fine   = "ok"
	refuse = "refuse"   // nothing listens
	dark   = "dark"     // no answer to the dial
	tar    = tarpitHost // no answer to the request
)

const (
	dialPatience = 5 * time.Second  // with hosts that are dark
	sinkPatience = 60 * time.Second // with the sink, which may be busy
)

// newWire makes the connections to a sink. A cold one makes a new one for each post.
func newWire(s *sink, inFlight int, cold bool) *http.Transport {
	dialer := &net.Dialer{Timeout: sinkPatience}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			switch {
			case strings.HasPrefix(address, refuse):
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", errors.New("connection refused"))}
			case strings.HasPrefix(address, dark):
				select {
				case <-time.After(dialPatience):
				case <-ctx.Done():
				}
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			}
			return dialer.DialContext(ctx, network, s.address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: s.roots},
		DisableKeepAlives: cold, MaxIdleConnsPerHost: 8, IdleConnTimeout: 5 * time.Minute,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
	}
}

func makeKeys(suites ...string) (map[string]crypto.Signer, error) {
	keys := make(map[string]crypto.Signer)
	for _, suite := range suites {
		var err error
		if suite == "rsa" {
			keys[suite], err = rsa.GenerateKey(rand.Reader, 2048)
		} else {
			_, keys[suite], err = ed25519.GenerateKey(rand.Reader)
		}
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// signed is how the queue and the pool sign: as the façade does.
func (r *runner) signed(suite string, base http.RoundTripper) http.RoundTripper {
	return &signature.Transport{Base: base, Key: func(context.Context) (signature.Key, error) {
		return signature.Key{ID: sender + "#main-key", Private: r.keys[suite]}, nil
	}}
}

// meter is a RoundTripper that counts answers and notes when they came.
type meter struct {
	base  http.RoundTripper
	only  string // hosts whose names begin so
	start time.Time
	want  int64
	all   chan struct{} // closed when as many as wanted have come
	tries atomic.Int64  // of other hosts

	done atomic.Int64
	mu   sync.Mutex
	at   []time.Duration // since start
}

// measure begins to count.
func measure(base http.RoundTripper, only string, want int) *meter {
	return &meter{base: base, only: only, start: time.Now(), want: int64(want), all: make(chan struct{}), at: make([]time.Duration, 0, want)}
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Host, m.only) {
		m.tries.Add(1)
		return m.base.RoundTrip(r)
	}
	answer, err := m.base.RoundTrip(r)
	if err != nil || answer.StatusCode >= 300 {
		return answer, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = append(m.at, time.Since(m.start))
	if m.done.Add(1) == m.want {
		close(m.all)
	}
	return answer, nil
}

// times returns when answers came, so far.
func (m *meter) times() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]time.Duration(nil), m.at...)
}

// wait waits until all are done; ok is false if that took too long.
func (r *runner) wait(ctx context.Context, m *meter, label string) (ok bool, err error) {
	timeout := time.NewTimer(r.patience)
	defer timeout.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-m.all:
			return true, nil
		case <-tick.C:
			r.bar.Show(r.goal+", "+label, int(m.done.Load()), int(m.want))
		case <-timeout.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// null takes everything and sends nothing.
type null struct{}

func (null) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
}
