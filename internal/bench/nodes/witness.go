package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/bench/kill"
)

// witness is everyone else: the inboxes that are posted to, and whom hooks tell what they do. What arrived the ledger compares with
// what was said. The witness itself sees to it that no node begins to post to a host after another one took that host over. Its
// methods may be called by many goroutines.
type witness struct {
	address string
	ledger  *kill.Ledger
	hooks   *hooks
	other   http.Handler // what is neither a post nor a hook
	server  *http.Server
	slow    time.Duration // an answer takes up to so long; set before nodes are started
	fair    bool          // nothing is refused; the same

	mu    sync.Mutex
	hosts map[string]claim // who has posted to each under the highest turn
	lives map[int]*lifetime
	seen  sightings
}

// sightings is what a witness has seen.
type sightings struct {
	Refused   int // posts that it answered 500 or 503
	Late      int // posts that were begun before another process began to post to their host, and came after that
	TakenOver int // hosts that another process posted to than the one before, or the same one under another lease
}

// claim is a turn of a host's, and when the first post under it that came was begun, and the last.
type claim struct {
	turn        int64
	life        int
	first, last time.Time
}

// lifetime is what a process does.
type lifetime struct {
	posts int
	open  int // posts that are being answered
}

func newWitness(address string, inFlight int, other http.Handler) (*witness, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	w := &witness{
		address: l.Addr().String(), ledger: kill.NewLedger(flushAt + inFlight), other: other, slow: 10 * time.Millisecond,
		hosts: map[string]claim{}, lives: map[int]*lifetime{},
	}
	w.hooks = newHooks(w)
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go w.server.Serve(l) // until close
	return w, nil
}

func (w *witness) close() { _ = w.server.Close() }

func (w *witness) life(n int) *lifetime {
	if w.lives[n] == nil {
		w.lives[n] = new(lifetime)
	}
	return w.lives[n]
}

// killed notes that a process is dead, or will be in a moment.
func (w *witness) killed(life int) { w.hooks.gone(life) }

// stopped notes that a process is stopped for longer than its leases last.
func (w *witness) stopped(life int) { w.hooks.gone(life) }

func (w *witness) sightings() sightings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// posts is how many a process has made, and how many of these are being answered.
func (w *witness) posts(life int) (n, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.life(life)
	return l.posts, l.open
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/hook/"):
		w.hooks.ServeHTTP(rw, r)
		return
	case r.Method != http.MethodPost:
		w.other.ServeHTTP(rw, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // its process was killed while it sent
	}
	k, rev, create, err := kill.ReadPost(origin, body)
	var life int
	var term, turn, began int64
	var again bool
	_, headerErr := fmt.Sscan(r.Header.Get(header), &life, &term, &turn, &began, &again)
	if err != nil || headerErr != nil || turn == 0 {
		w.ledger.Fault("odd: %s with %q: %.300s", r.URL.Path, r.Header.Get(header), body)
		http.Error(rw, "not understood", http.StatusBadRequest)
		return
	}
	status := w.post(r, arrival{k: k, rev: rev, create: create, life: life, term: term, turn: turn, began: time.Unix(0, began), again: again})
	if w.slow > 0 {
		time.Sleep(rand.N(w.slow))
	}
	w.mu.Lock()
	w.life(life).open--
	w.mu.Unlock()
	rw.WriteHeader(status)
}

// arrival is a post.
type arrival struct {
	k, rev     int
	create     bool
	life       int
	term, turn int64
	began      time.Time
	again      bool // its process has tried it before and got no answer
}

func (w *witness) post(r *http.Request, a arrival) (status int) {
	inbox := "http://" + r.Host + r.URL.Path
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.life(a.life)
	l.posts++
	l.open++
	const fence = "fence: process %d began to post to %s under turn %d, %v after process %d had under turn %d"
	had := w.hosts[r.Host]
	switch {
	case a.turn == had.turn:
		had.last = later(had.last, a.began)
		w.hosts[r.Host] = had
	case a.turn > had.turn:
		if had.turn != 0 {
			w.seen.TakenOver++
		}
		if had.last.After(a.began) {
			w.ledger.Fault(fence, had.life, r.Host, had.turn, had.last.Sub(a.began), a.life, a.turn)
		}
		w.hosts[r.Host] = claim{a.turn, a.life, a.began, a.began}
	case !a.began.After(had.first): // it was under way for so long, or its process was stopped, or is dead
		w.seen.Late++
		return http.StatusAccepted // whoever took over has sent it, or will
	default:
		w.ledger.Fault(fence, a.life, r.Host, a.turn, a.began.Sub(had.first), had.life, had.turn)
	}
	if !w.fair {
		switch rand.IntN(50) {
		case 0:
			w.seen.Refused++
			return http.StatusServiceUnavailable
		case 1:
			w.seen.Refused++
			return http.StatusInternalServerError
		}
	}
	if a.again {
		w.ledger.Unanswered(inbox, a.k, a.rev, a.create)
	}
	w.ledger.Arrived(inbox, a.k, a.rev, a.create, int(a.term))
	return http.StatusAccepted
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
