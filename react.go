package fedihook

import (
	"context"
	"fmt"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/outbox"
)

// Like tells whoever made the object that handle likes it, and returns the id of the Like. Where the object's policy wants to be
// asked first, it is said when leave came, as with React, Announce and a reply; an Undo takes back what still waits.
// ActivityPub §6.8
func (s *Server) Like(ctx context.Context, handle, objectID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Like", objectID)
}

// React is a Like with an emoji: one of Unicode, or :name: and its [activity.Emoji] as custom, else nil. Misskey, Pleroma
// and their kin show the emoji, Mastodon a favourite. FEP-c0e0
func (s *Server) React(ctx context.Context, handle, objectID, emoji string, custom *activity.Object) (id string, err error) {
	if emoji == "" {
		return "", fmt.Errorf("fedihook: react to %s: no emoji: %w", objectID, outbox.ErrIncomplete)
	}
	return s.say(ctx, handle, activity.React("", "", &activity.Object{ID: objectID}, emoji, custom))
}

// Announce shares an object with everyone, the followers and whoever made it, and returns the id of the Announce.
// ActivityPub §7.11
func (s *Server) Announce(ctx context.Context, handle, objectID string) (id string, err error) {
	return s.sayOf(ctx, handle, "Announce", objectID)
}

// Vote chooses an option, by its name, of the poll with this id, tells whoever asks and nobody else, and returns the id of
// the vote. To choose several call it for each; to choose one twice is to choose it once.
func (s *Server) Vote(ctx context.Context, handle, questionID, option string) (id string, err error) {
	if _, ok := activity.Authority(questionID); !ok || option == "" {
		return "", fmt.Errorf("fedihook: vote for %q in %q: %w", option, questionID, outbox.ErrIncomplete)
	}
	id = s.outbox.DerivedID(handle, "Vote", handle, questionID, option)
	_, err = s.say(ctx, handle, activity.Create("", activity.Vote(id, "", option, &activity.Object{ID: questionID})))
	return id, err
}

// Flag reports an actor to the moderators of its server, with the objects that show why, and returns the id of the Flag. With
// an empty handle the site itself reports, as Mastodon does, so that they do not learn who complained. Nobody else hears of it.
func (s *Server) Flag(ctx context.Context, handle, actorID, reason string, objectIDs ...string) (id string, err error) {
	if handle == "" {
		handle = s.names.Instance()
	}
	return s.say(ctx, handle, activity.Flag("", "", reason, actorID, objectIDs...))
}

// Undo takes back a Follow, Like, Announce or Block by its id, from all who were sent it, and returns the id of
// the Undo. Outside a transaction it fails with outbox.ErrUnknown if nothing of that id was ever said. What was not said yet,
// see [Server.At], is just forgotten. ActivityPub §6.10
func (s *Server) Undo(ctx context.Context, handle, activityID string) (id string, err error) {
	if err := s.ours(handle, activityID); err != nil {
		return "", err
	}
	if s.tx == nil {
		if err := s.outbox.Said(ctx, activityID); err != nil {
			return "", err
		}
	}
	return s.sayOf(ctx, handle, "Undo", activityID)
}
