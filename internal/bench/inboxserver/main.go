// Command inboxserver measures how many signed activities an inbox takes: a server in a process of its own, on
// one core, and a generator in this one, on another, which signed everything before the clock starts. Every scene
// has a fresh server, and stops its clock when the hooks have run.
//
//	go run ./internal/bench/inboxserver                  bare net/http, memory, SQLite, forgeries
//	go run ./internal/bench/inboxserver -storm 200000    a post is liked by so many actors of one host; with -store sqlite
//	                                                     and -fetches 60000 it takes a quarter of an hour
//	bash .ci/postgres go run ./internal/bench/inboxserver -store postgres -nodes 1,2,4
//	                                                     so many servers on one PostgreSQL, and what is a dead one's
//
// The bare server reads, checks the digest, verifies RSA and decodes the JSON: what any server must do. Compare with it, and
// CPU rather than rates where others use the machine. SQLite's file has synchronous=FULL and WAL: what was answered 202
// survives the loss of power.
//
// The clock starts when the server is idle: users' keys that are made ahead are no part of what an activity costs.
//
// Where the CPU of an activity goes, in µs: the samples of -cpuprofile in one run with -n 8000, by what stands on their stacks,
// without those of making and learning keys. They are few (a hundred or two, so that 10 µs mean little), and that was on a
// shared machine (2026-11-22, two cores of AMD64, Go 1.26), on which the bare server takes from 105 to 155.
//
//	                                          bare  memory  sqlite  forged
//	net/http reads, routes and answers          48      57      38      44
//	RSA of 2048 bits                            37      34      27      42
//	the rest of the signature, and the digest   51      22      24      14   bare: and all else that its handler does
//	whom it concerns (concernsNobody)                   13      18      10   decodes what is embedded, asks whose it is
//	the rest of the judgement                           30      26      18   body, policy, authority, counts
//	the journal (keep)                                  14     112           SQLite: rows 53, commit 34, outcomes 17, the rest 8
//	the hook, its outcome and Run                       17      18
//	garbage                                     18      11       7       8
//	the scheduler, and what is nobody's          1       9      11       7
//	                                           155     207     281     143
//
// Rates of two runs with -n 8000, the machine with nothing else to do (2026-11-23), a second, and of the bare server's:
//
//	bare          memory               SQLite               forged
//	8080, 8230    6693, 6038           3061, 3474           6532, 7599
//	              0.83, 0.73           0.38, 0.42           0.81, 0.92
//
// of which 8,000, 4,000 and 8,000 are wanted where the bare server does 11,900: 0.67, 0.34 and 0.67. The 99th percentile was at most
// 4.8, 6.1 and 4.3 ms, memory 41 MB.
//
// An actor who is new here costs some 0.75 ms until its key is known, and 1 ms more where the request for that has to be
// signed.
//
// On one PostgreSQL (15, on the same two cores, nearly nothing beside it), medians of three rounds of 6,000 activities; to reach 0.9 of
// one node is the goal:
//
//	connections  nodes  done/s  of one  CPU µs each  PostgreSQL's
//	128              1    3483                  243           143
//	128              2    3942    1.13          287           126
//
// With 32 connections two nodes did 1.01, 0.84 and 0.77 of one, in runs of 20,000, 8,000 and 4,000: each has half of the senders, and so
// half as many activities share a transaction, which costs nearly the same whatever is in it. A half of what a node takes in is the
// other's to handle, too, who reads it from the table and decodes it again. What a killed node had is handled by the other one after
// 10 to 11.3 s, of 20. A row each, which is the bare handler, judges nothing and commits for each activity, did 0.83 to 1.03 with two.
//
// A storm of 200,000 with SQLite and -fetches 60000, the machine with nothing else to do (2026-11-23): 915 s, one document for each
// actor, 0 lost, 178 MB at most, 66 MB of files; the others' 99th percentile 7.39 ms, which is 1.68 of 4.39 while quiet.
//
// A storm is to be measured on a machine with nothing else to do: on its two cores it uses a fifth of one, and a
// compiler beside it shows in every 99th percentile.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

type options struct {
	n, warm, connections, actors int
	storm                        int
	scenes                       string
	json                         bool

	// Of the server's process.
	serve, store, data, names, profile, memory string
	nodes, node                                string
	rounds                                     int
	group                                      bool
	fetches                                    int
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 20000, "measured `requests` per scene")
	flag.IntVar(&o.warm, "warm", 1000, "unmeasured `requests` before them")
	flag.IntVar(&o.connections, "c", 0, "`connections` of the generator; 0: 8, and 128 in all with -store postgres")
	flag.IntVar(&o.actors, "actors", 100, "`actors` that sign in turn")
	flag.IntVar(&o.storm, "storm", 0, "`how many` actors of one host like, boost or answer one post; 0: the scenes below")
	flag.StringVar(&o.scenes, "scenes", "bare,memory,sqlite,forged", "which `scenes` to play, in this order")
	flag.BoolVar(&o.json, "json", false, "print one line of JSON per scene")
	flag.StringVar(&o.profile, "cpuprofile", "", "write the server's CPU profile of each scene to `FILE`.scene")
	flag.StringVar(&o.memory, "memprofile", "", "write what is in the server's memory at the end of each scene to `FILE`.scene")
	flag.StringVar(&o.serve, "serve", "", "be the server: bare or fedihook (used by this program itself)")
	flag.StringVar(&o.store, "store", "memory", "of -serve and -storm: memory or sqlite; postgres: see -nodes")
	flag.StringVar(&o.nodes, "nodes", "1,2,4", "with -store postgres: `how many` servers share one database, with commas between")
	flag.IntVar(&o.rounds, "rounds", 3, "with -store postgres: `rounds` of all of them in turn, of which the median counts")
	flag.StringVar(&o.node, "node", "", "of -serve: its `name` among those that share a database; it is kept on no core")
	flag.StringVar(&o.data, "data", "", "of -serve: the folder of SQLite's files, or the address of PostgreSQL's schema")
	flag.StringVar(&o.names, "names", "", "of -serve: host=address,…")
	flag.BoolVar(&o.group, "group", true, "of -storm: the hooks get likes and boosts of one post in groups")
	flag.IntVar(&o.fetches, "fetches", 12_000, "of -storm: how many documents the server may fetch from one host in a minute")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "inboxserver:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.connections == 0 {
		o.connections = 8
		if o.store == "postgres" {
			o.connections = 128 // so many share transactions that two nodes' are as full as one's
		}
	}
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case o.n < 1 || o.warm < 0 || o.connections < 1 || o.actors < 1 || o.storm < 0:
		return fmt.Errorf("-n, -c and -actors must be positive, -warm and -storm not negative")
	case o.serve != "":
		if o.node != "" {
			return serve(ctx, o)
		}
		if runtime.NumCPU() > 1 {
			if err := bench.Pin(1); err != nil {
				return err
			}
		}
		runtime.GOMAXPROCS(1)
		return serve(ctx, o)
	}
	if o.store == "postgres" {
		return shared(ctx, o)
	}
	if o.storm > 0 {
		return storm(ctx, o)
	}
	return plain(ctx, o)
}

// row is what one scene came to.
type row struct {
	Scene    string  `json:"scene"`
	Answered float64 `json:"answered_per_second"`
	Done     float64 `json:"done_per_second"` // the hooks have run
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"server_cpu_us"` // per request
	RSS      float64 `json:"server_max_rss_mb"`
	Status   string  `json:"status"`
	Fetched  int64   `json:"documents_fetched"`
	Note     string  `json:"note,omitempty"`
}

func report(rows []row, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		for _, r := range rows {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scene\tanswered/s\tdone/s\tto the first\tp50 ms\tp99 ms\tCPU µs each\tmax RSS MB\tfetched\tanswers\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t%s\t\n",
			r.Scene, r.Answered, r.Done, r.Done/rows[0].Done, r.P50, r.P99, r.CPU, r.RSS, r.Fetched, r.Status)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Note != "" {
			fmt.Printf("%s: %s\n", r.Scene, r.Note)
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
