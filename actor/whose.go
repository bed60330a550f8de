package actor

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Whose takes any IRI apart: what it is of, and whose. ok is false if it is nothing here, which for other
// origins is known without asking the app.
//
// For an id of an actor, of one of its keys or of its collections, p is the actor. That holds for actors whose ids lie
// elsewhere on the site too, and for keys that came with them ([Keyring.Adopt]). What only leads to an actor, as the id
// that another handle of its would have, or the page of its profile where the app finds it by that, is
// KindAlias. Of objects, activities and the shared inbox p is zero, and whether there is such an object
// this package does not know. For an actor that is gone ok is true and the error wraps [ErrGone].
func (h *Handler) Whose(ctx context.Context, iri string) (kind Kind, p Profile, ok bool, err error) {
	if !h.Names.Ours(iri) {
		return 0, Profile{}, false, nil
	}
	kind, p, err = h.whose(ctx, iri)
	switch {
	case errors.Is(err, ErrGone):
		return kind, Profile{}, true, err
	case errors.Is(err, ErrNotFound):
		return 0, Profile{}, false, nil
	case err != nil:
		return 0, Profile{}, false, err
	}
	return kind, p, true, nil
}

func (h *Handler) whose(ctx context.Context, iri string) (Kind, Profile, error) {
	kind, handle, ok := h.Names.Parse(iri)
	switch {
	case !ok:
		return h.whoseElsewhere(ctx, iri)
	case kind == KindObject, kind == KindActivity, kind == KindSharedInbox:
		return kind, Profile{}, nil
	case kind == KindInstance, handle == "":
		return kind, h.instance(), nil
	case kind == KindActor:
		p, err := h.find(ctx, handle, iri)
		if err == nil && p.ID != iri {
			kind = KindAlias
		}
		return kind, p, err
	case kind == KindKey:
		id := withoutFragment(iri)
		p, err := h.find(ctx, handle, id)
		if err == nil && p.ID != id {
			err = fmt.Errorf("actor: key %s: %w", iri, ErrNotFound)
		}
		return kind, p, err
	}
	p, err := h.find(ctx, handle, h.Names.Actor(handle))
	return kind, p, err
}

// whoseElsewhere finds what lies outside of our prefix.
func (h *Handler) whoseElsewhere(ctx context.Context, iri string) (Kind, Profile, error) {
	if id, fragment, ok := strings.Cut(iri, "#"); ok {
		if isKeyFragment(fragment) {
			if p, err := h.findID(ctx, id); err != nil || p.ID == id {
				return KindKey, p, err
			}
		}
		return h.whoseKey(ctx, iri)
	}
	p, err := h.ask(ctx, iri)
	switch {
	case errors.Is(err, ErrNotFound):
		return h.whoseKey(ctx, iri)
	case err == nil && p.ID != iri:
		return KindAlias, p, nil
	}
	return KindActor, p, err
}

// whoseKey finds the actor of a key that has an id of its own, as they come with actors from elsewhere.
func (h *Handler) whoseKey(ctx context.Context, keyID string) (Kind, Profile, error) {
	owner, err := h.Keyring.Owner(ctx, keyID)
	if err != nil {
		return 0, Profile{}, err
	}
	p, err := h.findID(ctx, owner)
	if err == nil && p.ID != owner {
		err = fmt.Errorf("actor: key %s: %w", keyID, ErrNotFound)
	}
	return KindKey, p, err
}
