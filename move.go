package fedihook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

// Why nobody would follow from one actor to another. Each is wrapped in a [*MoveError].
var (
	// ErrMoveRefused: the target does not say that it is also known as the one that moves, has moved itself, is suspended or
	// is no actor.
	ErrMoveRefused = errors.New("the target does not take its place")
	// ErrMoveLately: it has moved before, and may move again after MoveError.Until.
	ErrMoveLately = errors.New("it has moved lately")
)

// MoveError tells why an actor can't move to another.
type MoveError struct {
	From, To string
	Until    time.Time // of ErrMoveLately: when it may
	Err      error     // wraps one of this package's errors, or says why the target could not be looked up
}

// Error names both ends and says what is in the way.
func (e *MoveError) Error() string {
	if !e.Until.IsZero() {
		return fmt.Sprintf("fedihook: move of %s to %s: %v: again after %s", e.From, e.To, e.Err, e.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("fedihook: move of %s to %s: %v", e.From, e.To, e.Err)
}

// Unwrap returns Err.
func (e *MoveError) Unwrap() error { return e.Err }

// Move says that handle is target from now on, an actor elsewhere or here: its followers are told to follow that one, and its
// document shows it in movedTo, whatever Config.Profile says. It returns the id of the Move. An Update of the actor goes
// first, and reaches each follower's server first.
//
// The target is looked up anew before: unless it lists the actor in its alsoKnownAs, has not moved itself and is not suspended,
// nobody would follow, and the error is a [*MoveError]. So it is, with ErrMoveLately, within Config.MoveCooldown after
// another move; to repeat the last move is no error, and sends nothing twice. It does not work in a transaction or at a later time.
//
// Who has moved is still served with all posts, may still post, and keeps those followers who do not come along; who asks to
// follow is turned away, as Mastodon does. [Server.Moved] tells how many came along, [Server.Unmove] takes it back. FEP-7628
func (s *Server) Move(ctx context.Context, handle, target string) (id string, err error) {
	return s.move(ctx, handle, target, s.outbox.ActivityID(handle))
}

func (s *Server) move(ctx context.Context, handle, target, id string) (string, error) {
	if s.tx != nil || !s.at.IsZero() {
		return "", ErrOutsideOnly
	}
	p, err := s.anyone(ctx, handle)
	if err != nil {
		return "", err
	}
	if err := s.mayMove(ctx, p.ID, target); err != nil {
		return "", err
	}
	m := actor.Move{From: p.ID, To: target, ID: id, At: time.Now(), Step: actor.MoveSaying}
	if err := s.countFollowers(ctx, &m); err != nil {
		return "", err
	}
	kept, err := s.config.Storage.Moves.AddMove(ctx, m, m.At.Add(-s.config.MoveCooldown))
	if err != nil {
		return "", err
	}
	if kept.ID != m.ID && (kept.To != target || !kept.Back.IsZero()) {
		return "", &MoveError{From: p.ID, To: target, Until: kept.At.Add(s.config.MoveCooldown), Err: ErrMoveLately}
	}
	s.movedTo.forget()
	return kept.ID, s.tellMove(ctx, kept)
}

// countFollowers notes how many followers both ends have.
func (s *Server) countFollowers(ctx context.Context, m *actor.Move) (err error) {
	follows := s.config.Storage.Followers
	if m.Followers, err = follows.CountFollows(ctx, actor.FollowQuery{Followed: m.From, State: actor.Accepted}); err != nil {
		return err
	}
	if s.names.Ours(m.To) {
		m.There, err = follows.CountFollows(ctx, actor.FollowQuery{Followed: m.To, State: actor.Accepted})
	}
	return err
}

// tellMove says the Update and the Move. It may be called twice: their ids stay the same.
func (s *Server) tellMove(ctx context.Context, m actor.Move) error {
	doc, err := s.lastDocument(ctx, m.From)
	if err != nil {
		return err
	}
	shown := *doc
	shown.MovedTo = activity.IRI(m.To)
	_, err = s.say(ctx, m.From+farewell, &activity.Activity{
		ID: s.moveID(movedUpdate, m, m.From), Type: activity.Types{"Update"}, Object: activity.Refs{activity.Embed(&shown)},
	})
	if err != nil {
		return err
	}
	// With its object, which says that it comes after the Update.
	_, err = s.say(ctx, m.From+farewell, &activity.Activity{
		ID: m.ID, Type: activity.Types{"Move"}, Object: activity.Refs{activity.IRI(m.From)}, Target: activity.IRI(m.To),
	})
	if err != nil || m.Step != actor.MoveSaying {
		return err
	}
	m.Step = actor.MoveDone
	_, err = s.config.Storage.Moves.SaveMove(ctx, m) // if another was faster, the followers here are being asked already
	return err
}

// Unmove takes back that handle has moved: its document shows no movedTo any more, who asks to follow is taken again, and the
// followers are told by an Update, of which it returns the id. Who followed the other one meanwhile stays there, and the time
// until it may move again goes on. It fails with actor.ErrNotFound if handle never moved; calling it again sends nothing twice.
// A MovedTo of Config.Profile is the app's to take back, before. It does not work in a transaction or at a later time.
func (s *Server) Unmove(ctx context.Context, handle string) (id string, err error) {
	if s.tx != nil || !s.at.IsZero() {
		return "", ErrOutsideOnly
	}
	p, err := s.profile(ctx, handle)
	if err != nil {
		return "", err
	}
	m, err := s.changeMove(ctx, p.ID, func(m *actor.Move) bool {
		if !m.Back.IsZero() {
			return false
		}
		m.Back, m.Step = time.Now(), actor.MoveDone
		return true
	})
	if err != nil {
		return "", err
	}
	s.movedTo.forget()
	doc, err := s.handler.Document(ctx, p.ID)
	if err != nil {
		return "", err
	}
	return s.say(ctx, p.ID, &activity.Activity{
		ID: s.moveID(movedBack, m, p.ID), Type: activity.Types{"Update"}, Object: activity.Refs{activity.Embed(doc)},
	})
}

// changeMove changes what is kept of the last move of an actor; change returns false to leave it as it is.
func (s *Server) changeMove(ctx context.Context, from string, change func(*actor.Move) bool) (actor.Move, error) {
	for {
		m, err := s.config.Storage.Moves.Move(ctx, from)
		if err != nil || !change(&m) {
			return m, err
		}
		if ok, err := s.config.Storage.Moves.SaveMove(ctx, m); ok || err != nil {
			return m, err
		}
		if err := ctx.Err(); err != nil {
			return m, err
		}
	}
}

// CheckMove tells, without saying anything, whether followers would go from one actor to another, each named by its id or by
// the handle of a user here: to must list from in its alsoKnownAs, which for users here is Profile.AlsoKnownAs. It is for who
// wants to move in, before they press the button over there, and for who wants to move out. The error is a [*MoveError].
func (s *Server) CheckMove(ctx context.Context, from, to string) error {
	for _, end := range []*string{&from, &to} {
		if strings.Contains(*end, "://") {
			continue
		}
		p, err := s.profile(ctx, *end)
		if err != nil {
			return &MoveError{From: from, To: to, Err: err}
		}
		*end = p.ID
	}
	return s.mayMove(ctx, from, to)
}

// mayMove looks the target up, not in what is remembered of it.
func (s *Server) mayMove(ctx context.Context, from, to string) error {
	fail := func(err error) error { return &MoveError{From: from, To: to, Err: err} }
	if _, ok := activity.Authority(to); !ok {
		return fail(fmt.Errorf("target %q is no http or https id: %w", to, outbox.ErrIncomplete))
	}
	if from == to {
		return fail(fmt.Errorf("%w: it is the same actor", ErrMoveRefused))
	}
	target, err := s.anew(ctx, to)
	switch {
	case errors.Is(err, actor.ErrNotActor):
		return fail(fmt.Errorf("%w: %w", ErrMoveRefused, err))
	case err != nil:
		return fail(err)
	}
	if err := inbox.Agrees(target, from); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrMoveRefused, err))
	}
	return nil
}

// anew is an actor as its server shows it now.
func (s *Server) anew(ctx context.Context, id string) (*activity.Actor, error) {
	if s.names.Ours(id) {
		a, err := s.handler.Document(ctx, id)
		if err == nil && a.ID != id {
			err = fmt.Errorf("fedihook: %s: %w", id, actor.ErrNotFound)
		}
		return a, err
	}
	doc, _, err := s.resolver.Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	a, ok := doc.(*activity.Actor)
	if !ok || a.ID != id {
		return nil, fmt.Errorf("fedihook: %s: %w", id, actor.ErrNotActor)
	}
	return a, nil
}

// Moved tells of the last move of an actor.
type Moved struct {
	actor.Move // Followers had it then, There had the target, as far as it is known here

	// Left is how many accepted followers it has now: servers undo the follow of who comes along. Came is how many are gone.
	Left, Came int64
	// ThereNow is how many followers the target has now, if it is here.
	ThereNow int64
	// Told is how far the Move itself has come, of a user here: to how many inboxes it goes, and how many have it. Zero before it
	// is handed over, and some days after.
	Told delivery.Status
}

// Moved tells how a move goes: of handle, or of the actor elsewhere with this id whom somebody here followed; of that one the
// followers here are counted. The error wraps actor.ErrNotFound if there was none.
func (s *Server) Moved(ctx context.Context, handle string) (Moved, error) {
	id := handle
	if !strings.Contains(handle, "://") {
		p, err := s.profile(ctx, handle)
		if err != nil {
			return Moved{}, err
		}
		id = p.ID
	}
	m, err := s.config.Storage.Moves.Move(ctx, id)
	if err != nil {
		return Moved{}, err
	}
	now := m
	if err := s.countFollowers(ctx, &now); err != nil {
		return Moved{}, err
	}
	out := Moved{Move: m, Left: now.Followers, Came: max(0, m.Followers-now.Followers), ThereNow: now.There}
	if out.Told, err = s.queue.Status(ctx, m.ID+" 0"); errors.Is(err, delivery.ErrUnknown) {
		err = nil
	}
	return out, err
}

// withMovedTo makes profile show where somebody has moved who said so by [Server.Move].
func (s *Server) withMovedTo(profile func(context.Context, string) (actor.Profile, error)) func(context.Context, string) (actor.Profile, error) {
	return func(ctx context.Context, handle string) (actor.Profile, error) {
		p, err := profile(ctx, handle)
		if err != nil || p.MovedTo != "" || p.Handle == "" {
			return p, err
		}
		id := p.ID
		if id == "" {
			id = s.names.Actor(p.Handle)
		}
		to, ok, version := s.movedTo.get(id)
		if !ok {
			m, err := s.config.Storage.Moves.Move(ctx, id)
			if err != nil && !errors.Is(err, actor.ErrNotFound) {
				return p, err
			}
			if m.Back.IsZero() {
				to = m.To
			}
			s.movedTo.put(id, to, version)
		}
		p.MovedTo = to
		return p, nil
	}
}

// What the ids begin with of what is said because of a move.
const (
	movedUpdate = "moved-update-"
	movedBack   = "moved-back-"
	movedFollow = "moved-follow-"
	movedUndo   = "moved-undo-"
)

// moveID names what is said by somebody because of a move: the same again whoever says it.
func (s *Server) moveID(what string, m actor.Move, by string) string {
	sum := sha256.Sum256([]byte(m.From + "\n" + m.To + "\n" + m.ID + "\n" + by))
	return s.activityID(by, what+hex.EncodeToString(sum[:16]))
}
