package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
	k, rev, create, err := readPost(body)
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

var revision = regexp.MustCompile(`post (\d+) rev (\d+)`)

// readPost tells which revision of which post an activity is about.
func readPost(body []byte) (k, rev int, create bool, err error) {
	var a struct {
		Type   string
		Object json.RawMessage
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, 0, false, err
	}
	var object struct{ ID, Content string }
	if err := json.Unmarshal(a.Object, &object.ID); err != nil {
		if err := json.Unmarshal(a.Object, &object); err != nil {
			return 0, 0, false, err
		}
	}
	number, ours := strings.CutPrefix(object.ID, origin+"/posts/")
	if k, err = strconv.Atoi(number); err != nil || !ours {
		return 0, 0, false, fmt.Errorf("no post of ours: %q", object.ID)
	}
	if a.Type == "Delete" {
		return k, deleted, false, nil
	}
	text := revision.FindStringSubmatch(object.Content)
	// A post that was edited before it was handed over goes out as it is then.
	if text == nil || text[1] != number || a.Type != "Create" && text[2] == "0" {
		return 0, 0, false, fmt.Errorf("a %s of %q", a.Type, object.Content)
	}
	rev, err = strconv.Atoi(text[2])
	return k, rev, a.Type == "Create", err
}

// until calls done often until it is true, the server has ended or patience is over.
func until(ctx context.Context, p *process, patience time.Duration, done func() bool) (ok bool, err error) {
	deadline := time.Now().Add(patience)
	for !done() {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-p.died:
			return false, p.ended()
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			return false, nil
		}
	}
	return true, nil
}
