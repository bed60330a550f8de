package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// Whoever had a host before may not begin to post to it once another one has begun. When posts come is the network's affair.
func TestTheWitnessGoesByWhenPostsWereBegun(t *testing.T) {
	t.Parallel()
	type came struct {
		life, turn, began int
	}
	for _, c := range []struct {
		name  string
		came  []came
		fence bool
		late  int
	}{
		{"one after the other", []came{{1, 1, 0}, {1, 1, 1}, {2, 2, 2}, {2, 2, 3}}, false, 0},
		{"begun before, come after", []came{{1, 1, 0}, {2, 2, 2}, {1, 1, 1}}, false, 1},
		{"begun after another", []came{{1, 1, 0}, {2, 2, 2}, {1, 1, 3}}, true, 0},
		{"begun after another, come before", []came{{1, 1, 3}, {2, 2, 2}}, true, 0},
		{"the other way round, come in disorder", []came{{1, 1, 3}, {1, 1, 0}, {2, 2, 2}}, true, 0},
		{"back again", []came{{1, 1, 0}, {2, 2, 2}, {1, 3, 4}, {1, 3, 5}}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &witness{ledger: kill.NewLedger(1), fair: true, hosts: map[string]claim{}, lives: map[int]*lifetime{}}
			epoch := time.Unix(1<<30, 0)
			for i, p := range c.came {
				r := httptest.NewRequest(http.MethodPost, "http://here.test/inbox", nil)
				w.ledger.Asked(i, 0, nil, "asked")
				status := w.post(r, arrival{k: i, life: p.life, term: int64(p.turn), turn: int64(p.turn), began: epoch.Add(time.Duration(p.began) * time.Second)})
				if status != http.StatusAccepted {
					t.Errorf("post %d is answered %d", i, status)
				}
			}
			wrong, _ := w.ledger.Verdict()
			if got := wrong.Kinds["fence"] > 0; got != c.fence || len(wrong.List) != wrong.Kinds["fence"] || w.seen.Late != c.late {
				t.Errorf("%d came late and %q is wrong, want %d and a fault of the fence %v", w.seen.Late, wrong.List, c.late, c.fence)
			}
		})
	}
}
