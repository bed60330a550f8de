package delivery

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// record is a Pending in memory, shared by its items.
type record struct {
	Pending        // without Targets
	left      int  // items that are not settled
	flying    int  // of them, being posted
	cancelled bool // no longer in the store

	mu   sync.Mutex // guards body: read from the store by the first post that needs it
	body []byte     // nil while no item flies
}

// load returns the body. Posts that need it at the same time read it once.
func (r *record) load(ctx context.Context, log Log) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body == nil {
		b, err := log.Body(ctx, r.Seq)
		if err != nil {
			return nil, err
		}
		r.body = b
	}
	return r.body, nil
}

// unload forgets the body.
func (r *record) unload() {
	r.mu.Lock()
	r.body = nil
	r.mu.Unlock()
}

// box is an inbox that items name.
type box struct {
	id   int64
	url  string
	lane *lane
	refs int // items
}

// item is one target of a record.
type item struct {
	rec      *record
	box      *box
	state    state
	attempts int
	alarm    *alarm // while resting
}

type state uint8

const (
	blocked state = iota // behind an earlier record of its ordering key
	waiting              // in one of its lane's lines
	resting              // until its alarm
	flying               // being posted
	settled
)

// line is a queue of items to which one may be put back at the front.
type line struct {
	items []*item
	head  int
}

func (l *line) len() int      { return len(l.items) - l.head }
func (l *line) push(it *item) { l.items = append(l.items, it) }

func (l *line) pop() *item {
	it := l.items[l.head]
	l.items[l.head] = nil
	if l.head++; l.head == len(l.items) {
		l.items, l.head = l.items[:0], 0
		if cap(l.items) > 1024 {
			l.items = nil
		}
	} else if l.head > 1024 && l.head > len(l.items)/2 {
		l.items, l.head = slices.Clone(l.items[l.head:]), 0
	}
	return it
}

func (l *line) putBack(it *item) {
	if l.head > 0 {
		l.head--
		l.items[l.head] = it
		return
	}
	l.items = slices.Insert(l.items, 0, it)
}

// lane is all that waits for one origin. Only the worker's goroutine touches it.
type lane struct {
	HostState
	lines   [classes]line
	queued  [classes]bool      // the lane stands in the worker's ring of that class
	chains  map[string][]*item // unsettled items by ordering key, by Seq
	resting map[*item]struct{}
	size    int    // unsettled items
	sending *item  // its post is under way; nil: none is
	alarm   *alarm // while it is left alone
	woken   time.Time
}

// rests says whether the lane is left alone after a failure.
func (l *lane) rests() bool { return l.alarm != nil }

// each calls fn for every item that is not settled and not flying, in no order. fn must
// not change the lane.
func (l *lane) each(fn func(*item)) {
	for i := range l.lines {
		for _, it := range l.lines[i].items[l.lines[i].head:] {
			fn(it)
		}
	}
	for it := range l.resting {
		fn(it)
	}
	for _, chain := range l.chains {
		for _, it := range chain {
			if it.state == blocked {
				fn(it)
			}
		}
	}
}

// add takes a new item in. Items of one key must come by rising Seq.
func (w *worker) add(l *lane, it *item, next time.Time) {
	l.size++
	if key := it.rec.Key; key != "" {
		chain := append(l.chains[key], it)
		if l.chains == nil {
			l.chains = make(map[string][]*item)
		}
		l.chains[key] = chain
		if chain[0].rec != it.rec {
			it.state = blocked
			return
		}
	}
	w.place(l, it, next)
}

// place puts an item that nothing blocks into its line, or lets it rest until next.
func (w *worker) place(l *lane, it *item, next time.Time) {
	if next.After(w.now) {
		it.state = resting
		it.alarm = w.alarms.set(next, l, it)
		if l.resting == nil {
			l.resting = make(map[*item]struct{})
		}
		l.resting[it] = struct{}{}
		return
	}
	it.state = waiting
	l.lines[it.rec.Class].push(it)
	w.ready(l)
}

// settle takes an item out for good; it stands in no line any more. Its successors in
// its ordering key move up.
func (w *worker) settle(l *lane, it *item) {
	if it.state == resting {
		w.alarms.stop(it.alarm)
		delete(l.resting, it)
	}
	it.state, it.alarm = settled, nil
	l.size--
	if it.box.refs--; it.box.refs == 0 {
		delete(w.boxes, it.box.id)
	}
	if it.rec.left--; it.rec.left == 0 {
		delete(w.records, it.rec.Seq)
	}
	key := it.rec.Key
	if key == "" {
		return
	}
	chain := l.chains[key]
	if i := slices.Index(chain, it); i == 0 {
		chain[0] = nil
		chain = chain[1:]
	} else if i > 0 {
		chain = slices.Delete(chain, i, i+1)
	}
	if len(chain) == 0 {
		delete(l.chains, key)
		return
	}
	l.chains[key] = chain
	for _, next := range chain {
		if next.rec != chain[0].rec {
			break
		}
		if next.state == blocked {
			w.place(l, next, next.rec.NotBefore)
		}
	}
}

// sweep takes out the items for which drop is true, settles them and returns them by Seq.
func (w *worker) sweep(l *lane, drop func(*item) bool) []*item {
	var out []*item
	l.each(func(it *item) {
		if drop(it) {
			out = append(out, it)
		}
	})
	if len(out) == 0 {
		return nil
	}
	slices.SortFunc(out, func(a, b *item) int { return cmp.Compare(a.rec.Seq, b.rec.Seq) })
	for _, it := range out {
		if it.state == resting {
			w.alarms.stop(it.alarm)
			delete(l.resting, it)
		}
		it.state = settled // before any is settled, so that none moves up
	}
	for i := range l.lines {
		n := &l.lines[i]
		n.items = slices.DeleteFunc(n.items[n.head:], func(it *item) bool { return it.state == settled })
		n.head = 0
	}
	for _, it := range out {
		w.settle(l, it)
	}
	return out
}
