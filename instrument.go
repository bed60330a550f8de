package fedihook

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
)

// maxNamed is how many recipients of an instrument are remembered.
const maxNamed = 20

// instrument is what leave is asked for, verified.
type instrument struct {
	id       string
	audience []string
	like     *activity.Activity // of a LikeRequest
}

// instrument reads it from m, or asks for it as author may see it.
func (s *Server) instrument(ctx context.Context, m *inbox.Message, kind consent.Kind, author, target string) (in instrument, err error) {
	ref := m.Activity.Instrument
	if ref.ID == "" || !activity.SameAuthority(ref.ID, m.Sender) {
		return in, fmt.Errorf("%w: %s is not for %s to ask for", inbox.ErrDrop, ref.ID, m.Sender)
	}
	doc, err := ref.Document()
	if errors.Is(err, activity.ErrNotEmbedded) {
		if doc, err = s.fetchFor(ctx, author, ref.ID); err != nil {
			return in, err
		}
	}
	if err != nil {
		return in, fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	lie := fmt.Errorf("%w: %s is no %s of %s by %s", inbox.ErrDrop, ref.ID, kind, target, m.Sender)
	if doc.DocumentID() != ref.ID {
		return in, lie
	}
	in.id = ref.ID
	switch doc := doc.(type) {
	case *activity.Object:
		about := map[consent.Kind]string{consent.Quote: doc.Quoted(), consent.Reply: doc.InReplyTo.ID}[kind]
		if about != target || len(doc.AttributedTo) != 1 || doc.AttributedTo.First() != m.Sender {
			return in, lie
		}
		for _, id := range doc.Recipients() {
			if _, ok := activity.Authority(id); ok && !activity.IsPublic(id) && id != author && len(in.audience) < maxNamed && len(id) <= 2048 {
				in.audience = append(in.audience, id)
			}
		}
	case *activity.Activity:
		right := kind == consent.Announce && doc.Is("Announce") || kind == consent.Like && (doc.Is("Like") || doc.Is("EmojiReact"))
		if !right || doc.Actor.ID != m.Sender || len(doc.Object) != 1 || doc.Object.First() != target {
			return in, lie
		}
		if kind == consent.Like {
			in.like = doc
		}
	default:
		return in, lie
	}
	return in, nil
}

// fetchFor gets a document of another server as a local actor may see it. An error that wraps inbox.ErrDrop is final.
func (s *Server) fetchFor(ctx context.Context, who, id string) (activity.Document, error) {
	budget := &actor.Budget{Requests: 8, Bytes: 4 << 20}
	var doc activity.Document
	err := inbox.Away(ctx, id, func() (err error) {
		doc, _, err = s.resolver.Within(budget).As(s.keyOf(who)).Fetch(ctx, id)
		if errors.Is(err, actor.ErrRejected) { // a server that can't have the user's key
			doc, _, err = s.resolver.Within(budget).Fetch(ctx, id)
		}
		return err
	})
	switch {
	case err == nil, !final(err):
	case errors.Is(err, actor.ErrGone), errors.Is(err, actor.ErrNotFound):
		err = fmt.Errorf("%w: %w: %w", inbox.ErrDrop, inbox.ErrGone, err)
	default:
		err = fmt.Errorf("%w: %w", inbox.ErrDrop, err)
	}
	return doc, err
}
