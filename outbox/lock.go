package outbox

import (
	"context"
	"sync"

	"github.com/fedihook/fedihook/activity"
)

// locks let one goroutine at a time say what becomes of the records about one object. They are held while records are read,
// saved and handed over, and never while somebody elsewhere is asked. Other processes are kept out by Record.Version.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	sync.Mutex
	users int
}

// lock waits for the object's turn and returns what ends it.
func (l *locks) lock(object string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*lock)
	}
	one := l.held[object]
	if one == nil {
		one = new(lock)
		l.held[object] = one
	}
	one.users++
	l.mu.Unlock()
	one.Lock()
	return func() {
		one.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(l.held, object)
		}
	}
}

// lookupsPerHost bounds how many lookups may hang at one host while others go on.
const lookupsPerHost = 4

// gate bounds what is asked of others at once: first of one host, then of all.
type gate struct {
	all     chan struct{}
	perHost int

	mu    sync.Mutex
	hosts map[string]*door
}

type door struct {
	slots chan struct{}
	users int
}

func newGate(all, perHost int) *gate {
	return &gate{all: make(chan struct{}, all), perHost: perHost, hosts: make(map[string]*door)}
}

// enter waits until id's host may be asked, and returns what ends that.
func (g *gate) enter(ctx context.Context, id string) (leave func(), err error) {
	host, ok := activity.Authority(id)
	if !ok {
		host = "" // whoever is asked will say so
	}
	g.mu.Lock()
	d := g.hosts[host]
	if d == nil {
		d = &door{slots: make(chan struct{}, g.perHost)}
		g.hosts[host] = d
	}
	d.users++
	g.mu.Unlock()
	forget := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if d.users--; d.users == 0 {
			delete(g.hosts, host)
		}
	}
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
	select {
	case g.all <- struct{}{}:
	case <-ctx.Done():
		<-d.slots
		forget()
		return nil, ctx.Err()
	}
	return func() {
		<-g.all
		<-d.slots
		forget()
	}, nil
}
