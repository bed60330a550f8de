// Command crash kills a server with SIGKILL, a thousand times, and looks at what is left: at named points between
// the app's transaction and the last acknowledgement, or with -inbox between a request and the mark of its hook. Each
// time it is started again on the same files, and killed at another point.
//
//	go run ./internal/bench/crash                deliveries: nothing lost, few repeats, order kept
//	go run ./internal/bench/crash -inbox         what was answered 202 reaches its hook
//	go run ./internal/bench/crash -rounds 100    a short run
//
// Witness is this process, which is everyone else: whoever follows the server's users, and whoever sends to them. What
// the server itself believes is asked only once: which of the app's own rows are there.
//
// A SIGKILL is the death of a process, not of a machine: what the kernel was given it still writes. Loss of power is
// the affair of SQLite's synchronous=FULL.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
	"github.com/fedihook/fedihook/internal/bench/kill"
)

type options struct {
	inbox    bool
	rounds   int
	seed     uint64
	only     string
	broken   string
	json     bool
	patience time.Duration
	lease    time.Duration
}

// breaks are the ways in which the server may be broken on purpose, and what must be found then.
var breaks = map[string]struct {
	inbox bool
	found string
}{
	"early-enqueue": {false, "lost"},    // an activity is said to be queued before it is
	"forget-acks":   {false, "repeats"}, // what has arrived is not recorded
	"outside-tx":    {false, "undead"},  // the intent is not written in the app's transaction
	"forget-keys":   {false, "order"},   // what is about one object is sent in any order
	"early-202":     {true, "lost"},     // an entry is said to be kept before it is
	"forget-marks":  {true, "twice"},    // that a hook has run is not recorded
}

func main() {
	var o options
	var child string
	delivery := flag.Bool("delivery", true, "kill between the app's transaction and the last acknowledgement")
	flag.BoolVar(&o.inbox, "inbox", false, "kill between a request and the mark of its hook instead")
	flag.IntVar(&o.rounds, "rounds", 1000, "`how often` to kill")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "of the choice of points; what happens at once still varies")
	flag.StringVar(&o.only, "points", "", "only the points whose names contain one of these `words`, with commas between")
	flag.StringVar(&o.broken, "break", "", "break this, which must be found: "+strings.Join(slices.Sorted(maps.Keys(breaks)), ", "))
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.DurationVar(&o.patience, "patience", 20*time.Second, "after how long something is lost")
	flag.DurationVar(&o.lease, "lease", 0, "the queue's owner has no name: after each kill it waits so long for its own lease")
	flag.StringVar(&child, "child", "", "be the server (used by this program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		switch {
		case child != "":
			return serve(ctx, child)
		case flag.NArg() > 0:
			return fmt.Errorf("unexpected argument %q", flag.Arg(0))
		case o.rounds < 1:
			return fmt.Errorf("-rounds must be positive")
		case o.broken != "" && breaks[o.broken].found == "":
			return fmt.Errorf("-break %q: there is no such fault", o.broken)
		case o.broken != "" && breaks[o.broken].inbox != o.inbox:
			return fmt.Errorf("-break %s does nothing: it needs -inbox=%v", o.broken, !o.inbox)
		case !*delivery && !o.inbox:
			return fmt.Errorf("neither -delivery nor -inbox: nothing to do")
		}
		result, err := run(ctx, o)
		if err != nil {
			return err
		}
		return report(result, o.json)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// scene is what the server does while it is killed, and who sees to it.
type scene interface {
	points() []kill.Point
	order(o *order, pt kill.Point)
	heard(word, rest string)                                     // what the server says of its own accord
	prepare(ctx context.Context, p *kill.Process) error          // the first life
	recovered(ctx context.Context, p *kill.Process) error        // waits until all is well again
	work(ctx context.Context, p *kill.Process) error             // until it is killed, or enough was done
	ended() error                                                // a server is gone
	finish(ctx context.Context, p *kill.Process, life int) error // after a life that ended in good order
	verdict() (kill.Faults, []fact)
	close()
}

// fact is a number worth printing.
type fact struct {
	Name  string `json:"name"`
	Value int    `json:"value"`
	Note  string `json:"note"`
}

type result struct {
	Scene   string         `json:"scene"`
	Seed    uint64         `json:"seed"`
	Rounds  int            `json:"rounds"`
	Kills   map[string]int `json:"kills"`
	Missed  map[string]int `json:"missed"` // the point was not reached, the kill came anyway
	Seconds float64        `json:"seconds"`
	Facts   []fact         `json:"facts"`
	Faults  map[string]int `json:"faults"`
	First   []string       `json:"first_faults"`
	Kept    string         `json:"kept,omitempty"` // the folder, if there are faults

	points     []kill.Point
	recoveries []time.Duration
}

func run(ctx context.Context, o options) (r *result, err error) {
	random := rand.New(rand.NewPCG(o.seed, 0))
	var s scene
	r = &result{Scene: "delivery", Seed: o.seed, Rounds: o.rounds, Kills: map[string]int{}, Missed: map[string]int{}}
	if o.inbox {
		r.Scene = "inbox"
		s, err = newReceiving(o, random)
	} else {
		s, err = newPosting(o, random)
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	if r.points, err = kill.Choose(s.points(), o.only); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as the kernel names what is open
		return nil, err
	}
	began := time.Now()
	c := &crash{options: o, scene: s, rand: random, dir: dir, deck: kill.Deck{Points: r.points, Rand: random}, result: r}
	err = c.all(ctx)
	r.Seconds = time.Since(began).Seconds()
	wrong, facts := s.verdict()
	slowest := bench.Percentile(r.recoveries, 1)
	r.Facts = append(facts, fact{"slowest_ms", int(slowest.Milliseconds()), "from a start until everything that was said before is done"})
	r.Faults, r.First = wrong.Kinds, wrong.List
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; faults: %q; the files are in %s", err, wrong.List, dir)
	case len(wrong.List) == 0:
		return r, os.RemoveAll(dir)
	}
	r.Kept = dir
	return r, nil
}

func report(r *result, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
		return r.verdict()
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kills\tmissed\t  point\t")
	for _, p := range r.points {
		fmt.Fprintf(w, "%d\t%d\t  %s\t\n", r.Kills[p.Name], r.Missed[p.Name], p.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.Facts {
		fmt.Printf("%8d %s: %s\n", f.Value, f.Name, f.Note)
	}
	played := 0
	for _, p := range r.points {
		played += r.Kills[p.Name] + r.Missed[p.Name]
	}
	fmt.Printf("%d of %d rounds in %.1f s, %.2f s each; -seed %d\n", played, r.Rounds, r.Seconds, r.Seconds/float64(max(played, 1)), r.Seed)
	for _, f := range r.First {
		fmt.Println(f)
	}
	if err := r.verdict(); err != nil {
		return err
	}
	fmt.Println("nothing lost, nothing twice that must not be, order kept")
	return nil
}

// verdict is an error if anything was found, or if a point was not tried as often as it should: a seam that has moved
// must not pass for a server that survives.
func (r *result) verdict() error {
	if len(r.Faults) > 0 {
		return fmt.Errorf("faults: %v; the files are in %s", r.Faults, r.Kept)
	}
	if p := r.behind(); p != nil {
		return fmt.Errorf("%d kills at %q: %d were to be", r.Kills[p.Name], p.Name, r.least())
	}
	return nil
}

// least is how often to kill at each point at least.
func (r *result) least() int { return min(20, r.Rounds/len(r.points)/2) }

// behind is a point that was not tried so often, nil if each was.
func (r *result) behind() *kill.Point {
	for i, p := range r.points {
		if r.Kills[p.Name] < r.least() {
			return &r.points[i]
		}
	}
	return nil
}
