package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

// AuthorizedFetch says which documents are only for who signs the request. Whatever it says, the instance
// actor, WebFinger, host-meta and NodeInfo are for everyone: two servers that both ask for signed
// requests could otherwise never get each other's first key.
type AuthorizedFetch uint8

// How far signatures are asked for. The zero AuthorizedFetch is FetchOpen.
const (
	// FetchOpen asks for a signature only where there is something that not everyone may see, and
	// looks at none elsewhere.
	FetchOpen AuthorizedFetch = iota

	// FetchSigned asks for one for objects, activities and collections. Actors are for everyone.
	FetchSigned

	// FetchSignedActors asks for one for actors too. Servers that fetch keys unsigned, as Threads and Epicyon
	// do (seen 2026), can then take nothing that is sent to them, and who fetches from such a server as one of its users
	// ([Resolver.As]) is refused.
	FetchSignedActors
)

// Errors that say of a document what it is to those who ask. Check with errors.Is.
var (
	// ErrHidden: it is there, but not for who asks. Strangers are answered as if it were not there; one who
	// signed the request is asked for again by name. It wraps [ErrNotFound].
	ErrHidden = fmt.Errorf("actor: not for who asks: %w", ErrNotFound)

	// ErrPartial comes with a document: others may see more of it. One who signed the request is asked for
	// again by name.
	ErrPartial = errors.New("actor: others may see more")
)

// View is what one who asks gets to see, see [Handler.Show].
type View struct {
	Document activity.Document

	// Asker is the verified id of the actor who asked, "" for a stranger.
	Asker string

	// Private says that another one may get another answer, so that no cache may keep this one.
	Private bool
}

// Show finds out what a request may see. It asks get for what strangers may see, and for what a verified
// asker may see only if that can differ: where get says [ErrHidden] or [ErrPartial] and the request
// is signed, and where AuthorizedFetch asks for a signature. So nobody's key is ever fetched for
// what is public or not there: GoToSocial (seen 2026-11) looks at a domain that fetches from it
// with signed requests of its own, and two servers that verified those would never stop.
//
// A signature that does not hold is refused where one is required, changes nothing about what is partial,
// and leaves what is hidden not found, word for word as what is not there, so that garbage does not tell which private ids
// exist. Who signs with a key that has to be fetched may still notice that it was: ids of what is private should not be
// guessable, as those that the library mints are not.
func (h *Handler) Show(r *http.Request, get func(ctx context.Context, asker string) (activity.Document, error)) (View, error) {
	return h.show(r, h.AuthorizedFetch >= FetchSigned, get)
}

func (h *Handler) show(r *http.Request, signed bool, ask func(ctx context.Context, asker string) (activity.Document, error)) (View, error) {
	get := func(asker string) (activity.Document, error) {
		doc, err := ask(r.Context(), asker)
		if doc == nil && (err == nil || errors.Is(err, ErrPartial)) {
			return nil, ErrNotFound
		}
		return doc, err
	}
	doc, err := get("")
	hidden, partial := errors.Is(err, ErrHidden), errors.Is(err, ErrPartial)
	if partial {
		err = nil
	}
	v := View{Document: doc, Private: signed || hidden || partial}
	if err != nil && !hidden {
		return v, err
	}
	if !v.Private {
		return v, nil
	}
	asker, failed := h.asker(r)
	if failed != nil {
		var unproved *signature.Error
		switch {
		case hidden && errors.As(failed, &unproved): // also where the key could not be had just now: only what is there could say so
			return v, err
		case hidden || signed:
			return v, failed
		}
		return v, nil // what strangers see of it
	}
	v.Asker = asker
	v.Document, err = get(asker)
	if errors.Is(err, ErrPartial) {
		err = nil
	}
	return v, err
}

// asker is who signed a request, which is not looked at without a signature.
func (h *Handler) asker(r *http.Request) (string, error) {
	if len(r.Header["Signature"]) == 0 {
		return "", &signature.Error{Status: http.StatusUnauthorized, Err: signature.ErrUnsigned}
	}
	if h.Asker == nil {
		return "", errors.New("actor: Handler.Asker is nil")
	}
	asker, err := h.Asker(r)
	if err == nil && asker == "" {
		err = errors.New("actor: Handler.Asker returned nobody")
	}
	return asker, err
}
