package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
)

// referee sees who has which shard, what is posted, and by whom.
type referee struct {
	*testing.T
	store delivery.Store
	mu    sync.Mutex
	rand  *rand.Rand
	owner [delivery.ShardCount]*node
	posts int
	late  int                        // posts that began where another had taken the shard
	came  map[string][]string        // inbox → bodies, each as it first came
	seen  map[string]map[string]bool // the same
	slow  func(host string) time.Duration
}

func newReferee(t *testing.T, st delivery.Store) *referee {
	return &referee{
		T: t, store: st, rand: rand.New(rand.NewPCG(1, 2)), came: make(map[string][]string), seen: make(map[string]map[string]bool),
		slow: func(string) time.Duration { return 20 * time.Millisecond },
	}
}

// node is a process that delivers. It can be stopped and go on, or die.
type node struct {
	*referee
	queue  *delivery.Queue
	name   string
	cancel context.CancelFunc
	done   chan error

	lock    sync.Mutex
	dead    bool
	stopped chan struct{} // closed when it goes on; nil: it is not stopped
}

// way is a process's way to the store.
type way struct {
	delivery.Store
	delivery.OrderBook
	delivery.Watcher
	*node
}

// node starts a process.
func (r *referee) node(name string, change func(*delivery.Config)) *node {
	n := &node{referee: r, name: name, done: make(chan error, 1)}
	c := delivery.Config{
		Store: &way{r.store, r.store.(delivery.OrderBook), r.store.(delivery.Watcher), n}, Owner: name, MaxInFlight: 40, Logger: slog.New(slog.DiscardHandler), Policy: delivery.Policy{Rand: half},
		Transport: func(string) (http.RoundTripper, error) { return n, nil },
		Prepare:   func(context.Context, *http.Request, delivery.Activity) error { return n.alive() },
	}
	if change != nil {
		change(&c)
	}
	q, err := delivery.New(c)
	if err != nil {
		r.Fatal(err)
	}
	n.queue = q
	var ctx context.Context
	ctx, n.cancel = context.WithCancel(context.Background())
	go func() { n.done <- q.Run(ctx) }()
	return n
}

// alive waits while the process is stopped.
func (n *node) alive() error {
	for {
		n.lock.Lock()
		dead, stopped := n.dead, n.stopped
		n.lock.Unlock()
		switch {
		case dead:
			return errCrashed
		case stopped == nil:
			return nil
		}
		<-stopped
	}
}

func (n *node) stop() {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.stopped = make(chan struct{})
}

func (n *node) goOn() {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.stopped != nil {
		close(n.stopped)
		n.stopped = nil
	}
}

// die ends the process in the middle of whatever it does.
func (n *node) die() {
	n.lock.Lock()
	n.dead = true
	n.lock.Unlock()
	n.goOn()
	n.cancel()
	<-n.done
}

// leave ends it as it should be.
func (n *node) leave() {
	n.cancel()
	if err := <-n.done; err != nil {
		n.Errorf("%s: %v", n.name, err)
	}
}

func (n *way) Lease(ctx context.Context, q delivery.LeaseRequest) (delivery.Lease, error) {
	if err := n.alive(); err != nil {
		return delivery.Lease{}, err
	}
	n.mu.Lock()
	l, err := n.Store.Lease(ctx, q)
	if err == nil {
		for i := range n.owner {
			if l.Shards.Has(i) {
				n.owner[i] = n.node
			} else if n.owner[i] == n.node {
				n.owner[i] = nil
			}
		}
	}
	n.mu.Unlock()
	if e := n.alive(); e != nil {
		return delivery.Lease{}, e
	}
	return l, err
}

func (n *way) Release(ctx context.Context, epoch int64) error {
	if err := n.alive(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.owner {
		if n.owner[i] == n.node {
			n.owner[i] = nil
		}
	}
	return n.Store.Release(ctx, epoch)
}

func (n *way) Flush(ctx context.Context, epoch int64, f delivery.Flush) ([]int64, error) {
	if err := n.alive(); err != nil {
		return nil, err
	}
	return n.Store.Flush(ctx, epoch, f)
}

func (n *way) Load(ctx context.Context, q delivery.Query) (delivery.Page, error) {
	if err := n.alive(); err != nil {
		return delivery.Page{}, err
	}
	return n.Store.Load(ctx, q)
}

// Body is not stopped here, because a record's lock is held: Prepare stops what comes of it.
func (n *way) Body(ctx context.Context, seq int64) (delivery.Bodies, error) {
	n.lock.Lock()
	dead := n.dead
	n.lock.Unlock()
	if dead {
		return delivery.Bodies{}, errCrashed
	}
	return n.Store.Body(ctx, seq)
}

func (n *way) Append(ctx context.Context, a delivery.Addition) (delivery.Appended, error) {
	if err := n.alive(); err != nil {
		return delivery.Appended{}, err
	}
	return n.Store.Append(ctx, a)
}

// RoundTrip is a post by this process. It arrives as it begins, or never.
func (n *node) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	n.lock.Lock()
	stopped := n.stopped != nil
	n.lock.Unlock()
	if stopped { // it could not have come here
		return nil, errors.Join(n.alive(), errDown)
	}
	url := r.URL.String()
	n.mu.Lock()
	n.posts++
	if o := n.owner[delivery.ShardOf(url)]; o != nil && o != n {
		n.late++
		n.Errorf("%s begins to post %s to %s, which is %s's", n.name, body, url, o.name)
	}
	if n.seen[url] == nil {
		n.seen[url] = make(map[string]bool)
	}
	if !n.seen[url][string(body)] {
		n.seen[url][string(body)] = true
		n.came[url] = append(n.came[url], string(body))
	}
	wait := n.slow(r.URL.Host)
	n.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err := n.alive(); err != nil {
		return nil, err
	}
	return status(202)(r)
}

// shares tells how many shards each of the living has.
func (r *referee) shares() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	shares := make(map[string]int)
	for _, n := range r.owner {
		if n != nil {
			shares[n.name]++
		}
	}
	return shares
}

// fair checks that all shards are shared out evenly.
func (r *referee) fair(when string, nodes ...*node) {
	r.Helper()
	shares, all := r.shares(), 0
	for _, n := range nodes {
		s := shares[n.name]
		all += s
		if s < delivery.ShardCount/len(nodes) || s > (delivery.ShardCount+len(nodes)-1)/len(nodes) {
			r.Errorf("%s: of %d nodes %s has %d shards", when, len(nodes), n.name, s)
		}
	}
	if all != delivery.ShardCount {
		r.Errorf("%s: %d shards have an owner: %v", when, all, shares)
	}
}

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
