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
	site, locals, ids, own, last := false, []string(nil), []string(nil), []moderation.Key(nil), head.Enforced
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
			default:
				own = append(own, k)
				if !slices.Contains(locals, k.Local) {
					locals = append(locals, k.Local)
				}
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
	cancelled, err := s.cancelOwn(ctx, own)
	if e.Deliveries += cancelled; err != nil {
		return e, err
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
	user, remote, out := f.Followed, f.Follower, s.names.Ours(f.Follower)
	if out {
		user, remote = f.Follower, f.Followed
	}
	id := s.activityID(user, parts+"-"+hex.EncodeToString(sum[:16]))
	follow := activity.Follow(f.ID, f.Follower, f.Followed)
	if f.ID == "" {
		follow.ID = id + "-follow"
	}
	a, key := activity.Reject(id, user, follow), remote+" "+user // ActivityPub §7.7
	if out {
		a, key = activity.Undo(id, follow), user+" "+remote // ActivityPub §7.6
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
