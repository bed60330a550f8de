package fedihook

import (
	"context"
	"errors"

	"github.com/fedihook/fedihook/moderation"
)

// foretell finds out what a change of rules would do.
func (s *Server) foretell(ctx context.Context, rules []moderation.Rule, lifted []moderation.Key) (e moderation.Effect, err error) {
	trial, err := s.config.Policy.Try(ctx, rules, lifted)
	if err != nil {
		return e, err
	}
	locals, site := trial.Locals(), trial.Site()
	for _, r := range rules {
		lifted = append(lifted, r.Key)
	}
	if err := s.foretellDeliveries(ctx, trial, lifted, &e); err != nil {
		return e, err
	}
	if site {
		if err := s.foretellTies(ctx, trial, "", true, &e); err != nil {
			return e, err
		}
	}
	for _, local := range locals {
		if err := s.foretellTies(ctx, trial, local, site, &e); err != nil {
			return e, err
		}
	}
	e.Actors, err = s.countConcerned(ctx, trial, locals, site)
	return e, err
}

// foretellDeliveries counts those that a change of the rules with these keys cancels.
func (s *Server) foretellDeliveries(ctx context.Context, trial *moderation.Trial, keys []moderation.Key, e *moderation.Effect) error {
	bySite, failed := func(string, string) bool { return false }, func() error { return nil }
	if trial.Site() {
		bySite, failed = s.refusedInboxes(ctx, trial.IDs(), func(q moderation.Question) (bool, error) {
			before, after, err := trial.Judge(ctx, q)
			return after.Refuse && !before.Refuse, err
		})
	}
	var own []moderation.Key
	for _, k := range keys {
		k, err := k.Normal()
		if err != nil {
			return err
		}
		if k.Local != "" {
			own = append(own, k)
		}
	}
	byUsers := s.ownRefusals(ctx, own, func(q moderation.Question) (bool, error) {
		before, after, err := trial.Judge(ctx, q)
		return after.Own && !before.Own, err
	})
	if !trial.Site() && len(byUsers.users) == 0 {
		return byUsers.bad
	}
	n, err := s.queue.Count(ctx, func(activityID, inbox string) bool {
		return bySite(activityID, inbox) || byUsers.refused(activityID, inbox)
	})
	e.Deliveries = int64(n)
	return errors.Join(err, failed(), byUsers.bad)
}

// foretellTies counts the relations that a change ends, and those that it concerns and leaves: of all users by the site's rules, or of
// one by that user's own, less what the site's rules end anyway.
func (s *Server) foretellTies(ctx context.Context, trial *moderation.Trial, local string, site bool, e *moderation.Effect) error {
	for f, err := range s.relationsOf(ctx, local) {
		if err != nil {
			return err
		}
		t := s.tie(f, local)
		if t.remote == "" {
			continue
		}
		q := moderation.Question{Purpose: moderation.Deliver, Actor: t.remote, Local: local}
		before, after, err := trial.Judge(ctx, q)
		if err != nil {
			return err
		}
		if local != "" && site {
			q.Local = ""
			if _, sites, err := trial.Judge(ctx, q); err != nil {
				return err
			} else if sites.Refuse && !s.names.Ours(t.remote) {
				continue // counted already
			}
		}
		before, after = s.of(t.remote, before), s.of(t.remote, after)
		switch {
		case after.Refuse && !before.Refuse:
			e.End(t.user, t.count)
		case !after.Refuse && after.Differs(before):
			e.Keep(t.count)
		}
	}
	return nil
}

// countConcerned counts the actors elsewhere that are known here and would be judged in another way.
func (s *Server) countConcerned(ctx context.Context, trial *moderation.Trial, locals []string, site bool) (n int64, err error) {
	if site {
		locals = append([]string{""}, locals...)
	}
	for after := ""; ; {
		ids, err := s.config.Storage.Remotes.RemoteIDs(ctx, after, followsPage)
		if err != nil {
			return n, err
		}
		for _, id := range ids {
			after = id
			for _, local := range locals {
				was, would, err := trial.Judge(ctx, moderation.Question{Purpose: moderation.Deliver, Actor: id, Local: local})
				if err != nil {
					return n, err
				}
				if would.Differs(was) {
					n++
					break
				}
			}
		}
		if len(ids) < followsPage {
			return n, nil
		}
	}
}
