package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Verifier checks who signed incoming requests. Its fields are not changed after first use; its
// methods may then be called by many goroutines at once.
type Verifier struct {
	// Keys finds the keys of signers. If it is also a [KeyRefresher], a key that does not fit is
	// asked for once more. Nil: every signed request is refused with status 503.
	Keys KeySource

	// Authorities lists the hosts, each "host" or "host:port", that this server answers to. The
	// Host of a request, which every signature covers, must be one of them; case does not matter,
	// nor whether the scheme's default port is written. What proxies say in X-Forwarded-Host is
	// not read. Empty, and without More: every request is refused with [ErrTarget].
	Authorities []string

	// More tells of further hosts that this server answers to, which come in lower case and without the scheme's default port. It
	// is asked with every request that is not for one of Authorities, also for hosts that strangers make up. Nil: there are none.
	More func(authority string) bool

	// Scheme is how peers reach this server, "https" or "http", whatever a proxy makes of it. It
	// is part of @target-uri and decides the default port. Empty means "https". With "http", key
	// ids may be http URLs too.
	Scheme string

	// Profile is how much a signature must cover. The zero value is [Strict].
	Profile Profile

	// Skew is how far the clocks of peers may differ from ours. Zero or less means 5 minutes,
	// under [Lenient] 1 hour.
	Skew time.Duration

	// MaxAge is how old a signature may be that does not say when it expires; Skew is added.
	// Zero or less means 1 hour, under [Lenient] 5 minutes. An expires that is not itself signed
	// can only shorten it.
	MaxAge time.Duration

	// MaxLife caps what a signed expires can ask for, counted from the time of signing; Skew is
	// added. Zero or less means 12 hours.
	MaxLife time.Duration

	// Allow is asked for the host of the key id, with its port unless that is the default, before
	// the key is. An error that wraps [ErrRefused] is answered with 403, any other with 503. Nil
	// allows everyone.
	Allow func(ctx context.Context, host string) error

	// MaxBody bounds the body that Handler reads, in bytes. Zero or less means 1 MiB.
	MaxBody int64

	// Replays makes Handler refuse a request that it has let through before; it may be shared by
	// several Verifiers. Nil lets every request through as often as it comes.
	Replays *Replays

	// Refuse answers a request that Handler refuses; it may also log. Nil answers with
	// err.Status and err.Public() as plain text, and [Challenge] where the status is 401.
	Refuse func(w http.ResponseWriter, r *http.Request, err *Error)
}

// KeyID returns the key id that a request claims to be signed with, by the same grammar that
// Verify uses and without proving anything: it serves to drop what need not be looked at, such
// as the Delete of an actor that nobody here knows. Of several RFC 9421 signatures it tells the
// first that it understands. The error is an [*Error].
func KeyID(r *http.Request) (string, error) {
	claims, errs, err := parseClaims(r.Method, r.Header)
	if err != nil {
		return "", newError("", err)
	}
	for i, c := range claims {
		if errs[i] == nil {
			return c.keyID, nil
		}
	}
	return "", newError(claims[0].keyID, errs[0])
}

// Holds tells, without proving anything, whether each key that r claims to be signed with is in the memory of Keys, which is a
// [KeyHolder] then: to verify r takes no request, unless a key has changed.
func (v *Verifier) Holds(r *http.Request) bool {
	keys, ok := v.Keys.(KeyHolder)
	if !ok {
		return false
	}
	claims, _, err := parseClaims(r.Method, r.Header)
	return err == nil && !slices.ContainsFunc(claims, func(c claim) bool { return !keys.HoldsKey(c.keyID) })
}

// parseClaims reads the signatures of a request, each with what is wrong about it by itself. A
// request that has a Signature-Input is never read as draft-cavage.
func parseClaims(method string, h http.Header) ([]claim, []error, error) {
	signatures, inputs := h["Signature"], h["Signature-Input"]
	if len(signatures) > 1 || len(inputs) > 1 {
		return nil, nil, fail(ErrMalformed, "%d Signature and %d Signature-Input fields", len(signatures), len(inputs))
	}
	switch {
	case len(signatures) == 0 && len(inputs) == 0:
		return nil, nil, ErrUnsigned
	case len(signatures) == 0:
		return nil, nil, fail(ErrMalformed, "Signature-Input without Signature")
	case len(inputs) == 0:
		c, err := parseSignature(signatures[0])
		if err != nil && c.keyID == "" {
			return nil, nil, err
		}
		return []claim{c}, []error{err}, nil
	}
	return parseMessageSignatures(method, inputs[0], signatures[0])
}

// Verify checks the signature of a request whose body has been read. The body holds the very
// bytes that arrived, and what the caller goes on to parse must be those bytes; r.Body is not
// touched. A request is verified if its signature covers method, target, host, time and body, if
// all of these are as signed and ours, and if the key that Keys returns fits. The error is always
// an [*Error].
//
// A signature stays valid until its time is over, so the same request may come twice: make what
// it does idempotent, or remember [Verified.Signature].
func (v *Verifier) Verify(r *http.Request, body []byte) (Verified, error) {
	p, err := v.open(r)
	if err != nil {
		return Verified{}, err
	}
	return v.decide(r.Context(), p, body)
}

// opened is a request whose signatures hold as far as they can without body and key.
type opened struct {
	*message
	claims []claim
}

// open does all that needs neither the body nor a key.
func (v *Verifier) open(r *http.Request) (*opened, error) {
	claims, errs, err := parseClaims(r.Method, r.Header)
	if err != nil {
		return nil, newError("", err)
	}
	m, err := received(r, v.scheme())
	if err == nil && !v.answersTo(m.authority) {
		err = fail(ErrTarget, "host %.80q", m.host)
	}
	if err != nil {
		return nil, newError(claims[0].keyID, err)
	}
	admitted, first := 0, claims[0].keyID
	for i := range claims {
		if errs[i] == nil {
			errs[i] = v.admit(&claims[i], m)
		}
		if errs[i] == nil {
			claims[admitted] = claims[i]
			admitted++
		}
	}
	if admitted == 0 {
		return nil, newError(first, errs[0])
	}
	return &opened{message: m, claims: claims[:admitted]}, nil
}

// admit applies what is policy: coverage, time, key id.
func (v *Verifier) admit(c *claim, m *message) (err error) {
	if c.scheme == RFC9421 {
		err = checkAlgorithm(c.algorithm)
	} else {
		err = c.checkCavageCoverage(m, v.Profile)
	}
	if err != nil {
		return err
	}
	if c.host, err = keyHost(c.keyID, v.scheme()); err != nil {
		return err
	}
	for _, name := range c.covered {
		if name[0] != '(' && name[0] != '@' {
			if _, err := m.field(name); err != nil {
				return err
			}
		}
	}
	return v.checkTime(c, m)
}

// checkTime holds the times that are covered against the clock, and sets c.created to the one
// that counts. A Date and a (created) that are both covered must both hold.
func (v *Verifier) checkTime(c *claim, m *message) error {
	var both [2]time.Time
	times := both[:0]
	if c.scheme == RFC9421 || c.covers(createdName) {
		times = append(times, c.created)
	}
	if c.scheme == Cavage && c.covers("date") {
		value, err := m.field("date")
		if err != nil {
			return err
		}
		date, err := time.Parse(http.TimeFormat, value)
		if err != nil {
			return fail(ErrMalformed, "Date is not as RFC 9110 §5.6.7 has it")
		}
		times = append(times, date)
	}
	now := time.Now()
	skew, age := orDefault(v.Skew, 5*time.Minute), orDefault(v.MaxAge, time.Hour)
	if v.Profile == Lenient {
		skew, age = orDefault(v.Skew, time.Hour), orDefault(v.MaxAge, 5*time.Minute)
	}
	for _, t := range times {
		end := t.Add(age)
		if !c.expires.IsZero() {
			if c.expires.Before(t) {
				return fail(ErrExpired, "expires before it was signed")
			}
			if c.scheme == RFC9421 || c.covers(expiresName) {
				end = t.Add(orDefault(v.MaxLife, 12*time.Hour))
			}
			if c.expires.Before(end) {
				end = c.expires
			}
		}
		if t.After(now.Add(skew)) {
			return fail(ErrExpired, "signed at %s, in the future", t.UTC().Format(time.RFC3339))
		}
		if now.After(end.Add(skew)) {
			return fail(ErrExpired, "signed at %s, over at %s", t.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
		}
		if end = end.Add(skew); c.end.IsZero() || end.Before(c.end) {
			c.end = end
		}
	}
	c.created = times[0]
	return nil
}

// decide looks at the body and asks for the key. Of several signatures the first whose key can be
// had decides.
func (v *Verifier) decide(ctx context.Context, p *opened, body []byte) (Verified, error) {
	var first *Error
	for i := range p.claims {
		c := &p.claims[i]
		result, err := v.check(ctx, p.message, c, body)
		if err == nil {
			return result, nil
		}
		if first == nil {
			first = newError(c.keyID, err)
		}
		if !errors.Is(err, ErrKeyUnavailable) && !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrKeyGone) {
			break
		}
	}
	return Verified{}, first
}

func (v *Verifier) check(ctx context.Context, m *message, c *claim, body []byte) (Verified, error) {
	if err := c.checkBody(m, body); err != nil {
		return Verified{}, err
	}
	if v.Keys == nil {
		return Verified{}, fail(ErrKeyUnavailable, "Verifier.Keys is nil")
	}
	if v.Allow != nil {
		if err := v.Allow(ctx, c.host); err != nil {
			return Verified{}, unlessFinal(err, ErrRefused)
		}
	}
	key, err := takeKey(ctx, c.keyID, v.Keys.PublicKey)
	if err != nil {
		return Verified{}, err
	}
	pathOnly, err := c.verify(m, key.Key, v.Profile)
	if refresher, ok := v.Keys.(KeyRefresher); ok && errors.Is(err, ErrBadSignature) {
		newer, failed := takeKey(ctx, c.keyID, refresher.RefreshKey)
		if failed != nil {
			return Verified{}, failed
		}
		if !sameKey(key.Key, newer.Key) {
			key = newer
			pathOnly, err = c.verify(m, key.Key, v.Profile)
		}
	}
	if err != nil {
		return Verified{}, err
	}
	if p256, ok := key.Key.(*ecdsa.PublicKey); ok {
		c.signature = onlyP256(p256, c.signature)
	}
	return Verified{
		KeyID: c.keyID, Owner: key.Owner, Scheme: c.scheme, Covered: c.covered,
		Created: c.created, Expires: c.expires, Signature: c.signature, Until: c.end, QueryUnsigned: pathOnly,
	}, nil
}

// verify does the arithmetic.
func (c *claim) verify(m *message, key crypto.PublicKey, p Profile) (pathOnly bool, err error) {
	if c.scheme == Cavage {
		return c.verifyCavage(m, key, p)
	}
	base, err := c.signatureBase(m)
	if err != nil {
		return false, err
	}
	return false, verifyMessage(c.algorithm, key, base, c.signature)
}

// takeKey asks for a key and makes of the answer what [KeySource] says.
func takeKey(ctx context.Context, keyID string, ask func(context.Context, string) (PublicKey, error)) (PublicKey, error) {
	key, err := ask(ctx, keyID)
	if err != nil {
		return PublicKey{}, unlessFinal(err, ErrKeyGone, ErrNoKey, ErrRefused)
	}
	if key.ID != "" && key.ID != keyID {
		return PublicKey{}, fail(ErrNoKey, "the source returned %.80q", key.ID)
	}
	if err := checkPublicKey(key.Key); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	return key, nil
}

// unlessFinal marks an error as passing unless it wraps one of those that are not.
func unlessFinal(err error, final ...error) error {
	if slices.ContainsFunc(final, func(f error) bool { return errors.Is(err, f) }) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func (v *Verifier) scheme() string {
	if v.Scheme == "" {
		return "https"
	}
	return v.Scheme
}

func (v *Verifier) answersTo(authority string) bool {
	return slices.ContainsFunc(v.Authorities, func(ours string) bool {
		normal, ok := normalAuthority(ours, v.scheme())
		return ok && normal == authority
	}) || v.More != nil && v.More(authority)
}

func orDefault(d, standard time.Duration) time.Duration {
	if d <= 0 {
		return standard
	}
	return d
}
