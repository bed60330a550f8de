package activity

import (
	"net/url"
	"strings"
)

// Authority is the host and port of an http or https id, in lower case and without the scheme's default
// port. Ok is false for anything else, and for ids with a user name or without a host. RFC 3986 §3.2.
func Authority(id string) (authority string, ok bool) {
	u, err := url.Parse(id)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443"), true
	case "http":
		return strings.TrimSuffix(host, ":80"), true
	}
	return "", false
}

// SameAuthority reports whether two ids are under the control of one server: same scheme, host and
// port. An id that has no authority is under nobody's.
func SameAuthority(a, b string) bool {
	first, ok := Authority(a)
	if !ok {
		return false
	}
	second, ok := Authority(b)
	return ok && first == second && scheme(a) == scheme(b)
}

func scheme(id string) string {
	s, _, _ := strings.Cut(id, ":")
	return strings.ToLower(s)
}
