package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// The program starts itself as its own server; under test that is this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		main()
		return
	}
	os.Exit(m.Run())
}

func play(t *testing.T, o options) *result {
	t.Helper()
	if race {
		t.Skip("a server with the race detector is too slow to be killed where it should be")
	}
	if o.patience == 0 {
		o.patience = 20 * time.Second
	}
	o.seed = 1
	r, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kept != "" {
		t.Cleanup(func() { _ = os.RemoveAll(r.Kept) })
	}
	return r
}

func (r *result) fact(name string) int {
	i := slices.IndexFunc(r.Facts, func(f fact) bool { return f.Name == name })
	return r.Facts[i].Value
}

func TestAKillAtEachPointLosesNothing(t *testing.T) {
	for name, o := range map[string]options{
		"delivery": {rounds: len(deliveryPoints)},
		"inbox":    {inbox: true, rounds: len(inboxPoints)},
	} {
		t.Run(name, func(t *testing.T) {
			r := play(t, o)
			if err := r.verdict(); err != nil {
				t.Errorf("%v: %q", err, r.First)
			}
			missed := 0
			for _, p := range r.points {
				missed += r.Missed[p.Name]
				if r.Kills[p.Name]+r.Missed[p.Name] != 1 {
					t.Errorf("%d kills at %q and %d instead of it", r.Kills[p.Name], p.Name, r.Missed[p.Name])
				}
			}
			if missed > 3 { // a busy machine may be late for one
				t.Errorf("%d points were not reached: %v", missed, r.Missed)
			}
		})
	}
}

// Each break is tried in a server that is killed where it shows.
func TestWhatIsBrokenIsFound(t *testing.T) {
	t.Parallel()
	where := map[string]options{
		"early-enqueue": {only: "intent before dropped,answer read"},
		"forget-acks":   {only: "answer read"},
		"outside-tx":    {only: "app before commit"},
		"forget-keys":   {only: "enqueue after commit,flush after commit"},
		"early-202":     {only: "before the answer"},
		"forget-marks":  {only: "mark after commit"},
	}
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, ok := where[name]
			if !ok {
				t.Fatal("nobody tries this")
			}
			o.broken, o.inbox, o.rounds = name, b.inbox, 100
			if b.found == "lost" {
				o.patience = 4 * time.Second // what is lost is waited for in vain; all else a slow machine gets time for
			}
			r := play(t, o)
			if r.Faults[b.found] == 0 {
				t.Errorf("faults are %v, want %q", r.Faults, b.found)
			}
			if err := r.verdict(); err == nil || !strings.Contains(err.Error(), b.found) {
				t.Errorf("the verdict is %v, want one that names %q", err, b.found)
			}
		})
	}
}

// A server under another name waits until the lease of the dead one has run out, and no longer. All other tests come
// back under the old name, in a few milliseconds and with a lease of minutes.
func TestALeaseHoldsUpAStrangerUntilItRunsOut(t *testing.T) {
	t.Parallel()
	r := play(t, options{rounds: 6, only: "answer read", lease: time.Second, patience: 10 * time.Second})
	if err := r.verdict(); err != nil {
		t.Fatalf("%v: %q", err, r.First)
	}
	if slowest := r.fact("slowest_ms"); slowest < 300 || slowest >= 10_000 {
		t.Errorf("the slowest start took %d ms, want about as long as the lease of 1,000", slowest)
	}
}

func TestAPointThatIsNotReachedIsNoSuccess(t *testing.T) {
	t.Parallel()
	r := &result{Rounds: 100, Kills: map[string]int{kill.Anytime: 50}, points: []kill.Point{{Name: kill.Anytime}, {Name: "moved"}}}
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "moved") {
		t.Errorf("the verdict is %v, want one that names the point", err)
	}
}

func TestAPointThatIsNoneIsSaid(t *testing.T) {
	t.Parallel()
	if _, err := run(t.Context(), options{rounds: 1, only: "lunch"}); err == nil {
		t.Error("there is no such point, and nothing was said")
	}
}
