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
// An actor who is new here costs some 0.75 ms until its key is known, and 1 ms more where the request for that has to be
// signed.
//
// On one PostgreSQL (15, on the same two cores), 3000 activities over 32 connections; to reach 0.9 is the goal. Before (a) and after (b)
// a node stopped to read what it has in hand and transactions asked for less. Each line is one round, of one and then of two nodes,
// beside others' work, which is why rates differ so; the last two of (b) were not in one run with (a), the third looks every 50 ms, as
// now, and the others every 20:
//
//	     load   done/s       of one  CPU µs each  PostgreSQL's
//	a      21   1268, 1290     1.02     450, 683      178, 360
//	a      13   2981, 1644     0.55     307, 607      115, 387
//	b      16   3933, 2521     0.64     210, 353      120, 258  NOT met
//	b      21   1008,  678     0.67     277, 470      151, 342  NOT met; with pg_stat_statements
//	b      59    688,  425     0.62     297, 467      156, 293  NOT met
//
// Where the rest goes, by the statements for each activity in the second round of (b), and how long they took, waiting for
// a core included:
//
//	                                            1 node          2 nodes
//	transactions of the journal                  0.037            0.073  32 senders divided by two: 29 and 15 activities in each
//	of them: read, write                   0.035  157 µs    0.065  217 µs
//	outcomes recorded                      0.027   20 µs    0.054   30 µs  37 and 19 in each
//	looks for what others have appended          0.000     0.089   14 µs
//	entries read from the table                  0.0       0.6     18 µs  a half are the other node's; it decodes them again
//
// In (a) the two nodes looked 0.196 times for each activity, and read 7.2 entries. What a killed node had is handled by the other one
// after 9.6 to 11.2 s, of 20. A row each, which is the bare handler, judges nothing and commits for each activity, did 0.95 with two.
//
// A storm of 8,000 (one run each, the machine nearly quiet), 99th percentile of the others, of what it is while quiet: 3.1 with two places
// that are free at once and a gathering of 1 ms, 1.3 with one that is taken for 4 ms and 0.2 ms.
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
	flag.IntVar(&o.connections, "c", 0, "`connections` of the generator; 0: 8, and 32 in all with -store postgres")
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
			o.connections = 32
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
