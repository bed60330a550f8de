package activity

import (
	"slices"
)

// Public is the id of the collection of everyone. ActivityPub §5.6.
const Public = Namespace + "#Public"

// Followers stands in an [Audience] for the followers of the sender until package outbox puts the id
// of their collection there. It never goes on the wire.
const Followers = "followers"

// IsPublic reports whether id is one of the three spellings of [Public]. ActivityPub §5.6.
func IsPublic(id string) bool { return id == Public || id == "as:Public" || id == "Public" }

// To makes an [Audience] of ids.
func To(ids ...string) Audience {
	a := make(Audience, len(ids))
	for i, id := range ids {
		a[i] = IRI(id)
	}
	return a
}

// Recipients lists whom a and its blind copies address, each id once, in the order to, cc, audience,
// bto, bcc.
func (a *Activity) Recipients() []string {
	return union(a.To, a.CC, Audience(a.Audience), a.BTo, a.BCC)
}

// Recipients lists whom o and its blind copies address, each id once, in the order to, cc,
// audience, bto, bcc.
func (o *Object) Recipients() []string {
	return union(o.To, o.CC, Audience(o.Audience), o.BTo, o.BCC)
}

func union(all ...Audience) []string {
	const few = 16 // as many are compared with each other
	var out []string
	var seen map[string]bool // a stranger may address tens of thousands
	for _, a := range all {
		for _, r := range a {
			id := r.ID
			if IsPublic(id) {
				id = Public
			}
			if id == "" || seen[id] || seen == nil && slices.Contains(out, id) {
				continue
			}
			if out == nil {
				out = make([]string, 0, min(len(a)+len(all), few))
			}
			out = append(out, id)
			switch {
			case seen != nil:
				seen[id] = true
			case len(out) > few:
				seen = make(map[string]bool)
				for _, id := range out {
					seen[id] = true
				}
			}
		}
	}
	return out
}

// IsFor reports whether a or its blind copies address one of ids: an actor, a collection of
// followers, or [Public] in any of its spellings.
func (a *Activity) IsFor(ids ...string) bool {
	return isFor(ids, a.To, a.CC, Audience(a.Audience), a.BTo, a.BCC)
}

// IsFor reports whether o or its blind copies address one of ids: an actor, a collection of
// followers, or [Public] in any of its spellings. To decide who may read o, ask for Public, for who
// asks, and, if that is a follower, for the followers of its author.
func (o *Object) IsFor(ids ...string) bool {
	return isFor(ids, o.To, o.CC, Audience(o.Audience), o.BTo, o.BCC)
}

func isFor(ids []string, all ...Audience) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		return id != "" && slices.ContainsFunc(all, func(a Audience) bool { return a.Has(id) })
	})
}

// Visibility is how widely something is shown, in the four steps that Mastodon made common. A wider one
// is greater, so that min is the narrower of two. Its zero value is the narrowest.
type Visibility uint8

const (
	// VisibilityDirect: only those who are named.
	VisibilityDirect Visibility = iota
	// VisibilityFollowers: the followers, and those who are named.
	VisibilityFollowers
	// VisibilityUnlisted: everyone who comes across it, but it is on no public timeline.
	VisibilityUnlisted
	// VisibilityPublic: everyone.
	VisibilityPublic
)

// String is one of "direct", "followers", "unlisted" and "public".
func (v Visibility) String() string {
	switch v {
	case VisibilityFollowers:
		return "followers"
	case VisibilityUnlisted:
		return "unlisted"
	case VisibilityPublic:
		return "public"
	}
	return "direct"
}

// Visibility reads to and cc as Mastodon does. followers is the id of the followers of the author;
// [Followers] stands for them as well. Who is only in audience, bto or bcc does not count, and
// neither do followers in cc: Mastodon 4.6 takes a post that has them there and Public nowhere for direct.
func (o *Object) Visibility(followers string) Visibility { return visibility(o.To, o.CC, followers) }

// Visibility reads to and cc of an Announce as [Object.Visibility] does. Of a Create ask the object,
// which says it for itself.
func (a *Activity) Visibility(followers string) Visibility { return visibility(a.To, a.CC, followers) }

func visibility(to, cc Audience, followers string) Visibility {
	switch {
	case to.Has(Public):
		return VisibilityPublic
	case cc.Has(Public):
		return VisibilityUnlisted
	case followers != "" && to.Has(followers), to.Has(Followers):
		return VisibilityFollowers
	}
	return VisibilityDirect
}

// Address sets To and CC, in the places in which Mastodon looks, so that o is shown as widely as v says.
// followers is the id of the followers of the author, or [Followers]; "" for an author who has none.
// Whom Tag mentions is always addressed, and so is whom also names, such as a group. But neither can name
// Public or the followers, so that nothing is shown more widely than v, not even in reply to a
// stranger who goes by such a name. Other audiences stay as they are. Call it again when Tag has changed.
//
// Who is addressed by a direct note without being mentioned in it gets it, but Mastodon 4.6 shows
// the note as "limited".
func (o *Object) Address(v Visibility, followers string, also ...string) {
	o.To, o.CC = address(v, followers, append(o.Mentions(), also...))
}

func address(v Visibility, followers string, people []string) (to, cc Audience) {
	add := func(a Audience, ids ...string) Audience {
		for _, id := range ids {
			if id != "" && !a.Has(id) {
				a = append(a, IRI(id))
			}
		}
		return a
	}
	people = slices.DeleteFunc(people, func(id string) bool { return IsPublic(id) || id == followers || id == Followers })
	// Not nil: peers want to see a list in any case.
	to, cc = Audience{}, Audience{}
	switch v {
	case VisibilityPublic:
		to = add(to, Public)
		cc = add(cc, followers)
	case VisibilityUnlisted:
		to = add(to, followers)
		cc = add(cc, Public)
	case VisibilityFollowers:
		to = add(to, followers)
	default:
		return add(to, people...), cc
	}
	return to, add(cc, people...)
}
