package delivery

import (
	"context"
	"net/http/httptrace"
	"time"
)

// A post prepares until it asks for a connection: above all it is signed, which keeps a processor busy and
// is done first come, first served. Few at a time prepare, so that an urgent one does not stand in a long queue.

const (
	// prepareTime is how long a post counts as one that prepares, at least; twice that at most. What takes
	// longer waits for something else than processors, or does not tell.
	prepareTime = 25 * time.Millisecond
	// muteAfter is after how many answers in a row to posts that never told of a connection nobody is
	// expected to; one post in so many is asked nevertheless.
	muteAfter = 32
)

// preparing counts posts that prepare, in two generations: a third begins when the first is too old to count.
type preparing struct {
	posts [2]int
	born  int // generations
	since time.Time
	mute  int // answers in a row without a word of a connection
	timer *time.Timer
	armed bool
}

// full says whether no more may begin to prepare, but Interactive ones.
func (p *preparing) full(limit int) bool {
	return p.mute < muteAfter && p.posts[0]+p.posts[1] >= limit
}

// turn begins a new generation if it is time.
func (p *preparing) turn(now time.Time) {
	if now.Sub(p.since) < prepareTime {
		return
	}
	p.born++
	p.posts[p.born%2] = 0
	p.since = now
}

// begin counts a post; end takes the generation that it returns.
func (p *preparing) begin() (generation int) {
	p.posts[p.born%2]++
	return p.born
}

func (p *preparing) end(generation int) {
	if p.born-generation < 2 {
		p.posts[generation%2]--
	}
}

// urgentOnly says whether only Interactive posts may begin. If that is because too many prepare, it sees to it that
// someone looks when they are too old to count.
func (w *worker) urgentOnly() bool {
	// A tenth is theirs, also of what may be under way or unrecorded while the store takes its time.
	own := w.q.MaxInFlight / 10
	if w.flying >= w.q.MaxInFlight-own || w.unrecorded() >= w.q.MaxInFlight+flushAt-own {
		return true
	}
	p := &w.preparing
	p.turn(w.now)
	if !p.full(w.q.MaxPreparing) {
		return false
	}
	if !p.armed {
		p.armed = true
		if p.timer == nil {
			p.timer = time.AfterFunc(prepareTime, w.older)
		} else {
			p.timer.Reset(prepareTime)
		}
	}
	return true
}

// polite says whether a post is to let all go first that wait for a processor. Who comes back from the disk or the network
// waits behind up to 60 goroutines of each processor's own: where each of them signs, a commit of some milliseconds
// would take a tenth of a second. Only who never waits long, because nothing here keeps a processor busy, is left alone.
func (w *worker) polite(f *flight) bool {
	return w.preparing.mute < muteAfter && f.rec.Class != Interactive
}

// older looks whether some are too old to count.
func (w *worker) older() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Now()
	w.preparing.armed = false
	w.kick()
}

// witness notices when the posts of one poster ask for a connection.
type witness struct {
	w          *worker
	generation int
	waiting    bool // the present post has not asked yet
	base, ctx  context.Context
	trace      *httptrace.ClientTrace
}

// begin counts a post that begins with ctx, and returns the context that tells.
func (o *witness) begin(ctx context.Context) context.Context {
	p := &o.w.preparing
	o.generation, o.waiting = p.begin(), true
	if p.mute >= muteAfter && o.w.turn%muteAfter != 0 {
		return ctx
	}
	if o.trace == nil {
		o.trace = &httptrace.ClientTrace{GetConn: o.connects}
	}
	if o.base != ctx {
		o.base, o.ctx = ctx, httptrace.WithClientTrace(ctx, o.trace)
	}
	return o.ctx
}

// connects is called when the post asks for a connection, perhaps more than once, and perhaps when it is over.
func (o *witness) connects(string) {
	w := o.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.preparing.mute = 0
	if !o.waiting {
		return
	}
	o.waiting = false
	w.preparing.end(o.generation)
	w.now = time.Now()
	w.kick()
}

// end is called when the post is over.
func (o *witness) end(v verdict) {
	if !o.waiting {
		return
	}
	o.waiting = false
	p := &o.w.preparing
	p.end(o.generation)
	if v.status != 0 {
		p.mute++
	}
}
