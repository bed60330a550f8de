package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage"
)

// playPause stops a node in the middle of its posts for twice its lease, and lets it go on.
func playPause(ctx context.Context, o options) (*result, error) {
	t, err := newTown(ctx, o, "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		return nil, err
	}
	t.slow = 60 * time.Millisecond
	r := newResult()
	err = t.pauses(ctx, r)
	return r, errors.Join(err, t.finish(r))
}

func (t *town) pauses(ctx context.Context, r *result) error {
	if err := t.startAll(ctx, nil); err != nil {
		return err
	}
	rounds := t.rounds
	if rounds == 0 {
		rounds = 10
		if t.short {
			rounds = 2
		}
	}
	var slowest time.Duration
	for round := range rounds {
		back, err := t.pause(ctx, t.living()[round%t.options.nodes])
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		slowest = max(slowest, back)
		if wrong, _ := t.ledger.Verdict(); len(wrong.List) > 0 {
			if err := t.stale(ctx); err != nil {
				return err
			}
			if wrong, _ = t.ledger.Verdict(); t.broken == "" || wrong.Kinds[breaks[t.broken].found] > 0 {
				return nil // where a node is broken on purpose, that is to be found, and not what else goes wrong for it
			}
		}
		r.Rounds++
	}
	r.fact("back_ms", slowest.Milliseconds(), "at most from SIGCONT until the node posted again")
	return t.quit(ctx)
}

// startAll starts the nodes and waits until each has its part.
func (t *town) startAll(ctx context.Context, change func(*process)) error {
	for i := range t.options.nodes {
		if _, err := t.start(ctx, fmt.Sprintf("node%d", i), change); err != nil {
			return err
		}
	}
	return t.shared(ctx)
}

// shared waits until all nodes that live have their parts.
func (t *town) shared(ctx context.Context) error {
	n := len(t.living())
	_, ok, err := t.until(ctx, t.patience, func() bool {
		list, err := t.leases(ctx)
		least := delivery.ShardCount
		for _, l := range list {
			least = min(least, l.shards.Len())
		}
		return err == nil && len(list) == n && least >= delivery.ShardCount/n
	})
	if err == nil && !ok {
		err = fmt.Errorf("the shards are not shared among %d nodes", n)
	}
	return err
}

// lease is a row of the queue's table.
type lease struct {
	epoch  int64
	owner  string
	shards delivery.Shards
}

func (t *town) leases(ctx context.Context) (list []lease, err error) {
	rows, err := t.db.QueryContext(ctx, `SELECT epoch, convert_from(owner, 'UTF8'), shards FROM fedihook_q_lease`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l lease
		var bits int64
		if err := rows.Scan(&l.epoch, &l.owner, &bits); err != nil {
			return nil, err
		}
		l.shards = delivery.Shards(bits)
		list = append(list, l)
	}
	return list, rows.Err()
}

// leaseOf is the row of a node.
func (t *town) leaseOf(ctx context.Context, p *process) (l lease, err error) {
	list, err := t.leases(ctx)
	for _, l := range list {
		if l.owner == p.Node {
			return l, nil
		}
	}
	return l, errors.Join(err, fmt.Errorf("node %s has no lease", p.Node))
}

// chatter has nodes say things until stop is called, which returns what went wrong.
func (t *town) chatter(ctx context.Context, nodes []*process, every time.Duration) (stop func() error) {
	over := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				failed <- nil
				return
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			case <-time.After(every):
			}
			if err := t.act(ctx, nodes[i%len(nodes)], i%4 == 0); err != nil {
				failed <- err
				return
			}
		}
	}()
	return sync.OnceValue(func() error { close(over); return <-failed })
}

// others are all nodes but one.
func (t *town) others(than *process) (list []*process) {
	for _, p := range t.living() {
		if p != than {
			list = append(list, p)
		}
	}
	return list
}

// pause stops a node in the middle of its posts and returns how long it took to post again after it went on.
func (t *town) pause(ctx context.Context, victim *process) (back time.Duration, err error) {
	if err := t.shared(ctx); err != nil {
		return 0, err
	}
	old, err := t.leaseOf(ctx, victim)
	if err != nil {
		return 0, err
	}
	stop := t.chatter(ctx, t.others(victim), t.options.lease/40)
	defer func() { err = errors.Join(err, stop()) }()
	if _, ok, err := t.until(ctx, t.patience, func() bool { _, open := t.posts(victim.Life); return open >= 3 }); err != nil || !ok {
		return 0, errors.Join(err, fmt.Errorf("node %s does not post (%v)", victim.Node, ok))
	}
	before := t.sightings().TakenOver
	t.stopped(victim.Life)
	if err := victim.stop(); err != nil {
		return 0, err
	}
	time.Sleep(2 * t.options.lease)
	switch now, err := t.leases(ctx); {
	case err != nil:
		return 0, err
	case slices.ContainsFunc(now, func(l lease) bool { return l.epoch == old.epoch }):
		t.ledger.Fault("kept: a node that stands still has a lease still after twice its length")
	}
	if err := t.takenOver(ctx, before, "stopped"); err != nil {
		return 0, err
	}
	if err := t.tryStale(ctx, old.epoch); err != nil {
		return 0, err
	}
	posted, _ := t.posts(victim.Life)
	victim.cont()
	back, ok, err := t.until(ctx, t.patience, func() bool { n, _ := t.posts(victim.Life); return n > posted+5 })
	if err == nil && !ok {
		t.ledger.Fault("unresumed: node %s does not post again", victim.Node)
	}
	if err := errors.Join(err, stop()); err != nil {
		return 0, err
	}
	return back, t.settle(ctx)
}

// takenOver waits until another node has posted to a host that was the stopped one's, or the cut one's.
func (t *town) takenOver(ctx context.Context, before int, how string) error {
	_, ok, err := t.until(ctx, t.patience, func() bool { return t.sightings().TakenOver > before })
	if err == nil && !ok {
		t.ledger.Fault("kept: nobody has posted to a host that was the %s node's", how)
	}
	return err
}

// tryStale flushes under an epoch that is over, as a node would that does not know.
func (t *town) tryStale(ctx context.Context, epoch int64) error {
	store, err := storage.OpenPostgres(ctx, t.db, nil)
	if err != nil {
		return err
	}
	var seq int64
	if err := t.db.QueryRowContext(ctx, `SELECT max(seq) FROM fedihook_q_ledger`).Scan(&seq); err != nil {
		return err
	}
	_, err = flushTo(ctx, store.Queue, t.broken, epoch, delivery.Flush{Now: time.Now(), Acks: []delivery.Ack{{Seq: seq, Done: []int64{1, 2, 3}}}})
	if !errors.Is(err, delivery.ErrLeaseLost) {
		t.ledger.Fault("stale: a flush under epoch %d, which is over, came back with %v", epoch, err)
	}
	return nil
}
