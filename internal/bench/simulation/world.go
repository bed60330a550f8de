package simulation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// world is all hosts and the network between.
type world struct {
	Config
	start   time.Time
	random  *rand.Rand
	hosts   []*host
	targets []delivery.Target // one per follower
	outages []outage

	requests atomic.Int64
	heap     uint64

	mu   sync.Mutex
	said map[string]*said
	up   []float32 // seconds from Enqueue to the answer, of hosts that were up when it was said
	back []float32 // of hosts that were out of reach then: from the end of the outage
	fast []float32 // of replies
}

type kind uint8

const (
	well kind = iota
	refusing
	dark
	tarpit
)

type host struct {
	name, inbox string
	kind        kind
	region      int
	median      float64 // of its answer times, in seconds
	inboxes     int     // to which a post goes
	replies     int

	mu        sync.Mutex
	delivered int
	vain      []time.Duration // attempts while it was dead or out of reach, since the start
}

// said is one activity.
type said struct {
	urgent bool
	at     time.Time
}

type outage struct {
	region   int
	from, to time.Duration
}

func newWorld(c Config) *world {
	w := &world{Config: c, said: make(map[string]*said), random: rand.New(rand.NewPCG(c.Seed, c.Seed))}
	w.hosts = make([]*host, c.Hosts)
	weights, sum := make([]float64, c.Hosts), 0.0
	for i := range weights {
		weights[i] = 1 / (float64(i) + 2.7) // Zipf's law, by Mandelbrot
		sum += weights[i]
	}
	left := c.Followers - c.Hosts
	for i := range w.hosts {
		h := &host{name: "h" + strconv.Itoa(i) + ".test", median: c.Latency.Seconds() * w.spread()}
		h.inbox = "https://" + h.name + "/inbox"
		switch x := w.random.Float64(); {
		case x < c.Dead/2:
			h.kind = refusing
		case x < c.Dead:
			h.kind = dark
		case x < c.Dead+c.Tarpit:
			h.kind = tarpit
		}
		if c.Regions > 0 {
			h.region = w.random.IntN(c.Regions)
		}
		followers := 1 + int(float64(left)*weights[i]/sum)
		personal := i >= c.Hosts/100 && w.random.Float64() < c.Personal
		h.inboxes = 1
		if personal {
			h.inboxes = followers
		}
		for f := range followers {
			t := delivery.Target{Inbox: h.inbox, SharedInbox: h.inbox}
			if personal {
				t = delivery.Target{Inbox: "https://" + h.name + "/users/" + strconv.Itoa(f) + "/inbox"}
			}
			w.targets = append(w.targets, t)
		}
		w.hosts[i] = h
	}
	w.random.Shuffle(len(w.targets), func(i, j int) { w.targets[i], w.targets[j] = w.targets[j], w.targets[i] })
	for range c.Outages {
		from := time.Duration(w.random.Int64N(int64(time.Duration(c.Days) * day)))
		w.outages = append(w.outages, outage{w.random.IntN(c.Regions), from, from + c.Outage})
	}
	return w
}

// spread is lognormal with median 1.
func (w *world) spread() float64 { return math.Exp(w.random.NormFloat64() * w.Spread) }

// begin starts the world's clock.
func (w *world) begin() { w.start = time.Now() }

// outSince tells whether a host is out of reach at a time since the start, and until when.
func (w *world) outUntil(h *host, at time.Duration) (until time.Duration, out bool) {
	for _, o := range w.outages {
		if o.region == h.region && o.from <= at && at < o.to {
			until, out = max(until, o.to), true
		}
	}
	return until, out
}

// someone is a host that is well.
func (w *world) someone() int {
	for range 1000 {
		if i := w.random.IntN(len(w.hosts)); w.hosts[i].kind == well {
			return i
		}
	}
	return 0
}

func (w *world) transport(sender string) (http.RoundTripper, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &road{w, w.said[sender]}, nil
}

// road carries one activity to any host.
type road struct {
	w    *world
	said *said
}

func (r *road) RoundTrip(request *http.Request) (*http.Response, error) {
	_ = request.Body.Close()
	w := r.w
	w.requests.Add(1)
	number, _ := strings.CutPrefix(request.URL.Host, "h")
	i, err := strconv.Atoi(strings.TrimSuffix(number, ".test"))
	if err != nil || i < 0 || i >= len(w.hosts) {
		return nil, fmt.Errorf("simulation: there is no host %q", request.URL.Host)
	}
	h, ctx := w.hosts[i], request.Context()
	at := time.Since(w.start)
	_, out := w.outUntil(h, at)
	if h.kind != well || out {
		h.mu.Lock()
		h.vain = append(h.vain, at)
		h.mu.Unlock()
		return nil, vain(ctx, h.kind)
	}
	// What happens depends on the seed and the moment alone, and not on who came first.
	random := rand.New(rand.NewPCG(w.Seed^uint64(i), uint64(at)))
	if err := sleep(ctx, time.Duration(h.median*math.Exp(random.NormFloat64()*w.Spread)*float64(time.Second))); err != nil {
		return nil, err
	}
	status := http.StatusAccepted
	switch x := random.Float64(); {
	case x < w.Busy:
		status = http.StatusServiceUnavailable
	case x < w.Busy+w.Refusing:
		status = http.StatusInternalServerError
	default:
		w.arrived(h, r.said)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: request}, nil
}

// vain is what comes of a request to a host that is not there.
func vain(ctx context.Context, k kind) error {
	switch k {
	case refusing:
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		return errors.New("dial tcp: connection refused")
	case tarpit:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	return fmt.Errorf("dial tcp: %w", os.ErrDeadlineExceeded)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrived notes a delivery.
func (w *world) arrived(h *host, s *said) {
	h.mu.Lock()
	h.delivered++
	h.mu.Unlock()
	now := time.Now()
	from := s.at
	until, out := w.outUntil(h, s.at.Sub(w.start))
	if out {
		from = w.start.Add(until)
	}
	took := float32(now.Sub(from).Seconds())
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case out:
		w.back = append(w.back, took)
	case s.urgent:
		w.fast = append(w.fast, took)
	default:
		w.up = append(w.up, took)
	}
}
