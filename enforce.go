package fedihook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

const (
	enforceEvery = time.Second
	followsPage  = 1000
	trailPage    = 500
	keepTrail    = 100_000 // entries of the audit trail

	// parts begins the keys of activity ids by which relations are ended, and follows the actor in the name of who sends them: they
	// go also to whom the policy refuses.
	parts = "part"
)

// enforceAll ends what rules don't allow that were made without [Server.Moderate], in another process, or by one that died.
func (s *Server) enforceAll(ctx context.Context) error {
	if s.config.Policy.Rules == nil {
		return nil
	}
	tick := time.NewTicker(enforceEvery)
	defer tick.Stop()
	whole := s.config.Policy.AllowList // the list may have been switched on since
	for failed := false; ; {
		select {
		case s.enforcing <- struct{}{}:
			var err error
			if whole {
				_, err = s.endAll(ctx, "")
			}
			if err == nil {
				whole = false
				_, err = s.enforce(ctx)
			}
			<-s.enforcing
			if err != nil && ctx.Err() == nil && !failed {
				s.config.Logger.WarnContext(ctx, "fedihook: rules are not enforced yet", "error", err)
			}
			failed = err != nil
		case <-ctx.Done():
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// enforce ends what the rules do not allow that were changed since the last time. All of it may be done twice. Who calls it is the only
// one here.
func (s *Server) enforce(ctx context.Context) (e moderation.Effect, err error) {
	rules := s.config.Policy.Rules
	if rules == nil {
		return e, nil
	}
	head, err := rules.RulesHead(ctx)
	if err != nil || max(head.Site, head.Own) <= head.Enforced {
		return e, err
	}
	site, locals, ids, last := false, []string(nil), []string(nil), head.Enforced
	for {
		page, err := rules.Trail(ctx, last, trailPage)
		if err != nil {
			return e, err
		}
		for _, entry := range page {
			switch k := entry.Rule.Key; {
			case k.Local == "":
				site = true
				if !k.AboutDomain() && !slices.Contains(ids, k.About) {
					ids = append(ids, k.About)
				}
			case !slices.Contains(locals, k.Local):
				locals = append(locals, k.Local)
			}
			last = entry.Seq
		}
		if len(page) < trailPage {
			break
		}
	}
	if site {
		if e.Deliveries, err = s.cancelRefused(ctx, ids); err != nil {
			return e, err
		}
		ended, err := s.endAll(ctx, "")
		e.Ended, e.Users, e.More = ended.Ended, ended.Users, ended.More
		if err != nil {
			return e, err
		}
	}
	for _, local := range locals {
		ended, err := s.endAll(ctx, local)
		for user, t := range ended.Users {
			e.End(user, t)
		}
		if err != nil {
			return e, err
		}
	}
	if err := rules.SetEnforced(ctx, last); err != nil {
		return e, err
	}
	return e, rules.ForgetTrail(ctx, keepTrail)
}

// cancelRefused cancels what waits for hosts that the rules refuse, and for the inboxes of those of the actors that they refuse.
func (s *Server) cancelRefused(ctx context.Context, ids []string) (int64, error) {
	judge := func(q moderation.Question) (bool, error) {
		v, err := s.config.Policy.Judge(ctx, q)
		return v.Refuse, err
	}
	yes, failed := s.refusedInboxes(ctx, ids, judge)
	n, err := s.queue.Drop(ctx, yes)
	if errors.Is(err, delivery.ErrNotRunning) {
		err = nil // each is dropped when its turn comes
	}
	return int64(n), errors.Join(err, failed())
}

// refusedInboxes returns a func that tells of a delivery whether it is to be cancelled, under rules of which some are about ids. When it
// could not tell, failed says why.
func (s *Server) refusedInboxes(ctx context.Context, ids []string, judge func(moderation.Question) (bool, error)) (yes func(activityID, inbox string) bool, failed func() error) {
	var bad error
	hosts, inboxes := make(map[string]bool), make(map[string]bool)
	for _, id := range ids {
		refused, err := judge(moderation.Question{Purpose: moderation.Deliver, Actor: id})
		if err == nil && refused {
			var inbox string
			if inbox, err = s.inboxOf(ctx, id); inbox != "" {
				inboxes[inbox] = true
			}
		}
		bad = errors.Join(bad, err)
	}
	return func(activityID, inbox string) bool {
		host, ok := activity.Authority(inbox)
		if !ok {
			return false
		}
		refused, known := hosts[host]
		if !known {
			var err error
			if refused, err = judge(moderation.Question{Purpose: moderation.Deliver, Host: host}); err != nil {
				bad = errors.Join(bad, err)
				return false
			}
			hosts[host] = refused
		}
		return (refused || inboxes[inbox]) && !s.isParting(activityID)
	}, func() error { return bad }
}

// inboxOf is the personal inbox of an actor elsewhere, "" if it is not known here or is no actor.
func (s *Server) inboxOf(ctx context.Context, id string) (string, error) {
	r, err := s.config.Storage.Remotes.Remote(ctx, id)
	if err == nil && len(r.Document) > 0 {
		if doc, bad := activity.Decode(r.Document); bad == nil {
			if a, ok := doc.(*activity.Actor); ok {
				return a.Inbox.ID, nil
			}
		}
	}
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		return "", err
	}
	for _, q := range []actor.FollowQuery{{Follower: id, Limit: 1}, {Followed: id, Limit: 1}} {
		list, err := s.config.Storage.Followers.Follows(ctx, q)
		if err != nil {
			return "", err
		}
		if len(list) > 0 {
			return list[0].Inbox, nil
		}
	}
	return "", nil
}

// endAll ends the relations that the rules don't allow: of all users by the site's, or of one by that user's own.
func (s *Server) endAll(ctx context.Context, local string) (e moderation.Effect, err error) {
	for f, err := range s.relationsOf(ctx, local) {
		if err != nil {
			return e, err
		}
		t := s.tie(f, local)
		if t.remote == "" {
			continue
		}
		v, err := s.config.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Deliver, Actor: t.remote, Local: local})
		if err != nil {
			return e, err
		}
		if !s.of(t.remote, v).Refuse {
			continue
		}
		if err := s.part(ctx, f); err != nil {
			return e, err
		}
		e.End(t.user, t.count)
	}
	return e, nil
}

// of is the verdict about an actor as far as it counts: the site's rules are not about who is here, even where they are about a domain
// above it.
func (s *Server) of(id string, v moderation.Verdict) moderation.Verdict {
	if s.names.Ours(id) {
		return moderation.Verdict{Refuse: v.Own, Own: v.Own}
	}
	return v
}

// relationsOf walks those of a user, or all.
func (s *Server) relationsOf(ctx context.Context, local string) func(yield func(actor.Follow, error) bool) {
	queries := []actor.FollowQuery{{Limit: followsPage}}
	if local != "" {
		queries = []actor.FollowQuery{{Followed: local, Limit: followsPage}, {Follower: local, Limit: followsPage}}
	}
	return func(yield func(actor.Follow, error) bool) {
		for _, q := range queries {
			for f, err := range actor.All(ctx, s.config.Storage.Followers, q) {
				if !yield(f, err) {
					return
				}
			}
		}
	}
}

// tie is a relation as one user here has it.
type tie struct {
	user, remote string // remote is "" where the site's rules have nothing to say: both are here
	count        moderation.Ties
}

func (s *Server) tie(f actor.Follow, local string) tie {
	follower, followed := s.names.Ours(f.Follower), s.names.Ours(f.Followed)
	accepted := f.State == actor.Accepted
	one := func(yes bool) int64 {
		if yes {
			return 1
		}
		return 0
	}
	switch {
	case followed && (!follower || f.Followed == local):
		return tie{f.Followed, f.Follower, moderation.Ties{Followers: one(accepted), Requests: one(!accepted)}}
	case follower && (!followed || f.Follower == local):
		return tie{f.Follower, f.Followed, moderation.Ties{Following: one(accepted), Asked: one(!accepted)}}
	}
	return tie{}
}

// part ends a relation: the other side is told, then it is forgotten. The id of what is said derives from the follow, and the store
// numbers each follow anew, so that whoever does this again after a crash says nothing twice.
func (s *Server) part(ctx context.Context, f actor.Follow) error {
	if s.names.Ours(f.Follower) && s.names.Ours(f.Followed) || f.Inbox == "" {
		return s.relations.delete(ctx, f.Follower, f.Followed)
	}
	sum := sha256.Sum256([]byte(f.Follower + "\n" + f.Followed + "\n" + f.ID + "\n" + strconv.FormatInt(f.Seq, 10)))
	id := s.names.Activity(parts + "-" + hex.EncodeToString(sum[:16]))
	follow := activity.Follow(f.ID, f.Follower, f.Followed)
	if f.ID == "" {
		follow.ID = id + "-follow"
	}
	user, remote := f.Followed, f.Follower
	a := activity.Reject(id, user, follow) // ActivityPub §7.7
	key := remote + " " + user
	if s.names.Ours(f.Follower) {
		user, remote = f.Follower, f.Followed
		a = activity.Undo(id, follow) // ActivityPub §7.6
		key = user + " " + remote
	}
	a.To = activity.To(remote)
	body, err := activity.Encode(a)
	if err != nil {
		return fmt.Errorf("fedihook: %s: %w", id, err)
	}
	_, err = s.queue.Enqueue(ctx, nil, delivery.Activity{
		ID: id + " 0", Sender: user + " " + parts, Key: key, Class: delivery.Interactive, Body: body,
		Expires: time.Now().Add(outbox.Lifetime(a.Type.String(), false)),
	}, slices.Values([]delivery.Target{{Inbox: f.Inbox}}))
	if unusable := (*delivery.TargetError)(nil); err != nil && !errors.As(err, &unusable) {
		return fmt.Errorf("fedihook: %s: %w", id, err)
	}
	return s.relations.delete(ctx, f.Follower, f.Followed)
}
