// Package actor lets local actors be found by other servers, and finds theirs.
//
// A [Handler] serves what others ask for: actors, WebFinger, NodeInfo and the collections of an actor,
// from the [Profile] that the app gives for a handle. A [Resolver] asks others: it looks handles up,
// fetches actors and their keys with signed requests, one for all who ask at once, and remembers
// them within bounds. [Names] is where ids are built and taken apart, a [Keyring] makes keys.
//
// It declares the stores that it needs and implements none, see package storage. It judges no
// activity: what may follow from knowing an actor is decided in package inbox.
//
// Experimental: names may change before version 1.0.
package actor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
)

// Handler serves what makes a site's actors known. It verifies no signature, so that whoever must
// know one of our keys before it can sign may ask. It may be used by many goroutines at once.
type Handler struct {
	// Names must hold the site's origin.
	Names Names

	// Profile returns the user with this handle as it was written by whoever asks, or an error that
	// wraps [ErrNotFound] or [ErrGone]; any other is logged and answered 503. A handle that is not found is asked for
	// again in lower case. A user may be found by former handles too: those lead to the one in the profile. It is asked with a full
	// id where a request names one that no current handle maps to, and returns the profile that has
	// this ID. It must be set.
	Profile func(ctx context.Context, handle string) (Profile, error)

	// Keyring holds the actors' keys. It must be set.
	Keyring *Keyring

	// Collection returns a page of an actor's collection, which name tells: "outbox", "followers" or
	// "following". Cursor is "" for the first page, else what the app wrote in Next, or anything that
	// a stranger made up: then it returns [ErrNotFound]. Everyone may see what it returns. Nil means
	// that all collections are empty.
	Collection func(ctx context.Context, actorID, name, cursor string) (Page, error)

	// NodeInfo describes the site. Nil means that only the protocol is told.
	NodeInfo func(ctx context.Context) (NodeInfo, error)

	// Subscribe is a page of the app where a visitor from another server confirms an interaction, with
	// {uri} where the thing's id goes: "https://blog.example/interact?uri={uri}". Zero: there is none.
	Subscribe string

	// Logger receives what the app's callbacks failed with. Nil means slog.Default.
	Logger *slog.Logger
}

// Register adds all handlers to mux, for GET and HEAD. Inboxes and objects are others' to add.
func (h *Handler) Register(mux *http.ServeMux) {
	prefix := strings.TrimPrefix(h.Names.prefix(), h.Names.Origin)
	for pattern, serve := range map[string]http.HandlerFunc{
		prefix + "/users/{handle}":           h.ServeActor,
		prefix + "/users/{handle}/outbox":    h.ServeCollection,
		prefix + "/users/{handle}/followers": h.ServeCollection,
		prefix + "/users/{handle}/following": h.ServeCollection,
		prefix + "/actor":                    h.ServeActor,
		prefix + "/actor/outbox":             h.ServeCollection,
		prefix + "/actor/followers":          h.ServeCollection,
		prefix + "/actor/following":          h.ServeCollection,
		"/.well-known/webfinger":             h.ServeWebFinger,
		"/.well-known/host-meta":             h.ServeHostMeta,
		"/.well-known/nodeinfo":              h.ServeNodeInfoLinks,
		nodeInfoPath + "{version}":           h.ServeNodeInfo,
	} {
		mux.HandleFunc("GET "+pattern, serve)
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
	w.Header().Set("Vary", "Accept")
	switch {
	case errors.Is(err, ErrGone):
		h.tombstone(w, r, id)
	case err != nil:
		h.fail(w, r, err)
	case p.ID != id && !key:
		redirect(w, r, p.ID, http.StatusMovedPermanently)
	case p.URL != "" && p.URL != id && !Accepts(r):
		w.Header().Set("Cache-Control", "no-store") // a cache without regard for Vary would show servers the page
		redirect(w, r, p.URL, http.StatusSeeOther)
	default:
		doc, err := h.describe(r.Context(), p)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.document(w, r, doc)
	}
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
	return p.document(h.Names, keys.shown)
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
	return p.withDefaults(h.Names), nil
}

// readOnly answers requests that are neither GET nor HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	respond(w, r, http.StatusMethodNotAllowed, "application/json", []byte(`{"error":"method not allowed"}`))
	return false
}

// document serves an ActivityPub document. The media type is written exactly so because Lemmy (seen
// 2026-08) compares it as a string.
func (h *Handler) document(w http.ResponseWriter, r *http.Request, d activity.Document) {
	body, err := activity.Encode(d)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, activity.ContentType, time.Minute, body)
}

// tombstone answers for an actor that is gone. ActivityPub §6.4.
func (h *Handler) tombstone(w http.ResponseWriter, r *http.Request, id string) {
	body, err := activity.Encode(&activity.Object{ID: id, Type: activity.Types{"Tombstone"}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	respond(w, r, http.StatusGone, activity.ContentType, body)
}

// fail answers with the status that belongs to err.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusServiceUnavailable, "not available now"
	var bad *requestError
	switch {
	case errors.As(err, &bad):
		status, text = http.StatusBadRequest, bad.text
	case errors.Is(err, ErrNotFound):
		status, text = http.StatusNotFound, "not found"
	case errors.Is(err, ErrGone):
		status, text = http.StatusGone, "gone"
	case errors.Is(err, ErrBusy): // which is no fault
		w.Header().Set("Retry-After", "10")
	case r.Context().Err() != nil: // nobody waits for the answer, and nothing is wrong here
	default:
		logger := h.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.ErrorContext(r.Context(), "actor: cannot answer", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "60")
	}
	w.Header().Set("Cache-Control", "no-store")
	body, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		body = []byte("{}")
	}
	respond(w, r, status, "application/json", body)
}

// requestError is a request that asks for nothing that could be there. 400.
type requestError struct{ text string }

func (e *requestError) Error() string { return "actor: " + e.text }

func respond(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the one who asked has left; nobody else is to be told
	}
}

// serve answers with a body that anybody may keep for a while, and with 304 to who has it.
func serve(w http.ResponseWriter, r *http.Request, contentType string, fresh time.Duration, body []byte) {
	sum := sha256.Sum256(body)
	head := w.Header()
	head.Set("Content-Type", contentType)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	head.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(fresh.Seconds())))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func redirect(w http.ResponseWriter, r *http.Request, to string, status int) {
	w.Header().Set("Location", to)
	respond(w, r, status, "text/plain; charset=utf-8", []byte(to+"\n"))
}

// open lets scripts of other sites read an answer.
func open(w http.ResponseWriter) { w.Header().Set("Access-Control-Allow-Origin", "*") }
