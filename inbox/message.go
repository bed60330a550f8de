package inbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedihook/fedihook/activity"
)

// maxTo bounds Message.To.
const maxTo = 100

// message reads an entry again and finds out what a hook may need: the object, and whom it concerns. An error
// that wraps [ErrDrop] is final.
func (in *Inbox) message(ctx context.Context, e Entry) (*Message, error) {
	a, err := read(e.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDrop, err)
	}
	m := &Message{
		Activity: a, Body: e.Body, Sender: e.Sender, Received: e.Received,
		ObjectID: a.Object.First(), Owner: e.Owner,
	}
	if err := in.readObject(ctx, m); err != nil {
		return nil, err
	}
	if err := in.concerned(ctx, m); err != nil {
		return nil, err
	}
	return m, nil
}

// readObject fills m.Object with what may be believed of it.
func (in *Inbox) readObject(ctx context.Context, m *Message) error {
	ref := firstRef(m.Activity.Object)
	switch m.Activity.Type.String() {
	case "Create", "Update":
		doc, err := ref.Document()
		if ref.Raw == nil {
			doc, err = in.Peers.Fetch(ctx, ref.ID)
		}
		if err != nil {
			return err
		}
		if err := belongs(doc, m.Sender); err != nil {
			return fmt.Errorf("%w: %w", ErrDrop, err)
		}
		m.Object = doc
	case "Undo", "Accept", "Reject":
		// What is undone was done by the sender, what is answered was asked by one of ours; authorise has seen to it.
		if inner := embedded(ref); inner != nil {
			m.Object = inner
		}
	}
	return nil
}

// concerned fills To, More and ToFollowers. ActivityPub §7.1.1
func (in *Inbox) concerned(ctx context.Context, m *Message) error {
	audience := m.Activity.Recipients()
	var owned []string
	switch object := m.Object.(type) {
	case *activity.Object:
		audience = append(append(audience, object.Recipients()...), object.Mentions()...)
		owned = append(owned, object.InReplyTo.ID)
	case *activity.Activity:
		audience = append(audience, object.Object.First(), object.Actor.ID)
		owned = append(owned, object.Object.First())
	}
	audience = append(audience, m.ObjectID)
	owned = append(owned, m.ObjectID)
	if m.Owner != "" {
		m.To = append(m.To, m.Owner)
	}

	followers, err := in.Peers.Followers(ctx, m.Sender)
	if err != nil {
		return err
	}
	asked := make(map[string]bool)
	for _, id := range audience {
		if activity.IsPublic(id) || (followers != "" && id == followers) {
			m.ToFollowers = true
		}
		if asked[id] || !activity.SameAuthority(id, in.Origin) {
			continue
		}
		asked[id] = true
		local, _, err := in.Local(ctx, id)
		if err != nil {
			return err
		}
		if local {
			m.add(id)
		}
	}
	for _, id := range owned {
		if !activity.SameAuthority(id, in.Origin) {
			continue
		}
		owner, err := in.Owner(ctx, id)
		if err != nil {
			return err
		}
		if owner != "" {
			m.add(owner)
		}
	}
	return nil
}

func (m *Message) add(actorID string) {
	switch {
	case slices.Contains(m.To, actorID):
	case len(m.To) == maxTo:
		m.More = true
	default:
		m.To = append(m.To, actorID)
	}
}
