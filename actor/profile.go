package actor

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// Profile is what the app says of one of its users. Only Handle must be set.
type Profile struct {
	// Handle is the name before the @: letters, digits and underscores, within it also dots and
	// hyphens, at most 128 bytes.
	Handle string

	// ID is the actor's id, anywhere under the site's origin. Zero means that it is minted from the
	// handle ([Names.Actor]). An id never changes; set it for users whose handle does.
	ID string

	// Type is Person, Service (a bot), Group, Organization or Application. Zero means Person.
	Type string

	Name    string // shown instead of the handle; plain text
	Summary string // HTML
	URL     string // the profile as a web page; browsers that ask for the id are sent there

	Icon, Image string // URLs of pictures: avatar and header

	Fields []Field // shown as a table

	ManuallyApprovesFollowers bool // a "locked" account
	Discoverable              bool // may be suggested to others
	Indexable                 bool // public posts may be searched, FEP-5feb

	Published   time.Time // when the account was made
	AlsoKnownAs []string  // ids of the same person elsewhere
	MovedTo     string    // id of the actor that replaces this one
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
	switch {
	case !handlePattern.MatchString(p.Handle):
		return fmt.Errorf("actor: profile %q: Handle is not one that other servers take", p.Handle)
	case !activity.IsActorType(p.Type):
		return fmt.Errorf("actor: profile %q: Type %q is no type of actor", p.Handle, p.Type)
	case !n.Ours(p.ID):
		// Misskey and Akkoma refuse an actor whose inbox and key lie on another host than its id.
		return fmt.Errorf("actor: profile %q: ID %q is not under %s", p.Handle, p.ID, n.Origin)
	case p.ID != withoutFragment(p.ID):
		return fmt.Errorf("actor: profile %q: ID %q has a fragment", p.Handle, p.ID)
	}
	for _, one := range []struct{ field, url string }{
		{"URL", p.URL}, {"Icon", p.Icon}, {"Image", p.Image}, {"MovedTo", p.MovedTo},
	} {
		if one.url != "" && !validURL(one.url) {
			return fmt.Errorf("actor: profile %q: %s %q is not an absolute http or https URL", p.Handle, one.field, one.url)
		}
	}
	return nil
}

// Document makes the actor's document as all known servers accept it: ids all on one host, and
// spelled out what some take for true when it is missing. ActivityPub §4.1.
func (p Profile) Document(n Names, keys []signature.PublicKey) (*activity.Actor, error) {
	p = p.withDefaults(n)
	if err := p.check(n); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("actor: profile %q: %w", p.Handle, errors.New("no public key"))
	}
	a := &activity.Actor{
		ID:                p.ID,
		Type:              activity.Types{p.Type},
		PreferredUsername: p.Handle,
		Name:              p.Name,
		Summary:           p.Summary,
		URL:               activity.Refs{activity.IRI(p.URL)},
		Icon:              picture(p.Icon),
		Image:             picture(p.Image),
		Attachment:        fields(p.Fields),
		Published:         p.Published,
		Inbox:             activity.IRI(n.Inbox(p.ID, p.Handle)),
		Outbox:            activity.IRI(n.Outbox(p.ID, p.Handle)),
		Followers:         activity.IRI(n.Followers(p.ID, p.Handle)),
		Following:         activity.IRI(n.Following(p.ID, p.Handle)),
		Endpoints:         activity.Endpoints(n.SharedInbox()),

		ManuallyApprovesFollowers: p.ManuallyApprovesFollowers,
		Discoverable:              p.Discoverable,
		Indexable:                 p.Indexable,
	}
	if p.Name == "" {
		a.Name = p.Handle
	}
	if p.URL == "" {
		a.URL = activity.Refs{activity.IRI(p.ID)}
	}
	for _, id := range p.AlsoKnownAs {
		a.AlsoKnownAs = append(a.AlsoKnownAs, activity.IRI(id))
	}
	if p.MovedTo != "" {
		a.MovedTo = activity.IRI(p.MovedTo)
	}
	for _, k := range keys {
		pem, err := signature.MarshalPublicKey(k.Key)
		if err != nil {
			return nil, fmt.Errorf("actor: key %s: %w", k.ID, err)
		}
		a.PublicKey = append(a.PublicKey, activity.PublicKey{ID: k.ID, Owner: p.ID, PEM: pem}.Ref())
	}
	// Pixelfed (seen 2026) takes an actor that does not say for a locked one.
	for name, set := range map[string]bool{
		"manuallyApprovesFollowers": p.ManuallyApprovesFollowers,
		"discoverable":              p.Discoverable,
		"indexable":                 p.Indexable,
	} {
		if set {
			continue
		}
		if err := a.Extra.Set(name, false); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func picture(url string) activity.Refs {
	if url == "" {
		return nil
	}
	return activity.Refs{activity.Embed(&activity.Object{
		Type: activity.Types{"Image"},
		URL:  activity.Refs{activity.IRI(url)},
	})}
}

// fields writes a table as Mastodon shows it. FEP-fb2a.
func fields(rows []Field) activity.List {
	var out activity.List
	for _, f := range rows {
		out = append(out, activity.Embed(&activity.Object{
			Type:  activity.Types{"PropertyValue"},
			Name:  f.Name,
			Value: f.Value,
		}))
	}
	return out
}
