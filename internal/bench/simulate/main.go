package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/simulation"
)

type options struct {
	simulation.Config
	json bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("simulate", flag.ContinueOnError)
	f.IntVar(&o.Followers, "followers", 1_000_000, "`followers` of the one who posts")
	f.IntVar(&o.Hosts, "hosts", 30_000, "`hosts` on which they are")
	f.IntVar(&o.Days, "days", 7, "`days`, and half a day more for what is late")
	f.Float64Var(&o.Posts, "posts", 8, "`posts` a day to all followers")
	f.Float64Var(&o.Replies, "replies", 500, "`replies` a day to one host each")
	f.Float64Var(&o.Dead, "dead", 0.08, "`share` of the hosts that are dead")
	f.Float64Var(&o.Tarpit, "tarpit", 0.02, "`share` that never answer")
	f.Float64Var(&o.Personal, "personal", 0.03, "`share` without a shared inbox")
	f.DurationVar(&o.Latency, "latency", simulation.DefaultLatency, "median `time` until a host answers")
	f.Float64Var(&o.Spread, "spread", 0.8, "`sigma` of its lognormal distribution, of hosts and of answers")
	f.Float64Var(&o.Busy, "busy", 0.005, "`share` of answers that are 503")
	f.Float64Var(&o.Refusing, "refusing", 0.001, "`share` of answers that are 500")
	f.IntVar(&o.Regions, "regions", 8, "`regions` of hosts")
	f.IntVar(&o.Outages, "outages", 3, "how `often` a region goes out of reach")
	f.DurationVar(&o.Outage, "outage", 9*time.Hour, "for how `long`")
	f.DurationVar(&o.Heard, "heard", 10*time.Minute, "average `time` until a host that is back posts to us; 0: it does not")
	f.IntVar(&o.MaxInFlight, "inflight", 0, "posts `at once`; 0: as the queue has it")
	f.Uint64Var(&o.Seed, "seed", 1, "`seed` of all chance")
	f.BoolVar(&o.json, "json", false, "print JSON")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
	simulation.Main(func(t *testing.T) error { return simulate(t, o, os.Stdout) })
}

func simulate(t *testing.T, o options, out io.Writer) error {
	bar := bench.NewBar()
	hours := 24*o.Days + 12
	o.Progress = func(passed time.Duration, requests int64) {
		bar.Show(fmt.Sprintf("%d requests, hour", requests), int(passed.Hours()), hours)
	}
	before := bench.CPU()
	r, err := simulation.Run(t, o.Config)
	bar.Clear()
	if err != nil {
		return err
	}
	cpu, rss := bench.CPU()-before, bench.Used(os.Getpid()).Max
	if o.json {
		return json.NewEncoder(out).Encode(struct {
			*simulation.Result
			CPU    time.Duration
			MaxRSS int64
		}{r, cpu, rss})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "said\t%d posts, %d replies\tto %d followers on %d hosts in %d days\n", r.Posts, r.Replies, o.Followers, o.Hosts, o.Days)
	fmt.Fprintf(w, "delivered\t%d of %d\tof what went to live hosts; %d twice\n", r.Delivered, r.Targets, r.Repeated)
	fmt.Fprintf(w, "requests\t%d\t%.2f per delivery, %.1f GB of bodies\n", r.Requests, float64(r.Requests)/float64(max(r.Delivered, 1)), float64(r.Bytes)/1e9)
	for _, t := range []struct {
		what string
		simulation.Times
	}{{"posts to hosts that were up", r.Up}, {"replies to hosts that were up", r.Fast}, {"after an outage, from its end", r.Back}} {
		fmt.Fprintf(w, "%s\t%d\tp50 %s, p90 %s, p99 %s, p99.9 %s, last %s\n", t.what, t.N,
			short(t.P50), short(t.P90), short(t.P99), short(t.P999), short(t.Slowest))
	}
	fmt.Fprintf(w, "attempts at a dead host\t%d in any 24 h at most\ton average %.1f a day, of %d hosts\n", r.Dead.Most, r.Dead.Mean, r.Dead.Hosts)
	fmt.Fprintf(w, "attempts during an outage\t%d in any 24 h at most\tof %d hosts\n", r.Out.Most, r.Out.Hosts)
	fmt.Fprintf(w, "memory\t%d MB of heap at most\tresident %d MB, the simulation's own notes included\n", r.Heap>>20, rss>>20)
	fmt.Fprintf(w, "took\t%s\t%s of CPU, %.0f µs per request\n", r.Real.Round(time.Second), cpu.Round(time.Second), float64(cpu.Microseconds())/float64(max(r.Requests, 1)))
	return w.Flush()
}

// short writes seconds as one would say them.
func short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
