package main

import (
	"context"
	"net/http"
	"time"
)

// scene is an engine with a fresh store, and the meter through which it posts.
type scene struct {
	engine
	*meter
	file *file        // the queue's; nil of a pool
	stop func() error // of Run, which has begun
	shut func()
}

// scene makes an engine that posts through transport and starts it. The meter counts hosts whose names begin
// with only.
func (r *runner) scene(ctx context.Context, usePool bool, store string, transport http.RoundTripper, only string, want int) (*scene, error) {
	folder, err := r.folder()
	if err != nil {
		return nil, err
	}
	s := &scene{meter: measure(transport, only, want)}
	if usePool {
		p, err := newPool(ctx, folder, s.meter)
		if err != nil {
			return nil, err
		}
		s.engine, s.shut = p, func() { _ = p.db.Close() } // of a folder that will be removed
	} else {
		if s.file, err = openFile(ctx, store, folder); err != nil {
			return nil, err
		}
		h, err := newHeart(s.file, s.meter, r.inFlight)
		if err != nil {
			return nil, err
		}
		s.engine, s.shut = h, s.file.close
	}
	s.stop = working(ctx, s.engine)
	return s, nil
}

// end stops the engine and closes its file.
func (s *scene) end() error {
	defer s.shut()
	return s.stop()
}

// again counts anew, for the same engine.
func (m *meter) again(want int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = m.at[:0]
	m.start, m.want, m.all = time.Now(), int64(want), make(chan struct{})
	m.done.Store(0)
	m.tries.Store(0)
}

// elapsed is when the last answer came.
func (m *meter) elapsed() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at) == 0 {
		return 0
	}
	last := m.at[0]
	for _, t := range m.at {
		last = max(last, t)
	}
	return last
}
