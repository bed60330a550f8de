package fedihook

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/activity/html"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/safehttp"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/telemetry"
)

// Config says what an app has. Origin and Profile are required; [New] names the field that does not work.
type Config struct {
	// Origin is where the site is: scheme, host and port, as in "https://blog.example". All ids begin
	// with it, so it can't be changed later.
	Origin string
	// MoreOrigins tells at which other hosts the site lives too, under Origin's scheme, Prefix and Mount: the blogs of those who have one
	// here, for instance. A user there has the host in its handle wherever handles are written, in Profile and its result, in the verbs
	// and for hooks: "alice@blog7.example", whose id is https://blog7.example/ap/users/alice. "alice" is somebody else, at
	// Origin. All share what this Server has: storage, queue, resolver, rules and the instance actor at Origin, which signs what no user asked
	// for. The host comes as in [actor.Names.More], which says what else to heed. A host has to stay one of the site's for as
	// long as anybody elsewhere knows its users; what waits for somebody on one that is none any more is given up. A Queue, Resolver or
	// Verifier that the app brings has a field of its own for it: Local, Names and More. Nil: there is Origin alone.
	MoreOrigins func(authority string) bool
	// Prefix is where minted ids and our own paths live. Empty means "/ap".
	Prefix string
	// Mount is the path under which a reverse proxy shows the app and that it takes off each request: "/blog", where
	// https://example.com/blog/about reaches the app as /about. Minted ids and our own paths then begin with it, as in
	// https://example.com/blog/ap/users/alice, and what the app is asked by URL has it, as the paths of Collections.Own do.
	// What comes to next in [Server.Wrap] is as it came. The proxy has to pass on /.well-known/webfinger, /.well-known/nodeinfo and
	// /.well-known/host-meta of the host's root too, as they are. Empty: nothing is taken off; the prefix may be as long as one likes.
	Mount string
	// Storage keeps what must not be lost. The zero Storage means storage.Memory(), which is for
	// trials; a Storage that lacks some stores is an error.
	Storage storage.Storage
	// Node names this process to others that share the Storage. One that comes back under its old name takes up its work at
	// once, also after a crash. No two live processes may share a name, of at most 255 bytes. Empty: a random one, and what a crashed process had to do
	// waits until its lease has run out, which takes half a minute, or ten seconds where others share its work. A Queue that the app brings has its own Owner.
	Node string
	// NoExpansion, NoDelivery and NoJournal leave parts of Run to other processes over the same Storage: to find out whom what
	// was said is for and hand it to the queue; to post what is in the queue, where that is not the app's own; and to run hooks for
	// what came in. What no process does waits in the Storage, and so nothing is lost; bounds on what waits hold. Requests and
	// all methods do the same in every process, also in one that never calls Run. False: Run does it.
	NoExpansion, NoDelivery, NoJournal bool

	// Profile returns the app's user with this handle, or an error that wraps actor.ErrNotFound or
	// actor.ErrGone. It is asked with a full actor id where a request names one that maps to no current handle. Who follows
	// hears of a change by [Server.UpdateProfile].
	Profile func(ctx context.Context, handle string) (actor.Profile, error)
	// OptIn says that only users whose Profile.OptedIn is set are in the fediverse. Who is not does not exist to anybody outside:
	// WebFinger, the actor, its collections and what it made answer as for nobody, nothing that is sent there comes in, and the
	// verbs fail with actor.ErrNotFound. Counts in NodeInfo are the app's, which leaves them out. See [Server.OptOut]. False: all users are.
	OptIn bool
	// Object returns the app's post by its full URL, as asked, for asker: a verified actor id, or "" for a
	// stranger. It may return a Tombstone, or an error that wraps actor.ErrNotFound or actor.ErrGone. What it returns is
	// completed from what was published under this id (attributedTo, audience, published), and shown only to those whom
	// it is addressed to, so it need not look at asker. It may show less than that: with an error that wraps
	// actor.ErrHidden nothing, and beside a post one that wraps actor.ErrPartial says that others may see more of it. Who
	// signed a request is found out only after one of these, where the audience leaves strangers out, or where
	// AuthorizedFetch asks for it. The outbox shows what Object would. What was deleted is a Tombstone whatever it says.
	// Nil: what was published is shown.
	Object func(ctx context.Context, id, asker string) (*activity.Object, error)
	// Hooks are what the app does about activities that come in. See [inbox.Hooks].
	Hooks inbox.Hooks
	// Readers are further hooks, about what others say of the app's posts; where Hooks has one of the kind, that runs first. Who is
	// set if it is nil.
	Readers inbox.Readers

	// Owner tells who made an object of another server that the app keeps, "" if it keeps none of this id: nobody else can
	// edit or delete it. Nil: the hooks look for themselves.
	Owner func(ctx context.Context, id string) (actorID string, err error)
	// Wants is asked whether to take in what concerns nobody here, such as the edit of a post that the app keeps, or the posts
	// of a relay. Nil: no. See [inbox.Config].
	Wants func(ctx context.Context, a *activity.Activity) (bool, error)
	// Filter looks at what comes in before it is kept and answered 202, for at most 50 ms. An error is answered 503. Nil lets all
	// pass. See [inbox.Verdict].
	Filter func(ctx context.Context, m *inbox.Message) (inbox.Verdict, error)
	// Proxies are the addresses of reverse proxies, whose X-Forwarded-For is believed. Behind one that is not named here all
	// strangers share one limit, or have none if its address is a private one.
	Proxies []netip.Prefix
	// Completed is given what an actor did before it was followed, and its totals, when the first of the app's users begins
	// to follow it. It may fill a timeline; nobody is to be notified. See actor.ResolverConfig. Nil: nothing is asked for.
	Completed func(ctx context.Context, c *actor.Completion) error
	// NodeInfo describes the site. Nil: only the protocol is told.
	NodeInfo func(ctx context.Context) (actor.NodeInfo, error)

	// Collections are what the app lists: pinned posts, replies, lists of its own. Followers, Following and Outbox are there
	// without it; a source that is set takes their place. One that hides the members asks Server.Collection for the rest.
	Collections actor.Collections
	// AuthorizedFetch says which documents are only for who signs the request. Whom Policy refuses is then refused them too.
	// The zero value asks for a signature only where something is not for everyone.
	AuthorizedFetch actor.AuthorizedFetch
	// HandleDomain is what stands behind the @ of handles of users at Origin if that is not its host; see [actor.Names.HandleDomain] for
	// what the server of that domain has to do. Empty: it is Origin's host.
	HandleDomain string
	// Subscribe and Intents are pages where a visitor from elsewhere confirms what to do. See [actor.Handler].
	Subscribe string
	Intents   map[string]string

	// What is for everyone, each Create, Announce, Update, Delete and Undo, leaves with an LD signature of its author and, where that
	// one has an Ed25519 key, with a proof (FEP-8b32), so that others may pass it on and be believed: relays above all. Whoever
	// gets it can prove to anybody that the author said this, until the author's keys are changed. Not in what goes to Threads, nor
	// where AuthorizedFetch asks for signatures: that is not for everyone, but for a Delete or an Undo. What is for followers or
	// for some people has neither, nor has what deletes or undoes it. NoLDSignatures and NoProofs leave them out. Mastodon
	// (4.6, seen 2026-11) forwards replies with an LD signature, but not those that have a proof beside it.
	NoLDSignatures, NoProofs bool
	// MaxRelayed bounds what is taken in of one relay in a minute. Zero means 300.
	MaxRelayed int
	// NoForwarding keeps replies from being forwarded to the followers of who is replied to, and users' replies to each other from being sent
	// there. See [inbox.Config.Forwarder].
	NoForwarding bool
	// NoSynchronisation keeps followers from being compared with other servers' (FEP-8fcf), in both directions. It must be set
	// where the followers of one Origin are kept in several databases, of which each knows a part.
	NoSynchronisation bool
	// Refollow is asked, when an actor has moved, about each follower of it who is here, all by their ids: whether it is to follow
	// the new one, and leave the old one when that has arrived. An error means to ask again. Whoever follows or blocks the new one is not
	// asked about. For a yes or no to a move as a whole there is Hooks.Move. Nil: yes.
	Refollow func(ctx context.Context, follower, from, to string) (bool, error)
	// MoveCooldown is how long a user who has moved can't move elsewhere. Zero means 30 days, negative none. RefollowCooldown is
	// how long no other Move is believed of an actor, here or elsewhere, of whom one was. Zero means 7 days, negative none.
	MoveCooldown, RefollowCooldown time.Duration
	// Groups makes communities of the users whose Profile.Type is "Group": what is said to one of them it announces to its
	// followers. Nil: they are users like all others. FEP-1b12
	Groups *Groups

	// Policy tells who may be talked to, and how: see [Server.Moderate]. Nil: everyone, until Moderate says otherwise; the rules are
	// in Storage.Rules. A Policy with AllowList asks at least for FetchSigned.
	Policy *moderation.Policy
	// PublishDelay is how long each Publish waits before it goes out, so that its author can take it back: what is deleted
	// within it was never said to anybody, and what is updated goes out as it is then. See also [Server.At]. Zero: none.
	PublishDelay time.Duration
	// OfferPosts is how many of the latest posts are offered to whoever begins to follow, when that was accepted: see [Server.Offer].
	// Zero: none.
	OfferPosts int

	// PicturesDir is a folder where pictures of other servers are kept, made smaller and without what they tell of their makers, to
	// be shown from here: see [Server.Picture] and package media, by whose defaults it is bounded. Several processes may share it.
	// Empty: there are none, and comments come without avatars.
	PicturesDir string

	// Ended is told of what does not reach all whom it was for because it expired or was given up before it was handed over
	// for delivery; Undelivered of each inbox that the queue gave up, with the reason in Event.Err: one that wraps
	// delivery.ErrExpired, for instance. A Queue that the app brings has its own hook for that. Both may be slow, and may be
	// called twice. Nil: it is logged and counted. See [Server.Counts].
	Ended       func(ctx context.Context, e outbox.Ended)
	Undelivered func(ctx context.Context, e *delivery.Event) error
	// Checks says what [Server.Check] looks at, and when Run does it.
	Checks Checks
	// Delivery says how often and how long deliveries are tried. The zero value has good defaults.
	Delivery delivery.Policy
	// Verifier finds out who signed a request. Nil means a strict signature.Verifier.
	Verifier inbox.Verifier

	// Queue and Resolver may be shared by several Servers of different origins in one process, such as those of different apps, and with
	// them Storage's Queue, Keys, Followers, Remotes, Rules and Hosts; one that has another's Intents, Log, Journal, Moves, Relays or Stamps would do that one's
	// work in its own name, so each Server needs these for itself. For many origins of one app MoreOrigins takes far less. Who brings a Queue runs it, and gives it
	// [Server.Transport] and [Server.Prepare]; who brings a Resolver runs that. Nil makes one for this Server. With a Queue of
	// the app's it takes up to ten minutes longer until followers of who has moved leave the old actor.
	Queue    *delivery.Queue
	Resolver *actor.Resolver

	// SealKey encrypts users' private keys before they are kept, and OpenKey decrypts them: see [actor.Keyring.Seal]. Nil:
	// they are kept as PEM, and who can read the storage can sign as any user.
	SealKey func(ctx context.Context, private, bound []byte) ([]byte, error)
	OpenKey func(ctx context.Context, sealed, bound []byte) ([]byte, error)

	// MaxFetches bounds the documents fetched from one host in a minute. Zero means 3,000: see [actor.ResolverConfig].
	MaxFetches int

	// UserAgent names the app to other servers. Empty means Fedihook and the site's address.
	UserAgent string
	// RootCAs verifies other servers. Nil means the system's.
	RootCAs *x509.CertPool
	// InsecureAllowLoopback maps host names of tests, with or without a port, to loopback addresses, with or without
	// a port, and allows http for them. Nil: nothing but public addresses is ever dialled.
	InsecureAllowLoopback map[string]string
	// InsecureDial is for tests in a network of their own, such as package inbox/inboxtest has: it connects to a host and port as
	// URLs name them, in place of resolving the name and dialling its address. RootCAs verifies who answers. All other guards hold.
	// Nil: strangers are dialled.
	InsecureDial func(ctx context.Context, network, address string) (net.Conn, error)

	// Telemetry is told what happens, for metrics and traces: see package telemetry. Several Servers may share one. A Queue or a
	// Resolver that the app brings has an Observer of its own for it. Nil: nobody is told.
	Telemetry *telemetry.Telemetry
	Logger    *slog.Logger // nil: slog.Default()
}

const maxNode = 255 // bytes of Config.Node

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

	base        http.RoundTripper
	parting     http.RoundTripper                                               // to those too whom Policy refuses
	everyone    func(ctx context.Context, handle string) (actor.Profile, error) // also who has not opted in
	visitor     *http.Client                                                    // asks this site itself as another server does
	volatile    []string                                                        // stores
	running     *atomic.Bool                                                    // Run
	relations   *relations
	forwarder   *forwarder    // nil: nothing is forwarded
	enforcing   chan struct{} // one does at a time
	signers     *semaphore.Weighted
	suites      *signature.Hosts          // how each host wants requests signed
	expired     *atomic.Int64             // in the queue
	heardLately *recent[signature.Scheme] // of each authority
	peers       *peers
	relays      *recent[[]outbox.Relay]
	relayPace   *pace
	saidBy      *pace // servers, in groups here
	saidIn      *pace // groups
	digests     *digestCache
	walks       *semaphore.Weighted // through all followers of somebody, for a stranger
	visitors    *semaphore.Weighted // who are led to their servers
	compared    *pace               // senders
	comparisons chan comparison
	movedTo     *recent[string] // of each user, "" for who has not moved
	began       chan struct{}   // a move is to be worked at
	gallery     *gallery
	free        *recent[bool]   // posts of ours without a policy
	owners      *recent[string] // of posts of ours

	group  string         // of InGroup
	tx     storage.Execer // of In
	at     time.Time      // of At
	except []string       // of Except
}

// New checks c and wires a Server. It dials nothing, starts nothing and writes nothing.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	names, volatile := c.names(), c.Storage.Volatile()
	c.Profile = lodged(c.Profile, names)
	if c.Storage == (storage.Storage{}) {
		c.Storage = storage.Memory()
		volatile = c.Storage.Volatile()
	}
	if c.MoveCooldown == 0 {
		c.MoveCooldown = 30 * 24 * time.Hour // Mastodon's
	}
	c.MoveCooldown = max(0, c.MoveCooldown)
	if c.Groups != nil {
		c.Profile = moderated(c.Profile, names)
	}
	if c.Policy == nil {
		c.Policy = &moderation.Policy{Rules: c.Storage.Rules, Hosts: c.Storage.Hosts}
	}
	if c.Policy.AllowList && c.AuthorizedFetch == actor.FetchOpen {
		c.AuthorizedFetch = actor.FetchSigned // what is for some servers alone must not be read by all
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.UserAgent == "" {
		c.UserAgent = "Fedihook (+" + c.Origin + c.Mount + "/)"
	}
	guard := safehttp.Config{
		UserAgent: c.UserAgent, RootCAs: c.RootCAs, InsecureAllowLoopback: c.InsecureAllowLoopback,
		InsecureDial: c.InsecureDial,
	}
	parting, err := safehttp.New(guard)
	if err != nil {
		return nil, &Finding{Code: CodeInvalid, Field: "InsecureAllowLoopback", What: "it can't be used", Err: err}
	}
	guard.Allow = c.Policy.Allow
	client, err := safehttp.New(guard)
	if err != nil {
		return nil, fmt.Errorf("fedihook: %w", err)
	}
	s := &Server{
		config: c, names: names, base: refusing{client.Transport}, parting: parting.Transport, enforcing: make(chan struct{}, 1),
		visitor: parting, volatile: volatile, running: new(atomic.Bool),
		signers: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))), suites: new(signature.Hosts), expired: new(atomic.Int64),
		heardLately: new(recent[signature.Scheme]), free: new(recent[bool]), owners: new(recent[string]), movedTo: new(recent[string]), began: make(chan struct{}, 1),
		keys: &actor.Keyring{Store: c.Storage.Keys, Names: names, Seal: c.SealKey, Open: c.OpenKey},
	}
	s.relays, s.relayPace = new(recent[[]outbox.Relay]), newPace(time.Minute, cmp.Or(c.MaxRelayed, 300), maxRelays)
	s.saidBy, s.saidIn = newPace(time.Minute, maxShares, maxLately), newPace(time.Minute, maxSharesIn, maxLately)
	s.compared, s.comparisons = newPace(synchroniseEvery, 1, maxComparisons), make(chan comparison, maxComparisons)
	s.visitors = semaphore.NewWeighted(maxInteract)
	s.walks, s.digests = semaphore.NewWeighted(2), &digestCache{make: s.digestsOf}
	if versions, ok := c.Storage.Followers.(actor.FollowersVersions); ok {
		s.digests.version = versions.FollowersVersion
	}
	s.config.Storage.Followers = &watchedFollowers{Followers: c.Storage.Followers, changed: s.digests.changed}
	s.everyone = s.withMovedTo(c.Profile)
	s.config.Profile = s.federated(s.everyone)
	s.handler = &actor.Handler{
		Names: names, Profile: s.config.Profile, Keyring: s.keys, Object: s.document, Collections: s.collections(), NodeInfo: c.NodeInfo,
		AuthorizedFetch: c.AuthorizedFetch, Asker: s.asker, Subscribe: c.Subscribe, Intents: c.Intents, Logger: c.Logger,
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
	tell, err := observersOf(c.Telemetry)
	if err != nil {
		return err
	}
	s.gallery = &gallery{observer: tell.media}
	if s.resolver = c.Resolver; s.resolver == nil {
		s.resolver, err = actor.NewResolver(actor.ResolverConfig{
			Client: client, Store: c.Storage.Remotes, Names: s.names, Local: s.handler.Document, Allow: c.Policy.Allow,
			UserAgent: c.UserAgent, InsecureAllowLoopback: c.InsecureAllowLoopback, Suites: s.suites, MaxFetches: c.MaxFetches,
			Key: s.keyOf(s.names.Instance()), Completed: c.Completed, Observer: tell.resolver, Logger: c.Logger,
		})
		if err != nil {
			return err
		}
	}
	if s.queue = c.Queue; s.queue == nil {
		s.queue, err = delivery.New(delivery.Config{
			Store: c.Storage.Queue, Transport: s.Transport, Allow: s.canJudge, Policy: c.Delivery,
			Local:  s.names.Has,
			Choose: outbox.Form, Prepare: s.Prepare, OnDelivered: s.delivered, OnDead: s.undelivered, Owner: c.Node,
			UserAgent: c.UserAgent, Observer: tell.delivery, Logger: c.Logger,
		})
		if err != nil {
			return err
		}
	}
	if c.Verifier == nil {
		c.Verifier = &signature.Verifier{
			Keys: s.resolver, Authorities: []string{s.names.Authority()}, More: s.names.Has, Scheme: s.scheme(),
		}
	}
	relations := &relations{store: c.Storage.Followers, resolver: s.resolver, names: s.names, policy: c.Policy}
	s.relations = relations
	s.outbox, err = outbox.New(outbox.Config{
		Intents: c.Storage.Intents, Log: c.Storage.Log, NewID: s.newID, Author: s.author, Local: s.names.Ours,
		Inboxes: relations.inboxes, Owner: s.ownerElsewhere, Followers: relations.targets, Everyone: s.forEveryone,
		Enqueue: s.enqueue, Loop: s.loop, Relate: s.relate, FollowID: relations.followID, Text: html.Text,
		Leave: s.leave, Leaving: s.leaving, Ended: c.Ended, Node: c.Node, Observer: tell.outbox, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	s.peers = &peers{store: c.Storage.Remotes, resolver: s.resolver, local: s.anew}
	var forward inbox.Forwarder
	if !c.NoForwarding {
		s.forwarder = newForwarder(s, relations)
		forward = s.forwarder
	}
	compare := s.compareLater
	if c.NoSynchronisation {
		compare = nil
	}
	if c.Readers.Who == nil {
		c.Readers.Who = s.person
	}
	s.inbox, err = inbox.New(inbox.Config{
		Verifier: tell.verifier(c.Verifier), Journal: c.Storage.Journal, Sender: s.outbox, Relations: relations,
		Peers: s.peers, Brings: s.brings, Take: s.take, Synchronise: compare, Forwarder: forward, Forwards: c.Storage.Forwards,
		Moves: moves{s}, MoveCooldown: c.RefollowCooldown,
		Local: s.local, Owner: s.objectOwner, Origin: s.names.Origin, Ours: s.names.Ours, Wants: c.Wants, Filter: c.Filter,
		Proof: s.proofs(), LDSignature: s.ldSignatures(), Groups: (*groups)(s), Proxies: c.Proxies,
		Consent: s.consent, Hooks: c.Readers.Hooks(c.Hooks), Policy: c.Policy, Heard: s.heard, Node: c.Node, Observer: tell.inbox, Logger: c.Logger,
	})
	return err
}

// Run hands over what was said, delivers it and works the journal, except for what Config leaves to other processes, until ctx
// ends; then it finishes what is under way and returns. Requests are answered without it, and what they bring is kept until it runs
// here or elsewhere.
func (s *Server) Run(ctx context.Context) error {
	s.running.Store(true)
	defer s.running.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.checkOnce(ctx) })
	if !s.config.NoExpansion {
		g.Go(func() error { return s.outbox.Run(ctx) })
	}
	if !s.config.NoJournal {
		g.Go(func() error { return s.inbox.Run(ctx) })
	}
	g.Go(func() error { return s.keys.Run(ctx) })
	g.Go(func() error { return s.compareFollowers(ctx) })
	g.Go(func() error { return s.askRelays(ctx) })
	g.Go(func() error { return s.runMoves(ctx) })
	g.Go(func() error { return s.forgetStamps(ctx) })
	g.Go(func() error { return s.enforceAll(ctx) })
	if s.config.Queue == nil && !s.config.NoDelivery {
		g.Go(func() error { return s.queue.Run(ctx) })
	}
	if s.config.Resolver == nil {
		g.Go(func() error { return s.resolver.Run(ctx) })
	}
	return g.Wait()
}

// Queue is where deliveries wait, for operators: what is stuck and why, and what to do about it.
func (s *Server) Queue() *delivery.Queue { return s.queue }
