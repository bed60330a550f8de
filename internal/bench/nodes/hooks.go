package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hooks is what hooks tell.
type hooks struct {
	witness *witness

	mu    sync.Mutex
	open  map[string]int // activity → the process in which its hook runs
	runs  map[string]int // activity → how often it began
	done  map[string]ending
	gones map[int]time.Time  // when processes' leases were over, or began to run out
	ended map[string]bool    // activities whose hook was cut off
	last  map[string]int     // object → the highest revision that began
	about map[string]subject // activity → what it is about
	total struct{ Runs, Again, CutOff int }
}

// ending is where and when a hook returned.
type ending struct {
	life int
	at   time.Time
}

// subject is a revision of an object.
type subject struct {
	object string
	rev    int
}

func newHooks(w *witness) *hooks {
	return &hooks{
		witness: w, open: map[string]int{}, runs: map[string]int{}, done: map[string]ending{}, gones: map[int]time.Time{}, ended: map[string]bool{},
		last: map[string]int{}, about: map[string]subject{},
	}
}

// sent notes what an activity is about.
func (h *hooks) sent(id string, s subject) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.about[id] = s
}

// gone notes that what runs in a process may run elsewhere, too.
func (h *hooks) gone(life int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gones[life] = time.Now()
	for id, in := range h.open {
		if in == life {
			delete(h.open, id)
			h.ended[id] = true
			h.total.CutOff++
		}
	}
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	var life int
	if _, err := fmt.Sscan(r.URL.Query().Get("life"), &life); err != nil || id == "" {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	h.told(strings.TrimPrefix(r.URL.Path, "/hook/"), id, life)
}

// told learns that a hook begins or has ended.
func (h *hooks) told(what, id string, life int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if what == "begin" {
		h.begin(id, life)
		return
	}
	if h.open[id] == life {
		delete(h.open, id)
		h.done[id] = ending{life, time.Now()}
	}
}

func (h *hooks) begin(id string, life int) {
	s, known := h.about[id]
	if !known {
		h.witness.ledger.Fault("odd: process %d runs a hook for %q, which nobody sent", life, id)
		return
	}
	if in, runs := h.open[id]; runs {
		h.witness.ledger.Fault("at once: the hook for %s began in process %d while it ran in process %d", id, life, in)
	}
	h.total.Runs++
	if h.runs[id]++; h.runs[id] > 1 {
		h.total.Again++
	}
	if h.runs[id] > 1 && !h.ended[id] && !h.cut(id) {
		h.witness.ledger.Fault("twice: the hook for %s began again in process %d, and no process was cut off in it", id, life)
	}
	if last, any := h.last[s.object]; any && s.rev < last {
		h.witness.ledger.Fault("order: the hook for %s began in process %d after that of revision %d", id, life, last)
	}
	h.last[s.object] = max(h.last[s.object], s.rev)
	h.open[id] = life
}

// cut says whether the process in which an activity's hook has returned may not have recorded that.
func (h *hooks) cut(id string) bool {
	e, done := h.done[id]
	return done && h.gones[e.life].After(e.at)
}

// left lists what was sent and is not done.
func (h *hooks) left() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.about {
		if h.done[id].life == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
