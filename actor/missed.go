package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// How long nothing is asked again, by what the last answer was.
const (
	keepGone    = 30 * 24 * time.Hour
	keepMissing = time.Hour      // 404: twice as long each time that it comes again,
	mostMissing = 16 * time.Hour // up to this
	keepOdd     = time.Hour      // what makes no sense
	keepHiding  = 10 * time.Minute
	keepPassing = 2 * time.Minute
	keepDown    = 30 * time.Second // a host that did not answer, for whatever it has

	refreshAge = 5 * time.Minute // a key, or a document for its key, is not fetched again before
)

// missed is why something is not asked for again yet.
type missed struct {
	err   *Error
	until time.Time
	times int // that it was missing, one after the other
}

// missed returns why id is not asked for again yet, nil if it may be.
func (s *state) missed(id string) error {
	m, ok := s.misses.get(id)
	if !ok || !time.Now().Before(m.until) {
		return nil
	}
	return m.err
}

// miss remembers a failure for as long as its cause tends to last, and returns it.
func (s *state) miss(id string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	var own *ownError
	switch {
	case errors.As(err, &own), errors.Is(err, ErrBlocked), errors.Is(err, ErrThrottled), errors.Is(err, ErrBudget),
		errors.Is(err, context.Canceled):
		return err // ours, and may change at any time
	}
	m := missed{err: e}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrGone) {
		before, _ := s.misses.get(id)
		m.times = before.times + 1
		if m.times == 1 && s.hides(id) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
			// One such answer says that it dislikes a signature as often as what it says.
			m.err = &Error{ID: e.ID, Status: e.Status, Passing: true, Err: fmt.Errorf("%w: it hides what it has", ErrRejected)}
			m.until = time.Now().Add(keepHiding)
			s.misses.put(id, m, 1)
			return m.err
		}
	}
	wait := keepOdd
	switch {
	case errors.Is(err, ErrGone):
		wait = keepGone
	case e.Passing:
		wait = keepPassing
	case m.times > 0:
		wait = min(keepMissing<<min(m.times-1, 8), mostMissing)
	}
	m.until = time.Now().Add(wait)
	s.misses.put(id, m, 1)
	return err
}
