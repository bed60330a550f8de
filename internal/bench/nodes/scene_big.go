package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// bigHosts is over how many hosts the big fan-out goes.
const bigHosts = 1000

// playBig kills a node in the middle of a fan-out to many. Nothing is signed, since that is what would take the time.
func playBig(ctx context.Context, o options) (*result, error) {
	if o.targets == 0 {
		o.targets = 100_000
	}
	o.plain = true
	t, err := newTown(ctx, o, "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		return nil, err
	}
	t.slow, t.fair = 0, true
	r := newResult()
	err = t.big(ctx, r)
	return r, errors.Join(err, t.finish(r))
}

func (t *town) big(ctx context.Context, r *result) error {
	if err := t.startAll(ctx, nil); err != nil {
		return err
	}
	all := make([]string, t.targets)
	for i := range all {
		all[i] = follower(i, bigHosts) + "/inbox"
	}
	nodes := t.living()
	for _, p := range nodes {
		if t.broken == "never-takes-over" {
			if err := p.ask("content"); err != nil {
				return err
			}
		}
	}
	began := time.Now()
	t.ledger.Asked(0, 0, all, "asked")
	if err := nodes[0].ask("fan 0 %d %d", t.targets, bigHosts); err != nil {
		return err
	}
	t.ledger.Settled(0, 0, true)
	arrived := func() int { _, c := t.ledger.Verdict(); return c.Arrived }
	if _, ok, err := t.until(ctx, t.patience, func() bool { return arrived() > t.targets/5 }); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%d of %d have arrived", arrived(), t.targets))
	}
	victim := nodes[len(nodes)-1]
	left := t.hostsOf(victim.Life)
	t.kill(victim)
	killed := time.Now()
	slowest, ok, err := t.until(ctx, t.resumes, func() bool {
		left = slices.DeleteFunc(left, func(host string) bool { return t.lastTo(host) != victim.Life })
		return len(left) == 0
	})
	if err != nil {
		return err
	}
	if !ok {
		t.ledger.Fault("unresumed: %d hosts were posted to by the dead node last, %v ago", len(left), t.resumes)
		return nil
	}
	r.fact("resumed_ms", slowest.Milliseconds(), fmt.Sprintf("from the kill until others had posted to all hosts of the dead node; %v are allowed", t.resumes))
	if err := t.settle(ctx); err != nil {
		return err
	}
	r.fact("rest_ms", time.Since(killed).Milliseconds(), "from the kill until all had arrived")
	r.fact("all_ms", time.Since(began).Milliseconds(), "from the beginning")
	r.Rounds = 1
	return t.quit(ctx)
}

// hostsOf are the hosts that a process has posted to last and of which something is to come: there are a hundred posts for each.
func (w *witness) hostsOf(life int) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for host, c := range w.hosts {
		if c.life == life {
			list = append(list, host)
		}
	}
	return list
}

// lastTo is the process that has posted to a host under the highest turn.
func (w *witness) lastTo(host string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[host].life
}
