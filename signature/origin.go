package signature

import (
	"net/url"
	"strings"
)

// SameOrigin tells whether two http or https ids have the same scheme, host and port, so that one server
// answers for both (FEP-fe34, RFC 6454 §4). Case does not matter, nor whether the scheme's default port
// is written. An id of another scheme, without a host, with a user name or with a host that is not
// written in ASCII has no origin, and is not even of its own.
func SameOrigin(a, b string) bool {
	first, ok := splitID(a)
	if !ok {
		return false
	}
	other, ok := splitID(b)
	return ok && first.scheme == other.scheme && first.authority == other.authority
}

// SameOwner tells whether two ids name one owner: they are equal but for the case of scheme and host
// (FEP-fe34). An empty id names nobody.
func SameOwner(a, b string) bool {
	if a == b {
		return a != ""
	}
	first, ok := splitID(a)
	if !ok {
		return false
	}
	other, ok := splitID(b)
	return ok && first.scheme == other.scheme && first.host == other.host && first.rest == other.rest
}

// TrustsEmbedded tells whether an object that is embedded in another can be trusted if the outer one can
// (FEP-fe34): it is anonymous, or a fragment of the outer one, or has the same origin and the same owner.
// One that names another owner never can. Ids and owners are empty where a document has none; an outer
// document without an id counts as its owner's. What is not trusted has to be fetched from its id.
func TrustsEmbedded(outerID, outerOwner, id, owner string) bool {
	if owner != "" && !SameOwner(owner, outerOwner) {
		return false
	}
	if id == "" || outerID != "" && strings.HasPrefix(id, outerID+"#") {
		return true
	}
	if outerID == "" {
		outerID = outerOwner
	}
	return owner != "" && SameOrigin(id, outerID) && SameOrigin(id, owner)
}

// OwnerOf returns the id of the actor to whom a document belongs (FEP-fe34): for an activity its actor,
// for an actor its id, for a key its controller or owner, and for everything else to whom it is
// attributed. Which of these it is, its properties tell: actor, inbox, publicKeyMultibase, publicKeyPem.
// A document that has two of them, a link, one with no owner or several, and attribution of what has an
// owner without it are errors, as is what [Prove] would not take; they wrap [ErrMalformed]. Whether the
// document speaks the truth is not this function's to know.
func OwnerOf(document []byte) (string, error) {
	o, err := readObject(document, 0)
	if err != nil {
		return "", err
	}
	return o.owner()
}

func (o object) owner() (string, error) {
	// What marks a kind of document, and where a document of this kind names its owner.
	kinds := [...]struct{ mark, owner string }{
		{"actor", "actor"}, {"inbox", "id"}, {"publicKeyMultibase", "controller"}, {"publicKeyPem", "owner"},
	}
	property := ""
	for _, k := range kinds {
		if o.get(k.mark) == nil {
			continue
		}
		if property != "" {
			return "", fail(ErrMalformed, "neither the one kind of document nor the other: it has %s", k.mark)
		}
		property = k.owner
	}
	switch {
	case o.get("href") != nil:
		return "", fail(ErrMalformed, "a link belongs to nobody")
	case property == "":
		property = "attributedTo"
	case o.get("attributedTo") != nil:
		return "", fail(ErrMalformed, "attributed, though it has an owner without that")
	}
	id, ok := idOf(o.get(property))
	if !ok {
		return "", fail(ErrMalformed, "%s does not name one owner", property)
	}
	return id, nil
}

// idOf reads an id, or the id of an embedded document, or a list of one of these.
func idOf(value []byte) (string, bool) {
	list, err := elements(value)
	if err != nil || len(list) != 1 {
		return "", false
	}
	if value = list[0]; len(value) > 0 && value[0] == '{' {
		o, err := members(value)
		if err != nil {
			return "", false
		}
		value = o.get("id")
	}
	id, ok := stringOf(value)
	return id, ok && id != ""
}

// identifier is an http or https id in its parts.
type identifier struct {
	scheme    string // lower case
	host      string // lower case, with the port as it is written
	authority string // lower case, without the scheme's default port
	rest      string // path, query and fragment as they are written
}

func splitID(id string) (identifier, bool) {
	if len(id) > maxKeyID {
		return identifier{}, false
	}
	for i := range len(id) {
		// What programs read in different ways.
		if c := id[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return identifier{}, false
		}
	}
	scheme, rest, ok := strings.Cut(id, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return identifier{}, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, ok := normalAuthority(rest[:end], scheme)
	if !ok {
		return identifier{}, false
	}
	if _, err := url.Parse(id); err != nil {
		return identifier{}, false
	}
	return identifier{scheme, strings.ToLower(rest[:end]), authority, rest[end:]}, true
}
