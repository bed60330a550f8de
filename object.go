package fedihook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
)

// maxVersions bounds how many records about one object are read to show it.
const maxVersions = 1000

// show is what [actor.Handler.Show] asks for the object or activity with this id.
func (s *Server) show(id string) func(ctx context.Context, asker string) (activity.Document, error) {
	return func(ctx context.Context, asker string) (activity.Document, error) { return s.document(ctx, id, asker) }
}

// document finds an object or activity as asker may see it.
func (s *Server) document(ctx context.Context, id, asker string) (activity.Document, error) {
	if kind, _, ok := s.names.Parse(id); ok && kind == actor.KindActivity {
		return s.activity(ctx, id, asker)
	}
	if s.isStamp(id) {
		return s.stampDocument(ctx, id, asker)
	}
	o, err := s.object(ctx, id, asker)
	if o == nil {
		return nil, err
	}
	return s.config.Collections.Link(s.names, o), err
}

// object finds an object as asker may see it; with actor.ErrPartial it is not all of it. Whether it lives the app says, completed from what was published; without
// Config.Object it is what was published. What was deleted is a Tombstone whatever the app says. Whom it is not for gets the
// ErrHidden that others take for not there.
func (s *Server) object(ctx context.Context, id, asker string) (*activity.Object, error) {
	sent, err := s.published(ctx, id)
	if err != nil {
		return nil, err
	}
	var partial error
	shown := sent.object
	if s.config.Object != nil && (shown == nil || !shown.Is("Tombstone")) {
		live := shown != nil
		shown, err = s.ask(ctx, id, asker)
		if live && errors.Is(err, actor.ErrNotFound) { // the app may know better whom it is for
			return nil, fmt.Errorf("fedihook: object %s: %w", id, actor.ErrHidden)
		}
		if errors.Is(err, actor.ErrPartial) {
			partial, err = err, nil
		}
		if err != nil {
			return nil, err
		}
		if shown.Is("Tombstone") && sent.object == nil {
			return shown, nil
		}
		shown = complete(shown, sent.object)
	}
	if shown == nil {
		return nil, fmt.Errorf("fedihook: object %s: %w", id, actor.ErrNotFound)
	}
	author := shown.AttributedTo.First()
	if sent.author != "" { // a Tombstone does not say
		author = sent.author
	}
	if err := s.mayRead(ctx, id, asker, author, append(shown.Recipients(), sent.audience...)); err != nil {
		return nil, err
	}
	if shown, err = s.asShown(ctx, shown, author); err != nil {
		return nil, err
	}
	return shown, partial
}

// ask asks the app.
func (s *Server) ask(ctx context.Context, id, asker string) (*activity.Object, error) {
	o, err := s.config.Object(ctx, id, asker)
	switch {
	case errors.Is(err, actor.ErrGone):
		return &activity.Object{ID: id, Type: activity.Types{"Tombstone"}}, nil
	case err != nil && !errors.Is(err, actor.ErrPartial):
		return nil, fmt.Errorf("fedihook: object %s: %w", id, err)
	case o == nil:
		return nil, fmt.Errorf("fedihook: object %s: %w", id, actor.ErrNotFound)
	}
	if o.ID == "" {
		own := *o
		own.ID, o = id, &own
	}
	if o.ID != id {
		return nil, fmt.Errorf("fedihook: object %s: Config.Object returned %s", id, o.ID)
	}
	return o, err
}

// version is the last of an object that was published, a Tombstone if it was deleted.
type version struct {
	object   *activity.Object // nil: nothing was
	author   string
	audience []string // of all versions
}

func (s *Server) published(ctx context.Context, id string) (v version, err error) {
	records, err := s.config.Storage.Log.ObjectRecords(ctx, id, maxVersions)
	if err != nil {
		return v, err
	}
	for _, r := range records {
		if r.Actor == "" || !slices.Contains([]string{"Create", "Update", "Delete"}, r.Type) {
			continue // not composed yet
		}
		a, err := decodeActivity(r.Activity)
		if err != nil {
			return v, err
		}
		doc, err := a.Object[0].Document()
		if err != nil {
			continue
		}
		o, ok := doc.(*activity.Object)
		if !ok {
			continue
		}
		v.object, v.author = o, r.Actor
		v.audience = append(append(v.audience, a.Recipients()...), r.To...) // blind copies too
	}
	return v, nil
}

func decodeActivity(raw []byte) (*activity.Activity, error) {
	doc, err := activity.Decode(raw)
	if err != nil {
		return nil, err
	}
	a, ok := doc.(*activity.Activity)
	if !ok || len(a.Object) == 0 {
		return nil, fmt.Errorf("fedihook: %s is no activity", doc.DocumentID())
	}
	return a, nil
}

// complete gives the app's object what it left to us when it was published.
func complete(o, sent *activity.Object) *activity.Object {
	if sent == nil || o.Is("Tombstone") {
		return o
	}
	whole := *o
	if len(whole.AttributedTo) == 0 {
		whole.AttributedTo = sent.AttributedTo
	}
	if len(whole.Recipients()) == 0 {
		whole.To, whole.CC = sent.To, sent.CC
	}
	if slices.Contains(whole.Recipients(), activity.Followers) { // the word, not the id
		whole.To, whole.CC = sent.To, sent.CC
	}
	if whole.Published.IsZero() {
		whole.Published = sent.Published
	}
	return &whole
}

// mayRead says who may see what is addressed to audience: everyone, if that is meant; else its author, who is
// addressed, and the author's accepted followers if they are. Whom the author has blocked sees nothing.
func (s *Server) mayRead(ctx context.Context, id, asker, author string, audience []string) error {
	if err := s.exists(ctx, author); err != nil {
		return err
	}
	if blocked, err := s.hiddenFrom(ctx, author, asker); err != nil || blocked {
		return errors.Join(err, fmt.Errorf("fedihook: %s: %w", id, actor.ErrHidden))
	}
	if slices.ContainsFunc(audience, activity.IsPublic) {
		return nil
	}
	hidden := fmt.Errorf("fedihook: %s: %w", id, actor.ErrHidden)
	if asker == "" {
		return hidden
	}
	if asker == author || slices.Contains(audience, asker) {
		return nil
	}
	p, ok, err := s.handler.Local(ctx, author)
	if err != nil || !ok {
		return errors.Join(err, hidden)
	}
	if !slices.Contains(audience, s.names.Followers(p.ID, p.Handle)) {
		return hidden
	}
	f, err := s.config.Storage.Followers.Follow(ctx, asker, author)
	if errors.Is(err, actor.ErrNotFound) || err == nil && f.State != actor.Accepted {
		return hidden
	}
	return err
}

// activity finds one of ours as asker may see it.
func (s *Server) activity(ctx context.Context, id, asker string) (activity.Document, error) {
	r, err := s.config.Storage.Log.Record(ctx, id)
	if errors.Is(err, outbox.ErrUnknown) || err == nil && r.Actor == "" {
		return nil, fmt.Errorf("fedihook: %s: %w", id, actor.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	a, err := decodeActivity(r.Activity)
	if err != nil {
		return nil, err
	}
	return a, s.mayRead(ctx, id, asker, r.Actor, append(a.Recipients(), r.To...))
}
