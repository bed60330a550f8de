package delivery

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

	header http.Header // of its requests, shared with other records
	mu     sync.Mutex  // taken to set bodies: they are read from the store by the first post that needs them
	bodies atomic.Pointer[Bodies]

	counted int       // bytes of bodies that the worker counts
	idle    time.Time // since when none flies
}

// over says whether nothing of it is to be sent any more.
func (r *record) over(now time.Time) bool {
	return r.cancelled || r.expired || !r.Expires.After(now)
}

// load returns the bodies. Posts that need them at the same time read them once.
func (r *record) load(ctx context.Context, log Log) (*Bodies, error) {
	if b := r.bodies.Load(); b != nil {
		return b, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.bodies.Load(); b != nil {
		return b, nil
	}
	b, err := log.Body(ctx, r.Seq)
	if err != nil {
		return nil, err
	}
	r.bodies.Store(&b)
	return &b, nil
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
	if b := r.bodies.Load(); b != nil && r.counted == 0 {
		r.counted = b.size()
		w.loaded = append(w.loaded, r)
		w.loadedBytes += r.counted
	}
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
		r.bodies.Store(nil) // none flies that could just be reading them
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
	r := &record{Pending: p, sure: sure, header: w.header(p.ContentType)}
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

// box is an inbox. It lives as long as its lane, and does not change.
type box struct {
	id     int64
	url    string
	lane   *lane
	origin int      // how long the origin in url is, of a plain one
	to     *url.URL // of one that isn't
}

func newBox(id int64, inbox string, l *lane) *box {
	b := &box{id: id, url: inbox, lane: l, origin: plainOrigin(inbox)}
	if b.origin == 0 {
		b.to = new(url.URL)
		if to, err := url.Parse(inbox); err == nil { // the store has only what Enqueue found to be a URL
			b.to = to
		}
	}
	return b
}

// fill writes where to post, as url.Parse would.
func (b *box) fill(to *url.URL) {
	if b.origin == 0 {
		*to = *b.to
		return
	}
	scheme := strings.IndexByte(b.url, ':')
	to.Scheme, to.Host, to.Path = b.url[:scheme], b.url[scheme+len("://"):b.origin], b.url[b.origin:]
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
