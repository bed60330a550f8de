package main

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/crowd"
	"github.com/fedihook/fedihook/internal/bench/postgres"
)

type options struct {
	hosts, posts, inFlight, rounds, samples int
	dead, tarpit                            float64
	store, suite, goals, nodes              string
	sets                                    []int // -nodes
	json, baseline                          bool
	patience, thinks                        time.Duration

	// The sizes of the goals, which tests make small.
	instances, followers, fanOut, pending, deadHosts, deadPosts int

	child string // what to be instead: see children
	args  childArgs
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("delivery", flag.ContinueOnError)
	f.IntVar(&o.hosts, "hosts", 1200, "`hosts` of the scenes that send over the network")
	f.Float64Var(&o.dead, "dead", 0.08, "`share` of them that are dead: half refuse, half do not even answer the dial")
	f.Float64Var(&o.tarpit, "tarpit", 0.02, "`share` of them that take the request and never answer")
	f.DurationVar(&o.thinks, "think", 250*time.Millisecond, "how `long` a healthy host of goal isolation thinks before it answers")
	f.IntVar(&o.posts, "posts", 10, "`posts` to each of them")
	f.StringVar(&o.store, "store", "sqlite", "the queue's `store`, memory, sqlite or postgres, where the goal does not name one")
	f.StringVar(&o.nodes, "nodes", "1,2,4", "of goal nodes: `how many` processes deliver from one database, with commas between")
	f.StringVar(&o.suite, "suite", "rsa", "how the scenes sign, where the goal does not say: `rsa` or ed25519")
	f.StringVar(&o.goals, "goals", "", "`names` of goals with commas between; empty: all of "+strings.Join(names(false), ",")+"; with -store postgres "+strings.Join(names(true), ","))
	f.BoolVar(&o.json, "json", false, "print one line of JSON per row")
	f.BoolVar(&o.baseline, "baseline", false, "also measure a plain pool of workers with one row per delivery")
	f.IntVar(&o.inFlight, "inflight", 1024, "posts `at once`, of the queue and of the bare loop")
	f.IntVar(&o.rounds, "rounds", 3, "`rounds` of bare loop and queue in turn, of which the median counts; more of what is quicker")
	f.IntVar(&o.samples, "samples", 300, "`how many` times goals enqueue and interactive take")
	f.DurationVar(&o.patience, "patience", 3*time.Minute, "how `long` one scene may take before it counts as not met")
	f.IntVar(&o.instances, "instances", 12_000, "`hosts` of the followers of goals expand, bytes and restart")
	f.IntVar(&o.followers, "followers", 100_000, "`followers` in goals enqueue, expand, bytes and interactive")
	f.IntVar(&o.fanOut, "fanout", 10_000, "`targets` in goal cpu")
	f.IntVar(&o.pending, "pending", 1_000_000, "`targets` that wait in goal restart")
	f.IntVar(&o.deadHosts, "dead-hosts", 10_000, "`hosts` of goal dead")
	f.IntVar(&o.deadPosts, "dead-posts", 10_000, "`posts` to each of them")
	f.StringVar(&o.child, "child", "", "be a `part` of another run (used by this program itself)")
	o.args.flags(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case min(o.hosts, o.posts, o.inFlight, o.rounds, o.samples, o.instances, o.followers, o.fanOut, o.pending, o.deadHosts, o.deadPosts) < 1:
		return o, errors.New("all numbers of things must be positive")
	case o.dead < 0 || o.tarpit < 0 || o.dead+o.tarpit >= 1:
		return o, errors.New("-dead and -tarpit are shares, together below 1")
	case o.store != "memory" && o.store != "sqlite" && o.store != "postgres":
		return o, fmt.Errorf("-store %q is neither memory, sqlite nor postgres", o.store)
	case o.suite != "rsa" && o.suite != "ed25519":
		return o, fmt.Errorf("-suite %q is neither rsa nor ed25519", o.suite)
	}
	all := names(o.store == "postgres")
	said := false
	f.Visit(func(f *flag.Flag) { said = said || f.Name == "baseline" })
	if o.store == "postgres" && !said { // what it is to be compared with is beside it in each run
		o.baseline = true
	}
	if o.goals == "" {
		o.goals = strings.Join(all, ",")
	}
	for name := range strings.SplitSeq(o.goals, ",") {
		if !slices.Contains(all, name) {
			return o, fmt.Errorf("-store %s has no goal %q, only %s", o.store, name, strings.Join(all, ", "))
		}
	}
	for text := range strings.SplitSeq(o.nodes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > delivery.ShardCount {
			return o, fmt.Errorf("-nodes %q: no number from 1 to %d", text, delivery.ShardCount)
		}
		o.sets = append(o.sets, n)
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "delivery:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.child != "" {
		return beChild(ctx, o)
	}
	r, err := newRunner(ctx, o)
	if err != nil {
		return err
	}
	defer r.close()
	before := bench.Load()
	for _, g := range goals(o.store == "postgres") {
		if !slices.Contains(strings.Split(o.goals, ","), g.name) {
			continue
		}
		r.goal = g.name
		if err := g.run(r, ctx); err != nil {
			return fmt.Errorf("goal %s: %w", g.name, err)
		}
		r.bar.Clear()
	}
	r.goal = "(machine)"
	r.row("load of the machine when this began", fmt.Sprintf("of %d", runtime.NumCPU()), before)
	return r.print(os.Stdout)
}

// goal is one promise, measured.
type goal struct {
	name string
	run  func(*runner, context.Context) error
}

// goals are those of files, or those of PostgreSQL.
func goals(tables bool) []goal {
	if tables {
		return []goal{
			{"wal", (*runner).wal},
			{"cpu", (*runner).tableCPU},
			{"nodes", (*runner).nodesGoal},
			{"takeover", (*runner).takeover},
			{"isolation", (*runner).isolation},
			{"interactive", (*runner).interactive},
		}
	}
	return []goal{
		{"rate", (*runner).rate},
		{"cpu", (*runner).cpu},
		{"enqueue", (*runner).enqueue},
		{"expand", (*runner).expand},
		{"bytes", (*runner).bytes},
		{"isolation", (*runner).isolation},
		{"interactive", (*runner).interactive},
		{"restart", (*runner).restart},
		{"dead", (*runner).deadHostsGoal},
		{"attempts", (*runner).attempts},
	}
}

func names(tables bool) (list []string) {
	for _, g := range goals(tables) {
		list = append(list, g.name)
	}
	return list
}

// runner is one run of the program. Its goals are measured one after the other.
type runner struct {
	options
	bar    *bench.Bar
	dir    string // for files; removed at the end
	body   []byte // what is posted, some 2.7 KB
	keys   map[string]crypto.Signer
	server *postgres.Server // nil but with -store postgres
	goal   string           // that is being measured
	rows   []row
}

const sender = "http://sender.test/users/alice"

func newRunner(ctx context.Context, o options) (r *runner, err error) {
	var server *postgres.Server
	if o.store == "postgres" {
		if server, err = postgres.Open(ctx); err != nil {
			return nil, err
		}
	}
	keys, err := makeKeys("rsa", "ed25519")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "delivery")
	if err != nil {
		return nil, err
	}
	c := &crowd.Crowd{Origin: "http://sender.test", Size: 1}
	return &runner{
		options: o, bar: bench.NewBar(), dir: dir, keys: keys, server: server,
		body: c.Create(0, "bench", "http://receiver.test/users/bob", ""),
	}, nil
}

func (r *runner) close() {
	if r.server != nil {
		r.server.Close()
	}
	_ = os.RemoveAll(r.dir) // of the system's temporary folder
}

// folder makes a folder for one scene.
func (r *runner) folder() (string, error) { return os.MkdirTemp(r.dir, r.goal) }
