package fedihook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
)

const (
	// digestsAge is how long digests are believed although another process may have changed the followers, if the store does
	// not tell versions; if it does, it is asked for them every digestsPoll.
	digestsAge  = time.Minute
	digestsPoll = time.Second
	// maxDigests bounds the digests in memory: of each actor one for each server where it has followers.
	maxDigests = 200_000
)

// digests are those of one actor's followers, by their servers. Without a collection there are none.
type digests struct {
	collection  string
	byAuthority map[string]actor.FollowersDigest
}

// digestCache makes the digests of an actor once for all who ask, and forgets them when its followers change.
type digestCache struct {
	make    func(ctx context.Context, actorID string) (digests, error)
	version func(ctx context.Context, actorID string) (int64, error) // of the followers; nil: they have none

	mu      sync.Mutex
	size    int
	known   map[string]*digestsOf
	flights map[string]*digestsOf
}

type digestsOf struct {
	digests
	err   error
	at    time.Time
	stale bool // the followers changed while it was made
	// version was that of the followers before it was made, and still is at the time polled.
	version int64
	polled  time.Time
	// stopped says that who made it was told to stop: another may have more time.
	stopped bool
	done    chan struct{} // closed when it is
}

// of makes them in the caller's own goroutine, so that nothing is left running when that has ended.
func (c *digestCache) of(ctx context.Context, actorID string) (digests, error) {
	for {
		c.mu.Lock()
		if d := c.known[actorID]; d != nil && c.current(ctx, actorID, d) {
			c.mu.Unlock()
			return d.digests, nil
		}
		f := c.flights[actorID]
		mine := f == nil || f.stale
		if mine {
			f = &digestsOf{done: make(chan struct{}), at: time.Now()}
			if c.flights == nil {
				c.flights = make(map[string]*digestsOf)
			}
			c.flights[actorID] = f
		}
		c.mu.Unlock()
		if mine {
			c.fly(ctx, actorID, f)
		}
		select {
		case <-f.done:
			if mine || !f.stopped {
				return f.digests, f.err
			}
		case <-ctx.Done():
			return digests{}, ctx.Err()
		}
	}
}

// current tells whether d is still what it was. The lock is held, but not while the store is asked.
func (c *digestCache) current(ctx context.Context, actorID string, d *digestsOf) bool {
	if c.version == nil {
		return time.Since(d.at) < digestsAge
	}
	if time.Since(d.polled) < digestsPoll {
		return true
	}
	d.polled = time.Now() // others go on meanwhile
	c.mu.Unlock()
	v, err := c.version(ctx, actorID)
	c.mu.Lock()
	if err == nil && v == d.version {
		return true
	}
	if c.known[actorID] == d { // also after an error: who asks next must not believe it
		c.drop(actorID)
	}
	return false
}

func (c *digestCache) fly(caller context.Context, actorID string, f *digestsOf) {
	ctx, stop := context.WithTimeout(caller, time.Minute)
	defer stop()
	func() {
		defer func() {
			if v := recover(); v != nil { // it asks the app
				f.err = fmt.Errorf("fedihook: digests of followers of %s: panic: %v", actorID, v)
			}
		}()
		if c.version != nil {
			f.polled = time.Now()
			if f.version, f.err = c.version(ctx, actorID); f.err != nil {
				return
			}
		}
		f.digests, f.err = c.make(ctx, actorID)
	}()
	f.stopped = f.err != nil && caller.Err() != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	if c.flights[actorID] == f {
		delete(c.flights, actorID)
	}
	if f.stale || f.err != nil {
		return
	}
	c.drop(actorID)
	if c.size += len(f.byAuthority) + 1; c.known == nil || c.size > maxDigests {
		c.known, c.size = make(map[string]*digestsOf), len(f.byAuthority)+1
	}
	c.known[actorID] = f
}

// changed is called when somebody began or ceased to follow.
func (c *digestCache) changed(actorID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[actorID]; f != nil {
		f.stale = true
	}
	c.drop(actorID)
}

func (c *digestCache) drop(actorID string) {
	if d := c.known[actorID]; d != nil {
		c.size -= len(d.byAuthority) + 1
		delete(c.known, actorID)
	}
}

// watchedFollowers tells of changes to what it keeps.
type watchedFollowers struct {
	actor.Followers
	changed func(followed string)
}

func (w *watchedFollowers) PutFollow(ctx context.Context, f actor.Follow) error {
	defer w.changed(f.Followed) // also after an error: it may have been kept
	return w.Followers.PutFollow(ctx, f)
}

func (w *watchedFollowers) DeleteFollow(ctx context.Context, follower, followed string) error {
	defer w.changed(followed)
	return w.Followers.DeleteFollow(ctx, follower, followed)
}
