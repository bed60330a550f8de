package fedihook

import (
	"context"
	"iter"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// Follow asks to follow the actor with this id (see [Server.Lookup]), and returns the id of the Follow. Until
// Hooks.Accepted is called nothing is followed. ActivityPub §6.5
func (s *Server) Follow(ctx context.Context, handle, actorID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Follow", actorID)
}

// Unfollow ends that handle follows, or asked to follow, the actor with this id, and returns the id of the Undo. Where there
// is no such follow when its turn comes, nothing is sent. ActivityPub §6.10
func (s *Server) Unfollow(ctx context.Context, handle, actorID string) (id string, err error) {
	return s.say(ctx, handle, &activity.Activity{
		// A new id: what derives from the actor alone would be used up by the first time.
		ID: s.outbox.ActivityID(handle), Type: activity.Types{"Undo"}, Object: activity.Refs{activity.IRI(actorID)},
	})
}

// Accept lets a follower in whose request a hook left pending, and returns the id of the Accept. Outside a transaction it
// fails with actor.ErrNotFound if there is no request; in one, nothing is sent then. ActivityPub §7.5
func (s *Server) Accept(ctx context.Context, handle, follower string) (id string, err error) {
	return s.decide(ctx, handle, follower, "Accept")
}

// Reject turns away who asked to follow handle, and returns the id of the Reject. Outside a transaction it fails with
// actor.ErrNotFound if nobody did; in one, nothing is sent then. ActivityPub §7.7
func (s *Server) Reject(ctx context.Context, handle, follower string) (id string, err error) {
	return s.decide(ctx, handle, follower, "Reject")
}

// RemoveFollower ends that somebody follows handle. It is [Server.Reject], which peers understand as that when they were
// accepted before: Mastodon, Misskey and Pleroma send the same.
func (s *Server) RemoveFollower(ctx context.Context, handle, follower string) (id string, err error) {
	return s.decide(ctx, handle, follower, "Reject")
}

func (s *Server) decide(ctx context.Context, handle, follower, typ string) (id string, err error) {
	if s.tx != nil || !s.at.IsZero() { // what will be there when its turn comes is not known
		return s.say(ctx, handle, &activity.Activity{
			Type: activity.Types{typ}, Object: activity.Refs{activity.Embed(&activity.Activity{
				Type: activity.Types{"Follow"}, Actor: activity.IRI(follower),
			})},
		})
	}
	p, err := s.profile(ctx, handle)
	if err != nil {
		return "", err
	}
	store := s.config.Storage.Followers
	f, err := store.Follow(ctx, follower, p.ID)
	if err != nil {
		return "", err
	}
	// The answer first: who dies in between does it again, and it is sent once.
	id, err = s.outbox.Respond(ctx, p.ID, typ, &activity.Activity{
		ID: f.ID, Type: activity.Types{"Follow"}, Actor: activity.IRI(follower), Object: activity.Refs{activity.IRI(p.ID)},
	})
	if err != nil {
		return "", err
	}
	// The outbox does it too, in a moment; who asks now wants to see it.
	if typ == "Reject" {
		return id, store.DeleteFollow(ctx, follower, p.ID)
	}
	f.State = actor.Accepted
	return id, store.PutFollow(ctx, f)
}

// Followers walks who follows handle.
func (s *Server) Followers(ctx context.Context, handle string) iter.Seq2[actor.Follow, error] {
	return s.follows(ctx, handle, func(id string) actor.FollowQuery {
		return actor.FollowQuery{Followed: id, State: actor.Accepted}
	})
}

// Requests walks who asked to follow handle and has no answer yet.
func (s *Server) Requests(ctx context.Context, handle string) iter.Seq2[actor.Follow, error] {
	return s.follows(ctx, handle, func(id string) actor.FollowQuery {
		return actor.FollowQuery{Followed: id, State: actor.Pending}
	})
}

// Following walks whom handle follows.
func (s *Server) Following(ctx context.Context, handle string) iter.Seq2[actor.Follow, error] {
	return s.follows(ctx, handle, func(id string) actor.FollowQuery {
		return actor.FollowQuery{Follower: id, State: actor.Accepted}
	})
}

// LocalFollowers walks who follows an actor elsewhere: for them is what that actor sends to its followers. Who has blocked the
// actor is not among them; who has blocked somebody whom the actor shares or quotes is, and an app with one timeline for each
// user asks [moderation.Policy.Judge] of [Server.Policy] for each, with Question.Local and Question.Objects.
func (s *Server) LocalFollowers(ctx context.Context, actorID string) iter.Seq2[actor.Follow, error] {
	return actor.All(ctx, s.config.Storage.Followers, actor.FollowQuery{Followed: actorID, State: actor.Accepted})
}

func (s *Server) follows(ctx context.Context, handle string, query func(id string) actor.FollowQuery) iter.Seq2[actor.Follow, error] {
	return func(yield func(actor.Follow, error) bool) {
		p, err := s.profile(ctx, handle)
		if err != nil {
			yield(actor.Follow{}, err)
			return
		}
		for f, err := range actor.All(ctx, s.config.Storage.Followers, query(p.ID)) {
			if !yield(f, err) {
				return
			}
		}
	}
}
