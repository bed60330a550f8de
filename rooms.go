package fedihook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// What stands here fits one room to what another declares. Nothing in it decides.

// as makes err also the error by which the room that asked knows a refusal.
func as(refusal, err error) error {
	if errors.Is(err, moderation.ErrRefused) {
		return fmt.Errorf("%w: %w", refusal, err)
	}
	return err
}

func (s *Server) allowSigner(ctx context.Context, host string) error {
	return as(signature.ErrRefused, s.config.Policy.Allow(ctx, host))
}

// gone makes err also outbox.ErrGone where looking again is of no use.
func gone(err error) error {
	if final(err) {
		return fmt.Errorf("%w: %w", outbox.ErrGone, err)
	}
	return err
}

// final tells whether another server's answer, or ours, will not change by asking again soon.
func final(err error) bool {
	if passing := (*actor.Error)(nil); errors.As(err, &passing) {
		return !passing.Passing
	}
	return errors.Is(err, actor.ErrNotFound) || errors.Is(err, actor.ErrGone)
}

// newID makes an id where author is, a handle or an actor id. All ids of what somebody says or makes come from here.
func (s *Server) newID(author string, object bool, key string) string {
	key = s.names.Beside(strings.TrimSuffix(author, farewell), key)
	if object {
		return s.names.Object(key)
	}
	return s.names.Activity(key)
}

// activityID is newID for what author says.
func (s *Server) activityID(author, key string) string { return s.newID(author, false, key) }

// profile finds a user by handle or by actor id.
func (s *Server) profile(ctx context.Context, who string) (actor.Profile, error) {
	id := who
	if !strings.Contains(who, "://") {
		p, err := s.config.Profile(ctx, who)
		if err == nil && p.ID == "" {
			p.ID = s.names.Actor(p.Handle)
		}
		if err == nil || !errors.Is(err, actor.ErrNotFound) {
			return p, err
		}
		id = s.names.Actor(who)
	}
	p, ok, err := s.handler.Local(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("fedihook: %s: %w", who, actor.ErrNotFound)
	}
	return p, err
}

func (s *Server) author(ctx context.Context, who string) (outbox.Author, error) {
	find := s.profile
	if id, parting := strings.CutSuffix(who, farewell); parting {
		find, who = s.anyone, id
	}
	p, err := find(ctx, who)
	if err != nil {
		return outbox.Author{}, gone(err)
	}
	return outbox.Author{ID: p.ID, Followers: s.names.Followers(p.ID, p.Handle)}, nil
}

func (s *Server) local(ctx context.Context, id string) (ok, approves bool, err error) {
	p, ok, err := s.handler.Local(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return false, false, nil
	}
	// The instance actor signs; it has no posts to follow.
	return ok && id != s.names.Instance(), p.ManuallyApprovesFollowers, err
}

// objectOwner finds whose an object is, here or among what the app keeps of others.
func (s *Server) objectOwner(ctx context.Context, id string) (string, error) {
	if s.names.Ours(id) {
		owner, ok, version := s.owners.get(id)
		if ok {
			return owner, nil
		}
		owner, err := s.outbox.OwnerHere(ctx, id)
		if err == nil && owner != "" { // who has none may have one at once
			s.owners.put(id, owner, version)
		}
		return owner, err
	}
	if s.config.Owner != nil {
		if owner, err := s.config.Owner(ctx, id); err != nil || owner != "" {
			return owner, err
		}
	}
	if s.config.Groups == nil {
		return "", nil
	}
	return s.outbox.Creator(ctx, id)
}

func (s *Server) ownerElsewhere(ctx context.Context, asker, objectID string) (string, error) {
	doc, _, err := s.resolver.As(s.keyOf(asker)).Fetch(ctx, objectID)
	if errors.Is(err, actor.ErrRejected) { // a server that can't have the user's key: see actor.FetchSignedActors
		doc, _, err = s.resolver.Fetch(ctx, objectID)
	}
	if err != nil {
		return "", gone(err)
	}
	switch doc := doc.(type) {
	case *activity.Object:
		if id := doc.AttributedTo.First(); activity.SameAuthority(id, objectID) {
			return id, nil
		}
	case *activity.Actor:
		return doc.ID, nil
	}
	return "", fmt.Errorf("fedihook: %s does not say whose it is: %w", objectID, outbox.ErrGone)
}

// heard tells those who send that a server is up, and how it signs: what it uses itself it understands. Of the latter once a
// second will do; but a host may have been stopped and be back within one.
func (s *Server) heard(ctx context.Context, authority string, v signature.Verified) {
	s.queue.Wake(authority)
	if err := s.config.Policy.Saw(ctx, authority); err != nil {
		s.config.Logger.WarnContext(ctx, "fedihook: not noted", "host", authority, "error", err)
	}
	scheme, ok, version := s.heardLately.get(authority)
	if ok && scheme == v.Scheme {
		return
	}
	s.heardLately.put(authority, v.Scheme, version)
	(&signature.Transport{Memory: s.suites}).Heard(ctx, authority, v)
}

func (s *Server) loop(ctx context.Context, sender string, body []byte) error {
	return s.inbox.Deliver(ctx, sender, body)
}

// enqueue hands d over to the queue. The hosts of one of its forms want no other: see outbox.Form, which the queue asks.
func (s *Server) enqueue(ctx context.Context, d outbox.Delivery, to iter.Seq[outbox.Target]) error {
	sender, err := s.senderOf(ctx, d)
	if err != nil {
		return err
	}
	body, err := s.endorse(ctx, d, sender)
	if err != nil {
		return err
	}
	a := delivery.Activity{
		ID: d.ID, Sender: sender, Key: d.Key, Supersedes: supersedes(d, sender), Body: body, Expires: d.Expires, Trace: d.Trace,
		Class: map[outbox.Class]delivery.Class{
			outbox.Interactive: delivery.Interactive, outbox.Normal: delivery.Normal, outbox.Bulk: delivery.Bulk,
		}[d.Class],
	}
	for _, v := range d.Variants {
		a.Other = append(a.Other, delivery.Body{Name: v.Form, Bytes: v.Body})
	}
	bare := len(body) != len(d.Body)
	var targets []delivery.Target // all of them before one is handed over, or a second try would be a duplicate of the first
	for t := range to {
		ok, err := s.mayDeliver(ctx, t)
		if err != nil {
			return err
		}
		if form := formOf(t); ok && bare && form != "" && !slices.ContainsFunc(a.Other, func(b delivery.Body) bool { return b.Name == form }) {
			a.Other = append(a.Other, delivery.Body{Name: form, Bytes: d.Body}) // Threads is not given what it may not pass on
		}
		if ok {
			targets = append(targets, delivery.Target{Inbox: t.Inbox, SharedInbox: t.SharedInbox})
		}
	}
	receipt, err := s.queue.Enqueue(ctx, nil, a, slices.Values(targets))
	if left := (*delivery.TargetError)(nil); errors.As(err, &left) {
		s.config.Logger.WarnContext(ctx, "fedihook: recipients left out", "activity", d.ID, "error", err)
		err = nil
	}
	if err == nil {
		s.config.Logger.DebugContext(ctx, "fedihook: enqueued", "activity", d.ID, "class", a.Class, "targets", receipt.Targets)
	}
	return err
}

// formOf names the form in which the host of t wants activities.
func formOf(t outbox.Target) string {
	authority, _ := activity.Authority(t.URL())
	return outbox.Form(authority)
}

// supersedes tells what d makes of what was said before of the same object and not sent. An Update by which keys are
// changed is signed in another way than the next one, and stays. What a Delete cancels it cancels when it is first handed
// over: later it goes to whoever was found since.
func supersedes(d outbox.Delivery, sender string) delivery.Supersedes {
	switch {
	case d.Type == "Update" && strings.TrimSuffix(sender, " "+toFollowers) == d.Sender:
		return delivery.SupersedeUpdates
	case d.Type == "Delete" && d.First:
		return delivery.SupersedeAll
	}
	return delivery.SupersedeNothing
}

// peers fits the resolver to the inbox.
type peers struct {
	store    actor.Remotes
	resolver *actor.Resolver
	local    func(ctx context.Context, id string) (*activity.Actor, error)
}

func (p *peers) Known(ctx context.Context, id string) (bool, error) {
	r, err := p.store.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Gone.IsZero(), err
}

func (p *peers) Trust(ctx context.Context, id string) error { return p.resolver.Trust(ctx, id) }

func (p *peers) Fetch(ctx context.Context, id string) (activity.Document, error) {
	// The only document that an activity makes us ask for, and one that says it has another id.
	doc, _, err := p.resolver.Within(&actor.Budget{Requests: 8, Bytes: 4 << 20}).Fetch(ctx, id)
	if errors.Is(err, actor.ErrOurs) { // somebody moves to a user here
		doc, err = p.local(ctx, id)
	}
	switch {
	case err == nil, !final(err):
	case errors.Is(err, actor.ErrGone), errors.Is(err, actor.ErrNotFound):
		err = fmt.Errorf("%w: %w: %w", inbox.ErrDrop, inbox.ErrGone, err)
	default:
		err = fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	return doc, err
}

func (p *peers) Collections(ctx context.Context, id string) (c inbox.Collections, err error) {
	r, err := p.store.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) || err == nil && len(r.Document) == 0 {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	doc, err := activity.Decode(r.Document)
	if err != nil {
		return c, err
	}
	if a, ok := doc.(*activity.Actor); ok {
		c = inbox.Collections{Followers: a.Followers.ID, Featured: a.Featured.ID}
	}
	return c, nil
}

func (p *peers) Update(ctx context.Context, a *activity.Actor) error {
	raw, err := a.MarshalJSON()
	if err != nil {
		return err
	}
	err = p.resolver.Update(ctx, a, raw)
	switch {
	case errors.Is(err, actor.ErrOurs): // of actors here there is nothing to replace
		return nil
	case final(err):
		return fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	return err
}

func (p *peers) Gone(ctx context.Context, id string) error { return p.resolver.Gone(ctx, id) }
