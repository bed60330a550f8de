package inbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	// awayPerWorker is how many may ask other servers for each worker that there is.
	awayPerWorker = 4
	// awayShare is of how many of those one host may keep one waiting.
	awayShare = 4
	// awayWait is for how long an entry is put off because there are too many.
	awayWait = time.Second
)

// ErrAway is returned by [Away] if too many wait for other servers. An entry whose hook returns it runs again after a second.
var ErrAway = errors.New("inbox: too many wait for other servers")

// places are those of the entries that run, as many as there are workers. Who asks another server, which may let it wait for as
// long as it likes, gives its place up meanwhile: else a few servers that answer slowly would hold up what everyone else sent.
type places struct {
	taken chan struct{} // one for each that is taken
	freed chan struct{} // wakes who gives them out

	mu    sync.Mutex
	max   int // that may be away
	away  int
	hosts map[string]int // of whom they wait for
}

func newPlaces(workers int) *places {
	return &places{
		taken: make(chan struct{}, workers), freed: make(chan struct{}, 1),
		max: awayPerWorker * workers, hosts: make(map[string]int),
	}
}

// try takes a place if one is free and nobody waits who comes back.
func (p *places) try() bool {
	select {
	case p.taken <- struct{}{}:
		return true
	default:
		return false
	}
}

// free gives a place up.
func (p *places) free() {
	<-p.taken // to who waits to come back, if anybody does
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// leave counts one who waits for a host, or says that there are too many.
func (p *places) leave(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away >= p.max || p.hosts[host] >= max(p.max/awayShare, 1) {
		return false
	}
	p.away++
	p.hosts[host]++
	return true
}

func (p *places) back(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away--
	if p.hosts[host]--; p.hosts[host] == 0 {
		delete(p.hosts, host)
	}
}

// placed is the key of the [places] in the context of an entry that has one.
type placed struct{}

// Away calls ask, which asks the server of this id and may take long, for a hook, or for a field of [Config] that is called in
// its place: meanwhile another entry may run, although there are not more than [Config.Workers]. Four times as many may be away, a
// quarter of those at one server; if there are as many, ask is not called, and the hook must return the error, which wraps [ErrAway]: the
// entry runs again after a second, which counts as no attempt. With any other context than a hook's, or one made of that, it just calls
// ask. A hook calls it once at a time.
func Away(ctx context.Context, id string, ask func() error) error {
	p, ok := ctx.Value(placed{}).(*places)
	if !ok {
		return ask()
	}
	host, _ := activity.Authority(id)
	if !p.leave(host) {
		return fmt.Errorf("%w: %s", ErrAway, host)
	}
	p.free()
	defer func() {
		p.back(host)
		p.taken <- struct{}{}
	}()
	return ask()
}

// fetch gets a document from its server. See [Away].
func (in *Inbox) fetch(ctx context.Context, id string) (doc activity.Document, err error) {
	err = Away(ctx, id, func() error {
		doc, err = in.Peers.Fetch(ctx, id)
		return err
	})
	return doc, err
}
