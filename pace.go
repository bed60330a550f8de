package fedihook

import (
	"sync"
	"time"
)

// pace counts what comes under a name in a window of time. Its zero value is not of use; it may be used by many goroutines at once.
type pace struct {
	window time.Duration
	max    int // in a window

	mu    sync.Mutex
	began time.Time
	count map[string]int
	names int // how many may be counted; others share what is left to none
}

func newPace(window time.Duration, max, names int) *pace {
	return &pace{window: window, max: max, names: names}
}

// take counts n more and tells whether there is room for them; with n = 0 it tells whether there is room for one.
func (p *pace) take(name string, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.count == nil || now.Sub(p.began) >= p.window {
		p.began, p.count = now, make(map[string]int)
	}
	had, known := p.count[name]
	if had+max(n, 1) > p.max || !known && len(p.count) >= p.names {
		return false
	}
	if n > 0 {
		p.count[name] = had + n
	}
	return true
}

// first counts one and tells whether it was the first.
func (p *pace) first(name string) bool { return p.take(name, 1) }
