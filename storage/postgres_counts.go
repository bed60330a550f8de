package storage

import (
	"maps"
	"strings"
	"sync"

	"github.com/fedihook/fedihook/inbox"
)

// maxCounts bounds the lanes of which a number is remembered.
const maxCounts = 512

// postgresCounts are how many unfinished entries there were when somebody counted. Every entry that is added takes a number, so
// that there can't be more than then and the numbers that were given since: only where that reaches a bound they are counted anew.
type postgresCounts struct {
	mu    sync.Mutex
	all   countedAt
	lanes map[string]countedAt
}

type countedAt struct {
	n   int
	seq int64 // the last number that was given then; 0: never counted
}

func newPostgresCounts() *postgresCounts { return &postgresCounts{lanes: make(map[string]countedAt)} }

// take is a copy for one transaction: what a transaction counts that then fails is not to be believed.
func (c *postgresCounts) take() *postgresCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &postgresCounts{all: c.all, lanes: maps.Clone(c.lanes)}
}

func (c *postgresCounts) put(now *postgresCounts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all, c.lanes = now.all, now.lanes; len(c.lanes) > maxCounts {
		clear(c.lanes)
	}
}

// reaches tells whether there may be bound or more by now.
func (c countedAt) reaches(bound int, seq int64) bool {
	return bound > 0 && (c.seq == 0 || int64(c.n)+seq-c.seq >= int64(bound))
}

// full tells whether e would exceed a bound.
func (b *postgresBatch) full(e *inbox.Entry, max inbox.Bounds) (bool, error) {
	if e.Hold {
		if b.held < 0 {
			if err := b.row(`SELECT count(*) FROM fedihook_shelf WHERE shelf = $1`, int(inbox.Held)).Scan(&b.held); err != nil {
				return false, err
			}
		}
		return max.Held > 0 && b.held+b.pending(func(p *postgresEntry) bool { return p.Hold }) >= max.Held, nil
	}
	c := b.counts
	if c.all.reaches(max.All, b.seq) {
		if err := b.row(`SELECT count(*) FROM fedihook_entries`).Scan(&c.all.n); err != nil {
			return false, err
		}
		c.all = countedAt{c.all.n + b.pending(func(p *postgresEntry) bool { return !p.Hold }), b.seq}
		if c.all.n >= max.All {
			return true, nil
		}
	}
	lane := c.lanes[e.Lane]
	if !lane.reaches(max.Lane, b.seq) {
		return false, nil
	}
	if err := b.row(`SELECT count(*) FROM fedihook_entries WHERE sha256(lane) = sha256($1)`, blob(e.Lane)).Scan(&lane.n); err != nil {
		return false, err
	}
	lane = countedAt{lane.n + b.pending(func(p *postgresEntry) bool { return !p.Hold && p.Lane == e.Lane }), b.seq}
	c.lanes[strings.Clone(e.Lane)] = lane // not the whole id of which it is a part
	return lane.n >= max.Lane, nil
}

// pending counts the new entries that are not put yet.
func (b *postgresBatch) pending(of func(*postgresEntry) bool) (n int) {
	for i := range b.entries {
		if of(&b.entries[i]) {
			n++
		}
	}
	return n
}
