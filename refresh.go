package fedihook

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// Flows lists what a peer is known not to show of a post that is about to be published, or not to send in answer, so that an app
// can say so to its author before. Who is an actor's id, a handle or a host; without o it is all that is known of that peer.
// Nothing is fetched, and empty means that nothing is known. See [outbox.Flows].
func (s *Server) Flows(who string, o *activity.Object) []outbox.Flow {
	authority, ok := activity.Authority(who)
	if !ok {
		authority = who[strings.LastIndexByte(who, '@')+1:]
	}
	if o == nil {
		return outbox.Flows(authority)
	}
	kinds := outbox.KindsOf(o, authority)
	if len(kinds) == 0 {
		return nil
	}
	return outbox.Flows(authority, kinds...)
}

// Refresh fetches a post or an actor of another server anew, as handle may see it, "" as the site, and returns what it is now.
// It is for what has changed without a word, above all the addresses of pictures that were good for a while: see
// [activity.MediaExpiry]. What is known of an actor is replaced. The document's id is the one that was asked for; it is not
// attributed to anybody on another server. The error is an *actor.Error, one that wraps actor.ErrGone where it was deleted;
// of Threads actor.ErrNotFound may pass.
func (s *Server) Refresh(ctx context.Context, handle, id string) (activity.Document, error) {
	if s.names.Ours(id) {
		return nil, fmt.Errorf("fedihook: refresh %s: %w", id, actor.ErrOurs)
	}
	r, err := s.seenBy(ctx, handle)
	if err != nil {
		return nil, err
	}
	doc, raw, err := r.Within(&actor.Budget{Requests: 8, Bytes: 4 << 20}).Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	if doc.DocumentID() != id {
		return nil, &actor.Error{ID: id, Err: fmt.Errorf("%w: it is %.200q", actor.ErrIDMismatch, doc.DocumentID())}
	}
	switch doc := doc.(type) {
	case *activity.Actor:
		return doc, s.resolver.Update(ctx, doc, raw)
	case *activity.Object:
		for _, by := range doc.AttributedTo {
			if !activity.SameAuthority(by.ID, id) {
				return nil, &actor.Error{ID: id, Err: fmt.Errorf("%w: to %.200q", actor.ErrForeign, by.ID)}
			}
		}
		if doc.Is(activity.TypeTombstone) {
			return nil, &actor.Error{ID: id, Err: actor.ErrGone}
		}
	}
	return doc, nil
}
