package actor

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// host is what is remembered of a server: how much was asked of it in this minute, how much is being asked now, and
// whether it answered.
type host struct {
	since time.Time
	count int
	until time.Time // it is left alone till then
	err   error     // why
	slots chan struct{}
}

// atOnce is how many requests to a host in a minute need not wait for their turn.
const atOnce = 20

// enter waits for a free place among the requests to u's host, and counts one. Leave has to be called when it is
// over. The error says why none is made now; nothing is wrong with the host then.
func (s *state) enter(ctx context.Context, u *url.URL) (leave func(), err error) {
	h, wait, err := s.admit(u)
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		turn := time.NewTimer(wait)
		defer turn.Stop()
		select {
		case <-turn.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: no turn within %s: %w", ErrThrottled, wait, ctx.Err())
		}
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no place among %d requests: %w", ErrThrottled, cap(h.slots), ctx.Err())
	}
}

// admit also returns how long to wait: after the first few, those that may be asked in a minute are spread over it,
// for each costs us a signature, and who has nothing to do with that host shall not notice.
func (s *state) admit(u *url.URL) (h *host, wait time.Duration, err error) {
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	now := time.Now()
	h, known := s.host(u)
	if !known && !s.newcomers.host(u, now) {
		s.hosts.delete(hostKey(u))
		return nil, 0, fmt.Errorf("%w: too many hosts of one domain", ErrThrottled)
	}
	if now.Before(h.until) {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnreachable, h.err)
	}
	if now.Sub(h.since) >= time.Minute {
		h.since, h.count = now, 0
	}
	if h.count >= s.config.MaxFetches {
		return nil, 0, fmt.Errorf("%w: %d in this minute", ErrThrottled, h.count)
	}
	h.count++
	if n := h.count - atOnce; n > 0 {
		wait = h.since.Add(time.Duration(n) * time.Minute / time.Duration(s.config.MaxFetches)).Sub(now)
	}
	return h, wait, nil
}

// busyWith tells whether so much was asked of the host of address in this minute that requests to it have to wait.
func (s *state) busyWith(address string) bool {
	u, err := parseID(address)
	if err != nil {
		return false
	}
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	h, _ := s.hosts.get(hostKey(u))
	return h != nil && h.count >= atOnce && time.Since(h.since) < time.Minute
}

// down remembers that the host of address did not answer, so that not everyone who needs something from there
// waits until a timeout.
func (s *state) down(address string, err error) {
	u, parseErr := parseID(address)
	if parseErr != nil {
		return
	}
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	h, _ := s.host(u)
	h.until, h.err = time.Now().Add(keepDown), err
}

// meet says that the host of id is one that we had to do with before this program was started.
func (s *state) meet(id string) {
	u, err := parseID(id)
	if err != nil {
		return
	}
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	s.host(u)
}

func hostKey(u *url.URL) string { return u.Scheme + "://" + authority(u) }

func (s *state) host(u *url.URL) (h *host, known bool) {
	key := hostKey(u)
	h, known = s.hosts.get(key)
	if !known {
		h = &host{slots: make(chan struct{}, s.config.MaxPerHost)}
		s.hosts.put(key, h, 1)
	}
	return h, known
}
