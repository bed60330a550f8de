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
	s := &scene{meter: measure(transport, only, want)}
	var err error
	if s.engine, s.file, s.shut, err = r.engineOn(ctx, usePool, store, s.meter); err != nil {
		return nil, err
	}
	s.stop = working(ctx, s.engine)
	return s, nil
}

// engineOn makes an engine with a fresh store. f is the queue's.
func (r *runner) engineOn(ctx context.Context, usePool bool, store string, transport http.RoundTripper) (e engine, f *file, shut func(), err error) {
	if store == "postgres" {
		address, drop, err := r.server.Schema(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		if usePool {
			p, err := newTablePool(ctx, address, transport)
			if err != nil {
				return nil, nil, nil, err
			}
			return p, nil, func() { p.close(); drop() }, nil
		}
		if f, err = openTables(ctx, address); err != nil {
			return nil, nil, nil, err
		}
		shut = func() { f.close(); drop() }
	} else {
		folder, err := r.folder()
		if err != nil {
			return nil, nil, nil, err
		}
		if usePool {
			p, _, err := newPool(ctx, folder, transport)
			if err != nil {
				return nil, nil, nil, err
			}
			return p, nil, p.close, nil
		}
		if f, err = openFile(ctx, store, folder); err != nil {
			return nil, nil, nil, err
		}
		shut = f.close
	}
	h, err := newHeart(f, transport, r.inFlight)
	return h, f, shut, err
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
