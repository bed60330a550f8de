package fedihook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

// Moderate makes rules of moderation, or replaces those about the same, all or none, and ends what they don't allow any more:
// followers and requests from there get a Reject, whom people here follow an Undo, the relations are forgotten, and what waits to be
// delivered there is cancelled. The Rejects and Undos are still delivered; then nothing is. What limits leaves relations as they are.
// It returns what it did.
//
// Rule.Local is a handle or the id of a user here for a rule of that user's own, which ends that user's relations alone: later follows
// are answered with a Reject, what comes from there is for others only, and to a signed request from there the user's posts are
// not shown. Of what waits to be delivered that user's posts, likes and shares are cancelled where they go to an inbox of that actor
// alone, or to a blocked domain; in a shared inbox one actor can't be told from the others. Nobody is told of the rule itself; [Server.Block]
// makes one, and tells.
//
// The rules hold as soon as they are stored, which is first. If the error comes after that, or the process dies, Run ends what is left
// to end, in this process or another; until then nothing comes in from there or goes there either. What is being posted at the moment is
// not stopped. Deliveries are cancelled at once, whichever process delivers; with a store of the app's own that is no delivery.OrderBook
// only in the process that delivers, elsewhere each when its turn comes, those that a user's own rule cancels not at all, and they are
// not counted. A delivery.Queue that the app brings with an Allow of its own does not deliver the Rejects and Undos.
//
// It may walk all relations, known actors and deliveries. It does not work in a transaction. The error wraps those of
// [moderation.Policy.Put].
func (s *Server) Moderate(ctx context.Context, rules ...moderation.Rule) (moderation.Effect, error) {
	rules, err := s.rulesOf(ctx, rules)
	if err != nil {
		return moderation.Effect{}, err
	}
	return s.change(ctx, rules, nil, func() error { return s.config.Policy.Put(ctx, rules...) })
}

// Foretell returns what [Server.Moderate] would do with these rules, and does nothing. Effect.Actors and Effect.Kept are concerned and
// stay, under a limit for instance; Effect.Ended, Effect.Users and Effect.Deliveries are what would be lost.
func (s *Server) Foretell(ctx context.Context, rules ...moderation.Rule) (moderation.Effect, error) {
	rules, err := s.rulesOf(ctx, rules)
	if err != nil {
		return moderation.Effect{}, err
	}
	return s.foretell(ctx, rules, nil)
}

// Lift forgets rules, and notes who did so and why. What they ended does not come back: people have to follow anew. But what was an
// exception to another rule ends as Moderate would end it. There being no such rule is no error.
func (s *Server) Lift(ctx context.Context, by, reason string, keys ...moderation.Key) (moderation.Effect, error) {
	keys, err := s.keysOf(ctx, keys)
	if err != nil {
		return moderation.Effect{}, err
	}
	return s.change(ctx, nil, keys, func() error { return s.config.Policy.Lift(ctx, by, reason, keys...) })
}

// ForetellLift is Foretell for [Server.Lift].
func (s *Server) ForetellLift(ctx context.Context, keys ...moderation.Key) (moderation.Effect, error) {
	keys, err := s.keysOf(ctx, keys)
	if err != nil {
		return moderation.Effect{}, err
	}
	return s.foretell(ctx, nil, keys)
}

// Policy is by which the Server judges, for apps that ask it themselves, and list rules and the trail of who made them.
func (s *Server) Policy() *moderation.Policy { return s.config.Policy }

// rulesOf has actor ids where users are named by their handles.
func (s *Server) rulesOf(ctx context.Context, rules []moderation.Rule) ([]moderation.Rule, error) {
	if s.tx != nil {
		return nil, ErrOutsideOnly
	}
	rules = slices.Clone(rules)
	for i := range rules {
		if rules[i].Local == "" {
			continue
		}
		p, err := s.profile(ctx, rules[i].Local)
		if err != nil {
			return nil, err
		}
		rules[i].Local = p.ID
	}
	return rules, nil
}

func (s *Server) keysOf(ctx context.Context, keys []moderation.Key) ([]moderation.Key, error) {
	rules := make([]moderation.Rule, len(keys))
	for i, k := range keys {
		rules[i].Key = k
	}
	rules, err := s.rulesOf(ctx, rules)
	keys = make([]moderation.Key, len(rules))
	for i, r := range rules {
		keys[i] = r.Key
	}
	return keys, err
}

// change makes a change of rules and has it take effect.
func (s *Server) change(ctx context.Context, rules []moderation.Rule, lifted []moderation.Key, write func() error) (moderation.Effect, error) {
	select {
	case s.enforcing <- struct{}{}:
		defer func() { <-s.enforcing }()
	case <-ctx.Done():
		return moderation.Effect{}, ctx.Err()
	}
	foretold, err := s.foretell(ctx, rules, lifted)
	if err != nil {
		return moderation.Effect{}, err
	}
	if err := write(); err != nil {
		return moderation.Effect{}, err
	}
	done, err := s.enforce(ctx)
	done.Actors, done.Kept = foretold.Actors, foretold.Kept
	if err != nil {
		return done, fmt.Errorf("fedihook: the rules hold, but not all is ended yet: %w", err)
	}
	return done, nil
}

// What stands below fits the policy to the rooms that ask it.

// canJudge has the delivery queue wait while the policy can't say. Whom it refuses [refusing] finds out, for all but those whom a
// goodbye goes to.
func (s *Server) canJudge(ctx context.Context, host string) error {
	if err := s.config.Policy.Allow(ctx, host); !errors.Is(err, moderation.ErrRefused) {
		return err
	}
	return nil
}

// refusing makes of a host that the policy refuses one that the delivery queue gives up.
type refusing struct{ http.RoundTripper }

func (t refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	return resp, as(delivery.ErrRefused, err)
}

// mayDeliver tells whether a host may be posted to.
func (s *Server) mayDeliver(ctx context.Context, t outbox.Target) (bool, error) {
	v, err := s.config.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Deliver, Host: t.URL()})
	return !v.Refuse, err
}

// permit tells the outbox, in its words, of an actor that may not be talked to, by the site's rules or those of a user here.
func (r *relations) permit(ctx context.Context, id, local string) error {
	v, err := r.policy.Judge(ctx, moderation.Question{Purpose: moderation.Deliver, Actor: id, Here: r.names.Ours(id), Local: local})
	if err == nil && v.Refuse {
		err = fmt.Errorf("%w: %s: %w", outbox.ErrGone, id, moderation.ErrRefused)
	}
	return err
}

// signerError is what the handler tells who may not read here.
func signerError(keyID string, err error) error {
	if errors.Is(err, signature.ErrRefused) {
		return &signature.Error{Status: http.StatusForbidden, KeyID: keyID, Err: err}
	}
	return err
}

// hiddenFrom tells whether a user here has blocked who asks.
func (s *Server) hiddenFrom(ctx context.Context, owner, asker string) (bool, error) {
	if asker == "" || asker == owner {
		return false, nil
	}
	v, err := s.config.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Serve, Actor: asker, Local: owner})
	return v.Own, err
}

// unlessHidden shows whom the owner has blocked an empty collection.
func (s *Server) unlessHidden(source actor.Source) actor.Source {
	if source == nil {
		return nil
	}
	return func(ctx context.Context, q actor.Query) (actor.Page, error) {
		if hidden, err := s.hiddenFrom(ctx, q.Owner, q.Asker); err != nil || hidden {
			return actor.Page{}, err
		}
		return source(ctx, q)
	}
}

// permitted passes on what was found elsewhere unless a rule is against it. Hosts are asked about before anything is asked of them.
func (s *Server) permitted(ctx context.Context, doc activity.Document) error {
	q := moderation.Question{Purpose: moderation.Fetch, Objects: []string{doc.DocumentID()}}
	if o, ok := doc.(*activity.Object); ok {
		q.Objects = append(q.Objects, o.AttributedTo.IDs()...)
	}
	q.Objects = slices.DeleteFunc(q.Objects, s.names.Ours)
	return s.config.Policy.Permit(ctx, q)
}

// found is permitted for who looked something up.
func (s *Server) found(ctx context.Context, query string, doc activity.Document) error {
	err := s.permitted(ctx, doc)
	if err == nil {
		return nil
	}
	host, _ := activity.Authority(doc.DocumentID())
	failed := &actor.LookupError{Query: query, Host: host, Reason: actor.Unreachable, Err: err}
	if errors.Is(err, moderation.ErrRefused) {
		failed.Reason, failed.Err = actor.Blocked, fmt.Errorf("%w: %w", actor.ErrBlocked, err)
	}
	return failed
}

// isParting tells what Moderate said goodbye with, by the ID of its delivery.
func (s *Server) isParting(deliveryID string) bool {
	id, _, _ := strings.Cut(deliveryID, " ")
	kind, key, ok := s.names.Parse(id)
	return ok && kind == actor.KindActivity && strings.HasPrefix(key, parts+"-")
}
