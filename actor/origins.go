package actor

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// maxHost is how long a host with its port may be, in bytes.
const maxHost = 253 + len(":65535")

// Has tells whether the site lives at an authority: a host in lower case, with its port unless that is the scheme's default.
func (n Names) Has(authority string) bool {
	return authority != "" && authority == n.Authority() || n.other(authority)
}

// other tells whether the site lives at this host beside Origin's.
func (n Names) other(host string) bool {
	return n.More != nil && n.writtenOneWay(host) && host != n.Domain && host != n.Authority() && n.More(host)
}

// writtenOneWay tells whether a host is written as authorities are compared. Everything else that means the same host does not
// get as far as to the app.
func (n Names) writtenOneWay(host string) bool {
	name, port, hasPort := strings.Cut(host, ":")
	if len(host) > maxHost || !plainHost(name) {
		return false
	}
	if !hasPort {
		return true
	}
	number, err := strconv.ParseUint(port, 10, 16)
	standard := uint64(443)
	if strings.HasPrefix(n.Origin, "http://") {
		standard = 80
	}
	return err == nil && number != 0 && number != standard && strconv.FormatUint(number, 10) == port
}

// plainHost tells whether a host without a port is one of lower-case letters, digits, hyphens and underscores with single dots between.
func plainHost(host string) bool {
	before := byte('.')
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && before != '.':
			before = c
		default:
			return false
		}
	}
	return before != '.'
}

// originAt is the origin of a host of the site, which is Origin for "".
func (n Names) originAt(host string) string {
	if host == "" {
		return n.Origin
	}
	scheme, _, _ := strings.Cut(n.Origin, "://")
	return scheme + "://" + host
}

// split takes the host off a key of what does not lie at Origin. Host is "" for all other keys.
func (n Names) split(key string) (local, host string) {
	if n.More == nil {
		return key, ""
	}
	i := strings.LastIndexByte(key, '@')
	if i <= 0 || !n.other(key[i+1:]) {
		return key, ""
	}
	return key[:i], key[i+1:]
}

// mint builds an id in a folder under the prefix.
func (n Names) mint(folder, key string) string {
	local, host := n.split(key)
	return n.originAt(host) + n.path() + folder + url.PathEscape(local)
}

// keyOn completes what a path on one of the site's origins was parsed to. Kind is 0 where nothing is minted so.
func (n Names) keyOn(origin string, kind Kind, key string) (Kind, string) {
	switch {
	case origin == n.Origin:
		if _, host := n.split(key); host != "" {
			return 0, "" // that key lies elsewhere
		}
		return kind, key
	case key == "" && kind != KindSharedInbox: // the instance actor's
		return 0, ""
	case key == "":
		return kind, ""
	}
	_, host, _ := strings.Cut(origin, "://")
	return kind, key + "@" + host
}

// Beside is key as it is written for what lies on the same host as author: a handle or the id of an actor of this site. What others
// get of somebody must lie there, or they refuse it. Without More it is key.
func (n Names) Beside(author, key string) string {
	if n.More == nil {
		return key
	}
	_, host := n.split(author)
	if strings.Contains(author, "://") {
		origin, _, ok := n.locate(author)
		if host = ""; ok && origin != n.Origin {
			_, host, _ = strings.Cut(origin, "://")
		}
	}
	if host == "" {
		return key
	}
	return key + "@" + host
}

// SharedInboxOf is where other servers deliver for all actors at once that lie on the same host as one. Misskey (seen 2026-11)
// refuses an actor with a shared inbox elsewhere. ActivityPub §7.1.3.
func (n Names) SharedInboxOf(actorID string) string {
	origin, _, ok := n.locate(actorID)
	if !ok {
		return n.SharedInbox()
	}
	return origin + n.path() + "/inbox"
}

// Of is the id that a request asks for: the request's path and query at Origin, whatever host the request names, unless that is one of More.
func (n Names) Of(r *http.Request) string {
	iri := n.originOf(r) + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		iri += "?" + r.URL.RawQuery
	}
	return iri
}

// originOf is the origin that a request is for.
func (n Names) originOf(r *http.Request) string {
	host := r.Host
	if n.More != nil && !n.writtenOneWay(host) {
		scheme, _, _ := strings.Cut(n.Origin, "://")
		authority, ok := activity.Authority(scheme + "://" + host)
		if !ok || strings.ContainsAny(host, "/?#@%") || strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) {
			return n.Origin
		}
		host = authority
	}
	if n.other(host) {
		return n.originAt(host)
	}
	return n.Origin
}

// Ours tells whether iri lies on this site: scheme, host and port are the origin's, or the host is one of More. A default port
// written and left out are equal.
func (n Names) Ours(iri string) bool {
	_, _, ok := n.locate(iri)
	return ok
}

// on tells whether iri lies on one of the site's origins.
func (n Names) on(origin, iri string) bool {
	at, _, ok := n.locate(iri)
	return ok && at == origin
}

// locate finds on which of the site's origins iri lies; u is nil if that could be seen without parsing.
func (n Names) locate(iri string) (origin string, u *url.URL, ok bool) {
	if origin, _, plain := n.cut(iri); plain {
		return origin, nil, n.hasOrigin(origin)
	}
	u, err := parseID(iri)
	if err != nil || n.Origin == "" {
		return "", nil, false
	}
	if n.ours(u) {
		return n.Origin, u, true
	}
	if host := authority(u); n.More != nil && strings.HasPrefix(n.Origin, u.Scheme+"://") && n.other(host) {
		return n.originAt(host), u, true
	}
	return "", nil, false
}

// place divides an IRI of ours without query and fragment into origin and path.
func (n Names) place(iri string) (origin, path string, ok bool) {
	if origin, path, plain := n.cut(iri); plain {
		return origin, path, n.hasOrigin(origin)
	}
	origin, u, ok := n.locate(iri)
	if !ok || u.RawQuery != "" || u.ForceQuery {
		return "", "", false
	}
	return origin, u.EscapedPath(), true
}

// cut divides an IRI into origin and path that is written as ours are: a host that needs no other spelling, and a path in which nothing needs an
// escape. It is what parsing would make of it, and this is asked some ten times with every request. If plain is false it has to be parsed.
func (n Names) cut(iri string) (origin, path string, plain bool) {
	if n.Origin == "" || len(iri) > maxID {
		return "", "", false
	}
	path, ok := strings.CutPrefix(iri, n.Origin)
	if origin = n.Origin; !ok || path == "" || path[0] != '/' {
		i := strings.Index(iri, "://")
		if i < 0 {
			return "", "", false
		}
		i += len("://")
		end := strings.IndexByte(iri[i:], '/')
		if end < 0 || !plainHost(iri[i:i+end]) {
			return "", "", false
		}
		origin, path = iri[:i+end], iri[i+end:]
	}
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '.', c == '_', c == '~':
		default:
			return "", "", false
		}
	}
	return origin, path, true
}

// hasOrigin tells whether an origin that cut found is one of the site's.
func (n Names) hasOrigin(origin string) bool {
	if origin == n.Origin {
		return true
	}
	if n.More == nil {
		return false
	}
	scheme, host, _ := strings.Cut(origin, "://")
	return strings.HasPrefix(n.Origin, scheme+"://") && n.other(host)
}

// ours tells whether u lies at Origin.
func (n Names) ours(u *url.URL) bool {
	if scheme, host, ok := strings.Cut(n.Origin, "://"); ok && scheme == u.Scheme && host == u.Host {
		return true // written as ours is, which is asked with every request
	}
	o, err := url.Parse(n.Origin)
	return err == nil && n.Origin != "" && u.Scheme == o.Scheme && authority(u) == authority(o)
}
