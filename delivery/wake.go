package delivery

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// heardWait is how long the first host that is heard of waits for others, so that one look does for all.
	heardWait = 20 * time.Millisecond
	maxWakes  = 1024 // hosts that wait for a look; more can wait until they are heard of again
	maxTold   = 16_384
)

// wakes are hosts that were heard of. The queue's mu guards it.
type wakes struct {
	heard map[string]struct{}  // authorities
	far   map[string]Order     // by origin: those that this process does not deliver to
	armed bool                 // far is, or will be, looked at
	told  map[string]time.Time // when an order was given, by origin
}

// Wake tells that a verified request came in from host, an authority as in URLs like
// "a.example:8443": if its lane waits after failures, the next try is made at once, at
// most once per Policy.WakeEvery. The count of failures stays, and so does a wait that
// the host itself asked for. It never blocks.
//
// It may be called in any process. If another one delivers to the host and the Store keeps [OrderBook], that one
// learns of it about Config.Poll later. The Store is read for that four times a second at most, and written
// to only where it remembers that the host fails: once per Policy.WakeEvery, host and process that has heard of it.
func (q *Queue) Wake(host string) {
	if len(host) > maxName {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, heard := q.wakes.heard[host]; heard || len(q.wakes.heard) == maxWakes {
		return
	}
	if q.wakes.heard == nil {
		q.wakes.heard = make(map[string]struct{})
	}
	if q.wakes.heard[strings.Clone(host)] = struct{}{}; len(q.wakes.heard) == 1 {
		time.AfterFunc(heardWait, q.hear) // under load there are thousands in a second
	}
}

// hear has those tried that were heard of.
func (q *Queue) hear() {
	q.mu.Lock()
	w, heard := q.worker, q.wakes.heard
	q.wakes.heard = nil
	q.mu.Unlock()
	now := time.Now()
	var hosts []Order
	for host := range heard {
		for _, scheme := range []string{"https", "http"} {
			if authority, ok := normalAuthority(scheme, host); ok {
				hosts = append(hosts, Order{Shard: shardOf(authority), Do: OrderWake, Origin: scheme + "://" + authority, At: now})
			}
		}
	}
	if w != nil {
		hosts = w.hear(hosts)
	}
	if _, ok := q.Store.(OrderBook); ok && len(hosts) > 0 {
		q.gather(hosts)
	}
}

// hear wakes the hosts that this process delivers to, and returns the others, and those of which it does not know yet whether they fail.
func (w *worker) hear(hosts []Order) (others []Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	for _, o := range hosts {
		if w.knows(o.Shard) {
			w.carryOut(o, false)
		} else {
			others = append(others, o)
		}
	}
	w.nudge()
	return others
}

// wake ends a lane's wait because its host was heard of.
func (w *worker) wake(l *lane) {
	if !l.until.IsZero() && l.suspect() && !l.Asked && w.now.Sub(l.woken) >= w.q.Policy.WakeEvery {
		l.woken = w.now
		w.tryNow(l)
	}
}

// gather collects hosts for tell.
func (q *Queue) gather(hosts []Order) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.wakes.far == nil {
		q.wakes.far = make(map[string]Order)
	}
	for _, o := range hosts {
		if at, told := q.wakes.told[o.Origin]; (!told || o.At.Sub(at) >= q.Policy.WakeEvery) && len(q.wakes.far) < 2*maxWakes {
			q.wakes.far[o.Origin] = o
		}
	}
	q.arm()
}

// arm has tell called once what is in far has waited for others. q.mu is held.
func (q *Queue) arm() {
	if len(q.wakes.far) > 0 && !q.wakes.armed {
		q.wakes.armed = true
		time.AfterFunc(min(q.Poll, time.Second)/4, q.tell)
	}
}

// tell gives orders to whoever delivers to the hosts that were heard of here and fail. What does not get through is lost: the next
// try comes anyway.
func (q *Queue) tell() {
	q.mu.Lock()
	far := q.wakes.far
	q.wakes.far = nil
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	if err := q.tellOf(ctx, far); err != nil {
		q.Logger.Debug("delivery: others don't learn who was heard of", "error", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakes.armed = false
	q.arm()
}

func (q *Queue) tellOf(ctx context.Context, far map[string]Order) error {
	states, err := q.Store.HostsOf(ctx, slices.Sorted(maps.Keys(far)))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, h := range states {
		if h.Failures == 0 || h.Asked || h.Held || !h.Next.After(now) || !q.mayTell(far[h.Origin]) {
			continue
		}
		if err := q.Store.(OrderBook).Order(ctx, far[h.Origin]); err != nil {
			return err
		}
	}
	return nil
}

// mayTell says whether an order may be given for a host, and that it was.
func (q *Queue) mayTell(o Order) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wakes.told) >= maxTold {
		maps.DeleteFunc(q.wakes.told, func(_ string, at time.Time) bool { return o.At.Sub(at) >= q.Policy.WakeEvery })
	}
	if len(q.wakes.told) >= maxTold {
		return false
	}
	if q.wakes.told == nil {
		q.wakes.told = make(map[string]time.Time)
	}
	q.wakes.told[o.Origin] = o.At
	return true
}
