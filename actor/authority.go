package actor

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/fedihook/fedihook/activity"
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
// which authorities are compared. It is "" for what parseID would not have let through.
func authority(u *url.URL) string {
	a, _ := activity.Authority(u.Scheme + "://" + u.Host)
	return a
}

// withoutFragment is the document in which an id with a fragment is to be found.
func withoutFragment(id string) string {
	id, _, _ = strings.Cut(id, "#")
	return id
}
