package media

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gate bounds how many fetches run at once, in all and for one site, and how many wait.
type gate struct {
	all     chan struct{}
	perSite int
	most    int // that run or wait; a site has a quarter

	mu    sync.Mutex
	total int
	sites map[string]*queue // those with a fetch
}

type queue struct {
	slots chan struct{}
	total int
}

// enter waits for a turn. Its error is ErrBusy, also when the turn didn't come in time, or ctx's.
func (g *gate) enter(ctx context.Context, site string, timeout time.Duration) (leave func(), err error) {
	q, ok := g.line(site)
	if !ok {
		return nil, ErrBusy
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	// The site's turn first: who waits behind a slow site takes no turn from the others.
	for i, slots := range []chan struct{}{q.slots, g.all} {
		select {
		case slots <- struct{}{}:
			continue
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrClosed, ctx.Err())
		case <-late.C:
			err = ErrBusy
		}
		if i == 1 {
			<-q.slots
		}
		g.leave(site, q)
		return nil, err
	}
	return func() {
		<-g.all
		<-q.slots
		g.leave(site, q)
	}, nil
}

func (g *gate) line(site string) (*queue, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.sites[site]
	if g.total >= g.most || q != nil && q.total >= max(g.most/4, g.perSite) {
		return nil, false
	}
	if q == nil {
		q = &queue{slots: make(chan struct{}, g.perSite)}
		if g.sites == nil {
			g.sites = map[string]*queue{}
		}
		g.sites[site] = q
	}
	q.total++
	g.total++
	return q, true
}

func (g *gate) leave(site string, q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if q.total--; q.total == 0 {
		delete(g.sites, site)
	}
}
