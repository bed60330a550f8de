package fedihook

import (
	"context"
	"errors"
	"iter"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
)

// ActorID is the id of the app's user with this handle, for mentions, audiences and hooks' Message.To. The error is what
// Config.Profile says.
func (s *Server) ActorID(ctx context.Context, handle string) (string, error) {
	p, err := s.profile(ctx, handle)
	return p.ID, err
}

// Local takes an IRI apart: what it is of on this site, and of which of the app's users, by the handle that this one has now. Ok
// is false if it is nothing here, which for other sites is known without asking the app. Handle is "" for objects and activities,
// which belong to whom their documents say, and for the shared inbox. For a user who is gone ok is true and the error wraps
// actor.ErrGone. See [actor.Handler.Whose].
func (s *Server) Local(ctx context.Context, iri string) (kind actor.Kind, handle string, ok bool, err error) {
	kind, p, ok, err := s.handler.Whose(ctx, iri)
	return kind, p.Handle, ok, err
}

// Handle returns the handle of an actor, here or elsewhere, as user@host, if WebFinger proves it from both ends. What an actor
// says of itself (preferredUsername, webfinger) is a claim: whoever owns any domain can call an actor anything. Of an actor that an
// activity brought here for the first time the proof is fetched in the background, then kept for seven days; where it is not
// there yet, Handle waits for it, within ctx. A hook may well call it and keep the result beside what it keeps of the
// activity. On an error show the actor's id, or the host of that, and no handle. See [actor.Resolver.HandleOf].
func (s *Server) Handle(ctx context.Context, actorID string) (string, error) {
	return s.resolver.HandleOf(ctx, actorID)
}

// Lookup finds an actor anywhere by "@user@host", "acct:user@host" or URL. The error is an *actor.LookupError with
// a sentence that an app may show.
func (s *Server) Lookup(ctx context.Context, handleOrURL string) (*activity.Actor, error) {
	a, err := s.resolver.Lookup(ctx, handleOrURL)
	if err != nil {
		return nil, err
	}
	if err := s.found(ctx, handleOrURL, a); err != nil {
		return nil, err
	}
	return a, nil
}

// LookupURL finds what is at a URL that a person pasted: an actor, a post, or the page of one. What is shown to handle alone is
// found too; "" asks in the site's name. The error is as Lookup's.
func (s *Server) LookupURL(ctx context.Context, handle, address string) (activity.Document, error) {
	r, err := s.seenBy(ctx, handle)
	if err != nil {
		return nil, err
	}
	doc, err := r.LookupURL(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := s.found(ctx, address, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// Thread walks the conversation around a post elsewhere, as far as handle may see it; "" asks in the site's name. Posts of this
// site are left out, and those that rules of moderation are against. See [actor.Resolver.Thread].
func (s *Server) Thread(ctx context.Context, handle, objectID string) iter.Seq2[*activity.Object, error] {
	return func(yield func(*activity.Object, error) bool) {
		r, err := s.seenBy(ctx, handle)
		if err != nil {
			yield(nil, err)
			return
		}
		for o, err := range r.Thread(ctx, objectID, actor.Caps{}) {
			if err == nil {
				if err = s.permitted(ctx, o); errors.Is(err, moderation.ErrRefused) {
					continue
				} else if err != nil {
					o = nil
				}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func (s *Server) seenBy(ctx context.Context, handle string) (*actor.Resolver, error) {
	if handle == "" {
		return s.resolver, nil
	}
	p, err := s.profile(ctx, handle)
	if err != nil {
		return nil, err
	}
	return s.resolver.As(s.keyOf(p.ID)), nil
}
