package storage_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
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

// breakStores in the environment lets TestBrokenStores fail.
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

// TestBrokenStores fails, in the process that TestEveryCheckNoticesAFault starts.
func TestBrokenStores(t *testing.T) {
	if os.Getenv(breakStores) == "" {
		t.Skip("run by TestEveryCheckNoticesAFault")
	}
	for suite, list := range brokenStores() {
		for i, b := range list {
			t.Run(fmt.Sprintf("%s-%d", suite, i), b.run)
		}
	}
}

// A check that can't fail is worth nothing: each is run against a store that it must refuse.
func TestEveryCheckNoticesAFault(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// Of the first fault in each suite all checks run, so that their names are known; of each other one its own.
	var run []string
	for suite, list := range brokenStores() {
		for i, b := range list {
			name := []string{"TestBrokenStores", fmt.Sprintf("%s-%d", suite, i)}
			if i > 0 {
				name = append(name, strings.Split(strings.ReplaceAll(b.check, " ", "_"), "/")...)
			}
			for i, part := range name {
				name[i] = "^" + regexp.QuoteMeta(part) + "$"
			}
			run = append(run, strings.Join(name, "/"))
		}
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run="+strings.Join(run, "|"), "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), breakStores+"=1")
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed {
		t.Fatalf("a run of broken stores ended with %v", err)
	}
	for _, bad := range []string{"panic", "fatal error", "DATA RACE"} { // then a check would fail for another reason
		if at := strings.Index(string(out), bad); at >= 0 {
			t.Fatalf("%s:\n%s", bad, out[max(0, at-500):min(len(out), at+2500)])
		}
	}
	results := map[string]string{} // "Suite-number/check" to FAIL, PASS or SKIP
	for _, m := range regexp.MustCompile(`(?m)^ *--- (\w+): TestBrokenStores/(\S+/\S+) `).FindAllStringSubmatch(string(out), -1) {
		results[m[2]] = m[1]
	}
	noticed := map[string]bool{}
	for suite, list := range brokenStores() {
		for i, b := range list {
			check := strings.ReplaceAll(b.check, " ", "_")
			switch got := results[fmt.Sprintf("%s-%d/%s", suite, i, check)]; got {
			case "FAIL":
				noticed[suite+"/"+check] = true
			default:
				t.Errorf("%s, fault %d: %q is %s, want FAIL", suite, i, b.check, got)
			}
		}
	}
	for name := range results {
		suite, check, _ := strings.Cut(name, "/")
		suite, _, _ = strings.Cut(suite, "-")
		if !noticed[suite+"/"+check] {
			noticed[suite+"/"+check] = true // once is enough
			t.Errorf("%s: there is no fault for %q", suite, check)
		}
	}
}
