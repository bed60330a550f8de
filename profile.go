package fedihook

import (
	"context"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// UpdateProfile tells everyone who follows handle, and the relays, that the profile is another one now: a name, a picture, a
// field. Config.Profile is asked when the Update goes out, so in a transaction after its commit; zero Profile.Updated means
// now. It returns the id of the Update. New keys are told by [Server.RotateKeys], a new home by [Server.Move]. ActivityPub §6.3
func (s *Server) UpdateProfile(ctx context.Context, handle string) (id string, err error) {
	who := handle
	if !strings.Contains(who, "://") {
		who = s.names.Actor(handle) // of who has another id this stands for it: here nobody may be asked
	}
	if err := s.ours(handle, who); err != nil {
		return "", err
	}
	return s.sayOf(ctx, handle, activity.TypeUpdate, who)
}

// showProfile embeds in an Update that only names its author what the author's document is now.
func (s *Server) showProfile(ctx context.Context, author outbox.Author, a *activity.Activity) error {
	if len(a.Object) != 1 || a.Object[0].Raw != nil {
		return nil
	}
	id := a.Object.First()
	if id != author.ID {
		kind, handle, ok := s.names.Parse(id)
		if !ok || kind != actor.KindActor {
			return nil
		}
		if p, err := s.profile(ctx, handle); err != nil || p.ID != author.ID {
			return gone(err)
		}
	}
	doc, err := s.handler.Document(ctx, author.ID)
	if err != nil {
		return gone(err)
	}
	shown := *doc
	if shown.Updated.IsZero() {
		shown.Updated = time.Now().UTC().Truncate(time.Second)
	}
	a.Object = activity.Refs{activity.Embed(&shown)}
	return nil
}
