package delivery

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// originOf returns the origin (scheme, host and port) to which raw would be posted,
// like https://a.example:8443, and its authority alone. A default port is left out.
// ok is false if raw can't be posted to.
func originOf(raw string) (origin, authority string, ok bool) {
	if n := plainOrigin(raw); n > 0 {
		return raw[:n], authorityOf(raw[:n]), true
	}
	if len(raw) > maxName || strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" || strings.Contains(raw, "#") {
		return "", "", false
	}
	if u.Scheme != "https" && u.Scheme != "http" { // url.Parse has lower-cased it
		return "", "", false
	}
	authority, ok = normalAuthority(u.Scheme, u.Host)
	return u.Scheme + "://" + authority, authority, ok
}

// plainOrigin returns how long the origin in raw is, if raw is a URL such as nearly all are: a name
// in lower case without a port, and a path of ordinary characters. Otherwise 0.
func plainOrigin(raw string) int {
	rest, ok := strings.CutPrefix(raw, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(raw, "http://")
	}
	if !ok || len(raw) > maxName {
		return 0
	}
	host := strings.IndexByte(rest, '/')
	if host <= 0 || host > 255 {
		return 0
	}
	for i := range len(rest) {
		switch c := rest[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_' && i > host, c == '/', c == '@' && i > host,
			c >= 'A' && c <= 'Z' && i > host:
		default:
			return 0
		}
	}
	return len(raw) - len(rest) + host
}

// normalAuthority writes host[:port] in lower case and without the scheme's default port.
func normalAuthority(scheme, authority string) (string, bool) {
	u := url.URL{Host: authority}
	name, port := strings.ToLower(u.Hostname()), u.Port()
	if name == "" || len(name) > 255 || strings.Contains(name, ":") && authority[0] != '[' {
		return "", false
	}
	// A URL may write other bytes of a host, and the zone of an address, with percent signs: no host that we could post to.
	if strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '%' }) {
		return "", false
	}
	if strings.HasSuffix(authority, ":") {
		return "", false
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return "", false
		}
		if (scheme == "https" && n == 443) || (scheme == "http" && n == 80) {
			port = ""
		} else {
			port = strconv.Itoa(n)
		}
	}
	if port != "" {
		return net.JoinHostPort(name, port), true
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]", true
	}
	return name, true
}

// authorityOf cuts the scheme from an origin.
func authorityOf(origin string) string {
	_, authority, _ := strings.Cut(origin, "://")
	return authority
}
