package fedihook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

// policyTime bounds what a post waits for the policy of another. One that can't be read by then is none.
const policyTime = 10 * time.Second

// theirs finds a post, of ours or of another server's, as asker may see it. One that can't be seen now has no Object.
func (s *Server) theirs(ctx context.Context, asker, id string) (post, error) {
	if s.names.Ours(id) {
		return s.post(ctx, id)
	}
	within, stop := context.WithTimeout(ctx, policyTime)
	defer stop()
	doc, err := s.fetchFor(within, asker, id)
	if ctx.Err() != nil {
		return post{}, ctx.Err()
	}
	if errors.Is(err, inbox.ErrAway) { // nobody was asked
		return post{}, err
	}
	o, ok := doc.(*activity.Object)
	if err != nil || !ok || o.ID != id || !activity.SameAuthority(o.AttributedTo.First(), id) {
		return post{}, nil
	}
	p := post{Object: o, author: o.AttributedTo.First()}
	remote, err := s.config.Storage.Remotes.Remote(ctx, p.author)
	if errors.Is(err, actor.ErrNotFound) || err == nil && len(remote.Document) == 0 {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if known, err := activity.Decode(remote.Document); err == nil {
		if who, ok := known.(*activity.Actor); ok {
			p.followers, p.following = who.Followers.ID, who.Following.ID
		}
	}
	return p, nil
}

// expect is what a policy, of ours or of another server's, promises one of ours.
func (s *Server) expect(ctx context.Context, kind consent.Kind, p post, actorID string) (d consent.Decision, err error) {
	q := consent.Question{Kind: kind, Post: p.Object, Author: p.author, Followers: p.followers, Following: p.following, Actor: actorID}
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

// May tells what the policy of a post promises handle, who would quote, answer, like or share it: nothing, leave once the author
// was asked, or leave at once. It asks the post's server, so ask before there is something to say. What is denied is not
// said: see [ErrNotAllowed]. A post that says nothing of quotes promises none; to quote it is said nevertheless, and asked for,
// since servers that know no policies say nothing either. FEP-044f
func (s *Server) May(ctx context.Context, handle string, kind consent.Kind, postID string) (consent.Decision, error) {
	who, err := s.owner(ctx, handle)
	if err != nil {
		return consent.Denied, err
	}
	p, err := s.theirs(ctx, who.ID, postID)
	if err != nil {
		return consent.Denied, err
	}
	if p.Object == nil {
		return consent.Denied, fmt.Errorf("fedihook: post %s: %w", postID, actor.ErrNotFound)
	}
	return s.expect(ctx, kind, p, who.ID)
}

// placePolicy puts the id of the author's followers where a policy says so, as in an audience.
func (s *Server) placePolicy(o *activity.Object, author outbox.Author) {
	if o.InteractionPolicy.IsZero() || !strings.Contains(string(o.InteractionPolicy.Raw), `"`+activity.Followers+`"`) {
		return
	}
	p := o.Policy()
	for _, rule := range []*activity.Rule{p.CanLike, p.CanReply, p.CanAnnounce, p.CanQuote, p.CanFeature} {
		if rule == nil {
			continue
		}
		for _, list := range []activity.Audience{rule.Automatic, rule.Manual} {
			for i, ref := range list {
				if ref.ID == activity.Followers {
					list[i] = activity.IRI(author.Followers)
				}
			}
		}
	}
	o.InteractionPolicy = p.Ref()
}
