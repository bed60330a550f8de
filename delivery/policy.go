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
	// failures in a row, counted from 1. Nil means 30 s, doubled each time up to 3 h,
	// and 12 h from the nineteenth on, which is about a day later; half of each is
	// random, and it is never under 10 s. A Retry-After goes before it.
	HostDelay func(failures int) time.Duration

	// ItemDelay tells how long to wait after a host has refused one activity for the
	// given number of times, counted from 1, and whether to try again. Nil means 1 min,
	// 5 min, 30 min, 2 h, 6 h and 12 h, each longer at random by up to 15 %, then no more.
	ItemDelay func(attempts int) (wait time.Duration, more bool)

	// GiveUp is for how long a host may fail without a success between. After that,
	// each failure turns all that waits for the host into dead letters. A host that
	// answers 429 or 503 is not down: these failures don't count. Zero means 7 days.
	GiveUp time.Duration

	// Lifetime is how long an Activity without Expires is tried. Zero means 7 days.
	Lifetime time.Duration

	// Timeout bounds one post from the dial to the end of the answer. Zero means 30 s.
	Timeout time.Duration

	// MaxDead is how many dead letters are kept, the newest. Zero means 10,000.
	MaxDead int

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
	if p.HostDelay == nil {
		p.HostDelay = p.hostDelay
	}
	if p.ItemDelay == nil {
		p.ItemDelay = p.itemDelay
	}
	zero(&p.GiveUp, 7*day)
	zero(&p.Lifetime, 7*day)
	zero(&p.Timeout, 30*time.Second)
	zero(&p.MaxDead, 10_000)
	zero(&p.KeepDead, 30*day)
	return p
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
	const first, slow, slowest = 30 * time.Second, 3 * time.Hour, 12 * time.Hour
	d := slow
	switch {
	case failures > 18:
		d = slowest
	case failures < 10: // the shift would pass slow anyway
		d = min(first<<max(failures-1, 0), slow)
	}
	half := d / 2
	return max(half+time.Duration(p.Rand()*float64(half)), 10*time.Second)
}

func (p Policy) itemDelay(attempts int) (time.Duration, bool) {
	steps := [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour}
	if attempts < 1 || attempts > len(steps) {
		return 0, false
	}
	d := steps[attempts-1]
	return d + time.Duration(0.15*p.Rand()*float64(d)), true
}

// retryAfter reads RFC 9110 §10.2.3: seconds or a date. It obeys between one second
// and a day; asked is false if there is nothing it can read.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, asked bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if digits := strings.Trim(value, "0123456789") == ""; digits {
		wait = day // also for numbers beyond any integer
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n < int64(day/time.Second) {
			wait = time.Duration(n) * time.Second
		}
	} else {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0, false
		}
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), day), true
}
