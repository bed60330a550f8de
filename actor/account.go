package actor

import (
	"errors"
	"strings"
)

// account is a handle taken apart. Host is written as authorities are compared.
type account struct{ user, host string }

func (a account) String() string { return a.user + "@" + a.host }

// same compares as WebFinger does: without regard for case.
func (a account) same(b account) bool { return strings.EqualFold(a.user, b.user) && a.host == b.host }

var errAccount = errors.New("not of the form user@host")

// parseAccount reads user@host with or without "acct:" in front, or "@", or "!" as groups are called. RFC 7565 §7.
func parseAccount(text string) (account, error) {
	text = strings.TrimPrefix(text, "acct:")
	if group, ok := strings.CutPrefix(text, "!"); ok {
		text = group
	} else {
		text = strings.TrimPrefix(text, "@")
	}
	user, host, ok := strings.Cut(text, "@")
	if !ok || !usableKey(user) || len(user) > maxID || host == "" || strings.ContainsAny(user, "/?#&%\\ ") {
		return account{}, errAccount
	}
	u, err := parseID("https://" + host)
	if err != nil || u.Host != host || u.Path != "" || strings.HasSuffix(host, ":") {
		return account{}, errAccount
	}
	return account{user, authority(u)}, nil
}

// HandleDomain is what stands behind the @ of this site's handles.
//
// Where that is another host than the origin's, the server there has to send two paths here, with their
// queries, by a redirect that anybody may follow: /.well-known/webfinger and, for servers that look
// there first, /.well-known/host-meta. For nginx:
//
//	location ~ ^/\.well-known/(webfinger|host-meta)$ { return 301 https://social.example.com$request_uri; }
//
// Handles on either host are answered for then, and those on the domain are the true ones.
func (n Names) HandleDomain() string {
	if n.Domain != "" {
		return n.Domain
	}
	return n.Authority()
}

// Handle is how a local actor is called: alice@example.com. A handle of another of the site's hosts says that already.
func (n Names) Handle(handle string) string {
	if _, host := n.split(handle); host != "" {
		return handle
	}
	return handle + "@" + n.HandleDomain()
}

// handleOf is the handle of an account, if that is on one of the site's hosts.
func (n Names) handleOf(a account) (handle string, ok bool) {
	switch {
	case a.host == n.Authority(), a.host == n.HandleDomain():
		return a.user, true
	case n.other(a.host):
		return a.String(), true
	}
	return "", false
}

// path is where minted ids and our own paths begin.
func (n Names) path() string {
	if n.Prefix == "" {
		return "/ap"
	}
	return n.Prefix
}
