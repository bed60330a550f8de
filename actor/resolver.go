package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/signature"
)

const (
	defaultMaxAge     = 24 * time.Hour
	defaultTimeout    = 10 * time.Second
	defaultMaxFetches = 300

	maxBody      = 1 << 20
	maxRedirects = 3
	maxActors    = 64 << 20 // bytes of documents in memory
	maxPublic    = 20_000   // public keys in memory
	maxMisses    = 20_000
	maxHosts     = 4096

	keepGone    = 30 * 24 * time.Hour
	keepMissing = time.Hour
	keepPassing = time.Minute
	keepDown    = 30 * time.Second
	refreshAge  = 5 * time.Minute // a key, or a document for its key, is not fetched again before
)

// ResolverConfig says how a [Resolver] asks other servers.
type ResolverConfig struct {
	// Client is whose Transport sends the requests; nothing else of it is used. Nil means one that is guarded
	// against strangers' URLs: https, public addresses, bounded answers. One without a Transport is
	// refused, for it would dial anything.
	Client *http.Client

	// Key returns the key with which fetches are signed: the instance actor's, which everyone can
	// get unsigned. Nil means that nothing is signed, which Threads, GoToSocial and servers in secure
	// mode refuse. WebFinger is never signed.
	Key func(ctx context.Context) (signature.Key, error)

	// Suites remembers how each host wants requests signed; share it with what signs deliveries. Nil means a memory of
	// this Resolver's own.
	Suites signature.Memory

	// Store keeps actors over a restart. Nil means that memory is all there is.
	Store Remotes

	// Names tells which ids are ours. Those are never fetched. Zero: none is.
	Names Names

	// Local returns the document of a local actor, named by its id or as acct:user@host, usually
	// [Handler.Document]. Nil: none is known.
	Local func(ctx context.Context, resource string) (*activity.Actor, error)

	// Allow is asked about a URL's host, with its port if that is not the default, before each
	// request and each redirect. An error that wraps moderation.ErrRefused is a no; any other means
	// that it could not be told, and the same is tried again later. Nil allows all.
	Allow func(ctx context.Context, host string) error

	// UserAgent names this server to others. Zero means "Fedihook/<version> (+<its repository>)",
	// with the guarded client.
	UserAgent string

	// Timeout bounds what one fetch takes, redirects included. Zero means 10 s.
	Timeout time.Duration

	// MaxAge is after which time an actor is fetched anew when it is needed. Zero means 24 h. If its
	// server can't be reached then, the old document serves.
	MaxAge time.Duration

	// MaxFetches bounds the requests to one host in a minute, so that strangers can't have us flood
	// it with fetches of keys that they made up. Zero means 300.
	MaxFetches int

	// InsecureAllowLoopback is for tests: hosts that the guarded client may reach on loopback, as
	// "a.test" → "127.0.0.1:8080". They are asked for WebFinger by the scheme of Names.Origin, all
	// others by https.
	InsecureAllowLoopback map[string]string
}

// Resolver finds actors and keys of other servers. It keeps what it has learnt in memory, some 100 MB
// at most, and of what was asked for by the app or proved by a signature also in its Store. It may be
// used by many goroutines at once; those that ask for the same share one request. It is a
// signature.KeySource and a signature.KeyRefresher.
type Resolver struct {
	config ResolverConfig
	signed http.RoundTripper
	plain  http.RoundTripper

	actors *cache[known]  // by actor id
	keys   *cache[keyed]  // by key id
	misses *cache[missed] // by actor id or key id

	actorFlight singleflight.Group
	keyFlight   singleflight.Group

	hostMu sync.Mutex
	hosts  *cache[*host] // by scheme and authority
}

var (
	_ signature.KeySource    = (*Resolver)(nil)
	_ signature.KeyRefresher = (*Resolver)(nil)
)

// NewResolver makes a Resolver. It dials nothing.
func NewResolver(c ResolverConfig) (*Resolver, error) {
	switch {
	case c.Timeout < 0:
		return nil, errors.New("actor: ResolverConfig.Timeout is negative")
	case c.MaxAge < 0:
		return nil, errors.New("actor: ResolverConfig.MaxAge is negative")
	case c.MaxFetches < 0:
		return nil, errors.New("actor: ResolverConfig.MaxFetches is negative")
	case c.Client != nil && c.Client.Transport == nil:
		return nil, errors.New("actor: ResolverConfig.Client has no Transport")
	}
	if c.Names != (Names{}) {
		if err := c.Names.Check(); err != nil {
			return nil, err
		}
	}
	if c.Suites == nil {
		c.Suites = new(signature.Hosts)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if c.MaxFetches == 0 {
		c.MaxFetches = defaultMaxFetches
	}
	client := c.Client
	if client == nil {
		var err error
		client, err = safehttp.New(safehttp.Config{
			UserAgent:             c.UserAgent,
			Timeout:               c.Timeout,
			MaxBody:               maxBody,
			InsecureAllowLoopback: c.InsecureAllowLoopback,
		})
		if err != nil {
			return nil, fmt.Errorf("actor: client: %w", err)
		}
	}
	r := &Resolver{
		config: c,
		actors: newCache[known](maxActors),
		keys:   newCache[keyed](maxPublic),
		misses: newCache[missed](maxMisses),
		hosts:  newCache[*host](maxHosts),
		plain:  client.Transport,
	}
	r.signed = r.plain
	if c.Key != nil {
		r.signed = r.signedBy(c.Key)
	}
	return r, nil
}

// Actor returns the actor with this id: from memory or the store if it was fetched in the last 24
// hours, else from its server. If the server does not give it now, an older document serves. What the
// result points to is shared and must not be changed. The error is an [*Error], or the store's; one
// that wraps [ErrGone] means that the actor was deleted.
func (r *Resolver) Actor(ctx context.Context, id string) (*activity.Actor, error) {
	if r.config.Names.Ours(id) {
		a, err := r.local(ctx, id)
		if err == nil && a.ID != id {
			return nil, &Error{ID: id, Err: ErrNotFound}
		}
		return a, err
	}
	k, err := r.find(ctx, id, r.config.MaxAge)
	if errors.Is(err, ErrGone) {
		if err := r.bury(ctx, id); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.keep(ctx, k); err != nil {
		return nil, err
	}
	return shallow(k.actor), nil
}

// Inboxes returns where to deliver to an actor: its own inbox, and its server's shared one or "". A
// shared inbox on another host than the actor's own is left out. ActivityPub §7.1.3.
func (r *Resolver) Inboxes(ctx context.Context, actorID string) (inbox, shared string, err error) {
	a, err := r.Actor(ctx, actorID)
	if err != nil {
		return "", "", err
	}
	if shared = a.SharedInbox(); !activity.SameAuthority(shared, a.Inbox.ID) {
		shared = ""
	}
	return a.Inbox.ID, shared, nil
}

// Trust stores the actor as it was fetched when one of its keys was looked up. Call it when the
// signature was verified: before, anyone may have named that key. If the actor is not in memory, or
// stored already, it does nothing.
func (r *Resolver) Trust(ctx context.Context, id string) error {
	k, ok := r.actors.get(id)
	if !ok || !k.gone.IsZero() {
		return nil
	}
	return r.keep(ctx, k)
}

// Update replaces what is known of an actor by what its own, verified Update brought: a, and raw as it
// stood in the activity. Its keys are those of the new document from now on. The error wraps
// [ErrNotActor] or [ErrMalformed] if a is no whole actor; then nothing has changed.
func (r *Resolver) Update(ctx context.Context, a *activity.Actor, raw []byte) error {
	if r.config.Names.Ours(a.ID) {
		return &Error{ID: a.ID, Err: ErrOurs}
	}
	whole := shallow(a)
	if err := checkActor(whole); err != nil {
		return &Error{ID: a.ID, Err: err}
	}
	if raw == nil {
		var err error
		if raw, err = activity.Encode(whole); err != nil {
			return &Error{ID: a.ID, Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
		}
	}
	k := known{actor: whole, raw: raw, fetched: time.Now()}
	r.remember(k)
	return r.keep(ctx, k)
}

// Gone marks an actor as deleted, for 30 days: after its own, verified Delete. What was stored of it is
// replaced by a tombstone.
func (r *Resolver) Gone(ctx context.Context, id string) error {
	if r.config.Names.Ours(id) {
		return &Error{ID: id, Err: ErrOurs}
	}
	old, _ := r.actors.get(id)
	r.forget(id, old)
	return r.bury(ctx, id)
}

// local asks the app about an id of ours.
func (r *Resolver) local(ctx context.Context, resource string) (*activity.Actor, error) {
	if r.config.Local == nil {
		return nil, &Error{ID: resource, Err: ErrNotFound}
	}
	return r.config.Local(ctx, resource)
}

// find returns an actor that is at most maxAge old or could not be had younger.
func (r *Resolver) find(ctx context.Context, id string, maxAge time.Duration) (known, error) {
	if _, err := parseID(id); err != nil {
		return known{}, &Error{ID: id, Err: err}
	}
	old, have, err := r.recall(ctx, id)
	if err != nil {
		return known{}, err
	}
	if have && !old.gone.IsZero() {
		if time.Since(old.gone) < keepGone {
			return known{}, &Error{ID: id, Status: http.StatusGone, Err: ErrGone}
		}
		have = false
	}
	if have && time.Since(old.fetched) < maxAge {
		return old, nil
	}
	got, err := r.fetchActor(ctx, id, maxAge)
	if err != nil && have && !errors.Is(err, ErrGone) && !errors.Is(err, ErrBlocked) {
		return old, nil // one bad answer, or none, is no proof: Threads says 404 to signatures it dislikes
	}
	return got, err
}

// fetchActor fetches an actor for all who ask for it at once.
func (r *Resolver) fetchActor(ctx context.Context, id string, maxAge time.Duration) (known, error) {
	done := r.actorFlight.DoChan(id, func() (any, error) {
		// What others are waiting for does not end with the first who asked.
		ctx := context.WithoutCancel(ctx)
		if k, ok := r.actors.get(id); ok && k.gone.IsZero() && time.Since(k.fetched) < maxAge {
			return k, nil // fetched between our caller's look and now
		}
		if err := r.missed(id); err != nil {
			return known{}, err
		}
		k, err := r.requestActor(ctx, id)
		if err != nil {
			return known{}, r.miss(id, err)
		}
		return k, nil
	})
	select {
	case res := <-done:
		k, _ := res.Val.(known)
		return k, res.Err
	case <-ctx.Done():
		return known{}, &Error{ID: id, Passing: true, Err: ctx.Err()}
	}
}

func (r *Resolver) requestActor(ctx context.Context, id string) (known, error) {
	doc, raw, err := r.document(ctx, id)
	if err != nil {
		return known{}, err
	}
	if doc.DocumentID() != id {
		return known{}, &Error{ID: id, Err: fmt.Errorf("%w: %q", ErrIDMismatch, doc.DocumentID())}
	}
	a, ok := doc.(*activity.Actor)
	if doc.Is("Tombstone") {
		return known{}, &Error{ID: id, Status: http.StatusOK, Err: ErrGone}
	}
	if !ok {
		return known{}, &Error{ID: id, Err: ErrNotActor}
	}
	if err := checkActor(a); err != nil {
		return known{}, &Error{ID: id, Err: err}
	}
	k := known{actor: a, raw: raw, fetched: time.Now()}
	r.remember(k)
	return k, nil
}
