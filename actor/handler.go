// Package actor lets local actors be found by other servers, and finds theirs.
//
// A [Handler] serves what others ask for: actors, objects, collections, WebFinger, host-meta and NodeInfo, from the [Profile] that
// the app gives for a handle, and to each asker what is for that one. A [Resolver] asks others: it looks handles and URLs up,
// fetches actors, keys and posts with signed requests, one for all who ask at once, proves handles, walks threads and
// collections within a [Budget], and remembers within bounds; its Run keeps what it knows fresh. A [Keyring] makes, seals and
// rotates keys and takes over those that an actor had elsewhere. [Names] is where ids are built and taken apart. Package
// actor/check tells which peers would refuse an actor.
//
// It declares the stores that it needs ([Keys], [Remotes], [Followers]) and implements none, see package storage. It judges no
// activity: what may follow from knowing an actor is decided in package inbox.
//
// Experimental: names may change before version 1.0.
package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/fedihook/fedihook/activity"
)

// Handler serves what makes a site's actors known, and what they say. It may be used by many goroutines
// at once, and must not be copied after its first use.
//
// Who stands in front of it, a firewall above all, must let every user agent through to the paths that
// [Handler.Register] lists: other servers solve no riddles. Threads alone comes under three names,
// facebookexternalua, facebookexternalhit and meta-externalagent (seen 2026).
type Handler struct {
	// Names must hold the site's origin.
	Names Names

	// Profile returns the user with this handle as it was written by whoever asks, on a further host of [Names.More] with that
	// behind it, or an error that
	// wraps [ErrNotFound] or [ErrGone]; any other is logged and answered 503. A handle that is not found is asked for
	// again in lower case. A user may be found by former handles too: those lead to the one in the profile. It is asked
	// with a full URL where a request names one that no current handle maps to: an id, and returns the profile that has
	// this ID, or a profile's page, and may return whose URL that is. It must be set.
	Profile func(ctx context.Context, handle string) (Profile, error)

	// Keyring holds the actors' keys. It must be set.
	Keyring *Keyring

	// Object returns the object or activity with this id as asker may see it: a verified actor id, or "" for
	// a stranger. Its errors wrap [ErrNotFound], [ErrHidden], [ErrPartial] together with a document, or [ErrGone].
	// What it hides from an asker of that the collections are hidden too. Nil: there are no objects.
	Object func(ctx context.Context, id, asker string) (activity.Document, error)

	// Collections are the sources of what is listed. The zero value has none.
	Collections Collections

	// NodeInfo describes the site. Nil means that only the protocol is told.
	NodeInfo func(ctx context.Context) (NodeInfo, error)

	// AuthorizedFetch says which documents are only for who signs the request.
	AuthorizedFetch AuthorizedFetch

	// Asker returns the id of the actor who signed a request, once it is verified and if that one may talk
	// to this site. An error that is a *[signature.Error] is answered with its status, any other is logged
	// and answered 503. Nil: nobody is ever known, and what needs a signature is 503.
	Asker func(r *http.Request) (actorID string, err error)

	// Subscribe is a page of the app where a visitor from another server confirms an interaction, with
	// {uri} where the thing's id goes: "https://blog.example/interact?uri={uri}". Zero: there is none.
	Subscribe string

	// Intents are pages of the app where a user of it who is elsewhere does something, by the type of the
	// activity, with the placeholders that belong to it: "Create": "https://blog.example/share?text={content}",
	// "Object": "https://blog.example/interact?uri={object}". Nil: there are none. FEP-3b86
	Intents map[string]string

	// Logger receives what the app's callbacks failed with. Nil means slog.Default.
	Logger *slog.Logger

	once   sync.Once
	bodies *cache[*written]
}

// Register adds all handlers to mux, for GET and HEAD. Inboxes are others' to add. It panics where
// [Collections.Check] returns an error.
func (h *Handler) Register(mux *http.ServeMux) {
	prefix := h.Names.path()
	for pattern, serve := range map[string]http.HandlerFunc{
		prefix + "/users/{handle}":   h.ServeActor,
		prefix + "/actor":            h.ServeActor,
		prefix + "/objects/{key}":    h.ServeObject,
		prefix + "/activities/{key}": h.ServeObject,
		webFingerPath:                h.ServeWebFinger,
		hostMetaPath:                 h.ServeHostMeta,
		hostMetaPath + ".json":       h.ServeHostMeta,
		"/.well-known/nodeinfo":      h.ServeNodeInfoLinks,

		h.Names.nodeInfoPath() + "{version}": h.ServeNodeInfo,
	} {
		mux.HandleFunc("GET "+pattern, serve)
	}
	for owner, names := range map[string][]string{
		"/users/{handle}": ofActors,
		"/actor":          ofActors,
		"/objects/{key}":  ofObjects,
		"/of/{object}":    ofObjects,
	} {
		for _, name := range names {
			mux.HandleFunc("GET "+prefix+owner+"/"+segment(name), h.ServeCollection)
		}
	}
	for path := range h.Collections.Own {
		mux.HandleFunc("GET "+path, h.ServeCollection)
	}
}

// ServeActor serves the local actor whose id is the request's URL: the instance actor, users under the
// prefix, and those whose id lies elsewhere on the site. Browsers are sent to the profile's page.
func (h *Handler) ServeActor(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	id := h.Names.Of(r)
	p, err := h.findID(r.Context(), id)
	key := false
	if errors.Is(err, ErrNotFound) {
		// Threads and Friendica (seen 2026) ask for the actor at its key's id.
		_, p, err = h.whoseKey(r.Context(), id)
		key = err == nil
	}
	w.Header()["Vary"] = []string{"Accept"}
	switch {
	case errors.Is(err, ErrGone):
		h.tombstone(w, r, id)
	case err != nil:
		h.fail(w, r, err)
	case p.ID != id && !key:
		redirect(w, r, p.ID, http.StatusMovedPermanently)
	case p.URL != "" && p.URL != id && !Accepts(r):
		w.Header().Set("Cache-Control", notKept) // a cache without regard for Vary would show servers the page
		redirect(w, r, p.URL, http.StatusSeeOther)
	case h.AuthorizedFetch >= FetchSignedActors && id != h.Names.Instance():
		v, err := h.show(r, true, func(ctx context.Context, _ string) (activity.Document, error) { return h.describe(ctx, p) })
		h.Answer(w, r, v, err)
	default:
		e, err := h.actorBody(r.Context(), p)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.document(w, r, false, e)
	}
}

// ServeObject serves the object or activity whose id is the request's URL, as [Handler.Show] and
// [Handler.Answer] do. Browsers are sent to its page, if that is for everyone.
func (h *Handler) ServeObject(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	if h.Object == nil {
		h.fail(w, r, ErrNotFound)
		return
	}
	id := h.Names.Of(r)
	if !Accepts(r) {
		doc, err := h.Object(r.Context(), id, "")
		o, ok := doc.(*activity.Object)
		if ok && (err == nil || errors.Is(err, ErrPartial)) && !o.Is("Tombstone") {
			if page := o.PageURL(); page != "" && page != id {
				w.Header().Set("Vary", "Accept")
				w.Header().Set("Cache-Control", notKept)
				redirect(w, r, page, http.StatusSeeOther)
				return
			}
		}
	}
	v, err := h.Show(r, func(ctx context.Context, asker string) (activity.Document, error) { return h.Object(ctx, id, asker) })
	h.Answer(w, r, v, err)
}

// Local tells whose actor id this is: ok is false if it is nobody's here, which for other origins is
// known without asking the app. For one that is gone ok is true and the error wraps [ErrGone].
func (h *Handler) Local(ctx context.Context, iri string) (p Profile, ok bool, err error) {
	if !h.Names.Ours(iri) {
		return Profile{}, false, nil
	}
	p, err = h.findID(ctx, iri)
	switch {
	case errors.Is(err, ErrGone):
		return Profile{}, true, err
	case errors.Is(err, ErrNotFound), err == nil && p.ID != iri:
		return Profile{}, false, nil
	case err != nil:
		return Profile{}, false, err
	}
	return p, true, nil
}

// Document is the document of a local actor, named by its id, as acct:user@host with our host, by
// its profile's URL or by the id of one of its keys. The error wraps [ErrNotFound] if there is none.
func (h *Handler) Document(ctx context.Context, resource string) (*activity.Actor, error) {
	p, err := h.resource(ctx, resource)
	if errors.Is(err, ErrNotFound) {
		if kind, owner, ok, keyErr := h.Whose(ctx, resource); ok && kind == KindKey || keyErr != nil {
			p, err = owner, keyErr
		}
	}
	if err != nil {
		return nil, err
	}
	return h.describe(ctx, p)
}

func (h *Handler) describe(ctx context.Context, p Profile) (*activity.Actor, error) {
	if err := p.check(h.Names); err != nil {
		return nil, err // before a key is made for it
	}
	keys, err := h.Keyring.hold(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	a, err := p.document(h.Names, keys.shown)
	if err != nil {
		return nil, err
	}
	h.Collections.link(h.Names, a)
	return a, nil
}

// instance is the profile of the actor that signs what no user asked for. Its document needs nothing
// from the app and can always be had unsigned, or two servers that both ask for signed requests could
// never get each other's first key.
func (h *Handler) instance() Profile {
	return Profile{
		Handle:                    h.Names.Host(),
		ID:                        h.Names.Instance(),
		Type:                      "Application",
		ManuallyApprovesFollowers: true,
	}
}

// findID finds a profile by an id under our origin. It may return one with another id, to which the
// asked one leads. The error wraps ErrNotFound if there is none.
func (h *Handler) findID(ctx context.Context, id string) (Profile, error) {
	kind, handle, ok := h.Names.Parse(id)
	switch {
	case kind == KindInstance:
		return h.instance(), nil
	case kind == KindActor:
		return h.find(ctx, handle, id)
	case ok:
		return Profile{}, fmt.Errorf("actor: %s: %w", id, ErrNotFound)
	}
	return h.ask(ctx, id)
}

// find finds the profile of a minted id. That may belong to someone who has another handle by now,
// and the handle to someone with another id.
func (h *Handler) find(ctx context.Context, handle, id string) (Profile, error) {
	p, err := h.ask(ctx, handle)
	if err == nil && p.ID == id || err != nil && !errors.Is(err, ErrNotFound) {
		return p, err
	}
	owner, ownerErr := h.ask(ctx, id)
	switch {
	case ownerErr == nil && (owner.ID == id || err != nil):
		return owner, nil
	case ownerErr != nil && !errors.Is(ownerErr, ErrNotFound):
		return Profile{}, ownerErr
	}
	return p, err
}

// ask asks the app.
func (h *Handler) ask(ctx context.Context, name string) (Profile, error) {
	if h.Profile == nil {
		return Profile{}, errors.New("actor: Handler.Profile is nil")
	}
	p, err := h.Profile(ctx, name)
	if lower := strings.ToLower(name); errors.Is(err, ErrNotFound) && lower != name && !strings.Contains(name, "/") {
		p, err = h.Profile(ctx, lower) // Mastodon has no regard for the case of handles
	}
	if err != nil {
		return Profile{}, fmt.Errorf("actor: profile of %q: %w", name, err)
	}
	if p.Handle == "" {
		return Profile{}, fmt.Errorf("actor: profile of %q: Handle is empty", name)
	}
	_, host := h.Names.split(name)
	if _, at := h.Names.split(p.Handle); at != host && !strings.Contains(name, "://") { // all of that name would be one
		return Profile{}, fmt.Errorf("actor: profile of %q: Handle %q is of another host", name, p.Handle)
	}
	return p.withDefaults(h.Names), nil
}
