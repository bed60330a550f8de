package storage_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/storage/storagetest"
)

// breakStores in the environment names the suite whose broken stores TestBrokenStores runs.
const breakStores = "FEDIHOOK_BREAK_STORES"

// broken is a store with one fault and the check that must notice it.
type broken struct {
	check string
	run   func(t *testing.T)
}

// brokenStores has at least one store for each check of each suite.
func brokenStores() map[string][]broken {
	all := map[string][]broken{}
	for _, b := range slices.Concat(brokenJournals, brokenMarks) {
		all["Journal"] = append(all["Journal"], broken{b.check, func(t *testing.T) {
			storagetest.RunJournal(t, func(*testing.T) inbox.Journal { return b.fault(storage.Memory().Journal) })
		}})
	}
	for _, b := range brokenSharings {
		all["Sharing"] = append(all["Sharing"], broken{b.check, func(t *testing.T) {
			storagetest.RunSharing(t, func(*testing.T) [2]inbox.Journal {
				j := b.fault(storage.Memory().Journal.(sharedJournal))
				return [2]inbox.Journal{j, j}
			})
		}})
	}
	for _, b := range brokenDeadLetters {
		all["DeadLetters"] = append(all["DeadLetters"], broken{b.check, func(t *testing.T) {
			storagetest.RunJournalDeadLetters(t, func(*testing.T) inbox.Journal { return b.fault(storage.Memory().Journal) })
		}})
	}
	for _, b := range brokenCounters {
		all["Counter"] = append(all["Counter"], broken{b.check, func(t *testing.T) {
			storagetest.RunCounter(t, func(*testing.T) inbox.Journal { return b.fault(storage.Memory().Journal) })
		}})
	}
	for _, b := range brokenLogs {
		all["Log"] = append(all["Log"], broken{b.check, func(t *testing.T) {
			storagetest.RunLog(t, func(*testing.T) outbox.Log { return b.fault(storage.Memory().Log) })
		}})
	}
	for _, b := range brokenIntents {
		all["Intents"] = append(all["Intents"], broken{b.check, func(t *testing.T) {
			storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
				if !b.joins {
					return storagetest.Intents{Store: b.fault(storage.Memory().Intents)}
				}
				s, app := fresh(t)
				return storagetest.Intents{Store: b.fault(s.Intents), Begin: beginIn(app)}
			})
		}})
	}
	for _, b := range brokenFollowers {
		all["Followers"] = append(all["Followers"], broken{b.check, func(t *testing.T) {
			storagetest.RunFollowers(t, func(*testing.T) actor.Followers { return b.fault(storage.Memory().Followers) })
		}})
	}
	for _, b := range brokenKeys {
		all["Keys"] = append(all["Keys"], broken{b.check, func(t *testing.T) {
			storagetest.RunKeys(t, func(*testing.T) actor.Keys { return b.fault(storage.Memory().Keys) })
		}})
	}
	for _, b := range brokenRemotes {
		all["Remotes"] = append(all["Remotes"], broken{b.check, func(t *testing.T) {
			storagetest.RunRemotes(t, func(*testing.T) actor.Remotes { return b.fault(storage.Memory().Remotes) })
		}})
	}
	for _, b := range brokenRules {
		all["Rules"] = append(all["Rules"], broken{b.check, func(t *testing.T) {
			storagetest.RunRules(t, func(*testing.T) moderation.Rules { return b.fault(storage.Memory().Rules) })
		}})
	}
	for _, b := range brokenRelays {
		all["Relays"] = append(all["Relays"], broken{b.check, func(t *testing.T) {
			storagetest.RunRelays(t, func(*testing.T) outbox.Relays { return b.fault(storage.Memory().Relays) })
		}})
	}
	for _, b := range brokenForwards {
		all["Forwards"] = append(all["Forwards"], broken{b.check, func(t *testing.T) {
			storagetest.RunForwards(t, func(*testing.T) inbox.Forwards { return b.fault(storage.Memory().Forwards) })
		}})
	}
	for _, b := range brokenMoves {
		all["Moves"] = append(all["Moves"], broken{b.check, func(t *testing.T) {
			storagetest.RunMoves(t, func(*testing.T) actor.Moves { return b.fault(storage.Memory().Moves) })
		}})
	}
	for _, b := range brokenStamps {
		all["Stamps"] = append(all["Stamps"], broken{b.check, func(t *testing.T) {
			storagetest.RunStamps(t, func(*testing.T) consent.Stamps { return b.fault(storage.Memory().Stamps) })
		}})
	}
	for _, b := range brokenHosts {
		all["Hosts"] = append(all["Hosts"], broken{b.check, func(t *testing.T) {
			storagetest.RunHosts(t, func(*testing.T) moderation.Hosts { return b.fault(storage.Memory().Hosts) })
		}})
	}
	return all
}

// TestBrokenStores fails, in the processes that TestEveryCheckNoticesAFault starts, one for each suite.
func TestBrokenStores(t *testing.T) {
	suite := os.Getenv(breakStores)
	if suite == "" {
		t.Skip("run by TestEveryCheckNoticesAFault")
	}
	for i, b := range brokenStores()[suite] {
		t.Run(strconv.Itoa(i), b.run)
	}
}

// A check that can't fail is worth nothing: each is run against a store that it must refuse.
func TestEveryCheckNoticesAFault(t *testing.T) {
	t.Parallel()
	for suite, list := range brokenStores() {
		t.Run(suite, func(t *testing.T) {
			results := resultsOf(t, suite, list) // "number/check" to FAIL, PASS or SKIP
			noticed := map[string]bool{}
			for i, b := range list {
				check := strings.ReplaceAll(b.check, " ", "_")
				if got := results[fmt.Sprintf("%d/%s", i, check)]; got != "FAIL" {
					t.Errorf("fault %d: %q is %s, want FAIL", i, b.check, got)
				}
				noticed[check] = true
			}
			for name := range results {
				if _, check, _ := strings.Cut(name, "/"); !noticed[check] {
					noticed[check] = true // once is enough
					t.Errorf("there is no fault for %q", check)
				}
			}
		})
	}
}

// resultsOf runs a suite against its broken stores. Against the first one all checks run, so that their names are known;
// against each other one its own.
func resultsOf(t *testing.T, suite string, list []broken) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var run []string
	for i, b := range list {
		name := []string{"TestBrokenStores", strconv.Itoa(i)}
		if i > 0 {
			name = append(name, strings.Split(strings.ReplaceAll(b.check, " ", "_"), "/")...)
		}
		for i, part := range name {
			name[i] = "^" + regexp.QuoteMeta(part) + "$"
		}
		run = append(run, strings.Join(name, "/"))
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run="+strings.Join(run, "|"), "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), breakStores+"="+suite)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed {
		t.Fatalf("a run of broken stores ended with %v", err)
	}
	for _, bad := range []string{"panic", "fatal error", "DATA RACE"} { // then a check would fail for another reason
		if at := strings.Index(string(out), bad); at >= 0 {
			t.Fatalf("%s:\n%s", bad, out[max(0, at-500):min(len(out), at+2500)])
		}
	}
	results := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ *--- (\w+): TestBrokenStores/(\d+/\S+) `).FindAllStringSubmatch(string(out), -1) {
		results[m[2]] = m[1]
	}
	return results
}
