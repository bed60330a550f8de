package ldsig

import (
	"net/url"
	"strings"
)

const public = "https://www.w3.org/ns/activitystreams#Public"

// kinds are the activities that gain from being proved apart from who delivers them: the ones that
// servers forward to others. A signature on another kind is not looked at.
var kinds = map[string]bool{
	"Create": true, "Update": true, "Delete": true, "Undo": true, "Announce": true, "Add": true, "Remove": true,
}

// activity is what of a signed document decides whose it is and what it lets us do.
type activity struct {
	id, kind, actor, object string
}

// activity reads the inspected tree, never the document.
func (s *shape) activity() (a activity, err error) {
	a.id, _ = s.tree["id"].(string)
	a.kind, _ = s.tree["type"].(string)
	a.actor, _ = s.tree["actor"].(string)
	switch object := s.tree["object"].(type) {
	case string:
		a.object = object
	case map[string]any:
		a.object, _ = object["id"].(string)
	}
	switch {
	case !kinds[a.kind]:
		return a, fail(ErrKind, "type %.80q", a.kind)
	case a.actor == "":
		return a, fail(ErrKind, "not one actor, by its id")
	case a.object == "":
		return a, fail(ErrKind, "not one object with an id")
	}
	return a, nil
}

// isPublic tells whether it is addressed to everyone.
func (s *shape) isPublic() bool {
	for _, name := range []string{"to", "cc"} {
		list, ok := s.tree[name].([]any)
		if !ok {
			list = []any{s.tree[name]}
		}
		for _, to := range list {
			if to == public {
				return true
			}
		}
	}
	return false
}

// authority returns the host of an id, and its port unless that is the scheme's own. It says false
// of what is no URL of this server's kind.
func authority(id string, insecure bool) (string, bool) {
	u, err := url.Parse(id)
	if err != nil || u.User != nil || u.Hostname() == "" || u.Scheme != "https" && !(insecure && u.Scheme == "http") {
		return "", false
	}
	host := strings.ToLower(u.Host)
	port := ":443"
	if u.Scheme == "http" {
		port = ":80"
	}
	return strings.TrimSuffix(strings.TrimSuffix(host, port), ":"), true
}
