package actor

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

const maxID = 2 << 10 // bytes

// parseID reads an id of an actor, a key, an object or an inbox. The error wraps [ErrInvalidID].
func parseID(id string) (*url.URL, error) {
	if len(id) > maxID {
		return nil, fmt.Errorf("%w: %d bytes long", ErrInvalidID, len(id))
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] == 0x7f || id[i] == '\\' {
			return nil, fmt.Errorf("%w: %q", ErrInvalidID, id)
		}
	}
	u, err := url.Parse(id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %q", ErrInvalidID, id)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%w: scheme of %q", ErrInvalidID, id)
	case u.Opaque != "" || u.Hostname() == "":
		return nil, fmt.Errorf("%w: no host in %q", ErrInvalidID, id)
	case u.User != nil:
		return nil, fmt.Errorf("%w: a user name in a URL of %s", ErrInvalidID, u.Hostname())
	}
	return u, nil
}

// validURL tells whether an address out of a document may be used.
func validURL(raw string) bool {
	_, err := parseID(raw)
	return err == nil
}

// authority is the host of u, and its port if that is not the scheme's default, written the one way in
// which authorities are compared.
func authority(u *url.URL) string {
	host := normalHost(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return host
	}
	return host + ":" + port
}

func normalHost(host string) string {
	for i := range len(host) {
		if host[i] >= 0x80 {
			if ascii, err := idna.Lookup.ToASCII(host); err == nil {
				host = ascii
			}
			break
		}
	}
	return strings.ToLower(host)
}

// sameAuthority compares host and port of two ids. Ids that can't be read have none.
func sameAuthority(a, b string) bool {
	u, err := parseID(a)
	if err != nil {
		return false
	}
	v, err := parseID(b)
	return err == nil && u.Scheme == v.Scheme && authority(u) == authority(v)
}

// withoutFragment is the document in which an id with a fragment is to be found.
func withoutFragment(id string) string {
	id, _, _ = strings.Cut(id, "#")
	return id
}
