package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
)

// The program starts itself as its own server; under test that is this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

func testOptions() options {
	return options{n: 60, warm: 20, connections: 4, actors: 5, store: "memory", fetches: 600_000, json: true}
}

// Not parallel: the program pins its process to a core.
func TestEverySceneTakesWhatIsSignedAndNothingElse(t *testing.T) {
	o := testOptions()
	o.scenes = "bare,memory,sqlite,forged"
	if err := plain(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestASceneThatIsNoneIsSaid(t *testing.T) {
	o := testOptions()
	o.scenes = "calm"
	if err := plain(t.Context(), o); err == nil {
		t.Error("there is no such scene, and nothing was said")
	}
}

func TestAStormSaysWhichGoalsItMet(t *testing.T) {
	t.Parallel()
	good := weather{Actors: 1000, Fetched: 1000, MostAtOnce: 16, QuietP99: 3, StormP99: 6, RSS: 200, Journal: 20}
	for _, c := range []struct {
		name string
		with func(*weather)
		want int
	}{
		{"all", func(*weather) {}, 0},
		{"slow", func(w *weather) { w.StormP99 = 6.1 }, 1},
		{"refused", func(w *weather) { w.OthersRefused = 1 }, 1},
		{"fetched twice", func(w *weather) { w.Fetched = 1001 }, 1},
		{"all at once", func(w *weather) { w.MostAtOnce = 17 }, 1},
		{"lost", func(w *weather) { w.Lost = 1 }, 1},
		{"too many", func(w *weather) { w.Extra = 1 }, 1},
		{"memory", func(w *weather) { w.RSS = 201 }, 1},
		{"files", func(w *weather) { w.Journal = 22 }, 1},
	} {
		w, missed := good, 0
		c.with(&w)
		for _, g := range w.goals() {
			if !g.met {
				missed++
			}
		}
		if missed != c.want {
			t.Errorf("%s: %d goals missed, want %d", c.name, missed, c.want)
		}
	}
}

func TestServersThatSharePostgresTakeEverything(t *testing.T) {
	t.Parallel()
	pgtest.URL(t) // skips without a server
	o := testOptions()
	o.store, o.nodes, o.rounds, o.warm = "postgres", "1,2", 1, 10
	if err := shared(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestNumbersOfNodesThatMakeNoSenseAreSaid(t *testing.T) {
	t.Parallel()
	for _, nodes := range []string{"", "0", "65", "1,two"} {
		o := testOptions()
		o.store, o.nodes, o.rounds = "postgres", nodes, 1
		if err := shared(t.Context(), o); err == nil || !strings.Contains(err.Error(), "-nodes") {
			t.Errorf("%q: %v", nodes, err)
		}
	}
}

func TestNodesAreJudgedByTheMedianOfTheirRounds(t *testing.T) {
	t.Parallel()
	f := findings{sets: []int{1, 2}, resume: 20 * time.Second}
	for _, done := range []float64{100, 10, 1000} {
		f.rounds = append(f.rounds, turnout{Nodes: 1, Done: done}, turnout{Nodes: 2, Done: 0.9 * done},
			turnout{Nodes: 1, Rows: true, Done: 7}, turnout{Nodes: 2, Rows: true, Done: 1})
	}
	for _, g := range f.goals() {
		if !g.met {
			t.Errorf("%s is not met", g.what)
		}
	}
	var table, lines strings.Builder
	if err := f.print(&table, false); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(table.String(), "\n"); got != 1+2*2+2 {
		t.Errorf("the table has %d lines:\n%s", got, table.String())
	}
	if err := f.print(&lines, true); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %q", line)
		}
	}
	f.resume++
	for i := range f.rounds {
		if t := &f.rounds[i]; t.Nodes == 2 {
			t.Done--
		}
	}
	for _, g := range f.goals() {
		if g.met {
			t.Errorf("%s is met", g.what)
		}
	}
}
