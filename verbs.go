package fedihook

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// Errors of the verbs. Check with errors.Is.
var (
	// ErrNotOurs: the id is not one of this site's, so it is not ours to publish, edit or delete.
	ErrNotOurs = errors.New("fedihook: not an id of this site")
	// ErrOutsideOnly: the verb has to look things up, which it must not do in the app's transaction.
	ErrOutsideOnly = errors.New("fedihook: not possible in a transaction")
)

// Publish says that handle made o, and returns the object's id. An id that is set must be of this site; publishing the same
// id twice sends it once. What o leaves out is filled in: a new id, the type Note, attributedTo, published, and for whom it
// is: everyone and the followers. [activity.Followers] in an audience stands for the author's followers. The URL is the app's to
// set: Mastodon and Threads send who wants to see the original to the page that it names, and without one to the id, which
// people are shown JSON at. ActivityPub §6.2
func (s *Server) Publish(ctx context.Context, handle string, o *activity.Object) (id string, err error) {
	own := *o
	if own.ID == "" {
		own.ID = s.outbox.ObjectID()
	}
	if len(own.Type) == 0 {
		own.Type = activity.Types{"Note"}
	}
	if err := s.ours(own.ID); err != nil {
		return "", err
	}
	_, err = s.sayObject(ctx, handle, "Create", &own)
	return own.ID, err
}

// Update says that o has replaced what was published under its id, to all who were sent that, and returns the id of the
// Update. Zero Updated means now; an audience that is empty stays as it was. ActivityPub §6.3
func (s *Server) Update(ctx context.Context, handle string, o *activity.Object) (id string, err error) {
	own := *o
	if len(own.Type) == 0 {
		own.Type = activity.Types{"Note"}
	}
	if err := s.ours(own.ID); err != nil {
		return "", err
	}
	return s.sayObject(ctx, handle, "Update", &own)
}

// Delete says that what was published under objectID is gone, to all who were sent it, and returns the id of the Delete. A
// Tombstone takes its place. ActivityPub §6.4
func (s *Server) Delete(ctx context.Context, handle, objectID string) (id string, err error) {
	if err := s.ours(objectID); err != nil {
		return "", err
	}
	return s.sayOf(ctx, handle, "Delete", objectID)
}

// Follow asks to follow the actor with this id (see [Server.Lookup]), and returns the id of the Follow. Until
// Hooks.Accepted is called nothing is followed. ActivityPub §6.5
func (s *Server) Follow(ctx context.Context, handle, actorID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Follow", actorID)
}

// Like tells whoever made the object that handle likes it, and returns the id of the Like. ActivityPub §6.8
func (s *Server) Like(ctx context.Context, handle, objectID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Like", objectID)
}

// Announce shares an object with everyone, the followers and whoever made it, and returns the id of the Announce.
// ActivityPub §7.11
func (s *Server) Announce(ctx context.Context, handle, objectID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Announce", objectID)
}

// Undo takes back a Follow, Like or Announce by its id, from all who were sent it, and returns the id of
// the Undo. Outside a transaction it fails with outbox.ErrUnknown if nothing of that id was ever said. ActivityPub §6.10
func (s *Server) Undo(ctx context.Context, handle, activityID string) (id string, err error) {
	if err := s.ours(activityID); err != nil {
		return "", err
	}
	if s.tx == nil {
		if err := s.outbox.Said(ctx, activityID); err != nil {
			return "", err
		}
	}
	return s.sayOf(ctx, handle, "Undo", activityID)
}

// Accept lets a follower in whose request a hook left pending. It does not work in a transaction. ActivityPub §7.5
func (s *Server) Accept(ctx context.Context, handle, follower string) error {
	return s.decide(ctx, handle, follower, "Accept")
}

// Reject turns a follower away: one who asked, or one who follows already. It does not work in a
// transaction. ActivityPub §7.7
func (s *Server) Reject(ctx context.Context, handle, follower string) error {
	return s.decide(ctx, handle, follower, "Reject")
}

func (s *Server) decide(ctx context.Context, handle, follower, typ string) error {
	if s.tx != nil {
		return ErrOutsideOnly
	}
	p, err := s.profile(ctx, handle)
	if err != nil {
		return err
	}
	store := s.config.Storage.Followers
	f, err := store.Follow(ctx, follower, p.ID)
	if err != nil {
		return err
	}
	// The answer first: who dies in between does it again, and it is sent once.
	err = s.outbox.Answer(ctx, p.ID, typ, &activity.Activity{
		ID: f.ID, Type: activity.Types{"Follow"}, Actor: activity.IRI(follower), Object: activity.Refs{activity.IRI(p.ID)},
	})
	if err != nil {
		return err
	}
	if typ == "Reject" {
		return store.DeleteFollow(ctx, follower, p.ID)
	}
	f.State = actor.Accepted
	return store.PutFollow(ctx, f)
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

// LocalFollowers walks who follows an actor elsewhere: for them is what that actor sends to its followers.
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

// sayObject says that o was made or changed. Blind copies go to the activity: an object that is embedded shows none.
func (s *Server) sayObject(ctx context.Context, handle, typ string, o *activity.Object) (string, error) {
	return s.say(ctx, handle, &activity.Activity{
		Type: activity.Types{typ}, Object: activity.Refs{activity.Embed(o)}, BTo: o.BTo, BCC: o.BCC,
	})
}

func (s *Server) sayOf(ctx context.Context, handle, typ, objectID string) (string, error) {
	return s.say(ctx, handle, &activity.Activity{Type: activity.Types{typ}, Object: activity.Refs{activity.IRI(objectID)}})
}

func (s *Server) say(ctx context.Context, handle string, a *activity.Activity) (string, error) {
	var tx outbox.Execer
	if s.tx != nil {
		tx = s.tx
	}
	return s.outbox.Say(ctx, tx, handle, a)
}

func (s *Server) ours(id string) error {
	if !s.names.Ours(id) {
		return fmt.Errorf("%w: %q", ErrNotOurs, id)
	}
	return nil
}
