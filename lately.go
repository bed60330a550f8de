package fedihook

import (
	"sync"
	"time"
)

const (
	lately    = time.Second
	maxLately = 10_000
)

// recent is what was found out in this second: it may be believed, and need not be done again. It is forgotten all at once.
// Its zero value is empty; it may be used by many goroutines at once.
type recent[V any] struct {
	mu      sync.Mutex
	since   time.Time
	version int
	known   map[string]V
}

// get also returns the version that a value that is found out now is to be put with.
func (r *recent[V]) get(key string) (v V, ok bool, version int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.since) >= lately {
		clear(r.known)
		r.since = time.Now()
	}
	v, ok = r.known[key]
	return v, ok, r.version
}

// put keeps v unless all was forgotten meanwhile.
func (r *recent[V]) put(key string, v V, version int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version != r.version {
		return
	}
	if r.known == nil || len(r.known) >= maxLately {
		r.known = make(map[string]V)
	}
	r.known[key] = v
}

// forget is called after something changed.
func (r *recent[V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version++
	clear(r.known)
}
