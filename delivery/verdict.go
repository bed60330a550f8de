package delivery

import (
	"errors"
	"fmt"
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

// verdict is a kind with what belongs to it.
type verdict struct {
	kind   kind
	wait   time.Duration
	local  bool // it was no failure of the host: it just waits a little
	counts bool // a paused host's failure counts towards giving it up
	asked  bool // wait is what the host asked for
	alive  bool // the host has answered like one that works
	status int
	err    error // nil only if delivered, vanished or aborted
}

const (
	unauthorizedWait = time.Hour        // between the two tries of 401 and 403
	missingWait      = 12 * time.Hour   // between the three tries of 404
	localWait        = 15 * time.Second // after a failure of ours that says nothing about host or item
)

// judge decides by an answer's status; err is for the caller to set. attempts counts
// this one; age is the record's.
func (p Policy) judge(status int, h http.Header, attempts int, age time.Duration, now time.Time) verdict {
	v := verdict{status: status}
	switch {
	case status >= 200 && status <= 299:
		return verdict{kind: delivered, alive: true, status: status}
	case hostStatus(status):
		v.kind = paused
		v.counts = status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable
		v.wait, v.asked = retryAfter(h, now)
		return v // without asked, the lane knows how often it has failed
	}
	// Whatever else it says, a host that answers is up.
	v.alive = true
	switch status {
	case http.StatusGone:
		v.kind = gone
	case http.StatusNotFound:
		// A proxy that is set up wrongly for an hour must not cost the follower.
		v.kind, v.wait = deferred, missingWait
		if attempts >= 3 && age >= 24*time.Hour {
			v.kind = gone
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		// Also said by a host that could not fetch our key just now; mostly it is a block.
		v.kind, v.wait = deferred, unauthorizedWait
		if attempts >= 2 {
			v.kind = dead
		}
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		v.kind = dead
	default:
		v = p.again(v, attempts)
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

// text is the cause in at most 512 bytes, for the store.
func (v verdict) text() string {
	if v.err == nil {
		return ""
	}
	return fmt.Sprintf("%.512s", v.err.Error())
}
