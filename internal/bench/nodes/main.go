// Command nodes runs several nodes of one site on one PostgreSQL database, each a process, and does to them what machines and
// networks do: kills them, stops them for longer than their leases last, cuts their database off and restarts it. Witness is
// this process, which is everyone else: whoever follows the site's users, and whoever sends to them.
//
//	bash .ci/postgres go run ./internal/bench/nodes               all scenes, as long as they take
//	bash .ci/postgres go run ./internal/bench/nodes -short        all scenes in some two minutes, most of them at once
//	bash .ci/postgres go run ./internal/bench/nodes -scene pause -lease 10s
//
// The scenes:
//
//	kill    SIGKILL at named points from the app's transaction to the record of an arrival: nothing lost, nothing said that was not
//	        committed, order kept, few repeats
//	pause   SIGSTOP for twice the lease: nothing begins where another node has taken over, no flush of the old lease is accepted
//	cut     the database is cut off by a proxy, from one node or from all, and restarted: all goes on by itself
//	big     a fan-out to many with a node killed in the middle: its lanes resume
//	inbox   duplicates at two nodes at once, a node killed and one stopped in a hook: each hook once, unless it was cut off, and in order
//	netns   a node in a network of its own whose link to the database is cut for longer than the lease
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

type options struct {
	postgres string
	nodes    int
	scene    string
	rounds   int
	targets  int
	seed     uint64
	only     string
	broken   string
	lease    time.Duration
	patience time.Duration
	often    int // of kill: after so many rounds it waits until all has arrived; 0: after the last
	resumes  time.Duration
	short    bool
	json     bool
	plain    bool // posts are not signed
}

type scene struct {
	name string
	// lease is shorter than the usual one where that saves time. Who is stopped in the middle of a transaction is in the way of
	// others until the server ends that, after 5 s.
	lease  time.Duration
	beside bool // it may be played beside others: it does nothing to the server, and leaves them some of the machine
	play   func(context.Context, options) (*result, error)
}

// scenes in the order in which they are played.
var scenes = []*scene{
	{"kill", 2 * time.Second, false, playKill},
	{"pause", 4 * time.Second, true, playPause},
	{"inbox", 4 * time.Second, true, playInbox},
	{"netns", 4 * time.Second, true, playNetns},
	{"big", 10 * time.Second, true, playBig},
	{"cut", 4 * time.Second, false, playCut},
}

// breaks are the ways in which nodes may be broken on purpose, in which scene that shows, and what must be found then, one of them.
var breaks = map[string]struct{ scene, found string }{
	"early-enqueue":    {"kill", "lost|order"},    // an activity is said to be queued before it is; what comes next may overtake it
	"forget-acks":      {"kill", "repeats|twice"}, // what has arrived is not recorded
	"outside-tx":       {"kill", "undead"},        // the intent is not written in the app's transaction
	"forget-keys":      {"kill", "order"},         // what is about one object is sent in any order
	"never-fenced":     {"pause", "fence"},        // a node does not believe that it has lost its lease
	"flushes-anyway":   {"pause", "stale"},        // nor does its store
	"never-takes-over": {"big", "unresumed"},      // nobody takes what a dead node had
	"never-seen":       {"inbox", "twice"},        // each node takes a copy for something new
	"everybodys":       {"inbox", "at once"},      // each node works at what is another's
}

func main() {
	var o options
	var child string
	flag.StringVar(&o.postgres, "postgres", os.Getenv("FEDIHOOK_POSTGRES"), "`address` of a server, postgres://…; .ci/postgres sets it")
	flag.IntVar(&o.nodes, "nodes", 3, "`how many`")
	flag.StringVar(&o.scene, "scene", "", "only these `scenes`, with commas between")
	flag.IntVar(&o.rounds, "rounds", 0, "`how often` to kill in the scene kill, or to stop in pause. Zero: 300 and 10, or with -short 100 and 2")
	flag.IntVar(&o.targets, "targets", 0, "of the big fan-out. Zero: 100,000")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "of what is chosen; what happens at once still varies")
	flag.StringVar(&o.only, "points", "", "only the points whose names contain one of these `words`, with commas between")
	flag.StringVar(&o.broken, "break", "", "break this, which must be found: "+strings.Join(slices.Sorted(maps.Keys(breaks)), ", "))
	flag.DurationVar(&o.lease, "lease", 0, "of who delivers; that of the inbox is 10 s. Zero: as the scene needs it")
	flag.DurationVar(&o.resumes, "resumes", 0, "within what time others go on with what a dead node had. Zero: 20 s, or with -short a minute: others use the machine")
	flag.DurationVar(&o.patience, "patience", time.Minute, "after how long something is lost")
	flag.BoolVar(&o.short, "short", false, "a shorter form")
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.StringVar(&child, "child", "", "be a node (used by this program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		switch {
		case child != "":
			return serve(ctx, child)
		case flag.NArg() > 0:
			return fmt.Errorf("unexpected argument %q", flag.Arg(0))
		case o.postgres == "":
			return errors.New("no server: run it as bash .ci/postgres go run ./internal/bench/nodes, or say -postgres")
		case o.nodes < 2 || o.rounds < 0 || o.targets < 0 || o.lease < 0:
			return errors.New("-nodes must be 2 at least, and nothing negative")
		case o.broken != "" && breaks[o.broken].found == "":
			return fmt.Errorf("-break %q: there is no such fault", o.broken)
		case o.broken != "" && breaks[o.broken].scene != o.scene:
			return fmt.Errorf("-break %s needs -scene %s", o.broken, breaks[o.broken].scene)
		}
		return playAll(ctx, o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		os.Exit(1)
	}
}

// playAll plays one scene after the other, and stops at the first that fails. In the short form most are
// played beside the first; the database is cut off in the last.
func playAll(ctx context.Context, o options) error {
	wanted := strings.Split(o.scene, ",")
	known, atOnce := 0, make(map[string]chan error)
	for _, s := range scenes {
		if o.scene != "" && !slices.Contains(wanted, s.name) {
			continue
		}
		known++
		if o.short && s.beside {
			done := make(chan error, 1)
			atOnce[s.name] = done
			go func() { done <- s.run(ctx, o) }()
		}
	}
	if o.scene != "" && known < len(wanted) {
		return fmt.Errorf("-scene %q: some of these there are not", o.scene)
	}
	var failed error
	for _, s := range scenes {
		if done := atOnce[s.name]; done != nil {
			failed = errors.Join(failed, <-done)
		} else if failed == nil && (o.scene == "" || slices.Contains(wanted, s.name)) {
			failed = s.run(ctx, o)
		}
	}
	return failed
}

// run plays a scene and says what came of it.
func (s *scene) run(ctx context.Context, o options) error {
	began := time.Now()
	if o.lease == 0 {
		o.lease = s.lease
	}
	if o.resumes == 0 {
		o.resumes = 20 * time.Second
		if o.short {
			o.resumes = time.Minute
		}
	}
	r, err := s.play(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	r.Scene, r.Seed, r.Seconds = s.name, o.seed, time.Since(began).Seconds()
	if err := r.report(o.json); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// result is what came of a scene.
type result struct {
	Scene   string         `json:"scene"`
	Seed    uint64         `json:"seed"`
	Skipped string         `json:"skipped,omitempty"` // why
	Rounds  int            `json:"rounds"`
	Kills   map[string]int `json:"kills,omitempty"`
	Missed  map[string]int `json:"missed,omitempty"` // the point was not reached, the kill came anyway
	Seconds float64        `json:"seconds"`
	Facts   []fact         `json:"facts"`
	Faults  map[string]int `json:"faults"`
	First   []string       `json:"first_faults"`

	points    []kill.Point
	least     int // kills at each of them
	strangers int
}

// fact is a number worth printing.
type fact struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Note  string `json:"note"`
}

func newResult() *result { return &result{Kills: map[string]int{}, Missed: map[string]int{}} }

func (r *result) fact(name string, value int64, note string) {
	r.Facts = append(r.Facts, fact{name, value, note})
}

// finish adds what the witness has seen, and takes the town down.
func (t *town) finish(r *result) error {
	wrong, c := t.ledger.Verdict()
	s := t.sightings()
	r.fact("said", int64(c.Said), "revisions of posts that were committed")
	r.fact("unsaid", int64(c.Unsaid), "rolled back, or killed before their commit")
	r.fact("arrived", int64(c.Arrived), "posts that were taken")
	r.fact("refused", int64(s.Refused), "posts that were answered 500 or 503, to be tried again")
	r.fact("repeated", int64(c.Repeated), "of those that were taken had come before")
	r.fact("most_repeated", int64(c.MostRepeated), fmt.Sprintf("of one lease of one node; %d are allowed", t.ledger.Bound()))
	r.fact("taken_over", int64(s.TakenOver), "times that a host's posts came under another lease than before")
	r.fact("late", int64(s.Late), "posts that were begun before another node began to post to their host, and came after that")
	t.mu.Lock()
	r.fact("flushes", int64(len(t.flushes)), "that were accepted")
	r.fact("flushes_refused", int64(t.refused), "because the lease was over")
	t.mu.Unlock()
	r.Faults, r.First = wrong.Kinds, wrong.List
	return t.close()
}

// printing is held by who prints: scenes may be played at once.
var printing sync.Mutex

func (r *result) report(asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
		return r.verdict()
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Printf("== %s\n", r.Scene)
	if r.Skipped != "" {
		fmt.Println("left out:", r.Skipped)
		return nil
	}
	for _, p := range r.points {
		fmt.Printf("%8d kills, %d missed: %s\n", r.Kills[p.Name], r.Missed[p.Name], p.Name)
	}
	for _, f := range r.Facts {
		fmt.Printf("%8d %s: %s\n", f.Value, f.Name, f.Note)
	}
	fmt.Printf("%d rounds in %.1f s; -seed %d\n", r.Rounds, r.Seconds, r.Seed)
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
// must not pass for a node that survives.
func (r *result) verdict() error {
	if len(r.Faults) > 0 {
		return fmt.Errorf("faults: %v", r.Faults)
	}
	if name := r.behind(); name != "" {
		return fmt.Errorf("%d kills at %q: %d were to be", r.Kills[name], name, r.least)
	}
	return nil
}

// behind is a point that was not tried as often as it should be, "" if each was.
func (r *result) behind() string {
	for _, p := range r.points {
		if r.Kills[p.Name] < r.least {
			return p.Name
		}
	}
	return ""
}
