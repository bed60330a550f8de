package actor

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names builds and takes apart the ids of one site. Everything that is minted lies under Prefix; ids
// that a site had before may lie anywhere under Origin. Its methods are pure, as far as More is.
type Names struct {
	// Origin is scheme, host and port, without a slash at the end: "https://blog.example".
	Origin string

	// Prefix is where minted ids live, with a slash in front and none at the end. Zero means "/ap".
	// Changing it changes every id, which no other server follows.
	Prefix string

	// Domain is what stands behind the @ of handles, where that is not the origin's host: "example.com"
	// for @alice@example.com whose actor lives on https://social.example.com. Zero means the origin's
	// host. See [Names.HandleDomain] for what the domain's own server has to do.
	Domain string

	// More tells at which other hosts the site lives too, under the same scheme and Prefix: a blog on each, for instance. The
	// host comes in lower case and ASCII, with its port unless that is the scheme's default: "blog7.example". A key of what
	// lies there, be it a handle or the key of an object or an activity, ends in the host: "alice@blog7.example". More is
	// asked several times with every request, also about hosts that strangers make up, and by many goroutines at once: it
	// must look nothing up elsewhere. It is never asked about Origin's host nor about Domain. Nil: the site lives at Origin alone.
	More func(authority string) bool
}

// Kind tells what an id of ours is of. The zero Kind is none.
type Kind uint8

// What [Names.Parse] tells apart.
const (
	KindActor       Kind = iota + 1 // key: the handle that it was minted from
	KindInstance                    // the instance actor, at Origin alone; no key
	KindSharedInbox                 // no key
	KindInbox                       // key: the handle, "" for the instance actor's; so with the next three
	KindOutbox
	KindFollowers
	KindFollowing
	KindObject   // key: the object's
	KindActivity // key: the activity's
	KindFeatured // key: the handle, "" for the instance actor's; so with the next two
	KindFeaturedTags
	KindLiked
	KindKey   // of an actor, the instance actor's included; key: the handle or ""
	KindAlias // not the id of an actor, but it leads to one: see [Handler.Whose]; Parse never returns it
)

var collections = map[string]Kind{
	"inbox":     KindInbox,
	"outbox":    KindOutbox,
	"followers": KindFollowers,
	"following": KindFollowing,
	"featured":  KindFeatured,
	"tags":      KindFeaturedTags,
	"liked":     KindLiked,
}

// The fragments of key ids.
const (
	fragmentRSA     = "main-key"
	fragmentEd25519 = "ed25519-key"
)

// Check returns an error that names the field with which no ids can be built.
func (n Names) Check() error {
	if n.Origin == "" {
		return errors.New("actor: Names.Origin is empty")
	}
	u, err := parseID(n.Origin)
	if err != nil {
		return fmt.Errorf("actor: Names.Origin %q: %w", n.Origin, err)
	}
	if n.Origin != u.Scheme+"://"+authority(u) {
		return fmt.Errorf("actor: Names.Origin %q: must be scheme, host and port alone, as %q", n.Origin, u.Scheme+"://"+authority(u))
	}
	if !handlePattern.MatchString(u.Hostname()) {
		return fmt.Errorf("actor: Names.Origin %q: the instance actor can't be called %q", n.Origin, u.Hostname())
	}
	if a, err := parseAccount("x@" + n.Domain); n.Domain != "" && (err != nil || a.host != n.Domain) {
		return fmt.Errorf("actor: Names.Domain %q: must be a host in lower case and ASCII, as in \"example.com\"", n.Domain)
	}
	if n.Prefix == "" {
		return nil
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"
	if strings.Trim(n.Prefix, allowed) != "" || n.Prefix[0] != '/' || n.Prefix == "/" || path.Clean(n.Prefix) != n.Prefix {
		return fmt.Errorf("actor: Names.Prefix %q: must be a clean path such as \"/ap\"", n.Prefix)
	}
	return nil
}

// Actor is the id of a user who has had no other.
func (n Names) Actor(handle string) string { return n.mint("/users/", handle) }

// Instance is the id of the instance actor, which signs what no user asked for.
func (n Names) Instance() string { return n.Origin + n.path() + "/actor" }

// SharedInbox is where other servers deliver for all actors of Origin at once. ActivityPub §7.1.3.
func (n Names) SharedInbox() string { return n.Origin + n.path() + "/inbox" }

// Object is the id of an object of ours. One that somebody is to be the author of has to lie on the host of that one: see
// [Names.Beside].
func (n Names) Object(key string) string { return n.mint("/objects/", key) }

// Activity is the id of an activity of ours, on the host of who says it: see [Names.Beside].
func (n Names) Activity(key string) string { return n.mint("/activities/", key) }

// Inbox is the inbox of a local actor. Like the collections below, it lies under the actor's
// id if that was minted here, else where the handle's minted id would be.
func (n Names) Inbox(actorID, handle string) string { return n.base(actorID, handle) + "/inbox" }

// Outbox is the outbox of a local actor.
func (n Names) Outbox(actorID, handle string) string { return n.base(actorID, handle) + "/outbox" }

// Followers is the collection of a local actor's followers.
func (n Names) Followers(actorID, handle string) string {
	return n.base(actorID, handle) + "/followers"
}

// Following is the collection of those whom a local actor follows.
func (n Names) Following(actorID, handle string) string {
	return n.base(actorID, handle) + "/following"
}

// Featured is the collection of what a local actor has pinned to its profile.
func (n Names) Featured(actorID, handle string) string { return n.base(actorID, handle) + "/featured" }

// FeaturedTags is the collection of the hashtags that a local actor shows on its profile.
func (n Names) FeaturedTags(actorID, handle string) string { return n.base(actorID, handle) + "/tags" }

// Liked is the collection of what a local actor likes. ActivityPub §5.5.
func (n Names) Liked(actorID, handle string) string { return n.base(actorID, handle) + "/liked" }

// boxes are Inbox, Outbox, Followers and Following, for the price of one.
func (n Names) boxes(actorID, handle string) (inbox, outbox, followers, following string) {
	base := n.base(actorID, handle)
	return base + "/inbox", base + "/outbox", base + "/followers", base + "/following"
}

func (n Names) base(actorID, handle string) string {
	if kind, _, ok := n.Parse(actorID); ok && (kind == KindActor || kind == KindInstance) {
		return actorID
	}
	return n.Actor(handle)
}

// KeyID is the id of an actor's RSA key. Lemmy and Misskey find the actor by cutting it at the "#".
func (n Names) KeyID(actorID string) string { return actorID + "#" + fragmentRSA }

// Ed25519KeyID is the id of an actor's Ed25519 key.
func (n Names) Ed25519KeyID(actorID string) string { return actorID + "#" + fragmentEd25519 }

// Authority is the host of the site, with its port if that is not the scheme's default.
func (n Names) Authority() string {
	const plain = "abcdefghijklmnopqrstuvwxyz0123456789-."
	if _, host, ok := strings.Cut(n.Origin, "://"); ok && host != "" && strings.Trim(host, plain) == "" {
		return host // as nearly always, and this is asked with every request
	}
	u, err := url.Parse(n.Origin)
	if err != nil {
		return ""
	}
	return authority(u)
}

// Host is the host of the site without a port.
func (n Names) Host() string {
	u, err := url.Parse(n.Origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Parse takes a minted id apart. It takes exactly what the other methods build: ok is false for other
// origins, a query, escapes that were not needed and paths that are not clean.
func (n Names) Parse(iri string) (kind Kind, key string, ok bool) {
	iri, fragment, fragmented := strings.Cut(iri, "#")
	origin, path, ok := n.place(iri)
	if !ok {
		return 0, "", false
	}
	rest, ok := strings.CutPrefix(path, n.path()+"/")
	if !ok {
		return 0, "", false
	}
	kind, key = parsePath(strings.Split(rest, "/"))
	if kind, key = n.keyOn(origin, kind, key); fragmented {
		if !isKeyFragment(fragment) || kind != KindActor && kind != KindInstance {
			return 0, "", false
		}
		kind = KindKey
	}
	return kind, key, kind != 0
}

func isKeyFragment(f string) bool { return f == fragmentRSA || f == fragmentEd25519 }

func parsePath(parts []string) (Kind, string) {
	switch {
	case len(parts) == 1 && parts[0] == "actor":
		return KindInstance, ""
	case len(parts) == 1 && parts[0] == "inbox":
		return KindSharedInbox, ""
	case len(parts) == 2 && parts[0] == "actor":
		return collections[parts[1]], ""
	case len(parts) < 2 || len(parts) > 3:
		return 0, ""
	}
	key, err := url.PathUnescape(parts[1])
	if err != nil || url.PathEscape(key) != parts[1] || !usableKey(key) {
		return 0, ""
	}
	switch {
	case len(parts) == 3 && parts[0] == "users":
		if kind := collections[parts[2]]; kind != 0 {
			return kind, key
		}
	case len(parts) == 3:
	case parts[0] == "users":
		return KindActor, key
	case parts[0] == "objects":
		return KindObject, key
	case parts[0] == "activities":
		return KindActivity, key
	}
	return 0, ""
}

// usableKey refuses what would make an unclean path or what a database may choke on.
func usableKey(key string) bool {
	return key != "" && key != "." && key != ".." && utf8.ValidString(key) && !strings.ContainsFunc(key, unicode.IsControl)
}
