package fedihook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
)

const (
	// recheck is after what time leave that others gave each other is looked up again when the quote is seen again. FEP-044f
	recheck = 24 * time.Hour
	// keepTheirs is how long it is kept without that.
	keepTheirs = 180 * 24 * time.Hour
	// maxEarly bounds how many stamps of one author, revoked before we knew them, are remembered.
	maxEarly = 100
)

// errNotGranted says that leave is not what it is said to be. It is final.
var errNotGranted = fmt.Errorf("%w: no leave", inbox.ErrDrop)

// Quote tells what a post of another server quotes and whether the author of that agrees, by asking anew: an authorization may
// have been revoked without anybody telling. An error means that it could not be found out now. Quoted posts of this site need
// no asking. FEP-044f
func (s *Server) Quote(ctx context.Context, o *activity.Object) (inbox.Quote, error) {
	q, err := s.quote(ctx, o.AttributedTo.First(), o, true)
	if err == nil && q.Unsure {
		err = fmt.Errorf("fedihook: %s quotes %s: not known now whether with leave", o.ID, q.ID)
	}
	return q, err
}

// quote finds out whether o, which is sender's, may quote what it does. An error is the storage's. Anew says that what was
// verified before does not count.
func (s *Server) quote(ctx context.Context, sender string, o *activity.Object, anew bool) (inbox.Quote, error) {
	q := inbox.Quote{ID: o.Quoted()}
	if q.ID == "" {
		return q, nil
	}
	st, err := s.stamp(ctx, consent.Quote, o.ID, q.ID)
	if err != nil {
		return q, err
	}
	granted := st.State == consent.Granted && st.Actor == sender
	if s.names.Ours(q.ID) { // what others show us is not asked for
		p, err := s.post(ctx, q.ID)
		if err != nil || p.Object == nil {
			return q, err
		}
		switch {
		case p.author == sender:
			q.Approved = true
		case granted:
			q.Approved, q.Authorization = true, st.ID
		}
		return q, nil
	}
	said := o.QuoteAuthorization.ID
	switch {
	case said == "" && s.names.Ours(sender) && granted:
		said = st.ID // of a post of ours, which need not say it yet
	case said == "" && !activity.SameAuthority(q.ID, sender):
		return q, nil
	case granted && st.ID == said && !anew && time.Since(st.At) < recheck:
		q.Approved, q.Authorization = true, said
		return q, nil
	}
	asker := s.names.Instance()
	if s.names.Ours(sender) {
		asker = sender
	}
	fetching, stop := context.WithTimeout(ctx, policyTime) // who is slow twice shall not hold up what others say for twice as long
	defer stop()
	if said == "" {
		author, err := s.authorOf(fetching, asker, q.ID)
		if errors.Is(err, inbox.ErrAway) { // nobody was asked
			return q, err
		}
		q.Approved = err == nil && author == sender
		q.Unsure = err != nil && !errors.Is(err, inbox.ErrDrop)
		return q, ctx.Err() // stopped: that says nothing
	}
	author, err := s.verify(fetching, asker, consent.Quote, o.ID, q.ID, said)
	switch {
	case ctx.Err() != nil: // stopped: that says nothing
		return q, ctx.Err()
	case errors.Is(err, inbox.ErrAway): // nobody was asked
		return q, err
	case errors.Is(err, inbox.ErrDrop):
		if granted && st.ID == said {
			_, err = s.save(ctx, st, consent.Revoked)
			return q, err
		}
		return q, nil
	case err != nil:
		q.Unsure = true
		return q, nil
	}
	q.Approved, q.Authorization = true, said
	st.ID, st.Author, st.Actor, st.Theirs = said, author, sender, !s.names.Ours(sender)
	if st, err = s.save(ctx, st, consent.Granted); err != nil {
		return q, err
	}
	if early, err := s.revokedEarly(ctx, st); err != nil || early {
		q.Approved, q.Authorization = false, ""
		return q, err
	}
	return q, nil
}

// verify finds out whether stampID is leave to do this with target, and whose: it is a document at its own id, of the right
// type, of the author of target and of that author's server, about these two and no others. Nothing of it is kept before. An
// error that wraps inbox.ErrDrop is final.
func (s *Server) verify(ctx context.Context, asker string, kind consent.Kind, interaction, target, stampID string) (author string, err error) {
	lie := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("%w: %s: %s", errNotGranted, stampID, fmt.Sprintf(format, args...))
	}
	if s.names.Ours(target) || s.names.Ours(stampID) {
		st, err := s.stamp(ctx, kind, interaction, target)
		if err != nil {
			return "", err
		}
		if st.State != consent.Granted || st.ID != stampID || !s.names.Ours(st.Author) {
			return lie("was not given here")
		}
		return st.Author, nil
	}
	if !activity.SameAuthority(stampID, target) {
		return lie("is not of the server of %s", target)
	}
	doc, err := s.fetchFor(ctx, asker, stampID)
	if err != nil {
		return "", err
	}
	o, ok := doc.(*activity.Object)
	if !ok || o.ID != stampID || !kind.Gives(o.Type) {
		return lie("is no %s", kind.Authorization())
	}
	about, of := o.InteractingObject.ID, o.InteractionTarget.ID
	if about == "" && of == "" && kind != consent.Quote { // GoToSocial up to 0.20
		about, of = o.Object.First(), o.Target.ID
	}
	switch author = o.AttributedTo.First(); {
	case about != interaction:
		return lie("is about %.200s", about)
	case of != target:
		return lie("is for %.200s", of)
	case len(o.AttributedTo) != 1 || !activity.SameAuthority(author, stampID):
		return lie("is of %.200s", author)
	}
	owner, err := s.authorOf(ctx, asker, target)
	if err != nil {
		return "", err
	}
	if owner != author {
		return lie("is of %.200s, and %s of %.200s", author, target, owner)
	}
	// Only its author can have revoked it, whoever else of that server said so.
	if early, err := s.stamp(ctx, 0, stampID, ""); err != nil {
		return "", err
	} else if early.State == consent.Revoked && early.Author == author {
		return lie("was revoked")
	}
	return author, nil
}

// authorOf asks another server whose a post is. What is shared, or not for everyone, is nobody's to be quoted.
func (s *Server) authorOf(ctx context.Context, asker, id string) (string, error) {
	doc, err := s.fetchFor(ctx, asker, id)
	if err != nil {
		return "", err
	}
	o, ok := doc.(*activity.Object)
	if !ok || o.ID != id || len(o.AttributedTo) == 0 || !slices.ContainsFunc(o.Recipients(), activity.IsPublic) {
		return "", fmt.Errorf("%w: %s is no public post of anybody", inbox.ErrDrop, id)
	}
	return o.AttributedTo.First(), nil
}

// answered is the answer to something that one of ours asked, or did where leave was needed. Done is false if it is an
// answer to something else.
func (s *Server) answered(ctx context.Context, m *inbox.Message) (done bool, err error) {
	if m.ObjectID == "" || m.Object != nil && m.Object.Is("Follow") {
		return false, nil
	}
	st, ok, err := s.askedFor(ctx, m)
	if err != nil || !ok {
		return false, err
	}
	was := st.State
	if m.Activity.Is("Reject") {
		if st.State != consent.Refused {
			if st, err = s.save(ctx, st, consent.Refused); err != nil {
				return true, err
			}
		}
	} else {
		if st, err = s.accepted(ctx, m, st); err != nil {
			return true, err
		}
	}
	if st.Kind == consent.Quote && (st.State == consent.Granted || was == consent.Granted) {
		if err := s.restamp(ctx, st); err != nil {
			return true, err
		}
	}
	if err := s.outbox.Resume(ctx, st.Interaction); err != nil {
		return true, err
	}
	return true, s.tell(ctx, m, st)
}

// askedFor finds what m answers, which must be for the sender to answer.
func (s *Server) askedFor(ctx context.Context, m *inbox.Message) (consent.Stamp, bool, error) {
	for _, q := range []consent.Query{{Request: m.ObjectID}, {Interaction: m.ObjectID}} { // GoToSocial up to 0.20 names the latter
		for st, err := range s.Stamps(ctx, q) {
			if err != nil {
				return st, false, err
			}
			theirs := st.Author == m.Sender || st.Author == "" && activity.SameAuthority(st.Target, m.Sender)
			if theirs && st.Kind != 0 && s.names.Ours(st.Actor) {
				return st, true, nil
			}
		}
	}
	return consent.Stamp{}, false, nil
}

// accepted verifies what was granted and keeps it.
func (s *Server) accepted(ctx context.Context, m *inbox.Message, st consent.Stamp) (consent.Stamp, error) {
	id := m.Activity.Result.ID
	if st.State == consent.Revoked && st.ID == id {
		return st, fmt.Errorf("%w: %s was revoked", inbox.ErrDrop, id)
	}
	author, err := s.verify(ctx, st.Actor, st.Kind, st.Interaction, st.Target, id)
	if err != nil {
		return st, err
	}
	if author != m.Sender {
		return st, fmt.Errorf("%w: %s is %s's to give", inbox.ErrDrop, id, author)
	}
	if st.State == consent.Granted && st.ID == id {
		return st, nil
	}
	st.ID, st.Author = id, author
	if st, err = s.save(ctx, st, consent.Granted); err != nil {
		return st, err
	}
	if early, err := s.revokedEarly(ctx, st); err != nil || early {
		return st, errors.Join(err, fmt.Errorf("%w: %s was revoked", inbox.ErrDrop, id))
	}
	return st, nil
}

// revokedEarly takes back what was revoked while it was being verified.
func (s *Server) revokedEarly(ctx context.Context, st consent.Stamp) (bool, error) {
	early, err := s.stamp(ctx, 0, st.ID, "")
	if err != nil || early.State != consent.Revoked || early.Author != st.Author {
		return false, err
	}
	_, err = s.save(ctx, st, consent.Revoked)
	return true, err
}

// tell tells the app what became of leave.
func (s *Server) tell(ctx context.Context, m *inbox.Message, st consent.Stamp) error {
	if s.config.Hooks.Leave == nil {
		return nil
	}
	told := *m
	told.Stamp = &st
	return s.config.Hooks.Leave(ctx, &told)
}

// deleted looks whether m takes back leave. Done is true if it is about nothing else.
func (s *Server) deleted(ctx context.Context, m *inbox.Message) (done bool, err error) {
	if m.ObjectID == "" || m.ObjectID == m.Sender {
		return false, nil
	}
	if done, err = s.revoked(ctx, m); done || err != nil {
		return done, err
	}
	if early, err := s.keepEarly(ctx, m); err != nil || !early {
		return false, errors.Join(err, s.withdrawn(ctx, m))
	}
	return s.revoked(ctx, m) // it may have been kept between the two
}

func (s *Server) revoked(ctx context.Context, m *inbox.Message) (done bool, err error) {
	for st, err := range s.Stamps(ctx, consent.Query{ID: m.ObjectID, Author: m.Sender}) {
		if err != nil {
			return true, err
		}
		if st.Kind == 0 {
			continue
		}
		done = true
		if st.State == consent.Granted {
			if st, err = s.save(ctx, st, consent.Revoked); err != nil {
				return true, err
			}
		}
		if st.Kind == consent.Quote && s.names.Ours(st.Actor) {
			if err := s.restamp(ctx, st); err != nil {
				return true, err
			}
			if s.forwarder != nil && s.inbox.Convinces(ctx, m) {
				if err := s.forwarder.Revocation(ctx, st.Actor, st.Interaction, m); err != nil {
					return true, err
				}
			}
		}
		if err := s.tell(ctx, m, st); err != nil {
			return true, err
		}
	}
	return done, nil
}

// keepEarly remembers that a stamp was revoked before it came. Only who was asked for one can have given it, and of each
// no more than some are remembered: who revokes does not show it any more either.
func (s *Server) keepEarly(ctx context.Context, m *inbox.Message) (bool, error) {
	if m.By == inbox.ByUs {
		return false, nil
	}
	store := s.config.Storage.Stamps
	waiting, err := store.Stamps(ctx, consent.Query{Author: m.Sender, State: consent.Requested, Limit: 1})
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	early, err := store.Stamps(ctx, consent.Query{Author: m.Sender, State: consent.Revoked, Limit: maxEarly})
	if err != nil || len(early) >= maxEarly {
		return false, err
	}
	_, err = s.save(ctx, consent.Stamp{Interaction: m.ObjectID, ID: m.ObjectID, Author: m.Sender, Theirs: true}, consent.Revoked)
	if errors.Is(err, consent.ErrStale) { // it is remembered
		err = nil
	}
	return true, err
}

// withdrawn ends what was asked for, or granted, for something that its author has taken back.
func (s *Server) withdrawn(ctx context.Context, m *inbox.Message) error {
	if m.ObjectID == "" {
		return nil
	}
	for st, err := range s.Stamps(ctx, consent.Query{Interaction: m.ObjectID, Actor: m.Sender}) {
		if err != nil {
			return err
		}
		if state := map[consent.State]consent.State{consent.Requested: consent.Refused, consent.Granted: consent.Revoked}[st.State]; state != 0 {
			if _, err := s.save(ctx, st, state); err != nil {
				return err
			}
		}
	}
	return nil
}
