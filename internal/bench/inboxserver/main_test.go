package main

import (
	"os"
	"testing"
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
