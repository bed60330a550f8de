package activity

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
	var out []string
	seen := make(map[string]bool) // a stranger may address tens of thousands
	for _, a := range all {
		for _, id := range a.IDs() {
			if !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	return out
}
