package simulation

import (
	"slices"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

// Result is what came of it.
type Result struct {
	Posts, Replies int
	Targets        int // inboxes of live hosts that something was said to, each time counted
	Delivered      int // of them
	Repeated       int // deliveries to an inbox beyond what was said to it
	Requests       int64
	Bytes          int64 // of bodies, in all requests

	Up   Times // deliveries to hosts that were up when it was said
	Back Times // to hosts that were out of reach then, since the end of the outage
	Fast Times // replies to hosts that were up

	Dead Attempts // at hosts that are dead or never answer
	Out  Attempts // at hosts that are out of reach, meanwhile

	Heap uint64        // bytes in use at most, garbage and the simulation's own notes included
	Real time.Duration // that it took
}

// Times are seconds. They are zero of no deliveries.
type Times struct {
	N                            int
	P50, P90, P99, P999, Slowest float64
}

// Attempts are requests to one host. They are zero if there is no such host.
type Attempts struct {
	Hosts int
	Most  int     // at one host in any 24 hours
	Mean  float64 // at one host in a day
}

func (w *world) result() *Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &Result{
		Requests: w.requests.Load(), Bytes: w.requests.Load() * bodySize, Heap: w.heap,
		Up: times(w.up), Back: times(w.back), Fast: times(w.fast),
	}
	for _, s := range w.said {
		if s.urgent {
			out.Replies++
		} else {
			out.Posts++
		}
	}
	var dead, gone [][]time.Duration
	for _, h := range w.hosts {
		if h.kind != well {
			dead = append(dead, h.vain)
			continue
		}
		if len(h.vain) > 0 {
			gone = append(gone, h.vain)
		}
		want := h.inboxes*out.Posts + h.replies
		out.Targets += want
		out.Delivered += min(h.delivered, want)
		out.Repeated += max(h.delivered-want, 0)
	}
	out.Dead, out.Out = attempts(dead, w.Days), attempts(gone, w.Days)
	return out
}

// attempts sums up what hosts saw. Each one's are by time.
func attempts(hosts [][]time.Duration, days int) (a Attempts) {
	a.Hosts = len(hosts)
	all := 0
	for _, list := range hosts {
		slices.Sort(list)
		first := 0
		for last, at := range list {
			for at-list[first] >= day {
				first++
			}
			a.Most = max(a.Most, last-first+1)
		}
		all += len(list)
	}
	if len(hosts) > 0 {
		a.Mean = float64(all) / float64(len(hosts)) / (float64(days) + 0.5) // see events
	}
	return a
}

func times(seconds []float32) Times {
	all := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		all[i] = time.Duration(float64(s) * float64(time.Second))
	}
	p := func(share float64) float64 { return bench.Percentile(all, share).Seconds() }
	return Times{N: len(all), P50: p(0.5), P90: p(0.9), P99: p(0.99), P999: p(0.999), Slowest: p(1)}
}
