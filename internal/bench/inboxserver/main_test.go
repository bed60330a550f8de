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
