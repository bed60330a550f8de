package moderation

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Errors about rules. Check with errors.Is.
var (
	// ErrBadDomain: a rule is about something that is neither a domain name nor the http or https id of an actor or an object.
	ErrBadDomain = errors.New("moderation: not a domain name")
	// ErrBadRule: another field of a rule is wrong.
	ErrBadRule = errors.New("moderation: not a rule")
	// ErrTooMany: there are as many rules as the Policy takes.
	ErrTooMany = errors.New("moderation: too many rules")
	// ErrNoRules: the Policy has no store to keep rules in.
	ErrNoRules = errors.New("moderation: Policy.Rules is nil")
)

const (
	maxAbout  = 2048
	maxReason = 10_000 // bytes
)

// Severity is how much a rule does.
type Severity uint8

// The severities. The zero Severity does nothing by itself: such a rule is an exception to one about a domain above, or has
// one of the flags.
const (
	Noop    Severity = iota
	Suspend          // refuses everything from there and to there
	Limit            // follows from there need approval, and posts show only to those who asked for them
)

// String is the severity's name in Mastodon's lists (seen 4.6.5).
func (s Severity) String() string {
	switch s {
	case Noop:
		return "noop"
	case Suspend:
		return "suspend"
	case Limit:
		return "silence"
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// Key is what there is at most one rule for.
type Key struct {
	Local string // the actor here whose own rule it is; "": the site's
	About string // a domain, lower case and in ASCII, without a port, or the id of an actor or an object
}

// Rule is a decision about a domain and everything below it, or about one actor or object.
type Rule struct {
	Key
	Severity      Severity
	RejectMedia   bool
	RejectReports bool
	Allow         bool // with Policy.AllowList this very domain may talk

	Obfuscate bool      // whoever publishes the list hides a part of the domain
	Public    string    // the reason as everyone may read it
	Private   string    // and as operators may
	By        string    // who made it, as the app calls its people
	At        time.Time // when; zero becomes now
}

// AboutDomain tells a rule about a domain from one about an id.
func (k Key) AboutDomain() bool { return !strings.Contains(k.About, "://") }

func (r *Rule) verdict() Verdict {
	v := Verdict{Refuse: r.Severity == Suspend, Limit: r.Severity == Limit, NoMedia: r.RejectMedia, NoReports: r.RejectReports}
	if v.Any() {
		v.Reason = r.Private
		if v.Reason == "" {
			v.Reason = r.Public
		}
	}
	return v
}

// Normal returns the key as it is kept. The error wraps [ErrBadDomain].
func (k Key) Normal() (Key, error) {
	about, err := normal(k.About)
	return Key{Local: k.Local, About: about}, err
}

// normal is a domain or an id as it is kept.
func normal(about string) (string, error) {
	if !strings.Contains(about, "://") {
		return normalDomain(about)
	}
	u, err := url.Parse(about)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(about) > maxAbout || !utf8.ValidString(about) {
		return "", fmt.Errorf("%w, nor an id: %.200q", ErrBadDomain, about)
	}
	if _, err := normalDomain(u.Hostname()); err != nil {
		return "", err
	}
	return canonical(about), nil
}

func normalDomain(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || ascii == "" || strings.ContainsAny(ascii, "/:@ ") || strings.HasPrefix(ascii, ".") || strings.HasSuffix(ascii, ".") || strings.Contains(ascii, "..") || len(ascii) > 253 || !utf8.ValidString(domain) {
		return "", fmt.Errorf("%w: %.200q", ErrBadDomain, domain)
	}
	ascii = strings.ToLower(ascii)
	if again, err := idna.Lookup.ToASCII(ascii); err != nil || again != ascii { // else hosts would be compared with another name
		return "", fmt.Errorf("%w: %.200q", ErrBadDomain, domain)
	}
	return ascii, nil
}

// normal checks and completes r.
func (r Rule) normal(now time.Time) (Rule, error) {
	var err error
	if r.Key, err = r.Key.Normal(); err != nil {
		return r, err
	}
	switch {
	case r.Severity > Limit:
		return r, fmt.Errorf("%w: %s about %s", ErrBadRule, r.Severity, r.About)
	case r.Allow && (!r.AboutDomain() || r.Local != ""):
		return r, fmt.Errorf("%w: only the site allows, and only domains: %s", ErrBadRule, r.About)
	case r.Allow && r.Severity == Suspend:
		return r, fmt.Errorf("%w: %s is allowed and suspended", ErrBadRule, r.About)
	case len(r.Public) > maxReason || len(r.Private) > maxReason || len(r.By) > maxAbout || len(r.Local) > maxAbout:
		return r, fmt.Errorf("%w: more than %d bytes said about %s", ErrBadRule, maxReason, r.About)
	}
	if r.At.IsZero() {
		r.At = now
	}
	r.At = r.At.UTC().Truncate(time.Microsecond)
	return r, nil
}

// hostOf is the host of an id, or a host itself, as rules have it: lower case, in ASCII, without its port; "" if there is none.
func hostOf(who string) string {
	_, rest, ok := strings.Cut(who, "://")
	if !ok {
		rest = who
	} else {
		if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
			rest = rest[:i]
		}
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		if name, _, err := net.SplitHostPort(rest); err == nil {
			rest = name
		}
	}
	if strings.Contains(rest, "%") { // as in URLs, where it may stand for what is not ASCII. RFC 3986 §3.2.2
		if name, err := url.PathUnescape(rest); err == nil {
			rest = name
		}
	}
	rest = strings.TrimRight(rest, ".")
	if plain(rest) {
		return rest
	}
	if ascii, err := idna.Lookup.ToASCII(rest); err == nil {
		return strings.ToLower(ascii)
	}
	return strings.ToLower(rest)
}

// plain tells a name that is as rules have it already, as nearly all are.
func plain(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return !strings.Contains(host, "xn--")
}

// canonical is an id with its authority as most write it: one server could else call one actor https://a.example/u and
// https://A.example:443/u. RFC 3986 §6.2.2.1, §6.2.3
func canonical(id string) string {
	scheme, rest, ok := strings.Cut(id, "://")
	if !ok {
		return id
	}
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if (scheme == "https" || scheme == "http") && plain(authority) && !strings.HasSuffix(authority, ".") {
		return id
	}
	scheme = strings.ToLower(scheme)
	host, port := hostOf("x://"+authority), ""
	if _, p, err := net.SplitHostPort(authority[strings.LastIndexByte(authority, '@')+1:]); err == nil {
		port = p
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && !(scheme == "https" && port == "443" || scheme == "http" && port == "80") {
		host += ":" + port
	}
	return scheme + "://" + host + rest[end:]
}
