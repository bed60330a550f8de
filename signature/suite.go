package signature

import "strconv"

// Suite is a [Scheme] together with the kind of key that signs. The zero value is [SuiteCavage].
// Its numbers may be stored; they will not change.
type Suite uint8

const (
	// SuiteCavage is draft-cavage-12 with the RSA key.
	SuiteCavage Suite = iota
	// SuiteRFC9421 is RFC 9421 with the RSA key.
	SuiteRFC9421
	// SuiteEd25519 is RFC 9421 with the Ed25519 key.
	SuiteEd25519
)

// Scheme returns the scheme of the suite.
func (s Suite) Scheme() Scheme {
	if s == SuiteCavage {
		return Cavage
	}
	return RFC9421
}

// String names the suite, for logs.
func (s Suite) String() string {
	switch s {
	case SuiteCavage:
		return "draft-cavage-12 with RSA"
	case SuiteRFC9421:
		return "RFC 9421 with RSA"
	case SuiteEd25519:
		return "RFC 9421 with Ed25519"
	}
	return "unknown suite " + strconv.Itoa(int(s))
}

// The capabilities of FEP-844e that speak of signatures.
const (
	capabilityRFC9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
	capabilityEd25519 = capabilityRFC9421 + "#name-eddsa-using-curve-edwards25"
)

// Capability returns the suite that an entry of generator.implements (FEP-844e) says a server
// verifies: href is the identifier that stands there. It says false for capabilities of other
// kinds. Of several entries the greatest suite counts.
func Capability(href string) (Suite, bool) {
	switch href {
	case capabilityRFC9421:
		return SuiteRFC9421, true
	case capabilityEd25519:
		return SuiteEd25519, true
	}
	return SuiteCavage, false
}

// Profile is how much a [Verifier] asks of a signature. The zero value is [Strict].
type Profile uint8

const (
	// Strict asks that a signature cover method, target, host, time and body.
	Strict Profile = iota

	// Lenient takes what Mastodon takes, for peers that sign less. It differs from Strict in
	// draft-cavage signatures alone:
	//
	//   - (request-target) may be missing where digest is covered: who has seen such a request
	//     can send it to another path of this server, and under another method;
	//   - host may be missing unless the method is GET: it can be sent to another server;
	//   - every method, not GET and HEAD alone, may leave the query out of (request-target);
	//   - Skew is by default 1 hour and MaxAge 5 minutes, so that a clock may be an hour ahead.
	//
	// A date, or (created), and a digest where there is or may be a body are asked for as before, and
	// Host must be ours even where it is not covered. [Verified.Covered] tells what was signed. Key
	// ids of the form acct: are refused in both.
	Lenient
)

// String names the profile.
func (p Profile) String() string {
	switch p {
	case Strict:
		return "strict"
	case Lenient:
		return "lenient"
	}
	return "unknown profile " + strconv.Itoa(int(p))
}
