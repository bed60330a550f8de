package signature

import (
	"container/heap"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const defaultMaxReplays = 100_000

// Replays remembers which requests a [Verifier]'s Handler let through, so that none passes twice
// while its signature is valid. A request counts as the key id and the bytes of the signature,
// however they were written. GET and HEAD change nothing and are not looked at.
//
// An entry stays only if the handler answered 2xx: what failed may be sent again. While it is being
// handled the same request is answered 503, afterwards 409, both with [ErrReplayed]. A sender who
// says the very same twice within one second, to the same URL, makes the same RSA signature twice:
// what a body says should have an id.
//
// The zero value is empty and ready. It may be used by many goroutines at once, and must not be
// copied. It is for one process; an inbox that keeps a journal needs none.
type Replays struct {
	// Max bounds the entries. When there are more, the one that ends first makes room, and could
	// be replayed: it should hold what is let through within the Verifier's MaxAge. Zero or less
	// means 100,000, which take about 12 MB.
	Max int

	mu    sync.Mutex
	known map[replayKey]*replay
	ends  replayHeap
}

type replayKey [sha256.Size]byte

type replay struct {
	key     replayKey
	until   time.Time
	index   int  // in the heap
	handled bool // the handler answered 2xx
}

// begin notes that a request is about to be handled. It fails if the request is known.
func (p *Replays) begin(v Verified) (*replay, error) {
	h := sha256.New()
	h.Write([]byte(v.KeyID))
	h.Write([]byte{0})
	h.Write(v.Signature)
	e := &replay{key: replayKey(h.Sum(nil)), until: v.Until}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for len(p.ends) > 0 && p.ends[0].until.Before(now) {
		p.drop(p.ends[0])
	}
	if known, ok := p.known[e.key]; ok {
		err := newError(v.KeyID, fail(ErrReplayed, "signed at %s", v.Created.UTC().Format(time.RFC3339)))
		if !known.handled {
			err.Status = http.StatusServiceUnavailable
		}
		return nil, err
	}
	limit := p.Max
	if limit <= 0 {
		limit = defaultMaxReplays
	}
	for len(p.ends) >= limit {
		p.drop(p.ends[0])
	}
	if p.known == nil {
		p.known = make(map[replayKey]*replay)
	}
	p.known[e.key] = e
	heap.Push(&p.ends, e)
	return e, nil
}

// end notes how the handling of a request that begin let through ended.
func (p *Replays) end(e *replay, handled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[e.key] != e {
		return // it had to make room
	}
	if e.handled = handled; !handled {
		p.drop(e)
	}
}

func (p *Replays) drop(e *replay) {
	heap.Remove(&p.ends, e.index)
	delete(p.known, e.key)
}

// replayHeap has the entry that ends first at its top.
type replayHeap []*replay

func (h replayHeap) Len() int           { return len(h) }
func (h replayHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h replayHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *replayHeap) Push(x any) {
	e := x.(*replay)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *replayHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// statusWriter sees how a handler answers. Its Unwrap lets an http.ResponseController reach what
// the writer below can do beyond writing.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, for handlers that ask for it by a type assertion.
func (w *statusWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// succeeded tells whether the answer was 2xx. A handler that returns without a word says 200.
func (w *statusWriter) succeeded() bool { return w.status == 0 || w.status >= 200 && w.status < 300 }
