package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/activity/html"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
	"golang.org/x/sync/errgroup"
)

// wiring is the rooms of this blog, in the order in which connect makes them.
type wiring struct {
	options // the blog's

	// What the blog says of itself: federation fills these in.
	store   storage.Storage
	profile func(ctx context.Context, handle string) (actor.Profile, error)
	readers inbox.Readers

	names    actor.Names        // which ids are ours, and what of
	policy   *moderation.Policy // who may talk to us: nobody is refused until somebody puts a rule into the store
	keys     *actor.Keyring     // of the authors, and of the site itself
	handler  *actor.Handler     // answers who looks us up
	resolver *actor.Resolver    // looks others up
	verifier *signature.Verifier
	queue    *delivery.Queue
	outbox   *outbox.Outbox
	inbox    *inbox.Inbox
	pictures *media.Proxy
	mux      *http.ServeMux
	visitors chan struct{} // who are being led to their servers: see interact
}

// connect makes the rooms, each over those before it. It dials nobody.
func (w *wiring) connect(ctx context.Context) (err error) {
	w.names = actor.Names{Origin: w.origin}
	if err := w.names.Check(); err != nil {
		return err
	}
	w.policy = &moderation.Policy{Rules: w.store.Rules, Hosts: w.store.Hosts}
	w.keys = &actor.Keyring{Store: w.store.Keys, Names: w.names}

	// Being found: WebFinger, actors, posts, collections.
	w.handler = &actor.Handler{
		Names: w.names, Profile: w.profile, Keyring: w.keys, Object: w.document, Asker: w.asker,
		Collections: actor.Collections{Outbox: w.outboxPage, Followers: w.follows, Following: w.follows},
	}

	// Finding others. Its requests are signed by the site's own actor, which everyone can read unsigned: two servers that ask for
	// signatures would else never get each other's first key. What it learns of how a host wants to be signed to, deliveries use.
	var client *http.Client // nil: one that reaches public addresses alone
	if w.net != nil {
		client = &http.Client{Transport: w.net}
	}
	suites := new(signature.Hosts)
	if w.resolver, err = actor.NewResolver(actor.ResolverConfig{
		Client: client, Store: w.store.Remotes, Names: w.names, Local: w.handler.Document, Allow: w.policy.Allow, Suites: suites,
		Key: w.keyOf(w.names.Instance()), InsecureAllowLoopback: w.trial,
	}); err != nil {
		return err
	}
	scheme, _, _ := strings.Cut(w.origin, "://")
	w.verifier = &signature.Verifier{Keys: w.resolver, Authorities: []string{w.names.Authority()}, Scheme: scheme}

	// Delivering. The queue keeps bytes, and whose they are; the key is asked for when a request is sent, so that none is ever stored
	// beside what waits.
	config := delivery.Config{
		Store: w.store.Queue, Choose: outbox.Form, InsecureAllowLoopback: w.trial,
		Allow: func(ctx context.Context, host string) error {
			return also(delivery.ErrRefused, w.policy.Allow(ctx, host))
		},
		Local: func(host string) bool { return host == w.names.Authority() },
	}
	base := w.net
	if base == nil {
		if base, err = config.Guarded(); err != nil {
			return err
		}
	}
	config.Transport = func(sender string) (http.RoundTripper, error) {
		return &signature.Transport{
			Base: base, Memory: suites, Verifies: w.resolver.Verifies,
			Key:     func(ctx context.Context) (signature.Key, error) { return ours(w.keys.Private(ctx, sender)) },
			Ed25519: func(ctx context.Context) (signature.Key, error) { return ours(w.keys.Ed25519(ctx, sender)) },
		}, nil
	}
	if w.queue, err = delivery.New(config); err != nil {
		return err
	}

	// Speaking: what the blog says becomes an addressed activity, and goes to the queue.
	if w.outbox, err = outbox.New(outbox.Config{
		Intents: w.store.Intents, Log: w.store.Log, NewID: w.newID, Author: w.author, Local: w.names.Ours, Inboxes: w.inboxes,
		Owner: w.ownerElsewhere, Followers: w.followers, Enqueue: w.enqueue, Relate: w.relate, Text: html.Text,
	}); err != nil {
		return err
	}

	// Listening. The outbox answers a Follow with an Accept; whoever is heard of is up, so that what waits for that server goes out.
	proofs := &signature.ProofVerifier{Key: w.resolver.ProofKey, Refresh: w.resolver.RefreshProofKey}
	if w.inbox, err = inbox.New(inbox.Config{
		Verifier: w.verifier, Journal: w.store.Journal, Peers: w, Relations: w, Sender: w.outbox, Local: w.local, Owner: w.outbox.OwnerHere,
		Origin: w.origin, Hooks: w.readers.Hooks(inbox.Hooks{}), Policy: w.policy,
		Heard: func(_ context.Context, authority string, _ signature.Verified) { w.queue.Wake(authority) },
		Proof: func(ctx context.Context, document []byte) (string, error) { // FEP-8b32
			proved, err := proofs.Verify(ctx, document)
			return proved.Owner, err
		},
	}); err != nil {
		return err
	}

	if err := w.hang(ctx, client); err != nil {
		return err
	}
	w.visitors = make(chan struct{}, 16)
	w.mux = w.routes()
	return nil
}

// hang makes the gallery of other people's pictures. The key of its addresses derives from the site's own, so that it stays the same.
func (w *wiring) hang(ctx context.Context, client *http.Client) error {
	site, err := w.keys.Private(ctx, w.names.Instance())
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(site.Private)
	if err != nil {
		return err
	}
	key, err := hkdf.Key(sha256.New, private, nil, "blog: addresses of pictures", sha256.Size)
	if err != nil {
		return err
	}
	w.pictures, err = media.New(media.Config{
		Keys: [][]byte{key}, Base: "/ap/media/", Dir: w.data + "/pictures", Client: client, InsecureAllowLoopback: w.trial,
		Reject: func(ctx context.Context, host string) (bool, error) {
			v, err := w.policy.Judge(ctx, moderation.Question{Purpose: moderation.Fetch, Host: host})
			return v.Refuse || v.NoMedia, err
		},
	})
	return err
}

// run does all that is not the answer to a request, until ctx ends: each room has its part.
func (w *wiring) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{w.outbox.Run, w.queue.Run, w.inbox.Run, w.keys.Run, w.resolver.Run} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

func (w *wiring) keyOf(actorID string) func(context.Context) (signature.Key, error) {
	return func(ctx context.Context) (signature.Key, error) { return w.keys.Private(ctx, actorID) }
}

// ours says that it is no fault of the host's if a key can't be had: the queue would leave it alone for that.
func ours(k signature.Key, err error) (signature.Key, error) {
	if err != nil {
		err = fmt.Errorf("%w: %w", delivery.ErrLocal, err)
	}
	return k, err
}

// also makes err the error by which another room knows a refusal. Rooms don't know each other's errors.
func also(refusal, err error) error {
	if errors.Is(err, moderation.ErrRefused) {
		return fmt.Errorf("%w: %w", refusal, err)
	}
	return err
}

// final tells whether asking again soon is of no use.
func final(err error) bool {
	if asked := (*actor.Error)(nil); errors.As(err, &asked) {
		return !asked.Passing
	}
	return errors.Is(err, actor.ErrNotFound) || errors.Is(err, actor.ErrGone) || errors.Is(err, moderation.ErrRefused)
}

// loopback are hosts that a trial finds on this machine: a flag.Value. The rooms check what stands in it.
type loopback map[string]string

func (l *loopback) String() string { return fmt.Sprint(map[string]string(*l)) }

func (l *loopback) Set(text string) error {
	host, address, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("%q is not like a.test=127.0.0.1:8080", text)
	}
	if *l == nil {
		*l = loopback{}
	}
	(*l)[host] = address
	return nil
}
