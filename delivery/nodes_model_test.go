package delivery_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

const fleetHosts = 40

// fleet is 1 to 5 processes that come and go.
type fleet struct {
	*referee
	web    *delivery.Queue // of a process that only serves
	nodes  []*node
	halted []*node
	made   int
	said   []fleetSaying
	events int
}

type fleetSaying struct {
	id, key string
	all     bool // it is a Delete
	inboxes []string
}

func (f *fleet) say() {
	s := fleetSaying{id: fmt.Sprintf("%05d", len(f.said))}
	if k := f.rand.IntN(6); k > 0 {
		s.key = fmt.Sprint("key ", k)
	}
	for _, i := range f.rand.Perm(fleetHosts)[:1+f.rand.IntN(fleetHosts)] {
		s.inboxes = append(s.inboxes, inbox(i))
	}
	a := activity(s.id, s.key)
	a.Class = delivery.Class(f.rand.IntN(3))
	if s.key != "" && f.rand.IntN(8) == 0 {
		s.all, s.inboxes = true, nil
		a.Supersedes = delivery.SupersedeAll
	}
	q := f.web
	if len(f.nodes) > 0 && f.rand.IntN(2) == 0 {
		q = f.nodes[f.rand.IntN(len(f.nodes))].queue
	}
	if _, err := q.Enqueue(f.Context(), nil, a, targets(s.inboxes...)); err != nil {
		f.Fatal(err)
	}
	f.said = append(f.said, s)
}

func (f *fleet) join() {
	f.made++
	f.nodes = append(f.nodes, f.node(fmt.Sprint("node ", f.made), nil))
}

// pick takes one of the nodes that run out of the list.
func (f *fleet) pick() *node {
	i := f.rand.IntN(len(f.nodes))
	n := f.nodes[i]
	f.nodes = slices.Delete(f.nodes, i, i+1)
	return n
}

func (f *fleet) step() {
	switch what := f.rand.IntN(40); {
	case what < 24:
		f.say()
	case what < 32:
		wait(time.Duration(f.rand.IntN(4000)) * time.Millisecond)
	case what < 34 && len(f.nodes)+len(f.halted) < 5:
		f.join()
	case what < 36 && len(f.nodes) > 1:
		f.pick().die()
	case what < 37 && len(f.nodes) > 1:
		f.pick().leave()
	case what < 38 && len(f.nodes) > 1:
		n := f.pick()
		n.stop()
		f.halted = append(f.halted, n)
	case what < 40 && len(f.halted) > 0:
		n := f.halted[0]
		f.halted = f.halted[1:]
		n.goOn()
		f.nodes = append(f.nodes, n)
	default:
		return
	}
	f.events++
}

func (f *fleet) check() {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := make(map[string]string)
	deletes := make(map[string]int) // key → of its last Delete so far, the number
	gone := make(map[int]int)       // what was said → the Delete that came after it
	for i, s := range slices.Backward(f.said) {
		keys[s.id] = s.key
		if d, ok := deletes[s.key]; ok && s.key != "" {
			gone[i] = d
		}
		if s.all {
			deletes[s.key] = i
		}
	}
	for i, s := range f.said {
		st, err := f.web.Status(f.Context(), s.id)
		if s.all && errors.Is(err, delivery.ErrUnknown) {
			continue // there was nothing to delete
		}
		if err != nil || st.Pending != 0 || st.Failed != 0 || st.Cancelled > 0 && gone[i] == 0 {
			f.Errorf("status of %s: %+v, %v", s.id, st, err)
		}
		for _, to := range s.inboxes {
			came := f.seen[to][s.id]
			d, deleted := gone[i]
			switch deleted = deleted && st.Cancelled > 0; {
			case !deleted && !came:
				f.Errorf("%s never came to %s", s.id, to)
			case deleted && came && !slices.ContainsFunc(f.said[d:], func(o fleetSaying) bool { return o.all && o.key == s.key && f.seen[to][o.id] }):
				f.Errorf("%s came to %s, and %s, which deletes it, did not", s.id, to, f.said[d].id) // nor a later one in its place
			}
		}
	}
	for to, bodies := range f.came {
		last := make(map[string]string) // by key
		for _, id := range bodies {
			if k := keys[id]; k != "" {
				if id < last[k] {
					f.Errorf("%s first came to %s after %s of the same key", id, to, last[k])
				}
				last[k] = id
			}
		}
	}
}

func testFleet(t *testing.T, seed uint64, steps int) {
	st := queue.Memory()
	r := newReferee(t, st)
	r.rand = rand.New(rand.NewPCG(seed, 7))
	dice := rand.New(rand.NewPCG(seed, 8)) // the hosts'
	r.slow = func(string) time.Duration {
		if dice.IntN(50) == 0 {
			return 8 * time.Second
		}
		return time.Duration(1+dice.IntN(300)) * time.Millisecond
	}
	web, err := delivery.New(delivery.Config{Store: st, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{referee: r, web: web}
	f.join()
	for range steps {
		f.step()
	}
	for _, n := range f.halted {
		n.goOn()
		f.nodes = append(f.nodes, n)
	}
	wait(2*10*time.Second + 3*4*time.Second)
	f.fair("at the end", f.nodes...)
	wait(10 * time.Minute)
	f.check()
	f.fair("later", f.nodes...)
	for _, n := range f.nodes {
		n.leave()
	}
	t.Logf("%d events, %d posts of %d activities by %d processes", f.events, f.posts, len(f.said), f.made)
}

func TestNodesComeAndGoAndNothingIsLostOrOvertakes(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { testFleet(t, seed, 400) })
		})
	}
}
