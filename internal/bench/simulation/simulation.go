// Package simulation lets the real delivery queue work through days in minutes: under the clock of
// testing/synctest, over its memory store, into a network that is a RoundTripper whose hosts are slow, flaky,
// dead, or gone for some hours with all of their region.
//
// [Run] plays a [Config] and returns a [Result]. It needs a *testing.T; [Main] makes one for a program.
//
// Nothing is signed and no byte leaves the process: it is about scheduling, not about speed.
package simulation

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// DefaultLatency is the median answer time of hosts on other continents.
const DefaultLatency = 250 * time.Millisecond

const day = 24 * time.Hour

// Config is a world and what is posted into it. Shares are of all hosts, from 0 to 1.
type Config struct {
	Followers, Hosts int
	Days             int
	Posts            float64 // a day, to all followers
	Replies          float64 // a day, to one live host each, as Interactive

	Dead     float64       // half refuse at once, half do not answer the dial for 5 s
	Tarpit   float64       // take the request and never answer
	Personal float64       // have no shared inbox; never the one per cent with most followers
	Latency  time.Duration // median of the answer times of a host that is well
	Spread   float64       // their sigma, lognormal; each host's own median is spread likewise
	Busy     float64       // of all answers, how many are 503
	Refusing float64       // of all answers, how many are 500

	Regions int           // into which the hosts are divided
	Outages int           // how often one of them is out of reach
	Outage  time.Duration // for how long
	Heard   time.Duration // how soon after it, on average, a host posts something to us; 0: never

	MaxInFlight int // zero: the queue's default
	Seed        uint64

	// Progress, if not nil, is told how far the simulation is, some twenty times a day.
	Progress func(passed time.Duration, requests int64)
}

func (c Config) check() error {
	switch {
	case c.Followers < c.Hosts || c.Hosts < 1:
		return fmt.Errorf("simulation: %d followers on %d hosts: each host has one at least", c.Followers, c.Hosts)
	case c.Days < 1 || c.Posts < 0 || c.Replies < 0:
		return fmt.Errorf("simulation: %d days, %v posts and %v replies a day", c.Days, c.Posts, c.Replies)
	case min(c.Dead, c.Tarpit, c.Personal, c.Busy, c.Refusing) < 0 || c.Dead+c.Tarpit >= 1 || c.Busy+c.Refusing >= 1:
		return fmt.Errorf("simulation: shares must be from 0 to 1")
	case c.Outages > 0 && (c.Regions < 1 || c.Outage <= 0):
		return fmt.Errorf("simulation: outages need regions and a length")
	}
	return nil
}

// Run plays c. It may be called once per t, and not from within a bubble of synctest.
func Run(t *testing.T, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	began := time.Now()
	var out *Result
	var err error
	synctest.Test(t, func(t *testing.T) {
		out, err = newWorld(c).play(t.Context())
	})
	if err == nil && out == nil {
		err = fmt.Errorf("simulation: it broke off") // and t has said why
	}
	if err != nil {
		return nil, err
	}
	out.Real = time.Since(began)
	return out, nil
}

const bodySize = 2700 // bytes: a post of Mastodon's

// play runs in a bubble.
func (w *world) play(ctx context.Context) (*Result, error) {
	w.begin()
	q, err := newHeart(w.transport, w.MaxInFlight)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	for _, o := range w.outages {
		go w.comeBack(ctx, q, o)
	}
	err = w.post(ctx, q)
	cancel()
	if runErr := <-ended; err == nil {
		err = runErr
	}
	if err != nil {
		return nil, err
	}
	return w.result(), nil
}

// event is something to be done at a time: a post, a reply, or only a look at the memory.
type event struct {
	at   time.Duration
	kind int
}

const (
	aLook = iota
	aPost
	aReply
)

// events are spread at random over the days; the looks are regular, and go on for half a day.
func (w *world) events() []event {
	var list []event
	all := time.Duration(w.Days) * day
	random := func(n float64, kind int) {
		for range int(n*float64(w.Days) + 0.5) {
			list = append(list, event{time.Duration(w.random.Int64N(int64(all))), kind})
		}
	}
	random(w.Posts, aPost)
	random(w.Replies, aReply)
	for at := time.Duration(0); at < all+day/2; at += day / 20 {
		list = append(list, event{at, aLook})
	}
	slices.SortStableFunc(list, func(a, b event) int { return int(a.at - b.at) })
	return list
}

// post enqueues what there is to say, when it is time to.
func (w *world) post(ctx context.Context, q *delivery.Queue) error {
	var posts, replies int
	for _, e := range w.events() {
		select {
		case <-time.After(time.Until(w.start.Add(e.at))):
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		switch e.kind {
		case aPost:
			posts++
			err = w.say(ctx, q, "post"+strconv.Itoa(posts), false, slices.Values(w.targets))
		case aReply:
			replies++
			h := w.someone()
			w.hosts[h].replies++
			err = w.say(ctx, q, "reply"+strconv.Itoa(replies), true, func(yield func(delivery.Target) bool) {
				yield(delivery.Target{Inbox: w.hosts[h].inbox})
			})
		case aLook:
			w.look()
			if w.Progress != nil {
				w.Progress(e.at, w.requests.Load())
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// say enqueues one activity. Its sender tells the transport which one it posts.
func (w *world) say(ctx context.Context, q *delivery.Queue, id string, urgent bool, to iter.Seq[delivery.Target]) error {
	s := &said{urgent: urgent, at: time.Now()}
	w.mu.Lock()
	w.said[id] = s
	w.mu.Unlock()
	return enqueue(ctx, q, id, s.urgent, to)
}

// comeBack lets the hosts of a region be heard of, one after the other, when its outage is over.
func (w *world) comeBack(ctx context.Context, q *delivery.Queue, o outage) {
	if w.Heard <= 0 {
		return
	}
	random := rand.New(rand.NewPCG(w.Seed, uint64(o.from)))
	type call struct {
		at   time.Time
		host string
	}
	var calls []call
	for _, h := range w.hosts {
		if h.region == o.region && h.kind == well {
			calls = append(calls, call{w.start.Add(o.to + time.Duration(random.ExpFloat64()*float64(w.Heard))), h.name})
		}
	}
	slices.SortFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	for _, c := range calls {
		select {
		case <-time.After(time.Until(c.at)):
			q.Wake(c.host)
		case <-ctx.Done():
			return
		}
	}
}

// look notes how much memory is in use.
func (w *world) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.heap = max(w.heap, m.HeapAlloc)
}
