package delivery_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fedihook/fedihook/delivery"
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
	downs map[string]bool // hosts that can't be reached
	tries map[string]int  // posts by host
}

func newReferee(t *testing.T, st delivery.Store) *referee {
	return &referee{
		T: t, store: st, rand: rand.New(rand.NewPCG(1, 2)), came: make(map[string][]string), seen: make(map[string]map[string]bool),
		slow:  func(string) time.Duration { return 20 * time.Millisecond },
		downs: make(map[string]bool), tries: make(map[string]int),
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

// slower says how long each host takes from now on.
func (r *referee) slower(how func(host string) time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = how
}

// reach says whether a host can be reached from now on.
func (r *referee) reach(host string, can bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downs[host] = !can
}

// tried counts the posts to a host.
func (r *referee) tried(host string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[host]
}

// begun counts the posts that have begun.
func (r *referee) begun() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts
}

// got says whether an inbox got a body.
func (r *referee) got(url, body string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[url][body]
}

// has says whether a node owns the shard of an inbox.
func (r *referee) has(n *node, url string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owner[delivery.ShardOf(url)] == n
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
	n.tries[r.URL.Host]++
	if n.downs[r.URL.Host] {
		n.mu.Unlock()
		return nil, errDown
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
