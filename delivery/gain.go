package delivery

import (
	"context"
	"time"
)

// gain is shards that this process has and does not follow yet: what the log has of them up to where it is followed is to be read.
type gain struct {
	shards Shards
	known  bool  // the states of their hosts were read
	after  int64 // up to here it was read
}

// reading returns the shards in which the log is followed.
func (w *worker) reading() Shards {
	s := w.lease.Shards
	for _, g := range w.gains {
		s = s.Without(g.shards)
	}
	return s
}

// catchUp reads a page for the shards that were gained first, in turn with the log's end, and follows the log there when it has come to it.
func (w *worker) catchUp() {
	g := w.gains[0] // run alone changes them while the lease is held
	if !g.known && !w.hosts(g) {
		return
	}
	if g.after < w.after {
		page, ok := w.read(Query{After: g.after, Through: w.after, Limit: pageSize, Shards: g.shards})
		if !ok || !w.name(page) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.held || len(w.gains) == 0 || w.gains[0] != g {
			return
		}
		for _, p := range page.Records {
			w.enter(p, 0)
		}
		w.replaced(page.Records)
		if g.after = page.Through; !page.More {
			g.after = w.after
		}
	} else {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	if w.held && len(w.gains) > 0 && w.gains[0] == g && g.after >= w.after {
		w.gains, w.more = w.gains[1:], true
	}
}

// hosts reads what is known of the hosts in shards that were gained.
func (w *worker) hosts(g *gain) bool {
	for after := ""; ; {
		ctx, cancel := context.WithTimeout(w.ctx, storeTime)
		page, err := w.q.Store.Hosts(ctx, after, 1000)
		cancel()
		if !w.check("hosts", err) {
			return false
		}
		w.mu.Lock()
		if !w.held || len(w.gains) == 0 || w.gains[0] != g {
			w.mu.Unlock()
			return false
		}
		for _, h := range page {
			after = h.Origin
			if !g.shards.Has(shardOf(authorityOf(h.Origin))) {
				continue
			}
			l := w.lane(h.Origin)
			l.HostState = h
			if h.Next.After(w.now) {
				l.until = h.Next
				w.alarms.set(l, l.alarm())
			}
		}
		if g.known = len(page) == 0; g.known {
			w.orderly = true // something may have been ordered while nobody had it
		}
		w.mu.Unlock()
		if len(page) == 0 {
			return true
		}
	}
}

// watch hears what other processes append, until ctx ends.
func (w *worker) watch(ctx context.Context, st Watcher) {
	heard := func() {
		w.heard.Store(true)
		w.nudge()
	}
	for trouble := time.Duration(0); ctx.Err() == nil; {
		begun := time.Now()
		err := st.Watch(ctx, heard)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > maxTrouble {
			trouble = 0
		}
		trouble = min(max(2*trouble, time.Second), maxTrouble)
		w.q.Logger.Warn("delivery: hears of nothing, and polls", "error", err, "retry_in", trouble)
		select {
		case <-time.After(trouble):
		case <-ctx.Done():
		}
	}
}
