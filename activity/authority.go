package activity

import (
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// maxID bounds the length of an id whose authority is asked for, in bytes.
const maxID = 2 << 10

// Authority is the host and port of an http or https id: in lower case, in ASCII, and without the
// scheme's default port. Ok is false for anything else, for ids with a user name or without a host, and for what
// programs read in different ways: white space, control characters, backslashes, more than 2 KiB. RFC 3986 §3.2.
func Authority(id string) (authority string, ok bool) {
	_, authority, ok = split(id)
	return authority, ok
}

// SameAuthority reports whether two ids are under the control of one server: same scheme, host and
// port. An id that has no authority is under nobody's.
func SameAuthority(a, b string) bool {
	scheme, first, ok := split(a)
	if !ok {
		return false
	}
	other, second, ok := split(b)
	return ok && scheme == other && first == second
}

func split(id string) (scheme, authority string, ok bool) {
	if len(id) > maxID {
		return "", "", false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] == 0x7f || id[i] == '\\' {
			return "", "", false
		}
	}
	if scheme, authority, ok = splitPlain(id); ok {
		return scheme, authority, true
	}
	u, err := url.Parse(id)
	if err != nil || u.User != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", "", false
	}
	host := u.Hostname()
	if strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }) >= 0 {
		if host, err = idna.Lookup.ToASCII(host); err != nil {
			return "", "", false
		}
	}
	host = strings.ToLower(host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Scheme, host, true
	}
	return u.Scheme, host + ":" + port, true
}

// splitPlain splits an id as nearly all are: lower case, without escapes, user name, odd hosts and the scheme's default port.
// What it does not take may be good all the same. Ids are split some twenty times for each activity that comes in.
func splitPlain(id string) (scheme, authority string, ok bool) {
	rest, ok := strings.CutPrefix(id, "https://")
	if scheme = "https"; !ok {
		if rest, ok = strings.CutPrefix(id, "http://"); !ok {
			return "", "", false
		}
		scheme = "http"
	}
	end := 0
	for end < len(rest) && isPlainHost(rest[end]) {
		end++
	}
	host := end
	if end < len(rest) && rest[end] == ':' {
		for end++; end < len(rest) && '0' <= rest[end] && rest[end] <= '9'; end++ {
		}
		if port := rest[host+1 : end]; port == "" || port == "443" || port == "80" {
			return "", "", false
		}
	}
	if host == 0 || end < len(rest) && rest[end] != '/' && rest[end] != '?' && rest[end] != '#' || strings.IndexByte(rest[end:], '%') >= 0 {
		return "", "", false
	}
	return scheme, rest[:end], true
}

func isPlainHost(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}
