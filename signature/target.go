package signature

import (
	"net/url"
	"strings"
)

// target is where a request goes, as its signer must have seen it.
type target struct {
	// request is the request-target as it stands on the request line (RFC 9421 §2.2.5).
	request string
	// path is its path with the query, as received and never decoded: a decoded %0A would
	// write lines into the signing string.
	path string
	// host is the Host field as received, authority the same in lower case without the default port.
	host, authority string
	// scheme is "https" or "http".
	scheme string
}

// parseTarget splits a request-target and normalises host. In absolute form (RFC 9112 §3.2.2) the
// target must name the same scheme and authority as the request.
func parseTarget(scheme, host, request string) (target, error) {
	t := target{request: request, path: request, host: host, scheme: scheme}
	if len(request) > maxField {
		return t, fail(ErrMalformed, "request-target of %d bytes", len(request))
	}
	for i := range len(request) {
		if c := request[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return t, fail(ErrMalformed, "request-target holds %q", c)
		}
	}
	var ok bool
	if t.authority, ok = normalAuthority(host, scheme); !ok {
		return t, fail(ErrTarget, "host %.80q", host)
	}
	if strings.HasPrefix(request, "/") {
		return t, nil
	}
	prefix, rest, ok := strings.Cut(request, "://")
	if !ok || !strings.EqualFold(prefix, scheme) {
		return t, fail(ErrTarget, "request-target is neither a path nor an %s URL", scheme)
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if named, ok := normalAuthority(rest[:end], scheme); !ok || named != t.authority {
		return t, fail(ErrTarget, "request-target names another host than %.80q", host)
	}
	t.path = rest[end:]
	if !strings.HasPrefix(t.path, "/") {
		t.path = "/" + t.path
	}
	return t, nil
}

// split returns the path and the query with its question mark, or "?" where there is none, as
// RFC 9421 §2.2.7 wants it.
func (t target) split() (path, query string) {
	if i := strings.IndexByte(t.path, '?'); i >= 0 {
		return t.path[:i], t.path[i:]
	}
	return t.path, "?"
}

// normalAuthority returns host[:port] in lower case and without the scheme's default port. It
// takes names, IPv4 and bracketed IPv6 addresses in ASCII and nothing else: no userinfo, zone,
// empty host or empty port.
func normalAuthority(host, scheme string) (string, bool) {
	name, port, hasPort := host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port, hasPort = host[:i], host[i+1:], true
	}
	valid := isHostChar
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		valid = isIPv6Char
		name = name[1 : len(name)-1]
	}
	if name == "" || len(host) > 261 || !every(name, valid) {
		return "", false
	}
	if hasPort && (port == "" || len(port) > 5 || !every(port, isDigit)) {
		return "", false
	}
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.ToLower(host), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHostChar(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '.' || c == '_'
}

func isIPv6Char(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' || c == ':' || c == '.'
}

func every(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// keyHost returns the authority of a key id. A key id is an absolute https URL; servers that are
// themselves reached by plain http, in tests, also take http. Legacy "acct:" ids are refused: a
// handle does not say who holds the key.
func keyHost(keyID, scheme string) (string, error) {
	u, err := url.Parse(keyID)
	if err != nil || strings.Contains(keyID, " ") || u.Opaque != "" || u.User != nil {
		return "", fail(ErrUnsupported, "key id is not a plain URL")
	}
	if u.Scheme != "https" && u.Scheme != scheme {
		return "", fail(ErrUnsupported, "key id is not an https URL")
	}
	host, ok := normalAuthority(u.Host, u.Scheme)
	if !ok {
		return "", fail(ErrUnsupported, "key id has no usable host")
	}
	return host, nil
}
