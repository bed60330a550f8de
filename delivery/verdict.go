package delivery

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// kind is what a post came to.
type kind uint8

const (
	delivered kind = iota
	deferred       // the item steps aside until wait has passed
	paused         // the host is left alone until wait has passed; the item stays first
	gone           // the inbox does not exist any more
	dead           // given up, with a dead letter
	dropped        // given up, without one: expired or refused by us
	vanished       // the record is no longer in the store
	aborted        // we stopped in the middle
)

// String returns the kind as an Observer gets it.
func (k kind) String() string {
	return [...]string{"delivered", "deferred", "paused", "gone", "dead", "dropped", "vanished", "aborted"}[k]
}

// verdict is a kind with what belongs to it.
type verdict struct {
	kind    kind
	wait    time.Duration
	local   bool // it was no failure of the host: it just waits a little
	counts  bool // a paused host's failure counts towards giving it up
	asked   bool // wait is what the host asked for
	alive   bool // the host has answered like one that works
	busy    bool // the host says that it has too much to do
	refused bool // the host does not accept us: 401 or 403
	status  int
	err     error // nil only if delivered, vanished or aborted
}

// answered is what judge decides by.
type answered struct {
	host     string
	status   int
	header   http.Header
	attempts int           // this one counted
	age      time.Duration // the record's
	now      time.Time
}

// judge decides by an answer that is not 2xx; err is for the caller to set.
func (p Policy) judge(a answered) verdict {
	v := verdict{status: a.status}
	if hostStatus(a.status) {
		v.kind = paused
		v.busy = a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
		v.counts = !v.busy
		v.wait, v.asked = p.retryAfter(a.header, a.now)
		return v // without asked, the lane knows how often it has failed
	}
	// Whatever else it says, a host that answers is up.
	v.alive = true
	switch a.status {
	case http.StatusGone:
		v.kind = gone
	case http.StatusNotFound:
		// A proxy that is set up wrongly for an hour must not cost the follower.
		v.kind, v.wait = deferred, p.MissingWait
		if a.attempts >= p.MissingTries && a.age >= p.MissingFor {
			v.kind = gone
			if p.NotGone(a.host) {
				v.kind = dead
			}
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		// Also said by a host that could not fetch our key just now; mostly it is a block.
		v.kind, v.wait, v.refused = deferred, p.RefusedWait, true
		if a.attempts >= p.RefusedTries {
			v.kind = dead
		}
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		v.kind = dead
	default:
		v = p.again(v, a.attempts)
	}
	return v
}

// hostStatus says whether an answer tells of the host rather than of the activity.
func hostStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	// Cloudflare's codes for an origin that it cannot reach.
	return (status >= 520 && status <= 527) || status == 530
}

// judgeError decides by the error of a RoundTripper.
func (p Policy) judgeError(err error, attempts int) verdict {
	v := verdict{err: err}
	switch {
	case errors.Is(err, ErrRefused):
		v.kind = dropped
		return v
	case errors.Is(err, ErrLocal):
		return p.again(v, attempts)
	}
	// DNS, dial, TLS, timeout, reset. Certificates lapse and are renewed, and a name that
	// leads to a private address today may have been led there by an outage.
	v.kind, v.counts = paused, true
	return v
}

// again defers while ItemDelay wants to.
func (p Policy) again(v verdict, attempts int) verdict {
	wait, more := p.ItemDelay(attempts)
	if v.kind = dead; more {
		v.kind, v.wait = deferred, wait
	}
	return v
}

// error wraps the cause in an [Error]; nil if there is none.
func (v verdict) error(inbox string) error {
	if v.err == nil {
		return nil
	}
	permanent := v.kind == dead || v.kind == gone || v.kind == dropped
	return &Error{Inbox: inbox, Status: v.status, Permanent: permanent, Err: v.err}
}

// cause is what may be logged of it by everybody: of an answer the status alone, for its text may repeat what was posted.
func (v verdict) cause() slog.Attr {
	if v.status != 0 {
		return slog.Int("status", v.status)
	}
	return slog.Any("error", v.err)
}

// text is the cause in at most 512 bytes, for the store.
func (v verdict) text() string {
	if v.err == nil {
		return ""
	}
	return fmt.Sprintf("%.512s", v.err.Error())
}
