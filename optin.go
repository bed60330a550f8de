package fedihook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// What stands here keeps from others who did not opt in to federation, as Threads does (seen 2026-05).

// farewell follows an actor's id where what it says goes out although it has opted out.
const farewell = " farewell"

// maxParted bounds whom somebody follows and who are told of the opting out.
const maxParted = 1000

// federated keeps profile's users who have not opted in from everyone who asks.
func (s *Server) federated(profile func(context.Context, string) (actor.Profile, error)) func(context.Context, string) (actor.Profile, error) {
	if !s.config.OptIn {
		return profile
	}
	return func(ctx context.Context, who string) (actor.Profile, error) {
		p, err := profile(ctx, who)
		if err == nil && !p.OptedIn {
			return actor.Profile{}, fmt.Errorf("fedihook: %s has not opted in: %w", who, actor.ErrNotFound)
		}
		return p, err
	}
}

// exists tells with an error that wraps actor.ErrNotFound that a local actor has not opted in: nothing of it is there either.
func (s *Server) exists(ctx context.Context, actorID string) error {
	if !s.config.OptIn || actorID == "" || !s.names.Ours(actorID) {
		return nil
	}
	if _, ok, err := s.handler.Local(ctx, actorID); err != nil && !errors.Is(err, actor.ErrGone) || ok {
		return err
	}
	return fmt.Errorf("fedihook: what %s made: %w", actorID, actor.ErrNotFound)
}

// anyone finds a user by handle or actor id, also one who has not opted in.
func (s *Server) anyone(ctx context.Context, who string) (actor.Profile, error) {
	if !s.config.OptIn {
		return s.profile(ctx, who)
	}
	p, err := s.everyone(ctx, who)
	if err == nil && p.ID == "" {
		p.ID = s.names.Actor(p.Handle)
	}
	if kind, handle, ok := s.names.Parse(who); errors.Is(err, actor.ErrNotFound) && ok && kind == actor.KindActor {
		if p, err = s.everyone(ctx, handle); err == nil && p.ID == "" {
			p.ID = s.names.Actor(p.Handle)
		}
		if err == nil && p.ID != who {
			err = fmt.Errorf("fedihook: %s: %w", who, actor.ErrNotFound)
		}
	}
	return p, err
}

// OptIn says, after Config.Profile shows a user as OptedIn, that the user is there: an Update of the actor goes to followers
// whom it has from before. It returns the id of the Update. Without it a user who comes back after [Server.OptOut] is found just
// as well, but could not opt out a second time. It fails with actor.ErrNotFound if the user is not shown, and does not work in
// a transaction.
func (s *Server) OptIn(ctx context.Context, handle string) (id string, err error) {
	if s.tx != nil {
		return "", ErrOutsideOnly
	}
	p, err := s.profile(ctx, handle)
	if err != nil {
		return "", err
	}
	doc, err := s.handler.Document(ctx, p.ID)
	if err != nil {
		return "", err
	}
	return s.say(ctx, p.ID, &activity.Activity{Type: activity.Types{activity.TypeUpdate}, Object: activity.Refs{activity.Embed(doc)}})
}

// OptOut says that a user leaves the fediverse, and returns the id of what is said: a Delete of the actor, to its followers,
// those whom it follows and the relays, or with a target a [Server.Move] there, under the rules of that. It is said once,
// however often OptOut is called, until [Server.OptIn] was. Keep that the user is not OptedIn any more where
// Config.Profile reads it, right after this returned: from then on nobody finds the actor or anything it made, and what it says is
// not said. What OptOut said goes out all the same. It works for users who are hidden already, so that an app that
// died in between calls it again. It does not work in a transaction or at a later time, and needs Config.OptIn.
func (s *Server) OptOut(ctx context.Context, handle, target string) (id string, err error) {
	if s.tx != nil || !s.at.IsZero() {
		return "", ErrOutsideOnly
	}
	if !s.config.OptIn {
		return "", &Finding{Code: CodeMissing, Field: "OptIn", What: "it is not set, and all users are there", Do: "set it to let users opt out"}
	}
	p, err := s.anyone(ctx, handle)
	if err != nil {
		return "", err
	}
	since, said, err := s.parted(ctx, p.ID)
	if err != nil || said != "" {
		return said, err
	}
	if target != "" {
		return s.Move(ctx, p.ID, target)
	}
	gone := &activity.Activity{
		ID: s.activityID(p.ID, derived("farewell", p.ID, strconv.FormatInt(since, 10))), Type: activity.Types{activity.TypeDelete},
		Object: activity.Refs{activity.IRI(p.ID)}, To: activity.To(activity.Public), CC: activity.To(activity.Followers),
	}
	for f, err := range actor.All(ctx, s.config.Storage.Followers, actor.FollowQuery{Follower: p.ID}) {
		if err != nil {
			return "", err
		}
		if len(gone.BTo) == maxParted {
			break
		}
		gone.BTo = append(gone.BTo, activity.IRI(f.Followed))
	}
	return s.say(ctx, p.ID+farewell, gone)
}

// parted finds what was said when an actor opted out; said is "" if it is in, and since names when it came.
func (s *Server) parted(ctx context.Context, actorID string) (since int64, said string, err error) {
	if err := s.outbox.Said(ctx, actorID); err != nil && !errors.Is(err, outbox.ErrUnknown) { // what was said a moment ago is in the log then
		return 0, "", err
	}
	records, err := s.config.Storage.Log.ObjectRecords(ctx, actorID, 1000)
	if err != nil {
		return 0, "", err
	}
	for _, r := range records {
		by := strings.TrimSuffix(r.Author, farewell)
		if r.Actor != actorID && by != actorID || r.State == outbox.Failed { // others say things about it too
			continue
		}
		switch r.Type {
		case activity.TypeUpdate:
			since, said = r.Seq, ""
		case activity.TypeDelete, activity.TypeMove:
			said = r.ID
		}
	}
	return since, said, nil
}

// lastDocument is a local actor's document, also of one who has opted out meanwhile: who moves shows where to.
func (s *Server) lastDocument(ctx context.Context, actorID string) (*activity.Actor, error) {
	doc, err := s.handler.Document(ctx, actorID)
	if !s.config.OptIn || !errors.Is(err, actor.ErrNotFound) {
		return doc, err
	}
	all := &actor.Handler{
		Names: s.names, Profile: s.everyone, Keyring: s.keys, Collections: s.handler.Collections, Logger: s.config.Logger,
	}
	return all.Document(ctx, actorID)
}
