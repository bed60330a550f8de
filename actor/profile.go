package actor

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Profile is what the app says of one of its users. Only Handle must be set.
type Profile struct {
	// Handle is the name before the @: letters, digits and underscores, within it also dots and
	// hyphens, at most 128 bytes. Others compare it without regard for case. Of a user on one of the site's further hosts
	// it is followed by that host, "alice@blog7.example": see [Names.More].
	Handle string

	// ID is the actor's id, anywhere under the site's origin, or on the host that Handle names. Zero means that it is minted from the
	// handle ([Names.Actor]). An id never changes; set it for users whose handle does.
	ID string

	// Type is Person, Service (a bot), Group, Organization or Application. Zero means Person.
	Type string

	Name    string // shown instead of the handle; plain text, of which Mastodon takes 2,048 characters
	Summary string // HTML, of which Mastodon takes 20 KiB

	// URL is the profile as a web page; browsers that ask for the id are sent there. Mastodon shows it if it
	// is on the id's host.
	URL string

	Icon, Image string // URLs of pictures: avatar and header

	Fields []Field // shown as a table; Mastodon shows 50 rows

	// Tag explains what stands in Name, Summary and Fields: see activity.Emoji and activity.Hashtag.
	Tag activity.List

	ManuallyApprovesFollowers bool // a "locked" account
	Discoverable              bool // may be suggested to others
	Indexable                 bool // public posts may be searched, FEP-5feb

	// SearchableBy lists who may search posts that say nothing else: activity.Public, activity.Followers for
	// the user's followers, or ids of actors. Nil: nothing is said, and Indexable counts. FEP-268d.
	SearchableBy []string

	// Suspended hides the user: others hide what they have of it until the document says otherwise. Name, Summary,
	// pictures, Fields and Tag are then left out. For users who are gone for good there is [ErrGone].
	Suspended bool

	Memorial bool // of somebody who has died

	// OptedIn says that the user wants to be in the fediverse, for servers that ask users first. This package does not look at it.
	OptedIn bool

	Published time.Time // when the account was made
	Updated   time.Time // when this was last changed

	AlsoKnownAs []string // ids of the same person elsewhere
	MovedTo     string   // id of the actor that replaces this one

	// AttributionDomains lists hosts of sites that may credit the user as the author of their pages.
	AttributionDomains []string

	// Featured, FeaturedTags and Liked are ids of collections, such as [Names.Featured] makes. Zero: none is shown.
	Featured, FeaturedTags, Liked string

	// Moderators is the id of the collection of a Group's moderators. Zero: the instance actor stands for them,
	// since PeerTube (seen 2026-09) refuses a Group of nobody's. FEP-1b12.
	Moderators              string
	PostingRestrictedToMods bool // in a Group only moderators begin threads
	Sensitive               bool // a Group's posts are not for everyone's eyes

	// WebFinger is the handle with its host, if that is not the handle at the site's host: "alice@example.com".
	// The server there must lead to ID. FEP-2c59.
	WebFinger string

	// Implements lists by IRI what the server can do (FEP-844e). Nil means what package signature verifies: RFC 9421,
	// also with Ed25519. An empty list that is not nil says nothing.
	Implements []string

	// Extra holds properties that have no field here, by their names in JSON. A field that is set wins.
	Extra activity.Extra
}

// Field is a row in a profile's table.
type Field struct {
	Name  string // plain text
	Value string // HTML
}

// handlePattern is what Mastodon and Misskey both take (2026).
var handlePattern = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$`)

// withDefaults fills what is zero.
func (p Profile) withDefaults(n Names) Profile {
	if p.ID == "" {
		p.ID = n.Actor(p.Handle)
	}
	if p.Type == "" {
		p.Type = "Person"
	}
	return p
}

// check tells why other servers would refuse the actor.
func (p Profile) check(n Names) error {
	fault := func(format string, args ...any) error {
		return fmt.Errorf("actor: profile %q: "+format, append([]any{p.Handle}, args...)...)
	}
	name, host := n.split(p.Handle)
	origin := n.originAt(host)
	switch {
	case !handlePattern.MatchString(name):
		return fault("Handle is not one that other servers take")
	case !activity.IsActorType(p.Type):
		return fault("Type %q is no type of actor", p.Type)
	case !n.on(origin, p.ID):
		// Misskey and Akkoma refuse an actor whose inbox and key lie on another host than its id.
		return fault("ID %q is not under %s", p.ID, origin)
	case p.ID != withoutFragment(p.ID):
		return fault("ID %q has a fragment", p.ID)
	}
	for _, one := range []struct{ field, url string }{
		{"URL", p.URL}, {"Icon", p.Icon}, {"Image", p.Image}, {"MovedTo", p.MovedTo},
	} {
		if one.url != "" && !validURL(one.url) {
			return fault("%s %q is not an absolute http or https URL", one.field, one.url)
		}
	}
	for _, one := range []struct{ field, id string }{
		{"Featured", p.Featured}, {"FeaturedTags", p.FeaturedTags}, {"Liked", p.Liked}, {"Moderators", p.Moderators},
	} {
		if one.id != "" && !n.on(origin, one.id) { // Misskey refuses an actor with a collection elsewhere
			return fault("%s %q is not under %s", one.field, one.id, origin)
		}
	}
	for _, id := range p.AlsoKnownAs {
		if !validURL(id) {
			return fault("AlsoKnownAs %q is not an absolute http or https URL", id)
		}
	}
	for _, host := range p.AttributionDomains {
		if a, ok := activity.Authority("https://" + host); !ok || !strings.EqualFold(a, host) {
			return fault("AttributionDomains %q is not the name of a host", host)
		}
	}
	if p.WebFinger != "" {
		if a, err := parseAccount(p.WebFinger); err != nil || !handlePattern.MatchString(a.user) || a.String() != p.WebFinger {
			return fault("WebFinger %q is not of the form user@host", p.WebFinger)
		}
	}
	return nil
}

// address is the handle with its host.
func (p Profile) address(n Names) string {
	switch {
	case p.WebFinger != "":
		return p.WebFinger
	case p.ID == n.Instance(): // its name is where it lives: a server that goes from its id to its handle asks there
		return p.Handle + "@" + n.Authority()
	}
	return n.Handle(p.Handle)
}
