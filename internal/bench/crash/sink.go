package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// sink is everyone's inboxes. It takes most of what comes, and tells the ledger of each post that it took.
type sink struct {
	address string
	arrived func(inbox string, k, rev int, create bool, life int)
	fault   func(format string, args ...any)
	other   http.Handler // what is no post
	server  *http.Server

	refused atomic.Int64

	mu    sync.Mutex
	open  map[net.Conn]bool
	empty *sync.Cond
}

func newSink(other http.Handler, arrived func(inbox string, k, rev int, create bool, life int), fault func(string, ...any)) (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{address: l.Addr().String(), arrived: arrived, fault: fault, other: other, open: map[net.Conn]bool{}}
	s.empty = sync.NewCond(&s.mu)
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ConnState: s.state}
	go s.server.Serve(l) // until close
	return s, nil
}

func (s *sink) close() { _ = s.server.Close() }

func (s *sink) state(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
		s.empty.Broadcast()
	}
}

// drain waits until all that a dead server has sent was read.
func (s *sink) drain(patience time.Duration) error {
	late := false
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.empty.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 && !late {
		s.empty.Wait()
	}
	if late {
		return fmt.Errorf("%d connections of a dead server stay open", len(s.open))
	}
	return nil
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.other.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // it was killed while it sent
	}
	k, rev, create, err := kill.ReadPost(origin, body)
	life, lifeErr := strconv.Atoi(strings.TrimPrefix(r.UserAgent(), "crash/"))
	if err != nil || lifeErr != nil || r.Header.Get("Signature") == "" && r.Header.Get("Signature-Input") == "" {
		s.fault("odd: %s from %q: %.300s", r.URL.Path, r.UserAgent(), body)
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	// Some are to be tried again, so that kills find hosts that wait and activities that were put off.
	switch rand.IntN(50) {
	case 0:
		s.refused.Add(1)
		http.Error(w, "the host is down", http.StatusServiceUnavailable)
		return
	case 1:
		s.refused.Add(1)
		http.Error(w, "not this one, not now", http.StatusInternalServerError)
		return
	}
	s.arrived("http://"+r.Host+r.URL.Path, k, rev, create, life)
	w.WriteHeader(http.StatusAccepted)
}

// until calls done often until it is true, the server has ended or patience is over.
func until(ctx context.Context, p *kill.Process, patience time.Duration, done func() bool) (ok bool, err error) {
	deadline := time.Now().Add(patience)
	for !done() {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-p.Died:
			return false, p.Ended()
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			return false, nil
		}
	}
	return true, nil
}
