package fedihook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// Config says what an app has. Origin and Profile are required; [New] names the field that does not work.
type Config struct {
	// Origin is where the site is: scheme, host and port, as in "https://blog.example". All ids begin
	// with it, so it can't be changed later.
	Origin string
	// Prefix is where minted ids and our own paths live. Empty means "/ap".
	Prefix string
	// Storage keeps what must not be lost. The zero Storage means storage.Memory(), which is for
	// trials; a Storage that lacks some stores is an error.
	Storage storage.Storage

	// Profile returns the app's user with this handle, or an error that wraps actor.ErrNotFound or
	// actor.ErrGone. It is asked with a full actor id where a request names one that maps to no current handle.
	Profile func(ctx context.Context, handle string) (actor.Profile, error)
	// Object returns the app's post by its full URL, as asked, for asker: a verified actor id, or "" for a
	// stranger. It may return a Tombstone, or an error that wraps actor.ErrNotFound or actor.ErrGone. What it returns is
	// completed from what was published under this id (attributedTo, audience, published), and shown only to those whom
	// it is addressed to, so it need not look at asker; who signed a request is found out only where something is there
	// that strangers may not see. What was deleted is a Tombstone whatever it says. Nil: what was published is shown.
	Object func(ctx context.Context, id, asker string) (*activity.Object, error)
	// Hooks are what the app does about activities that come in. See [inbox.Hooks].
	Hooks inbox.Hooks
	// NodeInfo describes the site. Nil: only the protocol is told.
	NodeInfo func(ctx context.Context) (actor.NodeInfo, error)

	// Policy tells who may be talked to. Nil: everyone.
	Policy *moderation.Policy
	// Delivery says how often and how long deliveries are tried. The zero value has good defaults.
	Delivery delivery.Policy
	// Verifier finds out who signed a request. Nil means a strict signature.Verifier.
	Verifier inbox.Verifier

	// Queue and Resolver may be shared by several Servers over one storage. Who brings a Queue runs it, and gives it
	// [Server.Transport]. Nil makes one for this Server.
	Queue    *delivery.Queue
	Resolver *actor.Resolver

	// UserAgent names the app to other servers. Empty means Fedihook and the site's address.
	UserAgent string
	// RootCAs verifies other servers. Nil means the system's.
	RootCAs *x509.CertPool
	// InsecureAllowLoopback maps host names of tests, with or without a port, to loopback addresses, with or without
	// a port, and allows http for them. Nil: nothing but public addresses is ever dialled.
	InsecureAllowLoopback map[string]string

	Logger *slog.Logger // nil: slog.Default()
}

// Server federates one site. Its methods may be called by many goroutines at once.
type Server struct {
	config   Config
	names    actor.Names
	keys     *actor.Keyring
	handler  *actor.Handler
	resolver *actor.Resolver
	inbox    *inbox.Inbox
	outbox   *outbox.Outbox
	queue    *delivery.Queue
	mux      *http.ServeMux

	base    http.RoundTripper
	signers *semaphore.Weighted
	suites  *signature.Hosts // how each host wants requests signed
	tx      storage.Execer   // of In
}

// New checks c and wires a Server. It dials nothing, starts nothing and writes nothing.
func New(c Config) (*Server, error) {
	if c.Profile == nil {
		return nil, errors.New("fedihook: Config.Profile is required")
	}
	names := actor.Names{Origin: c.Origin, Prefix: c.Prefix}
	if err := names.Check(); err != nil {
		return nil, fmt.Errorf("fedihook: Config.Origin or Config.Prefix: %w", err)
	}
	if c.Storage == (storage.Storage{}) {
		c.Storage = storage.Memory()
	}
	if missing := c.Storage.Missing(); missing != "" {
		return nil, fmt.Errorf("fedihook: Config.Storage.%s is nil", missing)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.UserAgent == "" {
		c.UserAgent = "Fedihook (+" + c.Origin + "/)"
	}
	client, err := safehttp.New(safehttp.Config{
		UserAgent: c.UserAgent, RootCAs: c.RootCAs, InsecureAllowLoopback: c.InsecureAllowLoopback, Allow: c.Policy.Allow,
	})
	if err != nil {
		return nil, fmt.Errorf("fedihook: Config.InsecureAllowLoopback: %w", err)
	}
	s := &Server{
		config: c, names: names, base: client.Transport,
		signers: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))), suites: new(signature.Hosts),
		keys: &actor.Keyring{Store: c.Storage.Keys, Names: names},
	}
	s.handler = &actor.Handler{
		Names: names, Profile: c.Profile, Keyring: s.keys, Collection: s.collection, NodeInfo: c.NodeInfo, Logger: c.Logger,
	}
	if err := s.wire(client); err != nil {
		return nil, fmt.Errorf("fedihook: %w", err)
	}
	s.mux = s.routes()
	return s, nil
}

// wire makes the rooms that the app did not bring, each over what the one before it exports.
func (s *Server) wire(client *http.Client) (err error) {
	c := &s.config
	if s.resolver = c.Resolver; s.resolver == nil {
		s.resolver, err = actor.NewResolver(actor.ResolverConfig{
			Client: client, Store: c.Storage.Remotes, Names: s.names, Local: s.handler.Document, Allow: c.Policy.Allow,
			UserAgent: c.UserAgent, InsecureAllowLoopback: c.InsecureAllowLoopback, Suites: s.suites,
			Key: s.keyOf(s.names.Instance()),
		})
		if err != nil {
			return err
		}
	}
	if s.queue = c.Queue; s.queue == nil {
		s.queue, err = delivery.New(delivery.Config{
			Store: c.Storage.Queue, Transport: s.Transport, Allow: s.allowDelivery, Policy: c.Delivery,
			Local:     func(host string) bool { return host == s.names.Authority() },
			UserAgent: c.UserAgent, Logger: c.Logger,
		})
		if err != nil {
			return err
		}
	}
	if c.Verifier == nil {
		scheme := "https"
		if s.names.Origin[:5] != "https" {
			scheme = "http"
		}
		c.Verifier = &signature.Verifier{
			Keys: s.resolver, Authorities: []string{s.names.Authority()}, Scheme: scheme, Allow: s.allowSigner,
		}
	}
	relations := &relations{store: c.Storage.Followers, resolver: s.resolver, names: s.names}
	s.outbox, err = outbox.New(outbox.Config{
		Intents: c.Storage.Intents, Log: c.Storage.Log, NewID: s.newID, Author: s.author, Local: s.names.Ours,
		Inboxes: relations.inboxes, Owner: s.ownerElsewhere, Followers: relations.targets,
		Enqueue: s.enqueue, Loop: s.loop, Following: relations.following, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	s.inbox, err = inbox.New(inbox.Config{
		Verifier: c.Verifier, Journal: c.Storage.Journal, Sender: s.outbox, Relations: relations,
		Peers: &peers{store: c.Storage.Remotes, resolver: s.resolver},
		Local: s.local, Owner: s.outbox.OwnerHere, Origin: s.names.Origin,
		Hooks: c.Hooks, Policy: c.Policy, Heard: s.heard, Logger: c.Logger,
	})
	return err
}

// Run hands over what was said, delivers it and works the journal, until ctx ends; then it finishes what is
// under way and returns. Requests are answered without it, and what they bring is kept until it runs.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.inbox.Run(ctx) })
	if s.config.Queue == nil {
		g.Go(func() error { return s.queue.Run(ctx) })
	}
	return g.Wait()
}

// In returns the same verbs, written in the app's own transaction: what a verb says goes out when the transaction commits,
// and never if it does not. Each verb writes one row through tx and does nothing else with it.
func (s *Server) In(tx storage.Execer) *Server {
	in := *s
	in.tx = tx
	return &in
}

// Transport posts in the name of a local actor: it signs with the actor's key when it sends. A
// delivery.Queue that several Servers share asks each for its own actors.
func (s *Server) Transport(sender string) (http.RoundTripper, error) {
	if !s.names.Ours(sender) {
		return nil, fmt.Errorf("fedihook: %s is not an actor of %s: %w", sender, s.names.Origin, delivery.ErrRefused)
	}
	return &signature.Transport{Base: s.base, Signers: s.signers, Memory: s.suites, Key: func(ctx context.Context) (signature.Key, error) {
		key, err := s.keys.Private(ctx, sender)
		if err != nil {
			err = fmt.Errorf("%w: %w", delivery.ErrLocal, err) // no fault of the host's
		}
		return key, err
	}}, nil
}

func (s *Server) keyOf(actorID string) func(context.Context) (signature.Key, error) {
	return func(ctx context.Context) (signature.Key, error) { return s.keys.Private(ctx, actorID) }
}

// Queue is where deliveries wait, for operators: what is stuck and why, and what to do about it.
func (s *Server) Queue() *delivery.Queue { return s.queue }
