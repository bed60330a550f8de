package fedihook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/signature"
)

type signatureError = signature.Error

// errHidden is what is there, but not for who asked. It is answered as what is not there.
var errHidden = fmt.Errorf("fedihook: not for everyone: %w", actor.ErrNotFound)

// maxVersions bounds how many records about one object are read to show it.
const maxVersions = 1000

// object finds an object as asker may see it. Whether it lives the app says, completed from what was published; without
// Config.Object it is what was published. What was deleted is a Tombstone whatever the app says. Whom it is not for gets the
// same ErrNotFound as for what is not there.
func (s *Server) object(ctx context.Context, id, asker string) (activity.Document, error) {
	sent, err := s.published(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := sent.object
	if s.config.Object != nil && (shown == nil || !shown.Is("Tombstone")) {
		live := shown != nil
		shown, err = s.ask(ctx, id, asker)
		if live && errors.Is(err, actor.ErrNotFound) { // the app may know better whom it is for
			return nil, fmt.Errorf("%w: %s", errHidden, id)
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
	return shown, nil
}

// ask asks the app.
func (s *Server) ask(ctx context.Context, id, asker string) (*activity.Object, error) {
	o, err := s.config.Object(ctx, id, asker)
	switch {
	case errors.Is(err, actor.ErrGone):
		return &activity.Object{ID: id, Type: activity.Types{"Tombstone"}}, nil
	case err != nil:
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
	return o, nil
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
// addressed, and the author's accepted followers if they are.
func (s *Server) mayRead(ctx context.Context, id, asker, author string, audience []string) error {
	if slices.ContainsFunc(audience, activity.IsPublic) {
		return nil
	}
	hidden := fmt.Errorf("%w: %s", errHidden, id)
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

const pageSize = 20

// collection is a page of an actor's outbox, followers or following. Everyone may see what is in it.
func (s *Server) collection(ctx context.Context, actorID, name, cursor string) (actor.Page, error) {
	var after int64
	if cursor != "" {
		var err error
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil || after <= 0 {
			return actor.Page{}, fmt.Errorf("fedihook: cursor %q: %w", cursor, actor.ErrNotFound)
		}
	}
	if name == "outbox" {
		return s.outboxPage(ctx, actorID, after)
	}
	q := actor.FollowQuery{Followed: actorID, State: actor.Accepted, After: after, Limit: pageSize}
	if name == "following" {
		q.Followed, q.Follower = "", actorID
	}
	total, err := s.config.Storage.Followers.CountFollows(ctx, q)
	if err != nil {
		return actor.Page{}, err
	}
	list, err := s.config.Storage.Followers.Follows(ctx, q)
	if err != nil {
		return actor.Page{}, err
	}
	page := actor.Page{Total: total}
	for _, f := range list {
		id := f.Follower
		if name == "following" {
			id = f.Followed
		}
		page.Items = append(page.Items, activity.IRI(id))
	}
	if len(list) == pageSize {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, nil
}

func (s *Server) outboxPage(ctx context.Context, actorID string, before int64) (actor.Page, error) {
	list, total, err := s.config.Storage.Log.PublicRecords(ctx, actorID, before, pageSize)
	if err != nil {
		return actor.Page{}, err
	}
	page := actor.Page{Total: total}
	for _, r := range list {
		a, err := decodeActivity(r.Activity)
		if err != nil {
			return actor.Page{}, err
		}
		page.Items = append(page.Items, activity.Embed(a))
	}
	if len(list) == pageSize {
		page.Next = strconv.FormatInt(list[len(list)-1].Seq, 10)
	}
	return page, nil
}
