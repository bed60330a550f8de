package safehttp

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

const maxURL = 8 << 10 // bytes; servers commonly refuse longer ones

// authority is where a URL leads: a host as it is looked up and compared, and a port.
type authority struct {
	host   string // lower case, ASCII, IPv6 without brackets
	port   uint16
	scheme string
}

// String writes a as it stands in URLs, without the scheme's default port.
func (a authority) String() string {
	if a.port == defaultPort(a.scheme) {
		if strings.Contains(a.host, ":") {
			return "[" + a.host + "]"
		}
		return a.host
	}
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// Authority returns u's authority the one way in which it is compared: lower case, internationalised names in their xn--
// form, with the port if it is not 443 (80 for http). It is what Config.Allow is asked with. A URL that no client of this
// package would send a request to, whatever its name resolves to, gives a *[RefusedError].
func Authority(u *url.URL) (string, error) {
	a, reason := parseAuthority(u)
	if reason != "" {
		return "", &RefusedError{URL: u.Redacted(), Reason: reason}
	}
	return a.String(), nil
}

// parseAuthority reads the authority of u, or says why no honest URL looks like that.
func parseAuthority(u *url.URL) (a authority, reason string) {
	a.scheme, a.port = u.Scheme, defaultPort(u.Scheme)
	if a.port == 0 {
		return a, "scheme is not https"
	}
	if u.Opaque != "" {
		return a, "no authority follows the scheme"
	}
	if u.User != nil {
		return a, "a user name in the URL"
	}
	target := u.RequestURI()
	if len(u.Host)+len(target) > maxURL {
		return a, fmt.Sprintf("longer than %d bytes", maxURL)
	}
	// net/http writes a query as it is: a space in it ends the request's target.
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return a, "spaces or control characters"
	}
	return withHost(a, u.Host)
}

// defaultPort is 0 for a scheme that is never dialled. net/url has lower-cased it.
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "https":
		return 443
	case "http":
		return 80
	}
	return 0
}

// withHost sets a's host, and its port if hostport names one.
func withHost(a authority, hostport string) (_ authority, reason string) {
	parsed := url.URL{Host: hostport}
	host, port := parsed.Hostname(), parsed.Port()
	if port != "" || strings.HasSuffix(hostport, ":") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return a, "no such port"
		}
		a.port = uint16(n)
	}
	var ok bool
	if a.host, ok = cleanHost(host); !ok {
		return a, "not a host name"
	}
	return a, ""
}

// cleanHost writes a host the one way in which it is compared. It takes names of letters, digits,
// hyphens, underscores and dots, internationalised names, and IP addresses in their usual form.
func cleanHost(host string) (string, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String(), addr.Zone() == ""
	}
	for i := range len(host) {
		if host[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(host)
			if err != nil {
				return "", false
			}
			host = ascii
			break
		}
	}
	host = strings.ToLower(host)
	if len(host) > 253 {
		return "", false
	}
	label := ""
	for label = range strings.SplitSeq(host, ".") {
		// An empty last label is the root: "a.example." would be another name for "a.example",
		// unknown to whoever blocked that.
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	// A last label that is a number makes some resolvers read an IPv4 address: "127.1", "0x7f000001".
	if strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x") {
		return "", false
	}
	return host, true
}

// specialName says why no name under host's last label is looked up, "" if it may be: those are not
// the DNS's, and who asks it for one tells strangers what it was looking for (RFC 6761, RFC 6762, RFC 7686).
func specialName(host string) string {
	switch host[strings.LastIndexByte(host, '.')+1:] {
	case "localhost", "local", "internal", "onion", "i2p":
		return "a name that is not in the DNS"
	}
	return ""
}

// loopback maps test hosts to loopback addresses. Keys are "host" or "host:port"; a port of 0 on the
// right stands for the URL's.
type loopback map[string]netip.AddrPort

func parseLoopback(m map[string]string) (loopback, error) {
	l := make(loopback, len(m))
	for from, to := range m {
		addr, err := netip.ParseAddrPort(to)
		if err != nil {
			ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(to, "["), "]"))
			if err != nil {
				return nil, fmt.Errorf("safehttp: Config.InsecureAllowLoopback: %q of %q is not an IP address", to, from)
			}
			addr = netip.AddrPortFrom(ip, 0)
		} else if addr.Port() == 0 {
			return nil, fmt.Errorf("safehttp: Config.InsecureAllowLoopback: %q of %q has port 0", to, from)
		}
		if !addr.Addr().IsLoopback() {
			return nil, fmt.Errorf("safehttp: Config.InsecureAllowLoopback: %q of %q is not a loopback address", to, from)
		}
		hostport := from
		if ip, err := netip.ParseAddr(from); err == nil && ip.Is6() {
			hostport = "[" + from + "]"
		}
		a, reason := withHost(authority{}, hostport)
		if reason != "" {
			return nil, fmt.Errorf("safehttp: Config.InsecureAllowLoopback: %q is not a host: %s", from, reason)
		}
		key := a.host
		if a.port != 0 {
			key = net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
		}
		l[key] = addr
	}
	return l, nil
}

// find returns the loopback address that stands for a host and port of a URL.
func (l loopback) find(host string, port uint16) (netip.AddrPort, bool) {
	to, ok := l[net.JoinHostPort(host, strconv.Itoa(int(port)))]
	if !ok {
		to, ok = l[host]
	}
	if ok && to.Port() == 0 {
		to = netip.AddrPortFrom(to.Addr(), port)
	}
	return to, ok
}
