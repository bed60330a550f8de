package signature

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	defaultExpiry = 30 * 24 * time.Hour
	// probation is how long a host gets RFC 9421 first because it once answered well to it: there
	// are servers that answer 200 to what they cannot read. Pixelfed (seen 2024-03) looks at the
	// signature later, in a worker.
	probation = 24 * time.Hour
	// settling is how long a host that refused both schemes gets one knock: who blocks us should
	// not be asked twice each time.
	settling = 10 * time.Minute
)

// Heard notes that a host signed a request to us as v says. What has used RFC 9421 is taken to
// understand it, and gets it first until Expiry is over. authority is the host, with its port
// unless that is the default, to which requests will go: that of the sender's inbox. The caller
// must know that it is v.Owner's. A host that is known to have refused RFC 9421 stays where it is.
func (t *Transport) Heard(ctx context.Context, authority string, v Verified) {
	normal, ok := normalAuthority(authority, "https")
	if v.Scheme != RFC9421 || v.KeyID == "" || !ok || t.Fixed {
		return
	}
	t.prefers(ctx, normal)
}

// prefers remembers that a host used RFC 9421 or asked for it. It writes seldom: a busy host is
// heard of many times in a second.
func (t *Transport) prefers(ctx context.Context, authority string) {
	h, ok := t.recall(ctx, authority)
	if ok && (h.refuses9421() || h.Suite == SuiteRFC9421 && time.Until(h.Until) > t.expiry()*3/4) {
		return
	}
	t.remember(ctx, authority, SuiteRFC9421, t.expiry())
}

// recall returns what is known of a host and still valid; the zero value otherwise.
func (t *Transport) recall(ctx context.Context, authority string) (Habit, bool) {
	h, ok := t.memory().Recall(ctx, authority)
	if !ok || !time.Now().Before(h.Until) {
		return Habit{}, false
	}
	return h, true
}

func (t *Transport) remember(ctx context.Context, authority string, s Suite, life time.Duration) {
	t.memory().Remember(ctx, authority, Habit{Suite: s, Until: time.Now().Add(min(life, t.expiry()))})
}

func (t *Transport) memory() Memory {
	if t.Memory != nil {
		return t.Memory
	}
	return &t.hosts
}

func (t *Transport) expiry() time.Duration { return orDefault(t.Expiry, defaultExpiry) }

func (t *Transport) hides(authority string) bool {
	if t.Hiding == nil {
		return authority == "threads.net" || authority == "www.threads.net"
	}
	return slices.Contains(t.Hiding, authority)
}

// maxSends bounds how often one request is sent.
const maxSends = 3

// knock is one request on its way to be accepted.
type knock struct {
	*Transport
	r         *http.Request
	body      []byte
	authority string

	key    Key  // of Transport.Key
	second Key  // of Transport.Ed25519, once it was asked
	asked  bool // whether it was

	habit   Habit   // the zero value: nothing is known
	sends   int     // so far
	refused [2]bool // by scheme
	offered bool    // whether an Accept-Signature was answered
}

// attempt is one way to send the request.
type attempt struct {
	suite Suite
	manner
}

func try(s Suite) attempt { return attempt{s, manner{scheme: s.Scheme()}} }

func (k *knock) run(ctx context.Context) (*http.Response, error) {
	if !k.Fixed {
		k.habit, _ = k.recall(ctx, k.authority)
	}
	a, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	for {
		key := k.key
		if a.suite == SuiteEd25519 {
			key = k.second
		}
		response, err := k.send(k.r, k.body, key, a.manner)
		if err != nil {
			return nil, err
		}
		k.sends++
		next, again, err := k.judge(ctx, a, response)
		if err == nil && !again {
			return response, nil
		}
		// A bounded read lets the connection be used again.
		_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
		response.Body.Close()
		if err != nil {
			return nil, err
		}
		a = next
	}
}

// begin chooses how to send the request first.
func (k *knock) begin(ctx context.Context) (attempt, error) {
	suite := SuiteCavage
	if k.Scheme == RFC9421 {
		suite = SuiteRFC9421
	}
	switch {
	case k.Fixed:
		return try(suite), nil
	case k.habit.refuses9421():
		suite = SuiteCavage
	case k.habit.Suite != SuiteCavage:
		suite = SuiteRFC9421
	}
	if k.Verifies != nil && !k.habit.refuses9421() {
		if said, ok := k.Verifies(ctx, k.authority); ok {
			suite = said
		}
	}
	if suite == SuiteEd25519 {
		if has, err := k.hasSecond(ctx); err != nil {
			return attempt{}, err
		} else if !has {
			suite = SuiteRFC9421
		}
	}
	if suite == SuiteCavage && !k.canCavage() {
		suite = SuiteRFC9421
	}
	return try(suite), nil
}

// canCavage tells whether Key can sign as draft-cavage. A key that cannot sign at all is left for
// Sign to complain about.
func (k *knock) canCavage() bool {
	_, err := publicOf(k.key.Private)
	return err != nil || isRSA(k.key.Private)
}

// hasSecond asks for the Ed25519 key, once.
func (k *knock) hasSecond(ctx context.Context) (bool, error) {
	if k.Ed25519 == nil || k.asked {
		return k.second.Private != nil, nil
	}
	k.asked = true
	second, err := k.Ed25519(ctx)
	if errors.Is(err, ErrNoKey) {
		return false, nil
	}
	if err != nil {
		return false, keyError(k.r, err)
	}
	public, err := publicOf(second.Private)
	if _, ok := public.(ed25519.PublicKey); !ok || err != nil {
		return false, keyError(k.r, fail(ErrBadKey, "Transport.Ed25519 returned a %T", second.Private))
	}
	k.second = second
	return true, nil
}

// judge draws the lesson from an answer and says what to send next, if anything.
func (k *knock) judge(ctx context.Context, a attempt, response *http.Response) (next attempt, again bool, err error) {
	refused := k.isRefusal(response.StatusCode)
	if !refused && response.StatusCode >= 400 {
		return attempt{}, false, nil // which says nothing of signatures
	}
	var wants []wanted
	if !k.Fixed && !k.offered {
		wants = parseWanted(response.Header)
	}
	if !refused {
		k.learn(ctx, a.scheme)
		if slices.ContainsFunc(wants, func(w wanted) bool { return w.madeBy(k.key) }) {
			k.prefers(ctx, k.authority)
		}
		return attempt{}, false, nil
	}
	if k.sends < maxSends {
		for _, w := range wants {
			suite, ok, err := k.maker(ctx, a.suite, &w)
			if err != nil {
				return attempt{}, false, err
			}
			if ok {
				k.offered = true
				k.refused[a.scheme] = true
				k.prefers(ctx, k.authority)
				return attempt{suite, manner{scheme: RFC9421, wanted: &w}}, true, nil
			}
		}
		if a.scheme == Cavage && !a.pathOnly && k.mayDropQuery(response) {
			a.pathOnly = true
			return a, true, nil
		}
	}
	k.refused[a.scheme] = true
	other := SuiteCavage
	if a.scheme == Cavage {
		other = SuiteRFC9421
	}
	if k.refused[other.Scheme()] {
		k.settle(ctx)
		return attempt{}, false, nil
	}
	if k.sends == maxSends || k.Fixed || time.Now().Before(k.habit.Settled) || other == SuiteCavage && !k.canCavage() {
		return attempt{}, false, nil
	}
	return try(other), true, nil
}

// maker tells whether one of our keys makes what a host wants, and which.
func (k *knock) maker(ctx context.Context, last Suite, w *wanted) (Suite, bool, error) {
	if last != SuiteEd25519 && w.madeBy(k.key) {
		return SuiteRFC9421, true, nil
	}
	if last != SuiteEd25519 && w.algorithm != algEd25519 {
		return 0, false, nil // it did not say that it verifies Ed25519
	}
	has, err := k.hasSecond(ctx)
	if err != nil || !has {
		return 0, false, err
	}
	return SuiteEd25519, w.madeBy(k.second), nil
}

// isRefusal tells whether a status may mean that the signature was not accepted.
func (k *knock) isRefusal(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusNotFound, http.StatusGone:
		return k.hides(k.authority)
	}
	return false
}

func (k *knock) mayDropQuery(response *http.Response) bool {
	return response.StatusCode == http.StatusUnauthorized && k.r.URL.RawQuery != "" && !hasBodyDigest(k.r.Method)
}

// learn notes that a scheme was accepted. That a first knock was says nothing new: a 2xx is no
// proof that a signature was understood. That it was where the other scheme was refused, is.
func (k *knock) learn(ctx context.Context, accepted Scheme) {
	switch {
	case accepted == RFC9421 && k.refused[Cavage] && k.habit.Suite == SuiteCavage && !k.offered:
		k.remember(ctx, k.authority, SuiteRFC9421, probation)
	case accepted == Cavage && k.refused[RFC9421]:
		k.remember(ctx, k.authority, SuiteCavage, k.expiry())
	}
}

// settle notes that both schemes were refused, without forgetting what else is known.
func (k *knock) settle(ctx context.Context) {
	if k.Fixed {
		return
	}
	h, _ := k.recall(ctx, k.authority) // anew: it may have asked for RFC 9421 meanwhile
	until := time.Now().Add(settling)
	h.Settled = until
	if h.Until.Before(until) {
		h.Until = until
	}
	k.memory().Remember(ctx, k.authority, h)
}

func keyError(r *http.Request, err error) error {
	return fmt.Errorf("signature: key for %s %s: %w", r.Method, r.URL, err)
}
