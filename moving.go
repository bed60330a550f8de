package fedihook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// What stands here takes moves from the inbox and keeps them going until nothing is left to do.

const (
	movePoll    = time.Minute      // how often it is looked for moves that another process left
	moveBackoff = 10 * time.Minute // at most, between two looks at one move
)

// lastMove is what the inbox asks for. Where somebody here has moved to the profile says, which is also the app's.
func (s *Server) lastMove(ctx context.Context, id string) (inbox.Moved, bool, error) {
	m, err := s.config.Storage.Moves.Move(ctx, id)
	if err != nil && !errors.Is(err, actor.ErrNotFound) {
		return inbox.Moved{}, false, err
	}
	last := inbox.Moved{ID: m.ID, From: id, To: m.To, At: m.At}
	if !s.names.Ours(id) {
		return last, err == nil && m.Back.IsZero(), nil
	}
	p, ok, err := s.handler.Local(ctx, id)
	if errors.Is(err, actor.ErrGone) {
		return last, false, nil
	}
	if err != nil || !ok {
		return last, false, err
	}
	last.To = p.MovedTo
	return last, p.MovedTo != "", nil
}

// moves fits the Server to the inbox.
type moves struct{ *Server }

func (s moves) LastMove(ctx context.Context, id string) (inbox.Moved, bool, error) {
	return s.lastMove(ctx, id)
}

// Moved begins what follows from a Move that came in, or was said here. Of who is followed by nobody here nothing is kept:
// strangers can make any number of actors.
func (s moves) Moved(ctx context.Context, in inbox.Moved) error {
	if err := s.showMoved(ctx, in); err != nil {
		return err
	}
	kept, err := s.config.Storage.Moves.Move(ctx, in.From)
	switch {
	case err == nil && kept.ID == in.ID:
		_, err = s.changeMove(ctx, in.From, func(m *actor.Move) bool {
			begin := m.ID == in.ID && m.Back.IsZero() && m.Step < actor.MoveAsking
			if begin {
				m.Step = actor.MoveAsking
			}
			return begin
		})
	case err == nil || errors.Is(err, actor.ErrNotFound):
		err = s.addMoved(ctx, actor.Move{From: in.From, To: in.To, ID: in.ID, At: in.At, Step: actor.MoveAsking})
	}
	if err != nil {
		return err
	}
	s.movedTo.forget()
	select {
	case s.began <- struct{}{}:
	default:
	}
	return nil
}

func (s *Server) addMoved(ctx context.Context, m actor.Move) error {
	asked, err := s.config.Storage.Followers.CountFollows(ctx, actor.FollowQuery{Followed: m.From})
	if err != nil || asked == 0 {
		return err
	}
	if err := s.countFollowers(ctx, &m); err != nil {
		return err
	}
	kept, err := s.config.Storage.Moves.AddMove(ctx, m, m.At.Add(-s.cooldown()))
	if err == nil && kept.ID != m.ID {
		err = fmt.Errorf("%w: %s has moved to %s before", inbox.ErrDrop, m.From, kept.To)
	}
	return err
}

// cooldown is what the inbox keeps to.
func (s *Server) cooldown() time.Duration { return max(0, s.inbox.MoveCooldown) }

// showMoved notes in what is known of an actor elsewhere where it is now: not all say so in an Update before.
func (s *Server) showMoved(ctx context.Context, in inbox.Moved) error {
	if s.names.Ours(in.From) {
		return nil
	}
	r, err := s.config.Storage.Remotes.Remote(ctx, in.From)
	if errors.Is(err, actor.ErrNotFound) || err == nil && len(r.Document) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	doc, err := activity.Decode(r.Document)
	if err != nil {
		return nil // what is kept is not read then either
	}
	a, ok := doc.(*activity.Actor)
	if !ok || a.MovedTo.ID == in.To {
		return nil
	}
	a.MovedTo = activity.IRI(in.To)
	if err := s.resolver.Update(ctx, a, nil); err != nil && !final(err) {
		return err
	}
	return nil
}

// runMoves works at moves until ctx ends.
func (s *Server) runMoves(ctx context.Context) error {
	looks := make(map[string]*look)
	for ctx.Err() == nil {
		next := time.Now().Add(movePoll)
		for m, err := range s.unfinished(ctx) {
			if err != nil {
				s.config.Logger.WarnContext(ctx, "fedihook: moves: will try again", "error", err)
				next = time.Now().Add(time.Second)
				break
			}
			if at := s.lookAt(ctx, looks, m); at.Before(next) {
				next = at
			}
		}
		for id, l := range looks { // what is finished
			if time.Since(l.next) > movePoll {
				delete(looks, id)
			}
		}
		select {
		case <-ctx.Done():
		case <-s.began:
		case <-time.After(max(time.Until(next), time.Millisecond)):
		}
	}
	return nil
}

// look is when a move was looked at.
type look struct {
	since time.Time // first
	next  time.Time
	times int
}

// lookAt brings one move as far as it goes and returns when to look at it again.
func (s *Server) lookAt(ctx context.Context, looks map[string]*look, m actor.Move) time.Time {
	l := looks[m.ID]
	if l == nil {
		l = &look{since: time.Now()}
		looks[m.ID] = l
	}
	if time.Now().Before(l.next) {
		return l.next
	}
	before := m.Step
	err := s.workAt(ctx, &m, l.since)
	if err != nil && ctx.Err() == nil {
		s.config.Logger.WarnContext(ctx, "fedihook: a move: will try again", "actor", m.From, "activity", m.ID, "error", err)
	}
	if m.Step != before {
		*l = look{since: time.Now(), next: time.Now().Add(time.Second)}
		return l.next
	}
	l.times++
	l.next = time.Now().Add(min(time.Second<<min(l.times-1, 20), moveBackoff))
	return l.next
}

func (s *Server) unfinished(ctx context.Context) iter.Seq2[actor.Move, error] {
	return s.listMoves(ctx, actor.MoveQuery{Unfinished: true})
}

func (s *Server) listMoves(ctx context.Context, q actor.MoveQuery) iter.Seq2[actor.Move, error] {
	return func(yield func(actor.Move, error) bool) {
		for q := q; ; {
			q.Limit = movePage
			page, err := s.config.Storage.Moves.ListMoves(ctx, q)
			if err != nil {
				yield(actor.Move{}, err)
				return
			}
			for _, m := range page {
				if q.After = m.From; !yield(m, nil) {
					return
				}
			}
			if len(page) < movePage {
				return
			}
		}
	}
}

// workAt does what m's step says. Since is when this process first saw it there.
func (s *Server) workAt(ctx context.Context, m *actor.Move, since time.Time) (err error) {
	// What an app's func can't take must not stop all others.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("fedihook: move of %s: panic: %v", m.From, v)
		}
	}()
	switch m.Step {
	case actor.MoveSaying:
		if time.Since(m.At) < time.Second { // whoever says it is about to
			return nil
		}
		return s.tellMove(ctx, *m)
	case actor.MoveAsking:
		return s.askFollowers(ctx, m)
	case actor.MoveEnding:
		left, err := s.endFollows(ctx, *m, since)
		if err != nil || left {
			return err
		}
		m.Step = actor.MoveDone
		return s.saveStep(ctx, m)
	}
	return nil
}

// saveStep saves m; who finds it changed goes on with what it is now, the next time.
func (s *Server) saveStep(ctx context.Context, m *actor.Move) error {
	ok, err := s.config.Storage.Moves.SaveMove(ctx, *m)
	if err == nil && !ok {
		err = errors.New("somebody else has worked at it")
	}
	m.Version++
	return err
}
