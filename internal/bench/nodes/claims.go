package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/bench/kill"
	"github.com/fedihook/fedihook/outbox"
)

// claims is a delivery.Store that knows since when it has what. Each time that a lease brings shards which this node did not have,
// it draws a number from a sequence of the database, the turn of these shards, before the queue learns of them: of two
// nodes that have had a shard, who had it later has the higher number. So far as anyone could follow, no
// claim of the queue's own is used.
type claims struct {
	kill.Queue
	delivery.OrderBook
	delivery.Watcher
	node *node

	mu    sync.Mutex
	lease delivery.Lease
	term  int64 // the first turn of the lease: what was sent under one lease and not recorded goes again under another
	turns [delivery.ShardCount]int64

	unanswered sync.Map // posts that got no answer, inbox and body
}

func newClaims(n *node, s delivery.Store) *claims {
	return &claims{
		Queue: kill.Queue{
			Store: s, Early: n.Break == "early-enqueue", Forgetful: n.Break == "forget-acks", Mixed: n.Break == "forget-keys",
		},
		OrderBook: s.(delivery.OrderBook), Watcher: s.(delivery.Watcher), node: n,
	}
}

func (c *claims) Lease(ctx context.Context, r delivery.LeaseRequest) (delivery.Lease, error) {
	c.mu.Lock()
	had := c.lease
	c.mu.Unlock()
	if c.node.content.Load() {
		r.Give = r.Give.With(delivery.AllShards.Without(had.Shards))
	}
	l, err := c.Store.Lease(kill.Working(ctx, "lease"), r)
	switch {
	case errors.Is(err, delivery.ErrLeaseLost) && c.node.keeps():
		had.Until = r.Now.Add(r.TTL)
		return had, nil
	case err != nil:
		return l, err
	}
	if r.Epoch == 0 {
		had.Shards = 0
	}
	gained := l.Shards.Without(had.Shards.Without(r.Give))
	var turn int64
	if gained != 0 || r.Epoch == 0 {
		if err := c.node.db.QueryRowContext(ctx, `SELECT nextval('bench_turns')`).Scan(&turn); err != nil {
			return delivery.Lease{}, err // it will ask again
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lease = l
	if r.Epoch == 0 {
		c.term = turn
	}
	for s := range gained.All() {
		c.turns[s] = turn
	}
	return l, nil
}

// keeps says whether the node is one that never believes that it has lost its lease.
func (n *node) keeps() bool { return n.Break == "never-fenced" || n.Break == "flushes-anyway" }

// Flush tells of each flush that was accepted when it was begun, and under which epoch.
func (c *claims) Flush(ctx context.Context, epoch int64, f delivery.Flush) (gone []int64, err error) {
	began := time.Now()
	gone, err = flushTo(ctx, &c.Queue, c.node.Break, epoch, f)
	switch {
	case err == nil:
		kill.Say("flushed %d %d", epoch, began.UnixMicro())
	case errors.Is(err, delivery.ErrLeaseLost):
		kill.Say("refused %d", epoch)
	}
	return gone, err
}

// flushTo flushes to a store, which may be broken on purpose.
func flushTo(ctx context.Context, s delivery.Store, broken string, epoch int64, f delivery.Flush) (gone []int64, err error) {
	if broken == "flushes-anyway" {
		f, epoch = delivery.Flush{Now: f.Now, Acks: f.Acks}, 0 // which needs no lease
	}
	return s.Flush(ctx, epoch, f)
}

// turn is under which turn this node may post to an inbox, and under which term.
func (c *claims) turn(inbox string) (term, turn int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.term, c.turns[delivery.ShardOf(inbox)]
}

// header of a post says who sends it: the process, its term, its turn, when the post was handed to the client, and whether the same
// one was before and got no answer.
const header = "Bench-Node"

// named posts under its node's name.
type named struct {
	http.RoundTripper
	claims *claims
}

func (t *named) RoundTrip(r *http.Request) (*http.Response, error) {
	term, turn := t.claims.turn(r.URL.String())
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err // the lease is over
	}
	what := r.URL.String() + " " + string(text)
	_, again := t.claims.unanswered.Load(what)
	r = r.Clone(r.Context())
	r.Header.Set(header, fmt.Sprintf("%d %d %d %d %v", t.claims.node.Life, term, turn, time.Now().UnixNano(), again))
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		t.claims.unanswered.Store(what, true)
	}
	return resp, err
}

// intents is an outbox.Intents.
type intents struct {
	kill.Intents
	outbox.Watcher
}

func newIntents(n *node, i outbox.Intents) *intents {
	return &intents{kill.Intents{Intents: i, Killer: n.kill, Outside: n.Break == "outside-tx"}, i.(outbox.Watcher)}
}

// journal is an inbox.Journal.
type journal struct {
	inbox.Journal
	inbox.Sharing
	inbox.Watcher
	node *node
}

func newJournal(n *node, j inbox.Journal) *journal {
	return &journal{j, j.(inbox.Sharing), j.(inbox.Watcher), n}
}

func (j *journal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	if j.node.Break == "never-seen" {
		e.Mark[0] ^= byte(j.node.Life)
	}
	return j.Journal.Append(kill.Working(ctx, "journal"), e, b)
}

// DueOf of a broken node has what is everybody's.
func (j *journal) DueOf(ctx context.Context, epoch int64, s inbox.Shards, held []int64, now time.Time, limit int) (list []inbox.Entry, err error) {
	if j.node.Break != "everybodys" {
		return j.Sharing.DueOf(ctx, epoch, s, held, now, limit)
	}
	rows, err := j.node.db.QueryContext(ctx, `SELECT epoch FROM fedihook_workers WHERE room = 'journal'`)
	if err != nil {
		return nil, err
	}
	var epochs []int64
	for rows.Next() {
		var e int64
		if err := rows.Scan(&e); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		epochs = append(epochs, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, e := range epochs {
		more, err := j.Due(ctx, e, now, limit)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list[:min(len(list), limit)], nil
}

func (j *journal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	return j.Journal.Finish(kill.Working(ctx, "mark"), epoch, outcomes)
}
