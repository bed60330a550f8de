package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/postgres"
)

// beNode delivers what is in a schema until ctx ends.
func beNode(ctx context.Context, o options) error {
	r := &runner{options: o}
	var transport http.RoundTripper = null{}
	if o.args.to != "" {
		var err error
		if r.keys, err = makeKeys(o.suite); err != nil {
			return err
		}
		transport = r.signed(o.suite, newWire(&sink{address: o.args.to}, o.inFlight, false))
	}
	var e engine
	if o.args.pool {
		p, err := newTablePool(ctx, o.args.at, transport)
		if err != nil {
			return err
		}
		defer p.close()
		e = p
	} else {
		f, err := openTables(ctx, o.args.at)
		if err != nil {
			return err
		}
		defer f.close()
		if e, err = newNode(f, transport, o.inFlight, o.args.name); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	return e.Run(ctx)
}

// fleet is some processes that deliver from one schema to a sink. This one only enqueues.
type fleet struct {
	engine
	sink  *sink
	nodes []*bench.Child
	shut  func()
}

// launch starts so many nodes and waits until each has its share and knows all hosts: one post has come to each.
func (r *runner) launch(ctx context.Context, s *sink, n int, usePool bool) (f *fleet, err error) {
	address, drop, err := r.server.Schema(ctx)
	if err != nil {
		return nil, err
	}
	f = &fleet{sink: s, shut: drop}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.end())
		}
	}()
	if usePool {
		p, err := newTablePool(ctx, address, null{})
		if err != nil {
			return f, err
		}
		f.engine, f.shut = p, func() { p.close(); drop() }
	} else {
		t, err := openTables(ctx, address)
		if err != nil {
			return f, err
		}
		f.shut = func() { t.close(); drop() }
		if f.engine, err = newHeart(t, null{}, r.inFlight); err != nil {
			return f, err
		}
	}
	for i := range n {
		c, err := bench.Start(ctx, "-child", "node", "-at", address, "-to", s.address, "-name", fmt.Sprint("node", i), "-pool="+strconv.FormatBool(usePool),
			"-suite", r.suite, "-inflight", strconv.Itoa(r.inFlight))
		if err != nil {
			return f, err
		}
		f.nodes = append(f.nodes, c)
	}
	if !usePool {
		if err := r.shared(ctx, address, n); err != nil {
			return f, err
		}
	}
	_, err = r.deliver(ctx, f, "warm", 1)
	return f, err
}

// shared waits until each of so many nodes has its part of the shards.
func (r *runner) shared(ctx context.Context, address string, n int) error {
	db, err := postgres.Connect(address, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	for end := time.Now().Add(r.patience); ; time.Sleep(20 * time.Millisecond) {
		var shards []int
		rows, err := db.QueryContext(ctx, `SELECT shards FROM fedihook_q_lease`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var set int64
			if err := rows.Scan(&set); err != nil {
				return errors.Join(err, rows.Close())
			}
			shards = append(shards, bits.OnesCount64(uint64(set)))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		sum := 0
		for _, has := range shards {
			sum += has
		}
		if len(shards) == n && sum == delivery.ShardCount && slices.Max(shards)-slices.Min(shards) <= 1 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d nodes have %v shards after %v", n, shards, r.patience)
		}
	}
}

// deliver enqueues posts to all hosts and returns how long it took until the last arrived.
func (r *runner) deliver(ctx context.Context, f *fleet, id string, posts int) (time.Duration, error) {
	targets := slices.Collect(inboxes(fine, r.hosts))
	before, err := f.sink.count(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	for i := range posts {
		if err := f.Enqueue(ctx, post{id: fmt.Sprint(id, i), body: r.body}, slices.Values(targets)); err != nil {
			return 0, err
		}
	}
	for n := 0; n < posts*r.hosts; time.Sleep(20 * time.Millisecond) {
		if n, err = f.sink.count(ctx); err != nil {
			return 0, err
		}
		n -= before
		r.bar.Show(fmt.Sprintf("%s, %d nodes", r.goal, len(f.nodes)), n, posts*r.hosts)
		if time.Since(start) > r.patience {
			return 0, fmt.Errorf("%d of %d posts arrived in %v", n, posts*r.hosts, r.patience)
		}
	}
	last, err := f.sink.last(ctx)
	return time.Unix(0, int64(last)).Sub(start), err
}

// end stops the nodes and drops the schema.
func (f *fleet) end() (err error) {
	for _, c := range f.nodes {
		err = errors.Join(err, c.Stop())
	}
	f.shut()
	return err
}

// used is what all nodes have used.
func (f *fleet) used() (sum time.Duration) {
	for _, c := range f.nodes {
		sum += c.Usage().CPU
	}
	return sum
}

// nodesGoal compares how fast different numbers of nodes deliver together from one database, on the same cores.
func (r *runner) nodesGoal(ctx context.Context) error {
	s, err := startSink(ctx, 0, false)
	if err != nil {
		return err
	}
	err = r.fleets(ctx, s)
	if stopErr := s.Stop(); err == nil {
		err = stopErr
	}
	return err
}

// speed is what a fleet came to.
type speed struct{ rate, client, server, written []float64 } // a second; µs, µs and bytes each

func (r *runner) fleets(ctx context.Context, s *sink) error {
	got := make(map[bool]map[int]*speed) // by whether it is the pool, and the number of nodes
	for _, usePool := range []bool{false, true} {
		got[usePool] = make(map[int]*speed)
		for _, n := range r.sets {
			got[usePool][n] = new(speed)
		}
	}
	for range r.rounds {
		for _, n := range r.sets {
			for _, usePool := range r.engines() {
				if err := r.fleetOnce(ctx, s, n, usePool, got[usePool][n]); err != nil {
					return fmt.Errorf("%d nodes: %w", n, err)
				}
			}
		}
	}
	first, pool := got[false][r.sets[0]], got[true][r.sets[0]]
	for _, n := range r.sets {
		queue, rows := got[false][n], got[true][n]
		what := fmt.Sprintf("%s, %d posts × %d hosts, %d nodes", r.suite, r.posts, r.hosts, n)
		if n == 1 {
			what = what[:len(what)-1]
		}
		r.both(what, "a second", median(queue.rate), median(rows.rate))
		w := r.both(what, fmt.Sprintf("of %d node's", r.sets[0]), median(queue.rate)/median(first.rate), median(rows.rate)/median(pool.rate))
		if n == 2 && r.sets[0] == 1 {
			w.atLeast(0.9)
		}
		w.note("%d rounds, from %s to %s a second", r.rounds, number(slices.Min(queue.rate)), number(slices.Max(queue.rate)))
		r.both(what+", the nodes", "µs of CPU each", median(queue.client), median(rows.client))
		if r.server.Local() {
			r.both(what+", the server", "µs of CPU each", median(queue.server), median(rows.server))
		}
		r.both(what, "B of WAL each", median(queue.written), median(rows.written))
	}
	return nil
}

// engines are the queue and, beside it, the pool.
func (r *runner) engines() []bool {
	if r.baseline {
		return []bool{false, true}
	}
	return []bool{false}
}

func (r *runner) fleetOnce(ctx context.Context, s *sink, n int, usePool bool, to *speed) error {
	f, err := r.launch(ctx, s, n, usePool)
	if err != nil {
		return err
	}
	written, err := r.server.Written(ctx)
	if err != nil {
		return errors.Join(err, f.end())
	}
	client, server := f.used(), r.server.CPU()
	took, err := r.deliver(ctx, f, "post", r.posts)
	client, server = f.used()-client, r.server.CPU()-server
	if err == nil {
		var now int64
		now, err = r.server.Written(ctx)
		written = now - written
	}
	if err := errors.Join(err, f.end()); err != nil {
		return err
	}
	all := float64(r.posts * r.hosts)
	to.rate, to.written = append(to.rate, all/took.Seconds()), append(to.written, float64(written)/all)
	to.client, to.server = append(to.client, us(client)/all), append(to.server, us(server)/all)
	return nil
}

// takeover measures how soon a host hears from us again whose node was killed while it posted.
func (r *runner) takeover(ctx context.Context) error {
	s, err := startSink(ctx, 0, false, "-notes")
	if err != nil {
		return err
	}
	took, err := r.bereft(ctx, s)
	if stopErr := s.Stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	r.row(fmt.Sprintf("one of 2 nodes killed, until the last of %d hosts is posted to again", r.hosts), "s", took.Seconds()).atMost(20).
		note("rows that a process of the pool had claimed come back after %v", poolHold)
	return nil
}

// settling is how long the sink may still count what the dead node sent.
const settling = 500 * time.Millisecond

func (r *runner) bereft(ctx context.Context, s *sink) (took time.Duration, err error) {
	f, err := r.launch(ctx, s, 2, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	targets := slices.Collect(inboxes(fine, r.hosts))
	for i := range r.posts {
		if err := f.Enqueue(ctx, post{id: fmt.Sprint("before", i), body: r.body}, slices.Values(targets)); err != nil {
			return 0, err
		}
	}
	dead := f.nodes[1]
	f.nodes = f.nodes[:1]
	if err := dead.Kill(); err != nil {
		return 0, err
	}
	killed := time.Now()
	time.Sleep(settling) // what is said now arrives later than that at every host, however quick the other node is
	if err := f.Enqueue(ctx, post{id: "after", body: r.body}, slices.Values(targets)); err != nil {
		return 0, err
	}
	for n := 0; n < r.hosts; time.Sleep(20 * time.Millisecond) {
		if n, err = s.hosts(ctx, killed.Add(settling)); err != nil {
			return 0, err
		}
		took = time.Since(killed)
		r.bar.Show(r.goal, n, r.hosts)
		if took > r.patience {
			return 0, fmt.Errorf("%d of %d hosts were posted to in the %v after a node was killed", n, r.hosts, r.patience)
		}
	}
	return took, nil
}

// tableCPU is goal cpu on PostgreSQL: what this process uses beyond a bare loop, and what the server does.
func (r *runner) tableCPU(ctx context.Context) error {
	targets := slices.Collect(inboxes(fine, r.fanOut))
	var bare, queue, queueServer, pool, poolServer []float64
	for range r.rounds {
		b, err := r.bareCPU(ctx, targets)
		if err != nil {
			return err
		}
		q, qs, err := r.engineCPU(ctx, "queue", false, "postgres", targets)
		if err != nil {
			return err
		}
		p, ps := []float64{}, []float64{}
		if r.baseline {
			if p, ps, err = r.engineCPU(ctx, "a row per delivery", true, "postgres", targets); err != nil {
				return err
			}
		}
		if slices.Contains(q, endless) || slices.Contains(p, endless) {
			return fmt.Errorf("%d targets were not posted in %v", r.fanOut, r.patience)
		}
		beyond := func(list []float64) []float64 {
			for i := range list {
				list[i] = max(list[i]-median(b), 0)
			}
			return list
		}
		bare = append(bare, b...)
		queue, queueServer = append(queue, beyond(q)...), append(queueServer, qs...)
		pool, poolServer = append(pool, beyond(p)...), append(poolServer, ps...)
	}
	what := fmt.Sprintf("a fan-out to %d", r.fanOut)
	r.both(what+", this process", "µs each beyond bare", median(queue), median(pool)).bare(median(bare))
	if !r.server.Local() {
		r.row("the server is on another machine: what it uses is not known", "", 0)
		return nil
	}
	r.both(what+", the server", "µs each", median(queueServer), median(poolServer))
	both := func(a, b []float64) (sum []float64) {
		for i := range a {
			sum = append(sum, a[i]+b[i])
		}
		return sum
	}
	all := both(queue, queueServer)
	r.both(what+", together", "µs each beyond bare", median(all), median(both(pool, poolServer))).atMost(5).
		note("%d runs of %d fan-outs, from %s to %s", len(all), cpuSum, number(slices.Min(all)), number(slices.Max(all)))
	return nil
}

// wal measures what the server writes of its log for each target, bodies included, from Enqueue to the recorded end.
func (r *runner) wal(ctx context.Context) error {
	large := max(min(r.fanOut, r.instances), 1)
	small := min(smallFanOut, large)
	for _, c := range []struct{ posts, targets, speed int }{{10, large, 0}, {2, large, sendRate}, {20, small, 0}, {10, small, sendRate}} {
		what := fmt.Sprintf("%d posts × %d hosts", c.posts, c.targets)
		if c.speed > 0 {
			what += fmt.Sprintf(", %d a second", c.speed)
		}
		queue, err := r.walOf(ctx, what, false, c.posts, c.targets, c.speed)
		if err != nil {
			return err
		}
		pool := 0.0
		if r.baseline {
			if pool, err = r.walOf(ctx, what+", pool", true, c.posts, c.targets, c.speed); err != nil {
				return err
			}
		}
		r.both(what, "B of WAL per target", queue, pool).atMost(10)
	}
	return nil
}

func (r *runner) walOf(ctx context.Context, label string, usePool bool, posts, targets, speed int) (float64, error) {
	p := &paced{}
	m := measure(p, fine, targets)
	e, _, shut, err := r.engineOn(ctx, usePool, "postgres", m)
	if err != nil {
		return 0, err
	}
	defer shut()
	// Once, so that inboxes are known and the tables have their first pages.
	if err := r.through(ctx, e, m, label, 1, targets, "known"); err != nil {
		return 0, err
	}
	p.speed = speed
	m.again(posts * targets)
	before, err := r.server.Written(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.through(ctx, e, m, label, posts, targets, "post"); err != nil {
		return 0, err
	}
	after, err := r.server.Written(ctx)
	return float64(after-before) / float64(posts*targets), err
}
