package fedihook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/moderation"
)

// ErrNotAllowed is wrapped where the author of a post does not allow what was to be done with it, by its policy or by answering
// so. It is wrapped by the error of [outbox.Ended] too, of what was therefore not said.
var ErrNotAllowed = errors.New("fedihook: its author does not allow it")

// stampKey begins the keys of the ids of stamps.
const stampKey = "stamp-"

// Asked walks who asked to quote, answer, like or share a post of handle and has no answer yet. Answer with [Server.Grant] or
// [Server.Refuse].
func (s *Server) Asked(ctx context.Context, handle string) iter.Seq2[consent.Stamp, error] {
	return func(yield func(consent.Stamp, error) bool) {
		p, err := s.profile(ctx, handle)
		if err != nil {
			yield(consent.Stamp{}, err)
			return
		}
		for st, err := range s.Stamps(ctx, consent.Query{Author: p.ID, State: consent.Requested}) {
			if !yield(st, err) {
				return
			}
		}
	}
}

// Stamps walks the leave that was asked for and given that q selects, whatever its Limit, which is only how many are read at
// once. FEP-044f
func (s *Server) Stamps(ctx context.Context, q consent.Query) iter.Seq2[consent.Stamp, error] {
	return func(yield func(consent.Stamp, error) bool) {
		q := q
		if q.Limit <= 0 {
			q.Limit = 100
		}
		for {
			list, err := s.config.Storage.Stamps.Stamps(ctx, q)
			if err != nil {
				yield(consent.Stamp{}, err)
				return
			}
			for _, st := range list {
				q.After = st.Seq
				if !yield(st, nil) {
					return
				}
			}
			if len(list) < q.Limit {
				return
			}
		}
	}
}

// Grant gives leave for what waits in [Server.Asked], named by its Request or, where nobody asked, its Interaction, and
// returns the id of the authorization. It also gives leave again for what was refused or taken back. It fails with
// consent.ErrNone if nobody asked for it, with [ErrNotAllowed] if who asked is refused by a rule of the site by now, and
// with [ErrOutsideOnly] in a transaction.
func (s *Server) Grant(ctx context.Context, handle, request string) (id string, err error) {
	st, err := s.pending(ctx, handle, request)
	if err != nil {
		return "", err
	}
	p, err := s.post(ctx, st.Target)
	if err != nil {
		return "", err
	}
	if p.Object == nil {
		return "", fmt.Errorf("fedihook: grant %s: %w", st.Target, actor.ErrGone)
	}
	if err := s.allowedBy(ctx, st); err != nil {
		return "", err
	}
	if st.State == consent.Granted {
		return st.ID, s.sayGranted(ctx, st)
	}
	st.ID = s.newID(st.Author, true, stampKey+strings.ToLower(rand.Text()))
	if st, err = s.save(ctx, st, consent.Granted); err != nil {
		return "", err
	}
	return st.ID, s.sayGranted(ctx, st)
}

// allowedBy asks the site's rules about who would be given leave.
func (s *Server) allowedBy(ctx context.Context, st consent.Stamp) error {
	verdict, err := s.config.Policy.Judge(ctx, moderation.Question{
		Purpose: moderation.Receive, Actor: st.Actor, Here: s.names.Ours(st.Actor), Local: st.Author,
	})
	if err == nil && verdict.Refuse {
		err = fmt.Errorf("%w: %w: %s", ErrNotAllowed, moderation.ErrRefused, st.Actor)
	}
	return err
}

// Refuse turns away what waits in [Server.Asked], named as for [Server.Grant].
func (s *Server) Refuse(ctx context.Context, handle, request string) error {
	st, err := s.pending(ctx, handle, request)
	if err != nil {
		return err
	}
	if st.State == consent.Granted {
		_, err := s.revoke(ctx, st)
		return err
	}
	return s.refuse(ctx, st)
}

// Revoke takes back leave that handle gave, named by the id of the authorization, and returns the id of the Delete that tells
// whoever was given it, who is to tell the others. From now on the authorization is gone. It fails with consent.ErrNone
// if handle never gave it, and with [ErrOutsideOnly] in a transaction. FEP-044f
func (s *Server) Revoke(ctx context.Context, handle, stampID string) (id string, err error) {
	p, err := s.owner(ctx, handle)
	if err != nil {
		return "", err
	}
	list, err := s.config.Storage.Stamps.Stamps(ctx, consent.Query{ID: stampID, Author: p.ID, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(list) == 0 || stampID == "" {
		return "", fmt.Errorf("fedihook: revoke %s: %w", stampID, consent.ErrNone)
	}
	return s.revoke(ctx, list[0])
}

// revoke saves first: nobody who asks after the Delete may find it still there. Who dies in between calls it again.
func (s *Server) revoke(ctx context.Context, st consent.Stamp) (id string, err error) {
	if st.State != consent.Revoked {
		if st, err = s.save(ctx, st, consent.Revoked); err != nil {
			return "", err
		}
	}
	to := activity.To(st.Actor)
	for _, id := range st.Audience {
		if id != st.Actor && !s.names.Ours(id) {
			to = append(to, activity.IRI(id))
		}
	}
	return s.outbox.Say(ctx, nil, st.Author, &activity.Activity{
		Type: activity.Types{"Delete"}, Object: activity.Refs{activity.Embed(st.Document())}, To: to,
	})
}

// pending finds what handle is to answer.
func (s *Server) pending(ctx context.Context, handle, request string) (st consent.Stamp, err error) {
	p, err := s.owner(ctx, handle)
	if err != nil {
		return st, err
	}
	for _, q := range []consent.Query{{Author: p.ID, Request: request, Limit: 1}, {Author: p.ID, Interaction: request, Limit: 1}} {
		list, err := s.config.Storage.Stamps.Stamps(ctx, q)
		if err != nil {
			return st, err
		}
		if len(list) > 0 && request != "" {
			return list[0], nil
		}
	}
	return st, fmt.Errorf("fedihook: %s asked %s for nothing: %w", request, handle, consent.ErrNone)
}

// grant gives leave and says so. One that was given before is the one that is given.
func (s *Server) grant(ctx context.Context, st consent.Stamp) (err error) {
	if st.State != consent.Granted {
		st.ID = s.newID(st.Author, true, stampKey+strings.ToLower(rand.Text()))
		if st, err = s.save(ctx, st, consent.Granted); err != nil {
			return err
		}
	}
	return s.sayGranted(ctx, st)
}

// sayGranted is the Accept, the same for the same request and stamp.
func (s *Server) sayGranted(ctx context.Context, st consent.Stamp) error {
	a := s.answer("Accept", st)
	a.Result = activity.IRI(st.ID)
	_, err := s.outbox.Say(ctx, nil, st.Author, a)
	return err
}

// refuse says no. What a stranger asked for and never got is not kept.
func (s *Server) refuse(ctx context.Context, st consent.Stamp) (err error) {
	if st.Version > 0 && st.State != consent.Refused && st.State != consent.Revoked {
		if st, err = s.save(ctx, st, consent.Refused); err != nil {
			return err
		}
	}
	_, err = s.outbox.Say(ctx, nil, st.Author, s.answer("Reject", st))
	return err
}

// answer is an Accept or a Reject of who asked. Where nobody did, it names what was done: GoToSocial up to 0.20 asked in
// that way.
func (s *Server) answer(typ string, st consent.Stamp) *activity.Activity {
	a := &activity.Activity{
		ID: s.activityID(st.Author, derived(typ, st.Kind.String(), st.Interaction, st.Target, st.Request, st.ID)), Type: activity.Types{typ},
		Object: activity.Refs{activity.IRI(st.Interaction)}, Target: activity.IRI(st.Target), To: activity.To(st.Actor),
	}
	if st.Request != "" {
		a.Target = activity.Ref{}
		a.Object = activity.Refs{activity.Embed(&activity.Activity{
			ID: st.Request, Type: activity.Types{st.Kind.Request()}, Actor: activity.IRI(st.Actor),
			Object: activity.Refs{activity.IRI(st.Target)}, Instrument: activity.IRI(st.Interaction),
		})}
	}
	return a
}

// derived is a key that is the same for the same words.
func derived(typ string, words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\n")))
	return strings.ToLower(typ) + "-" + hex.EncodeToString(sum[:16])
}

// stampDocument is the authorization with this id as asker may see it: as the post that it is about. FEP-044f
func (s *Server) stampDocument(ctx context.Context, id, asker string) (activity.Document, error) {
	list, err := s.config.Storage.Stamps.Stamps(ctx, consent.Query{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("fedihook: %s: %w", id, actor.ErrNotFound)
	}
	st := list[0]
	if err := s.exists(ctx, st.Author); err != nil {
		return nil, err
	}
	p, err := s.post(ctx, st.Target)
	if err != nil {
		return nil, err
	}
	if st.State != consent.Granted || p.Object == nil {
		return &activity.Object{ID: id, Type: activity.Types{"Tombstone"}, FormerType: activity.Types{st.Kind.Authorization()}}, nil
	}
	return st.Document(), s.mayRead(ctx, id, asker, st.Author, append(p.Recipients(), st.Actor))
}

// isStamp tells whether an id of ours is that of a stamp.
func (s *Server) isStamp(id string) bool {
	kind, key, ok := s.names.Parse(id)
	return ok && kind == actor.KindObject && strings.HasPrefix(key, stampKey)
}
