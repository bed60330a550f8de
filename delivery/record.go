package delivery

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"
)

// record is a Pending in memory, shared by its entries.
type record struct {
	Pending           // without Targets, Deferred and bodies
	refs      int     // entries in lanes and under way
	flying    int     // of them, under way
	cancelled bool    // no longer in the store
	expired   bool    // what waits of it is being buried; what is under way may still arrive
	sure      Shards  // in which tried is complete
	tried     []int64 // inboxes to which a post was begun that is not settled
	told      time.Time

	contentType []string   // a header's value
	mu          sync.Mutex // guards bodies: read from the store by the first post that needs them
	bodies      *Bodies

	counted int       // bytes of bodies that the worker counts
	idle    time.Time // since when none flies
}

// over says whether nothing of it is to be sent any more.
func (r *record) over(now time.Time) bool {
	return r.cancelled || r.expired || !r.Expires.After(now)
}

// load returns the bodies. Posts that need them at the same time read them once.
func (r *record) load(ctx context.Context, log Log) (Bodies, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bodies == nil {
		b, err := log.Body(ctx, r.Seq)
		if err != nil {
			return Bodies{}, err
		}
		r.bodies = &b
	}
	return *r.bodies, nil
}

// age is for how long a record has waited.
func (r *record) age(now time.Time) time.Duration {
	from := r.Created
	if r.NotBefore.After(from) {
		from = r.NotBefore
	}
	return now.Sub(from)
}

const (
	bodyIdle  = time.Second // for how long bodies are kept that no post needs, lest each reads them again
	bodyBytes = 16 << 20    // beyond that they are dropped at once
)

// landed counts a post of r that is over.
func (w *worker) landed(r *record) {
	if r.flying--; r.flying > 0 {
		return
	}
	r.idle = w.now
	r.mu.Lock()
	if r.counted == 0 && r.bodies != nil {
		r.counted = r.bodies.size()
		w.loaded = append(w.loaded, r)
		w.loadedBytes += r.counted
	}
	r.mu.Unlock()
	if w.loadedBytes > bodyBytes {
		w.unload()
	}
}

// unload forgets bodies that nobody needs: of a record that was cancelled by another
// process, the next post shall learn that when it asks for them.
func (w *worker) unload() {
	w.loaded = slices.DeleteFunc(w.loaded, func(r *record) bool {
		if r.flying > 0 || w.loadedBytes <= bodyBytes && w.now.Sub(r.idle) < bodyIdle {
			return false
		}
		r.mu.Lock()
		r.bodies = nil
		r.mu.Unlock()
		w.loadedBytes -= r.counted
		r.counted = 0
		return true
	})
}

// known finds or keeps a record that was read.
func (w *worker) known(p Pending, sure Shards) *record {
	if r := w.records[p.Seq]; r != nil {
		return r
	}
	r := &record{Pending: p, sure: sure, contentType: []string{p.ContentType}}
	r.Targets, r.Deferred = nil, nil
	w.records[p.Seq] = r
	if r.Key != "" {
		w.keys[r.Key] = append(w.keys[r.Key], r)
	}
	return r
}

// drop counts an entry that is gone, and forgets a record of which none is left.
func (w *worker) drop(e entry) {
	r := e.rec
	if r.refs--; r.refs > 0 || w.records[r.Seq] != r {
		return
	}
	w.forgetRecord(r)
}

func (w *worker) forgetRecord(r *record) {
	delete(w.records, r.Seq)
	if r.Key == "" {
		return
	}
	left := slices.DeleteFunc(w.keys[r.Key], func(o *record) bool { return o == r })
	if len(left) == 0 {
		delete(w.keys, r.Key)
	} else {
		w.keys[r.Key] = left
	}
}

// box is an inbox. It lives as long as its lane.
type box struct {
	id   int64
	url  string
	to   *url.URL // parsed by the first post
	lane *lane
}

// target returns where to post. Only one who holds the worker's mu may call it.
func (b *box) target() *url.URL {
	if b.to == nil {
		// It can be parsed: the store has only what Enqueue found to be a URL.
		if b.to, _ = url.Parse(b.url); b.to == nil {
			b.to = new(url.URL)
		}
	}
	return b.to
}

// boxes finds inboxes by their numbers, which are dense.
type boxes map[int64]*[boxPage]*box

const boxPage = 1 << 8

func (b boxes) get(id int64) *box {
	if page := b[id/boxPage]; page != nil {
		return page[id%boxPage]
	}
	return nil
}

func (b boxes) put(x *box) {
	page := b[x.id/boxPage]
	if page == nil {
		page = new([boxPage]*box)
		b[x.id/boxPage] = page
	}
	page[x.id%boxPage] = x
}

func (b boxes) remove(id int64) {
	if page := b[id/boxPage]; page != nil {
		page[id%boxPage] = nil
		if *page == ([boxPage]*box{}) {
			delete(b, id/boxPage)
		}
	}
}
