package fedihook

import (
	"context"
	"sync"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

const (
	maxCapable = 10_000 // hosts
	// capableAge is how long what a host says of itself is believed, and how often one that says nothing is looked at.
	capableAge = time.Hour
)

// capable knows which hosts say how they verify signatures (FEP-844e), from actors that are stored: it fetches nothing.
type capable struct {
	store actor.Remotes
	mu    sync.Mutex
	hosts map[string]claim // by authority
}

// claim is what a host said of itself.
type claim struct {
	suite signature.Suite
	says  bool
	at    time.Time
}

// verifies is what signature.Transport asks before it signs.
func (c *capable) verifies(_ context.Context, authority string) (signature.Suite, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.hosts[authority]
	return h.suite, ok && h.says
}

// heard looks at what an actor says of its host, unless that was done within the hour.
func (c *capable) heard(ctx context.Context, authority, actorID string) {
	c.mu.Lock()
	h, ok := c.hosts[authority]
	c.mu.Unlock()
	if ok && time.Since(h.at) < capableAge {
		return
	}
	r, err := c.store.Remote(ctx, actorID)
	if err != nil || len(r.Document) == 0 {
		return // the next one that is heard of will do
	}
	doc, err := activity.Decode(r.Document)
	if err != nil {
		return
	}
	a, ok := doc.(*activity.Actor)
	if !ok {
		return
	}
	h = claim{at: time.Now()}
	for _, href := range a.Capabilities() {
		if suite, ok := signature.Capability(href); ok {
			h.suite, h.says = max(h.suite, suite), true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts == nil {
		c.hosts = make(map[string]claim)
	}
	for other := range c.hosts { // in no order: any will be heard of again
		if len(c.hosts) < maxCapable {
			break
		}
		delete(c.hosts, other)
	}
	c.hosts[authority] = h
}
