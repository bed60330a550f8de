package signature

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Habit is what a [Transport] has learnt of a host.
type Habit struct {
	// Suite is what to sign with first: [SuiteCavage] or [SuiteRFC9421]. SuiteEd25519 is never
	// remembered; it needs the host's word each time, see Transport.Verifies.
	Suite Suite

	// Until is when the habit is forgotten.
	Until time.Time

	// Settled is until when the host, which refused both schemes of late, gets but one request.
	// A habit that ends no later says nothing of its Suite.
	Settled time.Time
}

// refuses9421 tells whether the host is known to have refused RFC 9421 and accepted the other.
func (h Habit) refuses9421() bool { return h.Suite == SuiteCavage && h.Until.After(h.Settled) }

// Memory keeps the habits of hosts, by authority: the host in lower case, with its port unless
// that is the default. Its methods may be called by many goroutines at once. They answer at once
// from what they have: a Memory over a database caches. What it loses costs a second request.
type Memory interface {
	// Recall returns what was last remembered of a host, and false if there is nothing. Whether
	// it is still valid is for the caller to look at.
	Recall(ctx context.Context, authority string) (Habit, bool)

	// Remember replaces what is known of a host. A Memory that cannot keep it says so in a log
	// of its own.
	Remember(ctx context.Context, authority string, h Habit)
}

const defaultMaxHosts = 10_000

// Hosts is a [Memory] in this process. The zero value is empty and ready. Several Transports may
// share one; it must not be copied.
type Hosts struct {
	// Max bounds the hosts; when there are more, the one that was longest not asked for is
	// forgotten. Zero or less means 10,000, which take about 3 MB.
	Max int

	mu     sync.Mutex
	known  map[string]*list.Element // of host
	recent list.List                // the latest first
}

type host struct {
	authority string
	habit     Habit
}

// Recall implements [Memory]. What is out of date is forgotten.
func (m *Hosts) Recall(_ context.Context, authority string) (Habit, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.known[authority]
	if !ok {
		return Habit{}, false
	}
	h := e.Value.(host)
	if !time.Now().Before(h.habit.Until) {
		m.forget(e)
		return Habit{}, false
	}
	m.recent.MoveToFront(e)
	return h.habit, true
}

// Remember implements [Memory].
func (m *Hosts) Remember(_ context.Context, authority string, h Habit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.known[authority]; ok {
		e.Value = host{authority, h}
		m.recent.MoveToFront(e)
		return
	}
	if m.known == nil {
		m.known = make(map[string]*list.Element)
	}
	limit := m.Max
	if limit <= 0 {
		limit = defaultMaxHosts
	}
	for len(m.known) >= limit {
		m.forget(m.recent.Back())
	}
	m.known[authority] = m.recent.PushFront(host{authority, h})
}

func (m *Hosts) forget(e *list.Element) {
	m.recent.Remove(e)
	delete(m.known, e.Value.(host).authority)
}
