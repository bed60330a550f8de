package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/crowd"
	"github.com/fedihook/fedihook/internal/bench/postgres"
)

// turnout is what so many servers on one database came to.
type turnout struct {
	Nodes    int     `json:"nodes"`
	Rows     bool    `json:"rows,omitempty"` // not fedihook, but a row per activity, claimed with SKIP LOCKED
	Answered float64 `json:"answered_per_second"`
	Done     float64 `json:"done_per_second"` // the hooks have run
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"nodes_cpu_us"`    // per activity, of all nodes
	Database float64 `json:"database_cpu_us"` // 0: not known
	WAL      float64 `json:"wal_bytes"`
}

// findings are the rounds of all.
type findings struct {
	sets   []int
	rounds []turnout
	resume time.Duration // from a node's death until every activity that came then was handled
}

const (
	warmConnections = 8 // more would be told to come again: no server is asked for more documents at once than some

	shareOfOne = 0.9              // of one node's throughput, what two are to reach
	resumeTime = 20 * time.Second // within which another node handles what was a dead one's
)

// shared plays the scenes in which several servers share a PostgreSQL database.
func shared(ctx context.Context, o options) error {
	if o.rounds < 1 || o.storm > 0 {
		return errors.New("-rounds must be positive, and there is no -storm with -store postgres")
	}
	f := findings{}
	for text := range strings.SplitSeq(o.nodes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 64 {
			return fmt.Errorf("-nodes %q: no number from 1 to 64", text)
		}
		f.sets = append(f.sets, n)
	}
	server, err := postgres.Open(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	c, err := crowd.New("http://"+crowdHost, o.actors)
	if err != nil {
		return err
	}
	documents, stop, err := listen(c)
	if err != nil {
		return err
	}
	defer stop()
	t := &town{options: o, server: server, crowd: c, documents: documents}
	for round := range o.rounds {
		for _, n := range f.sets {
			for _, rows := range []bool{false, true} {
				got, err := t.play(ctx, fmt.Sprint("round", round), n, rows)
				if err != nil {
					return fmt.Errorf("%d nodes: %w", n, err)
				}
				f.rounds = append(f.rounds, got)
			}
		}
	}
	if f.resume, err = t.bereave(ctx); err != nil {
		return fmt.Errorf("a node's death: %w", err)
	}
	return f.print(os.Stdout, o.json)
}

// town is what the scenes share.
type town struct {
	options
	server    *postgres.Server
	crowd     *crowd.Crowd
	documents string // the address of the crowd's
}

// houses are some servers on one schema.
type houses struct {
	nodes []*child
	drop  func()
}

func (t *town) open(ctx context.Context, n int, rows bool) (h *houses, err error) {
	address, drop, err := t.server.Schema(ctx)
	if err != nil {
		return nil, err
	}
	h = &houses{drop: drop}
	kind := "fedihook"
	if rows {
		kind = "rows"
	}
	for i := range n {
		node := fmt.Sprint("node", i)
		args := []string{"-serve", kind, "-store", "postgres", "-data", address, "-names", crowdHost + "=" + t.documents, "-node", node}
		args = append(args, t.profiles(fmt.Sprintf("%s-%s-of-%d", kind, node, n))...)
		c, err := start(ctx, args...)
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		h.nodes = append(h.nodes, c)
	}
	return h, nil
}

func (h *houses) close() (err error) {
	for _, c := range h.nodes {
		err = errors.Join(err, c.Stop())
	}
	h.drop()
	return err
}

// fire sends requests to all nodes in turn, and returns what came of them.
func (h *houses) fire(ctx context.Context, requests [][]byte, connections int) crowd.Result {
	parts := make([][][]byte, len(h.nodes))
	for i, r := range requests {
		parts[i%len(parts)] = append(parts[i%len(parts)], r)
	}
	results := make([]crowd.Result, len(parts))
	var all sync.WaitGroup
	begun := time.Now()
	for i, part := range parts {
		all.Go(func() { results[i] = crowd.Fire(ctx, h.nodes[i].address, part, max(connections/len(parts), 1), 0) })
	}
	all.Wait()
	sum := results[0]
	for _, r := range results[1:] {
		sum.Latency = append(sum.Latency, r.Latency...)
		for status, n := range r.Status {
			sum.Status[status] += n
		}
		sum.Errors += r.Errors
		sum.Sample += r.Sample
	}
	sum.Took = time.Since(begun)
	return sum
}

// handled is how many activities the nodes' hooks have handled.
func (h *houses) handled(ctx context.Context) (sum int64, err error) {
	for _, c := range h.nodes {
		n, err := c.counts(ctx)
		if err != nil {
			return 0, err
		}
		sum += n.sum()
	}
	return sum, nil
}

// until waits until so many were handled.
func (h *houses) until(ctx context.Context, want int64) error {
	for begun := time.Now(); ; {
		n, err := h.handled(ctx)
		if err != nil || n >= want {
			return err
		}
		if time.Since(begun) > 2*time.Minute {
			return fmt.Errorf("%d of %d activities were handled", n, want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (h *houses) used() (sum time.Duration) {
	for _, c := range h.nodes {
		sum += c.Usage().CPU
	}
	return sum
}

// requests are so many signed activities.
func (t *town) requests(n int, name, path string) ([][]byte, error) {
	to := &url.URL{Scheme: "http", Host: localHost, Path: path}
	return t.crowd.Requests(n, to, func(i int) ([]byte, bool) { return t.crowd.Create(i, name, localActor, ""), false })
}

func (t *town) play(ctx context.Context, name string, n int, rows bool) (out turnout, err error) {
	path := "/ap/inbox"
	if rows {
		path = "/inbox"
	}
	requests, err := t.requests(t.warm*n+t.n, name, path)
	if err != nil {
		return out, err
	}
	h, err := t.open(ctx, n, rows)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := t.warmUp(ctx, h, requests[:t.warm*n], rows); err != nil {
		return out, err
	}
	handled, err := h.handled(ctx)
	if err != nil {
		return out, err
	}
	written, err := t.server.Written(ctx)
	if err != nil {
		return out, err
	}
	nodes, database, begun := h.used(), t.server.CPU(), time.Now()
	result := h.fire(ctx, requests[t.warm*n:], t.connections)
	if result.Accepted() != t.n {
		return out, fmt.Errorf("%d of %d were accepted: %v, %d errors, %s", result.Accepted(), t.n, result.Status, result.Errors, result.Sample)
	}
	if err := h.until(ctx, handled+int64(t.n)); err != nil {
		return out, err
	}
	took, all := time.Since(begun), float64(t.n)
	nodes, database = h.used()-nodes, t.server.CPU()-database
	now, err := t.server.Written(ctx)
	return turnout{
		Nodes: n, Rows: rows, Answered: all / result.Took.Seconds(), Done: all / took.Seconds(),
		P50: milliseconds(bench.Percentile(result.Latency, 0.5)), P99: milliseconds(bench.Percentile(result.Latency, 0.99)),
		CPU: float64(nodes.Microseconds()) / all, Database: float64(database.Microseconds()) / all, WAL: float64(now-written) / all,
	}, err
}

// warmUp makes the actors' keys known to each node and waits until all have nothing to do.
func (t *town) warmUp(ctx context.Context, h *houses, requests [][]byte, rows bool) error {
	warm := h.fire(ctx, requests, warmConnections)
	if warm.Accepted() != len(requests) {
		return fmt.Errorf("the warm-up was answered %v, %d errors: %s", warm.Status, warm.Errors, warm.Sample)
	}
	if err := h.until(ctx, int64(len(requests))); err != nil || rows {
		return err
	}
	idle := make([]error, len(h.nodes))
	var all sync.WaitGroup
	for i, c := range h.nodes {
		all.Go(func() { idle[i] = c.settle(ctx) })
	}
	all.Wait()
	return errors.Join(idle...)
}

// bereave kills one of two nodes that have nothing to do, and measures how soon the other one has handled activities that come
// right after that: they fall into all shards, the dead node's included.
func (t *town) bereave(ctx context.Context) (took time.Duration, err error) {
	h, err := t.open(ctx, 2, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	const many = 512 // on average eight in each of 64 shards
	requests, err := t.requests(t.warm+many, "bereaved", "/ap/inbox")
	if err != nil {
		return 0, err
	}
	if err := t.warmUp(ctx, h, requests[:t.warm], false); err != nil {
		return 0, err
	}
	dead := h.nodes[1]
	h.nodes = h.nodes[:1]
	handled, err := h.handled(ctx)
	if err == nil {
		err = dead.Kill()
	}
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	result := h.fire(ctx, requests[t.warm:], t.connections)
	if result.Accepted() != many {
		return 0, fmt.Errorf("%d of %d were accepted: %v, %s", result.Accepted(), many, result.Status, result.Sample)
	}
	err = h.until(ctx, handled+many)
	return time.Since(begun), err
}

// median of what a field is in the rounds of so many nodes.
func (f *findings) median(nodes int, rows bool, of func(turnout) float64) float64 {
	var all []float64
	for _, t := range f.rounds {
		if t.Nodes == nodes && t.Rows == rows {
			all = append(all, of(t))
		}
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func done(t turnout) float64 { return t.Done }

func (f *findings) goals() (list []goal) {
	if slices.Contains(f.sets, 1) && slices.Contains(f.sets, 2) {
		share := f.median(2, false, done) / f.median(1, false, done)
		list = append(list, goal{fmt.Sprintf("two nodes do at least %.1f× what one does: %.2f", shareOfOne, share), share >= shareOfOne})
	}
	return append(list, goal{
		fmt.Sprintf("what was a dead node's is handled within %v: %.1f s", resumeTime, f.resume.Seconds()), f.resume <= resumeTime,
	})
}

func (f *findings) print(to io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(to)
		for _, t := range f.rounds {
			if err := out.Encode(t); err != nil {
				return err
			}
		}
		return out.Encode(map[string]float64{"resume_seconds": f.resume.Seconds()})
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "nodes\tanswered/s\tdone/s\tto the first\tp50 ms\tp99 ms\tCPU µs each\tPostgreSQL's\tWAL B each\t")
	for _, rows := range []bool{false, true} {
		for _, n := range f.sets {
			name := strconv.Itoa(n)
			if rows {
				name += ", a row each"
			}
			middle := func(of func(turnout) float64) float64 { return f.median(n, rows, of) }
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t\n", name,
				middle(func(t turnout) float64 { return t.Answered }), middle(done), middle(done)/f.median(f.sets[0], rows, done),
				middle(func(t turnout) float64 { return t.P50 }), middle(func(t turnout) float64 { return t.P99 }),
				middle(func(t turnout) float64 { return t.CPU }), middle(func(t turnout) float64 { return t.Database }),
				middle(func(t turnout) float64 { return t.WAL }))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, g := range f.goals() {
		said := "met"
		if !g.met {
			said = "NOT MET"
		}
		fmt.Fprintf(to, "goal: %s\t%s\n", g.what, said)
	}
	return nil
}
