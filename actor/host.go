package actor

import (
	"errors"
	"net/url"
	"time"
)

// host is what is remembered of a server: how much was asked of it in this minute, and whether it
// answered.
type host struct {
	since time.Time
	count int
	until time.Time // it is left alone till then
	err   error     // why
}

var errBudget = errors.New("too many requests there in this minute")

// admit counts a request to u's host, or says why none is made now.
func (r *Resolver) admit(u *url.URL) error {
	r.hostMu.Lock()
	defer r.hostMu.Unlock()
	now := time.Now()
	h := r.host(u)
	if now.Before(h.until) {
		return h.err
	}
	if now.Sub(h.since) >= time.Minute {
		h.since, h.count = now, 0
	}
	if h.count >= r.config.MaxFetches {
		return errBudget
	}
	h.count++
	return nil
}

// down remembers that the host of address did not answer, so that not everyone who needs something from there
// waits until a timeout.
func (r *Resolver) down(address string, err error) {
	u, parseErr := parseID(address)
	if parseErr != nil {
		return
	}
	r.hostMu.Lock()
	defer r.hostMu.Unlock()
	h := r.host(u)
	h.until, h.err = time.Now().Add(keepDown), err
}

func (r *Resolver) host(u *url.URL) *host {
	key := u.Scheme + "://" + authority(u)
	h, ok := r.hosts.get(key)
	if !ok {
		h = &host{}
		r.hosts.put(key, h, 1)
	}
	return h
}

// hides tells whether an id is at a host whose 404 may mean anything. Threads (seen 2024-08 to 2026-06) says it to signatures
// that it dislikes and to servers that it blocks, and of users who share nothing today.
func hides(id string) bool {
	u, err := parseID(id)
	if err != nil {
		return false
	}
	at := authority(u)
	return at == "threads.net" || at == "www.threads.net"
}
