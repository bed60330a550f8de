package actor

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// Capabilities of FEP-844e: what the Verifier of package signature takes.
const (
	capabilityRFC9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
	capabilityEd25519 = capabilityRFC9421 + "#name-eddsa-using-curve-edwards25"
)

// Document makes the actor's document as all known servers accept it: ids all on one host, and
// spelled out what some take for true when it is missing. Ed25519 keys stand in assertionMethod, all others in
// publicKey, of which there must be one. ActivityPub §4.1, FEP-521a.
func (p Profile) Document(n Names, keys []signature.PublicKey) (*activity.Actor, error) {
	shown, err := showing(n, p.withDefaults(n).ID, keys)
	if err != nil {
		return nil, fmt.Errorf("actor: profile %q: %w", p.Handle, err)
	}
	return p.document(n, shown)
}

// shown is what stands in documents and costs more to write than all the rest.
type shown struct {
	publicKey       activity.Refs
	assertionMethod activity.List
	generator       activity.Ref
	endpoints       activity.Ref
}

func showing(n Names, actorID string, keys []signature.PublicKey) (s shown, err error) {
	if err := s.keys(actorID, keys); err != nil {
		return s, err
	}
	s.generator, s.endpoints = generator(n, capabilities(nil)), activity.Endpoints(n.SharedInboxOf(actorID))
	return s, nil
}

func (p Profile) document(n Names, s shown) (*activity.Actor, error) {
	p = p.withDefaults(n)
	if err := p.check(n); err != nil {
		return nil, err
	}
	if p.Suspended { // Mastodon (4.6) shows no more of its own
		p.Name, p.Summary, p.Icon, p.Image, p.Fields, p.Tag = "", "", "", "", nil, nil
	}
	if s.generator.ID != n.Instance() { // the keys are those of a Keyring with other Names
		s.generator, s.endpoints = generator(n, capabilities(nil)), activity.Endpoints(n.SharedInboxOf(p.ID))
	}
	name, _ := n.split(p.Handle)
	inbox, outbox, followers, following := n.boxes(p.ID, p.Handle)
	a := &activity.Actor{
		ID:                p.ID,
		Type:              activity.Types{p.Type},
		PreferredUsername: name,
		Webfinger:         p.address(n),
		Name:              p.Name,
		Summary:           p.Summary,
		URL:               activity.Refs{activity.IRI(p.URL)},
		Icon:              picture(p.Icon),
		Image:             picture(p.Image),
		Attachment:        fields(p.Fields),
		Tag:               p.Tag,
		Published:         p.Published,
		Updated:           p.Updated,
		Inbox:             activity.IRI(inbox),
		Outbox:            activity.IRI(outbox),
		Followers:         activity.IRI(followers),
		Following:         activity.IRI(following),
		Featured:          activity.IRI(p.Featured),
		FeaturedTags:      activity.IRI(p.FeaturedTags),
		Liked:             activity.IRI(p.Liked),
		Endpoints:         s.endpoints,

		ManuallyApprovesFollowers: p.ManuallyApprovesFollowers,
		Discoverable:              p.Discoverable,
		Indexable:                 p.Indexable,
		Suspended:                 p.Suspended,
		Memorial:                  p.Memorial,
		PostingRestrictedToMods:   p.PostingRestrictedToMods,
		Sensitive:                 p.Sensitive,
	}
	if p.Name == "" {
		a.Name = name // Pixelfed and others show an actor without one as nobody
	}
	if p.URL == "" {
		a.URL = activity.Refs{activity.IRI(p.ID)}
	}
	for _, id := range p.AlsoKnownAs {
		a.AlsoKnownAs = append(a.AlsoKnownAs, activity.IRI(id))
	}
	for _, host := range p.AttributionDomains {
		a.AttributionDomains = append(a.AttributionDomains, activity.IRI(host))
	}
	if p.MovedTo != "" {
		a.MovedTo = activity.IRI(p.MovedTo)
	}
	if p.Type == "Group" {
		a.AttributedTo = activity.Refs{activity.IRI(n.Instance())}
		if p.Moderators != "" {
			a.AttributedTo, a.Moderators = activity.Refs{activity.IRI(p.Moderators)}, activity.IRI(p.Moderators)
		}
	}
	if err := p.extend(n, a, s.generator); err != nil {
		return nil, err
	}
	a.PublicKey, a.AssertionMethod = slices.Clone(s.publicKey), slices.Clone(s.assertionMethod) // others have them too
	return a, nil
}

// extend writes what has no field of an Actor, and what is said although it is false.
func (p Profile) extend(n Names, a *activity.Actor, usual activity.Ref) error {
	a.Extra = maps.Clone(p.Extra)
	// Pixelfed (seen 2026) takes an actor that does not say for a locked one.
	said := map[string]bool{
		"manuallyApprovesFollowers": p.ManuallyApprovesFollowers,
		"discoverable":              p.Discoverable,
		"indexable":                 p.Indexable,
	}
	if p.Type == "Group" {
		said["postingRestrictedToMods"] = p.PostingRestrictedToMods // Lemmy's groups always say
	}
	for name, set := range said {
		if set {
			continue
		}
		if a.Extra == nil {
			a.Extra = make(activity.Extra, len(said))
		}
		a.Extra[name] = json.RawMessage("false")
	}
	if len(p.SearchableBy) > 0 {
		by := make([]string, len(p.SearchableBy))
		for i, who := range p.SearchableBy {
			if by[i] = who; who == activity.Followers {
				by[i] = a.Followers.ID
			}
		}
		if err := a.Extra.Set("searchableBy", by); err != nil {
			return err
		}
	}
	switch {
	case p.ID == n.Instance():
		a.Implements = capabilities(p.Implements)
	case p.Implements == nil:
		a.Generator = usual
	case len(p.Implements) > 0:
		a.Generator = generator(n, capabilities(p.Implements))
	}
	return nil
}

// generator is the server as its actors name it. FEP-844e.
func generator(n Names, implements activity.List) activity.Ref {
	return activity.Embed(&activity.Actor{ID: n.Instance(), Type: activity.Types{"Application"}, Implements: implements})
}

// capabilities lists what the server can do. FEP-844e.
func capabilities(hrefs []string) (list activity.List) {
	if hrefs == nil {
		hrefs = []string{capabilityRFC9421, capabilityEd25519}
	}
	for _, href := range hrefs {
		l := &activity.Link{Href: href}
		switch href {
		case capabilityRFC9421:
			l.Name = "RFC-9421: HTTP Message Signatures"
		case capabilityEd25519:
			l.Name = "RFC-9421 signatures using the Ed25519 algorithm"
		}
		list = append(list, activity.Embed(l))
	}
	return list
}

// keys writes an actor's keys as its document shows them.
func (s *shown) keys(actorID string, keys []signature.PublicKey) error {
	for _, k := range keys {
		if _, ok := k.Key.(ed25519.PublicKey); ok {
			multibase, err := signature.MarshalMultikey(k.Key)
			if err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
			s.assertionMethod = append(s.assertionMethod, activity.Embed(&activity.Object{
				ID: k.ID, Type: activity.Types{activity.TypeMultikey}, Controller: activity.IRI(actorID), PublicKeyMultibase: multibase,
			}))
			continue
		}
		pem, err := signature.MarshalPublicKey(k.Key)
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		s.publicKey = append(s.publicKey, activity.PublicKey{ID: k.ID, Owner: actorID, PEM: pem}.Ref())
	}
	if len(s.publicKey) == 0 {
		return errors.New("no public key")
	}
	return nil
}

func picture(url string) activity.Refs {
	if url == "" {
		return nil
	}
	return activity.Refs{activity.Embed(activity.Image(url, "", ""))}
}

// fields writes a table as Mastodon shows it. FEP-fb2a.
func fields(rows []Field) activity.List {
	var out activity.List
	for _, f := range rows {
		out = append(out, activity.Embed(activity.PropertyValue(f.Name, f.Value)))
	}
	return out
}
