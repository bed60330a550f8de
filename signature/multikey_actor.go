package signature

import "time"

// AssertionKey finds the key of a verification method in an actor's document (FEP-521a): the Multikey
// that is listed under assertionMethod with this id and has the actor as its controller. Owner of the
// result is the actor's id; that the document is the actor's own, the caller must know. Entries of other
// kinds are passed over.
//
// The error wraps [ErrNoKey] if there is no such key, if it is malformed, revoked or has expired, and
// [ErrMalformed] or [ErrTooLarge] if the document is nothing that [Prove] would take.
func AssertionKey(actor []byte, method string) (PublicKey, error) {
	o, err := readObject(actor, 0)
	if err != nil {
		return PublicKey{}, err
	}
	owner, ok := stringOf(o.get("id"))
	if !ok || owner == "" {
		return PublicKey{}, fail(ErrMalformed, "the actor has no id")
	}
	list, err := elements(o.get("assertionMethod"))
	if err != nil {
		return PublicKey{}, err
	}
	for _, entry := range list {
		m, err := members(entry)
		if err != nil {
			continue
		}
		if id, _ := stringOf(m.get("id")); id != method || method == "" {
			continue
		}
		return m.multikey(method, owner)
	}
	return PublicKey{}, fail(ErrNoKey, "%.80q lists no assertionMethod %.80q", owner, method)
}

// multikey reads a key that is listed with its id by owner.
func (o object) multikey(id, owner string) (PublicKey, error) {
	kind, _ := stringOf(o.get("type"))
	controller, _ := stringOf(o.get("controller"))
	switch {
	case kind != "Multikey":
		return PublicKey{}, fail(ErrNoKey, "%.80q is no Multikey", id)
	case controller != owner:
		return PublicKey{}, fail(ErrNoKey, "%.80q is listed by %.80q and controlled by %.80q", id, owner, controller)
	}
	for _, name := range [...]string{"expires", "revoked"} {
		value := o.get(name)
		if value == nil {
			continue
		}
		text, _ := stringOf(value)
		if end, err := parseProofTime(text); err != nil || !time.Now().Before(end) {
			return PublicKey{}, fail(ErrNoKey, "%.80q: %s %.40q", id, name, text)
		}
	}
	text, _ := stringOf(o.get("publicKeyMultibase"))
	key, err := ParseMultikey(text)
	if err != nil {
		return PublicKey{}, fail(ErrNoKey, "%.80q: %v", id, err)
	}
	return PublicKey{ID: id, Owner: owner, Key: key}, nil
}
