package fedihook

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

// What stands here finds out what of the delivery queue rules cancel. A shared inbox is for many: what waits for it is cancelled where a
// whole domain may not be talked to, and never for one actor there.

// cancelRefused cancels what waits for hosts that the rules refuse, and for the inboxes of those of the actors that they refuse.
func (s *Server) cancelRefused(ctx context.Context, ids []string) (int64, error) {
	judge := func(q moderation.Question) (bool, error) {
		v, err := s.config.Policy.Judge(ctx, q)
		return v.Refuse, err
	}
	yes, failed := s.refusedInboxes(ctx, ids, judge)
	n, err := s.drop(ctx, yes)
	return n, errors.Join(err, failed())
}

// drop cancels deliveries, by the store where another process delivers. A store that can't cancels none from here.
func (s *Server) drop(ctx context.Context, yes func(activityID, inbox string) bool) (int64, error) {
	n, err := s.queue.Drop(ctx, yes)
	if errors.Is(err, delivery.ErrNotRunning) {
		err = nil // each to whom the site's rules refuse is dropped when its turn comes
	}
	return int64(n), err
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

// cancelOwn cancels what users here have said to whom their own rules refuse, of which some with these keys were changed.
func (s *Server) cancelOwn(ctx context.Context, keys []moderation.Key) (int64, error) {
	o := s.ownRefusals(ctx, keys, func(q moderation.Question) (bool, error) {
		v, err := s.config.Policy.Judge(ctx, q)
		return v.Own, err
	})
	if o.bad != nil || len(o.users) == 0 {
		return 0, o.bad
	}
	// The queue asks with its lock held: by then it is known whose each delivery is.
	if _, err := s.queue.Count(ctx, o.refused); err != nil || o.bad != nil {
		return 0, errors.Join(err, o.bad)
	}
	o.known = true
	return s.drop(ctx, o.refused)
}

// ownRefusals tells which deliveries are cancelled by rules of users here.
type ownRefusals struct {
	s     *Server
	ctx   context.Context // of the one call that it serves
	judge func(moderation.Question) (bool, error)
	users map[string]*refusal // by actor id
	said  map[string]said     // by activity id
	known bool                // said is complete: nothing is looked up any more
	bad   error               // why it could not tell
}

// refusal is whom one user refuses.
type refusal struct{ inboxes, hosts map[string]bool }

// said is by whom something was said, and as what.
type said struct{ actor, typ string }

func (s *Server) ownRefusals(ctx context.Context, keys []moderation.Key, judge func(moderation.Question) (bool, error)) *ownRefusals {
	o := &ownRefusals{s: s, ctx: ctx, judge: judge, users: make(map[string]*refusal), said: make(map[string]said)}
	for _, k := range keys {
		inbox := ""
		if !k.AboutDomain() {
			refused, err := judge(moderation.Question{Purpose: moderation.Deliver, Actor: k.About, Local: k.Local})
			if err == nil && refused {
				inbox, err = s.inboxOf(ctx, k.About)
			}
			if o.bad = errors.Join(o.bad, err); inbox == "" {
				continue // nothing waits there for that actor alone
			}
		}
		u := o.users[k.Local]
		if u == nil {
			u = &refusal{inboxes: make(map[string]bool), hosts: make(map[string]bool)}
			o.users[k.Local] = u
		}
		if inbox != "" {
			u.inboxes[inbox] = true
		}
	}
	return o
}

// refused tells of a delivery whether it is to be cancelled.
func (o *ownRefusals) refused(activityID, inbox string) bool {
	host, ok := activity.Authority(inbox)
	if !ok {
		return false
	}
	for local, u := range o.users {
		refused, judged := u.hosts[host]
		if !judged {
			var err error
			if refused, err = o.judge(moderation.Question{Purpose: moderation.Deliver, Host: host, Local: local}); err != nil {
				o.bad = errors.Join(o.bad, err)
				return false
			}
			u.hosts[host] = refused
		}
		if !refused && !u.inboxes[inbox] {
			continue
		}
		if what := o.what(activityID); what.actor == local && !slices.Contains(ending, what.typ) {
			return true
		}
	}
	return false
}

// ending are the types of what is still said to who is blocked: what ends something or tells of the block, and a report, which
// is for who runs the server.
var ending = []string{"Block", "Undo", "Reject", "Delete", "Flag"}

// what finds out what a delivery is; of what is forwarded or says goodbye nothing is found.
func (o *ownRefusals) what(activityID string) said {
	id, _, _ := strings.Cut(activityID, " ")
	found, ok := o.said[id]
	if ok || o.known {
		return found
	}
	r, err := o.s.config.Storage.Log.Record(o.ctx, id)
	switch {
	case err == nil:
		found = said{r.Actor, r.Type}
	case !errors.Is(err, outbox.ErrUnknown):
		o.bad = errors.Join(o.bad, err)
		return found
	}
	o.said[id] = found
	return found
}

// inboxOf is the personal inbox of an actor elsewhere, "" if it is not known here, is shared with others, or is no actor's.
func (s *Server) inboxOf(ctx context.Context, id string) (string, error) {
	if s.names.Ours(id) {
		return "", nil
	}
	alone := func(inbox, shared string) string {
		if inbox == shared {
			return ""
		}
		return inbox
	}
	r, err := s.config.Storage.Remotes.Remote(ctx, id)
	if err == nil && len(r.Document) > 0 {
		if doc, bad := activity.Decode(r.Document); bad == nil {
			if a, ok := doc.(*activity.Actor); ok {
				return alone(a.Inbox.ID, a.SharedInbox()), nil
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
			return alone(list[0].Inbox, list[0].SharedInbox), nil
		}
	}
	return "", nil
}
