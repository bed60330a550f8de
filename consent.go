package fedihook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
)

const (
	maxAsked   = 1000 // requests of one author that nobody has answered
	maxGranted = 100  // stamps that one actor holds for one post
)

// consent is what the inbox calls in place of hook and default.
func (s *Server) consent(ctx context.Context, m *inbox.Message, next inbox.Hook) error {
	typ := m.Activity.Type.String()
	if kind, ok := consent.KindOf(typ); ok {
		return s.asked(ctx, m, kind, next)
	}
	switch typ {
	case "Accept", "Reject":
		if done, err := s.answered(ctx, m); done || err != nil {
			return err
		}
	case "Delete":
		if done, err := s.deleted(ctx, m); done || err != nil {
			return err
		}
	case "Undo":
		if err := s.withdrawn(ctx, m); err != nil {
			return err
		}
	case "Create", "Update":
		if o, ok := m.Object.(*activity.Object); ok {
			return s.posted(ctx, m, o, next)
		}
	case "Like", "EmojiReact":
		return s.gate(ctx, m, consent.Like, m.Activity.ID, m.ObjectID, next)
	case "Announce":
		return s.gate(ctx, m, consent.Announce, m.Activity.ID, m.ObjectID, next)
	}
	return next(ctx, m)
}

// posted is a post that somebody made or changed.
func (s *Server) posted(ctx context.Context, m *inbox.Message, o *activity.Object, next inbox.Hook) error {
	if quoted := o.Quoted(); quoted != "" {
		q, err := s.quote(ctx, m.Sender, o, false)
		if err != nil {
			return err
		}
		m.Quote = &q
	}
	if isVote := o.Name != "" && o.Text() == ""; isVote {
		return next(ctx, m)
	}
	return s.gate(ctx, m, consent.Reply, o.ID, o.InReplyTo.ID, next)
}

// post is one of ours and whose it is.
type post struct {
	*activity.Object
	author, followers, following string
}

// post finds a post of ours as its author sees it. One that is not there, or not any more, has no Object.
func (s *Server) post(ctx context.Context, id string) (p post, err error) {
	sent, err := s.published(ctx, id)
	if err != nil {
		return p, err
	}
	p.Object, p.author = sent.object, sent.author
	if s.config.Object != nil && (p.Object == nil || !p.Is("Tombstone")) {
		shown, err := s.ask(ctx, id, p.author)
		switch {
		case errors.Is(err, actor.ErrNotFound), errors.Is(err, actor.ErrHidden):
			shown = nil
		case err != nil && !errors.Is(err, actor.ErrPartial):
			return p, err
		}
		if shown != nil {
			shown = complete(shown, p.Object)
		}
		p.Object = shown
	}
	if p.Object != nil && p.Is("Tombstone") {
		p.Object = nil
	}
	if p.author == "" && p.Object != nil {
		p.author = p.AttributedTo.First()
	}
	if p.author == "" || !s.names.Ours(p.author) {
		return post{}, nil
	}
	who, ok, err := s.handler.Local(ctx, p.author)
	if errors.Is(err, actor.ErrGone) || err == nil && !ok {
		return post{}, nil
	}
	if err == nil {
		p.followers, p.following = s.names.Followers(who.ID, who.Handle), s.names.Following(who.ID, who.Handle)
	}
	return p, err
}

// policyFor reads the policy of p, one of ours, for an actor, who must not be refused by a rule of the site either.
func (s *Server) policyFor(ctx context.Context, kind consent.Kind, p post, actorID string) (consent.Decision, error) {
	if p.Object == nil {
		return consent.Denied, nil
	}
	verdict, err := s.config.Policy.Judge(ctx, moderation.Question{
		Purpose: moderation.Receive, Actor: actorID, Here: s.names.Ours(actorID), Local: p.author, Type: kind.Request(),
	})
	if err != nil || verdict.Refuse {
		return consent.Denied, err
	}
	q := consent.Question{
		Kind: kind, Post: p.Object, Author: p.author, Followers: p.followers, Following: p.following, Actor: actorID,
	}
	if q.Follows, err = s.isFollower(ctx, actorID, p.author); err != nil {
		return consent.Denied, err
	}
	if q.IsFollowed, err = s.isFollower(ctx, p.author, actorID); err != nil {
		return consent.Denied, err
	}
	if q.Answered, err = s.answeredBy(ctx, kind, p); err != nil {
		return consent.Denied, err
	}
	return consent.Decide(q), nil
}

// answeredBy is who made what p answers, as far as it is known here and matters.
func (s *Server) answeredBy(ctx context.Context, kind consent.Kind, p post) (string, error) {
	if kind != consent.Reply || p.Object == nil || p.InReplyTo.ID == "" {
		return "", nil
	}
	return s.objectOwner(ctx, p.InReplyTo.ID)
}

func (s *Server) isFollower(ctx context.Context, follower, followed string) (bool, error) {
	f, err := s.config.Storage.Followers.Follow(ctx, follower, followed)
	if errors.Is(err, actor.ErrNotFound) {
		return false, nil
	}
	return err == nil && f.State == actor.Accepted, err
}

// gate lets next see what is done to a post if its policy says so, and leave that must be shown to others is given.
func (s *Server) gate(ctx context.Context, m *inbox.Message, kind consent.Kind, interaction, target string, next inbox.Hook) error {
	if target == "" || !s.names.Ours(target) {
		return next(ctx, m)
	}
	if free, ok, _ := s.free.get(target); ok && free {
		return next(ctx, m)
	}
	_, _, version := s.free.get(target)
	p, err := s.post(ctx, target)
	if err != nil {
		return err
	}
	if p.Object == nil || p.InteractionPolicy.IsZero() {
		s.free.put(target, true, version)
		return next(ctx, m)
	}
	rule := kind.Rule(p.Policy())
	if rule == nil || m.Sender == p.author {
		return next(ctx, m)
	}
	if interaction == "" { // leave could be given for nothing
		decision, err := s.policyFor(ctx, kind, p, m.Sender)
		if err == nil && decision != consent.Automatic {
			err = fmt.Errorf("%w: %s may not %s %s without an id", inbox.ErrDrop, m.Sender, kind, target)
		}
		if err != nil {
			return err
		}
		return next(ctx, m)
	}
	st, err := s.stamp(ctx, kind, interaction, target)
	if err != nil {
		return err
	}
	if st.State == consent.Granted && st.Actor == m.Sender {
		return next(ctx, m)
	}
	decision, err := s.policyFor(ctx, kind, p, m.Sender)
	if err != nil {
		return err
	}
	st.Author, st.Actor, st.Audience = p.author, m.Sender, nil
	switch {
	case st.State == consent.Revoked || decision == consent.Denied:
		if err := s.refuse(ctx, st); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s may not %s %s", inbox.ErrDrop, m.Sender, kind, target)
	case decision == consent.Manual:
		return s.wait(ctx, m, st, s.config.Hooks.Request)
	case rule.Automatic.Has(activity.Public):
		return next(ctx, m)
	}
	// Who follows whom others can't see, and so can't see either that this was allowed.
	full, err := s.hasEnough(ctx, st)
	if err != nil {
		return err
	}
	if err := next(ctx, m); err != nil || full { // of the others nobody is shown that they were allowed
		return err
	}
	return s.grant(ctx, st)
}

// hasEnough tells whether an actor holds as many stamps for a post as one may.
func (s *Server) hasEnough(ctx context.Context, st consent.Stamp) (bool, error) {
	granted, err := s.config.Storage.Stamps.Stamps(ctx, consent.Query{Target: st.Target, Actor: st.Actor, State: consent.Granted, Limit: maxGranted})
	return len(granted) >= maxGranted, err
}

// stamp is what is known of an interaction, one that was never saved if nothing is.
func (s *Server) stamp(ctx context.Context, kind consent.Kind, interaction, target string) (consent.Stamp, error) {
	st, err := s.config.Storage.Stamps.Stamp(ctx, kind, interaction, target)
	if errors.Is(err, consent.ErrNone) {
		return consent.Stamp{Kind: kind, Interaction: interaction, Target: target}, nil
	}
	return st, err
}

// wait keeps what the author has to decide, and tells the app.
func (s *Server) wait(ctx context.Context, m *inbox.Message, st consent.Stamp, hook inbox.Hook) error {
	if st.State != consent.Requested {
		list, err := s.config.Storage.Stamps.Stamps(ctx, consent.Query{Author: st.Author, State: consent.Requested, Limit: maxAsked})
		if err != nil {
			return err
		}
		if len(list) >= maxAsked {
			return errors.Join(s.refuse(ctx, st), fmt.Errorf("%w: %s has %d requests to answer", inbox.ErrDrop, st.Author, len(list)))
		}
		if st, err = s.save(ctx, st, consent.Requested); err != nil {
			return err
		}
	}
	m.Stamp = &st
	var err error
	if hook != nil {
		err = hook(ctx, m)
	}
	switch {
	case errors.Is(err, inbox.ErrRefuse), errors.Is(err, inbox.ErrDrop):
		return errors.Join(s.refuse(ctx, st), err)
	case err != nil && !errors.Is(err, inbox.ErrPending):
		return err
	}
	return fmt.Errorf("%w: %s %s waits for %s", inbox.ErrPending, st.Kind, st.Interaction, st.Author)
}

// save keeps st in another state.
func (s *Server) save(ctx context.Context, st consent.Stamp, state consent.State) (consent.Stamp, error) {
	st.State, st.At = state, time.Now().UTC()
	err := s.config.Storage.Stamps.SaveStamp(ctx, st)
	if err == nil {
		st.Version++
	}
	return st, err
}

// asked is a request for leave. ErrPending of a hook leaves it to the app, and so does a policy that says so.
func (s *Server) asked(ctx context.Context, m *inbox.Message, kind consent.Kind, next inbox.Hook) error {
	target := m.ObjectID
	if !s.names.Ours(target) {
		return fmt.Errorf("%w: %s is no post of this site", inbox.ErrDrop, target)
	}
	p, err := s.post(ctx, target)
	if err != nil {
		return err
	}
	if p.author == "" {
		owner, err := s.outbox.OwnerHere(ctx, target) // who deleted it can still say no
		if err != nil || owner == "" {
			return errors.Join(err, fmt.Errorf("%w: %s is nobody's here", inbox.ErrDrop, target))
		}
		p.author = owner
	}
	in, err := s.instrument(ctx, m, kind, p.author, target)
	if err != nil {
		return err
	}
	st, err := s.stamp(ctx, kind, in.id, target)
	if err != nil {
		return err
	}
	if st.Version > 0 && st.Actor != m.Sender {
		return fmt.Errorf("%w: %s is %s's", inbox.ErrDrop, in.id, st.Actor)
	}
	if other, err := s.config.Storage.Stamps.Stamps(ctx, consent.Query{Request: m.Activity.ID, Limit: 1}); err != nil {
		return err
	} else if len(other) > 0 && m.Activity.ID != "" && other[0].Seq != st.Seq {
		return fmt.Errorf("%w: %s asked for something else before", inbox.ErrDrop, m.Activity.ID)
	}
	st.Author, st.Actor, st.Request, st.Audience = p.author, m.Sender, m.Activity.ID, in.audience
	decision := consent.Denied
	if st.State != consent.Revoked { // what was taken back is not given again by itself
		if decision, err = s.policyFor(ctx, kind, p, m.Sender); err != nil {
			return err
		}
	}
	if st.State == consent.Granted {
		if decision == consent.Denied && p.Object == nil {
			return s.refuse(ctx, st)
		}
		m.Stamp = &st
		if err := s.config.Storage.Stamps.SaveStamp(ctx, st); err != nil { // under the new request
			return err
		}
		if err := s.sayGranted(ctx, st); err != nil {
			return err
		}
		return s.liked(ctx, m, in, next)
	}
	switch decision {
	case consent.Denied:
		if err := s.refuse(ctx, st); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s may not %s %s", inbox.ErrDrop, m.Sender, kind, target)
	case consent.Manual:
		return s.wait(ctx, m, st, next)
	}
	return s.grantNow(ctx, m, st, in, next)
}

// grantNow gives leave unless the hook says otherwise.
func (s *Server) grantNow(ctx context.Context, m *inbox.Message, st consent.Stamp, in instrument, next inbox.Hook) error {
	full, err := s.hasEnough(ctx, st)
	if err != nil {
		return err
	}
	if full {
		return errors.Join(s.refuse(ctx, st), fmt.Errorf("%w: %s has leave for %s often enough", inbox.ErrDrop, st.Actor, st.Target))
	}
	proposed := st
	proposed.State = consent.Granted
	m.Stamp = &proposed
	err = next(ctx, m)
	switch {
	case errors.Is(err, inbox.ErrRefuse), errors.Is(err, inbox.ErrDrop):
		return errors.Join(s.refuse(ctx, st), err)
	case errors.Is(err, inbox.ErrPending):
		return s.wait(ctx, m, st, nil)
	case err != nil:
		return err
	}
	if err := s.grant(ctx, st); err != nil {
		return err
	}
	return s.liked(ctx, m, in, next)
}

// liked is the Like that leave was asked for: it is not sent again by who asks. GoToSocial (seen 2025-10).
func (s *Server) liked(ctx context.Context, m *inbox.Message, in instrument, next inbox.Hook) error {
	if in.like == nil || m.By == inbox.ByUs {
		return nil
	}
	like := *m
	like.Activity, like.Object, like.ObjectID = in.like, nil, in.like.Object.First()
	return next(ctx, &like)
}
