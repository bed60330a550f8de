package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

// The program starts itself as its own nodes; under test that is this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Each break is tried where it shows soonest, all at once: most of the time is spent waiting.
func TestWhatIsBrokenIsFound(t *testing.T) {
	t.Parallel()
	where := map[string]options{
		"early-enqueue":    {only: "answer read,intent before dropped", rounds: 60, often: 5, patience: 15 * time.Second},
		"forget-acks":      {only: "answer read", rounds: 40},
		"outside-tx":       {only: "app before commit", rounds: 30},
		"forget-keys":      {only: "enqueue after commit,flush after commit", rounds: 60},
		"never-fenced":     {rounds: 8},
		"flushes-anyway":   {rounds: 8},
		"never-takes-over": {targets: 20_000, lease: 4 * time.Second, resumes: 12 * time.Second},
		"never-seen":       {},
		"everybodys":       {},
	}
	pgtest.URL(t) // or it is left out
	began := time.Now()
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, ok := where[name]
			if !ok {
				t.Fatal("nobody tries this")
			}
			o.postgres, o.broken, o.nodes, o.seed = os.Getenv(pgtest.Variable), name, 3, rand.Uint64()
			o.short = true
			if o.patience == 0 {
				o.patience = time.Minute
			}
			for _, s := range scenes {
				if s.name != b.scene {
					continue
				}
				if o.lease == 0 {
					o.lease = s.lease
				}
				r, err := s.play(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d rounds in %v", r.Rounds, time.Since(began))
				found := 0
				for kind := range strings.SplitSeq(b.found, "|") {
					found += r.Faults[kind]
				}
				if found == 0 || r.verdict() == nil {
					t.Errorf("faults are %v and the verdict is %v, want %q", r.Faults, r.verdict(), b.found)
				}
			}
		})
	}
}

func TestAPointThatIsNotReachedIsNoSuccess(t *testing.T) {
	t.Parallel()
	r := &result{Rounds: 100, least: 16, Kills: map[string]int{kill.Anytime: 50}, points: []kill.Point{{Name: kill.Anytime}, {Name: "moved"}}}
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "moved") {
		t.Errorf("the verdict is %v, want one that names the point", err)
	}
}

// What hooks tell is judged without any node.
func TestTheWitnessOfHooksFindsWhatIsWrongAndNothingElse(t *testing.T) {
	t.Parallel()
	const begin, end, gone = "begin", "end", "gone"
	type told struct {
		what string
		rev  int
		life int
	}
	for _, c := range []struct {
		name string
		told []told
		want string // "": nothing is wrong
	}{
		{"one after the other", []told{{begin, 0, 1}, {end, 0, 1}, {begin, 1, 2}, {end, 1, 2}}, ""},
		{"again after a kill in it", []told{{begin, 0, 1}, {gone, 0, 1}, {begin, 0, 2}, {end, 0, 2}}, ""},
		{"again after a kill before the record", []told{{begin, 0, 1}, {end, 0, 1}, {gone, 0, 1}, {begin, 0, 2}, {end, 0, 2}}, ""},
		{"two at once", []told{{begin, 0, 1}, {begin, 0, 2}}, "at once"},
		{"again for no reason", []told{{begin, 0, 1}, {end, 0, 1}, {begin, 0, 2}}, "twice"},
		{"again after another one's death", []told{{begin, 0, 1}, {end, 0, 1}, {gone, 0, 3}, {begin, 0, 2}}, "twice"},
		{"out of order", []told{{begin, 1, 1}, {end, 1, 1}, {begin, 0, 1}}, "order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &witness{ledger: kill.NewLedger(1)}
			w.hooks = newHooks(w)
			for rev := range 2 {
				w.hooks.sent(fmt.Sprint(rev), subject{"it", rev})
			}
			for _, a := range c.told {
				switch a.what {
				case gone:
					w.hooks.gone(a.life)
				default:
					w.hooks.told(a.what, fmt.Sprint(a.rev), a.life)
				}
				time.Sleep(time.Millisecond)
			}
			wrong, _ := w.ledger.Verdict()
			if c.want == "" && len(wrong.List) > 0 || c.want != "" && wrong.Kinds[c.want] == 0 {
				t.Errorf("found %q, want %q", wrong.List, c.want)
			}
		})
	}
}
