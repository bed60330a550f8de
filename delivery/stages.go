package delivery

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// Stages are the parts of a post that net/http tells of (httptrace.ClientTrace). A zero part did not happen, or the
// RoundTripper does not tell. Of a request that is sent again (with another signature, or because a connection that was
// idle had closed) the parts are added up.
type Stages struct {
	Sign   time.Duration // from when the RoundTripper got the request until it first asked for a connection
	Wait   time.Duration // for a connection, beyond Dial and TLS: resolving its name, or for one in the pool
	Dial   time.Duration
	TLS    time.Duration
	Answer time.Duration // from when the request was written until the first byte of the answer
	Reused bool          // the last connection had been used before
}

// stopwatch measures the stages of one post. A dial may go on after its post is over, so that it has a lock.
type stopwatch struct {
	mu                                    sync.Mutex
	began, asked, dialled, shook, written time.Time
	once                                  bool // it asked for a connection
	within                                time.Duration
	stages                                Stages
}

func (s *stopwatch) trace(ctx context.Context) context.Context {
	s.began = time.Now()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			s.at(func(now time.Time) {
				if !s.once {
					s.once, s.stages.Sign = true, now.Sub(s.began)
				}
				s.asked, s.within = now, 0
			})
		},
		GotConn: func(i httptrace.GotConnInfo) {
			s.at(func(now time.Time) {
				s.stages.Wait += max(now.Sub(s.asked)-s.within, 0)
				s.stages.Reused = i.Reused
			})
		},
		ConnectStart: func(string, string) { s.at(func(now time.Time) { s.dialled = now }) },
		ConnectDone: func(string, string, error) {
			s.at(func(now time.Time) { s.add(&s.stages.Dial, now.Sub(s.dialled)) })
		},
		TLSHandshakeStart: func() { s.at(func(now time.Time) { s.shook = now }) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			s.at(func(now time.Time) { s.add(&s.stages.TLS, now.Sub(s.shook)) })
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { s.at(func(now time.Time) { s.written = now }) },
		GotFirstResponseByte: func() {
			s.at(func(now time.Time) {
				if !s.written.IsZero() { // else it was answered before it was read
					s.stages.Answer += now.Sub(s.written)
				}
			})
		},
	})
}

func (s *stopwatch) at(do func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(time.Now())
}

func (s *stopwatch) add(to *time.Duration, d time.Duration) {
	*to += d
	s.within += d
}

// read returns what was measured. A nil stopwatch measured nothing.
func (s *stopwatch) read() Stages {
	if s == nil {
		return Stages{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stages
}
