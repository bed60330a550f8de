package actor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/signature"
)

const (
	defaultMaxAge      = 24 * time.Hour
	defaultTimeout     = 10 * time.Second
	defaultMaxBody     = 1 << 20
	defaultMaxFetches  = 3000
	defaultMaxPerHost  = 8
	defaultMaxNewHosts = 10
	defaultForget      = 180 * 24 * time.Hour

	maxRedirects = 3
	maxActors    = 32 << 20 // bytes of documents in memory
	maxStrangers = 8 << 20  // and of those that are not in the store
	maxPublic    = 16 << 20 // bytes of public keys in memory, of each kind: some 20,000 of the usual size
	maxMisses    = 20_000
	maxHosts     = 4096
)

// ResolverConfig says how a [Resolver] asks other servers.
type ResolverConfig struct {
	// Client is whose Transport sends the requests; nothing else of it is used. Nil means one that is guarded
	// against strangers' URLs: https, public addresses, bounded answers. One without a Transport is
	// refused, for it would dial anything.
	Client *http.Client

	// Key returns the key with which fetches are signed: the instance actor's, which everyone can
	// get unsigned. Nil means that nothing is signed, which Threads, GoToSocial and servers in secure
	// mode refuse. WebFinger is never signed, nor are most of many requests for strangers' keys to a host that is found to
	// show them to anyone.
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

	// MaxBody bounds the bytes of one answer. Zero means 1 MiB, which is also what the guarded client and the
	// reading of documents allow at most.
	MaxBody int64

	// MaxAge is after which time an actor is fetched anew when it is needed, or a key whose owner is in Store; other keys are
	// kept for an hour at most. Zero means 24 h. If its
	// server can't be reached then, the old document serves; while [Resolver.Run] runs, it serves at once, up to
	// seven times as old, and is fetched behind its user's back.
	MaxAge time.Duration

	// Forget is after which time an actor that nobody asked for is deleted from Store; Run does it. Zero means 180
	// days, negative means never.
	Forget time.Duration

	// MaxFetches bounds the requests to one host in a minute, over which all but the first 20 are spread, so that strangers can't have us flood
	// it with fetches of keys that they made up. What goes beyond fails with [ErrThrottled], and who sent it is told
	// to come back; when 100,000 people of one server boost a post, this is how fast their keys are learnt. Zero
	// means 3,000.
	MaxFetches int

	// MaxPerHost bounds the requests to one host that are under way at once; others wait, within Timeout. Zero
	// means 8.
	MaxPerHost int

	// MaxNewHosts bounds the hosts of one registrable domain that may turn up in a minute without anybody having
	// been known there, and MaxNewActors the unknown actors and keys that are looked up there in five minutes. More fail
	// with [ErrThrottled]. Zero means 10, and what MaxFetches allows in that time but at least 400.
	MaxNewHosts, MaxNewActors int

	// Hiding lists the authorities that answer 404 or 410 where they mean that they dislike a signature: one such answer
	// is taken for a refusal that passes. Nil means those of Threads (seen 2026-05), threads.net and
	// www.threads.net; none is an empty list.
	Hiding []string

	// Completed is called by [Resolver.Run] with what [Resolver.Complete] asked for, by up to four goroutines at once.
	// Its error is logged, and that is all: what has to be tried again it sees to itself. Nil: nothing is completed.
	Completed func(ctx context.Context, c *Completion) error

	// Observer is told of keys, for metrics. Nil: nobody is.
	Observer Observer

	// Logger gets what goes wrong where nobody waits for it. Nil means slog.Default().
	Logger *slog.Logger

	// InsecureAllowLoopback is for tests: hosts that the guarded client may reach on loopback, as
	// "a.test" → "127.0.0.1:8080". They are asked for WebFinger by the scheme of Names.Origin, all
	// others by https.
	InsecureAllowLoopback map[string]string
}

// Resolver finds actors, keys and documents of other servers. It keeps what it has learnt of actors in memory, some 70 MB
// at most, and of what was asked for by the app or proved by a signature also in its Store. It may be
// used by many goroutines at once; those that ask for the same share one request. It is a
// signature.KeySource, a signature.KeyRefresher and a signature.KeyHolder.
//
// [Resolver.As] and [Resolver.Within] return it as seen by one user, or for one purpose.
type Resolver struct {
	*state
	budget  *Budget           // nil: without bounds
	through http.RoundTripper // signs requests for documents
}

// state is what all views of a Resolver share.
type state struct {
	config ResolverConfig
	signed http.RoundTripper
	plain  http.RoundTripper

	actors   actors         // by actor id
	misses   *cache[missed] // by actor id or key id
	requests *keys          // for requests
	proofs   *keys          // for FEP-8b32
	software *cache[software]
	unproved *cache[unproved] // by actor id
	abilities
	shows     shows
	newcomers *newcomers

	actorFlight    singleflight.Group
	softwareFlight singleflight.Group
	handleFlight   singleflight.Group

	hostMu sync.Mutex
	hosts  *cache[*host] // by scheme and authority

	errands errands
}

var (
	_ signature.KeySource    = (*Resolver)(nil)
	_ signature.KeyRefresher = (*Resolver)(nil)
	_ signature.KeyHolder    = (*Resolver)(nil)
)

// NewResolver makes a Resolver. It dials nothing and starts nothing.
func NewResolver(c ResolverConfig) (*Resolver, error) {
	for name, negative := range map[string]bool{
		"Timeout": c.Timeout < 0, "MaxBody": c.MaxBody < 0, "MaxAge": c.MaxAge < 0, "MaxFetches": c.MaxFetches < 0,
		"MaxPerHost": c.MaxPerHost < 0, "MaxNewHosts": c.MaxNewHosts < 0, "MaxNewActors": c.MaxNewActors < 0,
	} {
		if negative {
			return nil, fmt.Errorf("actor: ResolverConfig.%s is negative", name)
		}
	}
	if c.Client != nil && c.Client.Transport == nil {
		return nil, errors.New("actor: ResolverConfig.Client has no Transport")
	}
	if c.Names.Origin != "" || c.Names.Prefix != "" || c.Names.Domain != "" || c.Names.More != nil {
		if err := c.Names.Check(); err != nil {
			return nil, err
		}
	}
	if c.Suites == nil {
		c.Suites = new(signature.Hosts)
	}
	if c.Hiding == nil {
		c.Hiding = []string{threads, "www." + threads}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.MaxBody = cmp.Or(c.MaxBody, defaultMaxBody)
	c.MaxAge = cmp.Or(c.MaxAge, defaultMaxAge)
	c.Forget = cmp.Or(c.Forget, defaultForget)
	c.MaxFetches = cmp.Or(c.MaxFetches, defaultMaxFetches)
	c.MaxPerHost = cmp.Or(c.MaxPerHost, defaultMaxPerHost)
	c.MaxNewHosts = cmp.Or(c.MaxNewHosts, defaultMaxNewHosts)
	c.MaxNewActors = cmp.Or(c.MaxNewActors, max(400, 5*c.MaxFetches))
	client := c.Client
	if client == nil {
		var err error
		client, err = safehttp.New(safehttp.Config{
			UserAgent:             c.UserAgent,
			Timeout:               c.Timeout,
			MaxBody:               c.MaxBody,
			InsecureAllowLoopback: c.InsecureAllowLoopback,
		})
		if err != nil {
			return nil, fmt.Errorf("actor: client: %w", err)
		}
	}
	s := &state{
		config:    c,
		actors:    newActors(c.Store != nil),
		misses:    newCache[missed](maxMisses),
		requests:  newKeys(known.requestKey),
		proofs:    newKeys(known.proofKey),
		software:  newCache[software](maxHosts),
		unproved:  newCache[unproved](maxUnproved),
		abilities: newAbilities(),
		shows:     shows{newCache[show](maxHosts)},
		newcomers: newNewcomers(c.MaxNewHosts, c.MaxNewActors),
		hosts:     newCache[*host](maxHosts),
		plain:     client.Transport,
		errands:   newErrands(),
	}
	s.signed = s.plain
	if c.Key != nil {
		s.signed = s.signedBy(c.Key)
	}
	return s.whole(), nil
}

// whole is the Resolver that is nobody's and for nothing in particular: what it does is done for all.
func (s *state) whole() *Resolver { return &Resolver{state: s, through: s.signed} }

// As returns r as a local actor sees it: documents, collections and threads are asked for with requests that are
// signed by its key, so that it gets what is shown to it alone. Actors, keys and WebFinger answers are the same
// for all, and are asked for as ever. It costs little and need not be kept.
func (r *Resolver) As(key func(context.Context) (signature.Key, error)) *Resolver {
	view := *r
	view.through = r.signedBy(key)
	return &view
}

// Within returns r bounded by b: what is asked through it counts, and what exceeds b fails with [ErrBudget]. What
// is in memory or in the store costs nothing.
func (r *Resolver) Within(b *Budget) *Resolver {
	view := *r
	view.budget = b
	return &view
}
