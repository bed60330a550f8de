package delivery

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Policy says how long to wait, how often to try and when to stop. The zero value is
// what the comments of its fields say. Its funcs may be called by many goroutines at once.
type Policy struct {
	// HostDelay tells how long a host that failed is left alone, after this many
	// failures in a row, counted from 1. Nil means HostFirst, doubled each time up to
	// HostMost, and HostLate from the nineteenth on, which is about a day later; half of
	// each is random, so that hosts that fell together are not tried together, and it
	// is never under HostLeast. That is some 19 tries on the first day, at most 30. A
	// Retry-After goes before it.
	HostDelay func(failures int) time.Duration
	HostFirst time.Duration // Zero means 30 s: a restart takes less.
	HostMost  time.Duration // Zero means 3 h: who is back waits no longer than that for the first day.
	HostLate  time.Duration // Zero means 12 h: who was away for a day is likely to stay away.
	HostLeast time.Duration // Zero means 10 s.

	// ItemDelay tells how long to wait after a host has refused one activity for the
	// given number of times, counted from 1, and whether to try again. Nil means
	// ItemDelays, each longer at random by up to 15 %, then no more.
	ItemDelay func(attempts int) (wait time.Duration, more bool)

	// ItemDelays: nil means 1 min, 5 min, 30 min, 2 h, 6 h and 12 h. An activity that a host can't
	// stomach is over within a day; a bug there that is mended in an evening costs nothing.
	ItemDelays []time.Duration

	// RetryLeast and RetryMost bound what a host may ask for by Retry-After. Zero means 1 s and 24 h: less is
	// no wait, more is a typing error.
	RetryLeast, RetryMost time.Duration

	// RefusedTries is after how many answers of 401 or 403 an activity is given up,
	// RefusedWait the time between. Zero means 2 and 1 h: the second try is for a host
	// that could not fetch our key. Once RefusedAfter activities in a row ended so, the
	// host is left alone for RefusedDelay after each further one. Zero means 20 and 24 h.
	RefusedTries, RefusedAfter int
	RefusedWait, RefusedDelay  time.Duration

	// MissingTries and MissingFor say when 404 means that an inbox does not exist any more: after so many
	// tries, MissingWait apart, over so long. Zero means 3, 24 h and 12 h: a proxy that is set up wrongly for an
	// evening must not cost followers. 410 means it at once.
	MissingTries            int
	MissingFor, MissingWait time.Duration

	// NotGone names hosts whose 404 does not mean that; the activity is given up
	// alone. Nil means threads.net and its subdomains, which answer so to whom they
	// block and to signatures that they dislike (PEERS.md).
	NotGone func(host string) bool

	// GiveUp is for how long a host may fail without a success between. After that,
	// each failure turns all that waits for the host into dead letters, and it is
	// tried each DeadDelay, or when it was heard of. A host that answers 429 or 503 is
	// not down: these failures don't count. Zero means 7 days each.
	GiveUp, DeadDelay time.Duration

	// Lifetime is how long an Activity without Expires is tried. Zero means 7 days.
	Lifetime time.Duration

	// Timeout bounds one post from the dial to the end of the answer. Zero means 30 s.
	Timeout time.Duration

	// LocalWait is for how long a lane waits after a failure of ours. Zero means 15 s.
	LocalWait time.Duration

	// WakeEvery is how often at most a request from a host pulls its next try forward. Zero means 15 min: a host that
	// can send and not receive gets no more tries than some hundred a day.
	WakeEvery time.Duration

	// SlowAfter is how long a host takes on average to be of the slow class, which gets
	// a quarter of the slots. Zero means 5 s.
	SlowAfter time.Duration

	// BulkAbove is for how many targets a Normal activity becomes Bulk. It changes its turn, never its
	// lifetime. Zero means 1,000.
	BulkAbove int

	// MaxDead is how many dead letters are kept, the newest. Zero means 10,000. Of
	// DeadBodies of them the bodies are kept, for Redrive. Zero means 1,000.
	MaxDead, DeadBodies int

	// KeepDead is for how long a dead letter is kept. Zero means 30 days.
	KeepDead time.Duration

	// Rand returns a random number in [0, 1). Nil means math/rand/v2.
	Rand func() float64
}

const day = 24 * time.Hour

// remembered is for how long the ID of a settled activity stops a second Enqueue.
const remembered = 7 * day

func (p Policy) withDefaults() Policy {
	if p.Rand == nil {
		p.Rand = rand.Float64
	}
	if p.NotGone == nil {
		p.NotGone = notGone
	}
	if p.ItemDelays == nil {
		p.ItemDelays = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour}
	}
	zero(&p.HostFirst, 30*time.Second)
	zero(&p.HostMost, 3*time.Hour)
	zero(&p.HostLate, 12*time.Hour)
	zero(&p.HostLeast, 10*time.Second)
	zero(&p.RetryLeast, time.Second)
	zero(&p.RetryMost, day)
	zero(&p.RefusedTries, 2)
	zero(&p.RefusedAfter, 20)
	zero(&p.RefusedWait, time.Hour)
	zero(&p.RefusedDelay, day)
	zero(&p.MissingTries, 3)
	zero(&p.MissingFor, day)
	zero(&p.MissingWait, 12*time.Hour)
	zero(&p.GiveUp, 7*day)
	zero(&p.DeadDelay, 7*day)
	zero(&p.LocalWait, 15*time.Second)
	zero(&p.WakeEvery, 15*time.Minute)
	zero(&p.SlowAfter, 5*time.Second)
	zero(&p.BulkAbove, 1000)
	zero(&p.DeadBodies, 1000)
	zero(&p.Lifetime, 7*day)
	zero(&p.Timeout, 30*time.Second)
	zero(&p.MaxDead, 10_000)
	zero(&p.KeepDead, 30*day)
	if p.HostDelay == nil {
		p.HostDelay = p.hostDelay
	}
	if p.ItemDelay == nil {
		p.ItemDelay = p.itemDelay
	}
	return p
}

// negative names a field of p that is below zero, or is empty.
func (p Policy) negative() string {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"HostFirst", int64(p.HostFirst)}, {"HostMost", int64(p.HostMost)}, {"HostLate", int64(p.HostLate)}, {"HostLeast", int64(p.HostLeast)},
		{"RetryLeast", int64(p.RetryLeast)}, {"RetryMost", int64(p.RetryMost)}, {"RefusedTries", int64(p.RefusedTries)},
		{"RefusedAfter", int64(p.RefusedAfter)}, {"RefusedWait", int64(p.RefusedWait)}, {"RefusedDelay", int64(p.RefusedDelay)},
		{"MissingTries", int64(p.MissingTries)}, {"MissingFor", int64(p.MissingFor)}, {"MissingWait", int64(p.MissingWait)},
		{"GiveUp", int64(p.GiveUp)}, {"DeadDelay", int64(p.DeadDelay)}, {"Lifetime", int64(p.Lifetime)}, {"Timeout", int64(p.Timeout)},
		{"LocalWait", int64(p.LocalWait)}, {"WakeEvery", int64(p.WakeEvery)}, {"SlowAfter", int64(p.SlowAfter)},
		{"BulkAbove", int64(p.BulkAbove)}, {"MaxDead", int64(p.MaxDead)}, {"DeadBodies", int64(p.DeadBodies)}, {"KeepDead", int64(p.KeepDead)},
	} {
		if f.value < 0 {
			return f.name
		}
	}
	for _, d := range p.ItemDelays {
		if d < 0 {
			return "ItemDelays"
		}
	}
	return ""
}

func notGone(host string) bool {
	return host == "threads.net" || strings.HasSuffix(host, ".threads.net")
}

// zero gives a field that is not set its default.
func zero[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// hostDelay uses equal jitter: with full jitter an unlucky host is probed twice as
// often on its first day as the average one.
func (p Policy) hostDelay(failures int) time.Duration {
	d := p.HostLate
	if failures <= 18 {
		d = p.HostFirst
		for i := 1; i < failures && d < p.HostMost; i++ {
			d *= 2
		}
		d = min(d, p.HostMost)
	}
	half := d / 2
	return max(half+time.Duration(p.Rand()*float64(half)), p.HostLeast)
}

func (p Policy) itemDelay(attempts int) (time.Duration, bool) {
	if attempts < 1 || attempts > len(p.ItemDelays) {
		return 0, false
	}
	d := p.ItemDelays[attempts-1]
	return d + time.Duration(0.15*p.Rand()*float64(d)), true
}

// retryAfter reads RFC 9110 §10.2.3: seconds or a date. It obeys within RetryLeast
// and RetryMost; asked is false if there is nothing it can read.
func (p Policy) retryAfter(h http.Header, now time.Time) (wait time.Duration, asked bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if digits := strings.Trim(value, "0123456789") == ""; digits {
		wait = p.RetryMost // also for numbers beyond any integer
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n < int64(p.RetryMost/time.Second) {
			wait = time.Duration(n) * time.Second
		}
	} else {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0, false
		}
		wait = at.Sub(now)
	}
	return min(max(wait, p.RetryLeast), p.RetryMost), true
}
