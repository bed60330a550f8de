package fedihook

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
)

// What stands here has the local followers of who has moved follow the new actor, and leave the old one when that has
// arrived. All of it may die at any place: what is done is known by its id.

const movePage = 100 // followers that are looked at before it is noted how far that came

// askFollowers has all local followers of m.From follow m.To, page by page.
func (s *Server) askFollowers(ctx context.Context, m *actor.Move) error {
	for m.Step == actor.MoveAsking {
		page, err := s.config.Storage.Followers.Follows(ctx, actor.FollowQuery{Followed: m.From, After: m.After, Limit: movePage})
		if err != nil {
			return err
		}
		for _, f := range page {
			if !s.carried(*m, f) {
				continue
			}
			if err := s.askFollower(ctx, *m, f); err != nil {
				return err
			}
		}
		if len(page) > 0 {
			m.After = page[len(page)-1].Seq
		}
		if len(page) < movePage {
			m.Step = actor.MoveEnding
		}
		if err := s.saveStep(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// carried tells whether a follow is one that m takes along. Of one that came later whoever made it knew.
func (s *Server) carried(m actor.Move, f actor.Follow) bool {
	return s.names.Ours(f.Follower) && f.Follower != m.To && !f.At.After(m.At)
}

// askFollower has one follower follow m.To, unless it does already or does not want to.
func (s *Server) askFollower(ctx context.Context, m actor.Move, f actor.Follow) error {
	id := s.moveID(movedFollow, m, f.Follower)
	if err := s.outbox.Said(ctx, id); !errors.Is(err, outbox.ErrUnknown) {
		return err // nil: before a crash
	}
	if _, err := s.config.Storage.Followers.Follow(ctx, f.Follower, m.To); !errors.Is(err, actor.ErrNotFound) {
		return err
	}
	verdict, err := s.config.Policy.Judge(ctx, moderation.Question{
		Purpose: moderation.Deliver, Actor: m.To, Here: s.names.Ours(m.To), Local: f.Follower, Type: "Follow",
	})
	if err != nil || verdict.Refuse {
		return err
	}
	if s.config.Refollow != nil {
		if yes, err := s.config.Refollow(ctx, f.Follower, m.From, m.To); err != nil || !yes {
			return err
		}
	}
	_, err = s.outbox.Keep(ctx, nil, outbox.Draft{Author: f.Follower, Activity: &activity.Activity{
		ID: id, Type: activity.Types{"Follow"}, Object: activity.Refs{activity.IRI(m.To)},
	}})
	return err
}

// endFollows ends the follows of m.From by those whose Follow of m.To has arrived. Left tells that some may still.
func (s *Server) endFollows(ctx context.Context, m actor.Move, since time.Time) (left bool, err error) {
	intents, err := s.config.Storage.Intents.NextIntents(ctx, 1)
	if err != nil {
		return false, err
	}
	// What was said before this process saw that all are asked may not be in the log yet.
	left = len(intents) > 0 && !intents[0].At.After(since)
	for f, err := range actor.All(ctx, s.config.Storage.Followers, actor.FollowQuery{Followed: m.From, Limit: 1000}) {
		if err != nil {
			return false, err
		}
		if !s.carried(m, f) {
			continue
		}
		waits, err := s.endFollow(ctx, m, f, false)
		if err != nil {
			return false, err
		}
		left = left || waits
	}
	return left, nil
}

// endFollow ends f, a follow of m.From, if the Follow of m.To has arrived, which is known if arrived says so, and still
// stands. Waits tells that it may still come to that.
func (s *Server) endFollow(ctx context.Context, m actor.Move, f actor.Follow, arrived bool) (waits bool, err error) {
	id := s.moveID(movedFollow, m, f.Follower)
	r, err := s.config.Storage.Log.Record(ctx, id)
	if errors.Is(err, outbox.ErrUnknown) { // it was not asked, or took that back before anybody heard of it
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := s.config.Storage.Followers.Follow(ctx, f.Follower, m.To)
	stands := err == nil
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		return false, err
	}
	if !arrived {
		if arrived, waits, err = s.arrived(ctx, r, stands && now.State == actor.Accepted); err != nil || !arrived {
			return waits, err
		}
	}
	if !stands { // it was taken back, turned away, or ended by a block: nothing takes the place of f
		return false, nil
	}
	undo := s.moveID(movedUndo, m, f.Follower)
	old, err := s.config.Storage.Log.Record(ctx, undo)
	if err == nil {
		return old.State == outbox.Pending, nil
	}
	if !errors.Is(err, outbox.ErrUnknown) {
		return false, err
	}
	_, err = s.outbox.Keep(ctx, nil, outbox.Draft{Author: f.Follower, Activity: &activity.Activity{
		ID: undo, Type: activity.Types{"Undo"}, Object: activity.Refs{activity.IRI(f.ID)},
	}})
	return true, err
}

// arrived tells whether a Follow of ours was delivered, or may still be.
func (s *Server) arrived(ctx context.Context, r outbox.Record, accepted bool) (arrived, waits bool, err error) {
	switch {
	case accepted:
		return true, false, nil
	case r.State == outbox.Pending, r.State == outbox.Partly:
		return false, true, nil
	case r.State == outbox.Failed:
		return false, false, nil
	case s.names.Ours(r.Object):
		return true, false, nil // it went into our own journal
	}
	for pass := range r.Pass {
		status, err := s.queue.Status(ctx, r.ID+" "+strconv.Itoa(pass))
		if errors.Is(err, delivery.ErrUnknown) {
			continue
		}
		if err != nil {
			return false, false, err
		}
		arrived, waits = arrived || status.Delivered > 0, waits || status.Pending > 0
	}
	return arrived, waits, nil
}

// delivered hears of each inbox that took something. It ends the old follow of one whose new one has arrived, at once; what is
// missed here the next look at the move finds.
func (s *Server) delivered(ctx context.Context, e *delivery.Event) error {
	if !strings.Contains(e.Activity, "/"+movedFollow) {
		return nil
	}
	id, _, _ := strings.Cut(e.Activity, " ")
	r, err := s.config.Storage.Log.Record(ctx, id)
	if err != nil {
		return err
	}
	for m, err := range s.listMoves(ctx, actor.MoveQuery{To: r.Object}) {
		if err != nil {
			return err
		}
		if s.moveID(movedFollow, m, r.Actor) != id || !m.Back.IsZero() {
			continue
		}
		f, err := s.config.Storage.Followers.Follow(ctx, r.Actor, m.From)
		if errors.Is(err, actor.ErrNotFound) || err == nil && !s.carried(m, f) {
			return nil
		}
		if err == nil {
			_, err = s.endFollow(ctx, m, f, true)
		}
		return err
	}
	return nil
}
