package main

import (
	"context"
	"errors"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
)

// The wiring is the inbox's Peers: it asks the resolver, which guards and bounds what is fetched, and its store.
var _ inbox.Peers = (*wiring)(nil)

// Known implements inbox.Peers.
func (w *wiring) Known(ctx context.Context, id string) (bool, error) {
	r, err := w.store.Remotes.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Gone.IsZero(), err
}

// Trust implements inbox.Peers.
func (w *wiring) Trust(ctx context.Context, id string) error { return w.resolver.Trust(ctx, id) }

// Fetch implements inbox.Peers, within what one activity may cost.
func (w *wiring) Fetch(ctx context.Context, id string) (activity.Document, error) {
	doc, _, err := w.resolver.Within(&actor.Budget{Requests: 8, Bytes: 4 << 20}).Fetch(ctx, id)
	return doc, dropped(err)
}

// Collections implements inbox.Peers.
func (w *wiring) Collections(ctx context.Context, id string) (c inbox.Collections, err error) {
	r, err := w.store.Remotes.Remote(ctx, id)
	if errors.Is(err, actor.ErrNotFound) || err == nil && len(r.Document) == 0 {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	doc, err := activity.Decode(r.Document)
	if a, ok := doc.(*activity.Actor); ok {
		c = inbox.Collections{Followers: a.Followers.ID, Featured: a.Featured.ID}
	}
	return c, err
}

// Update implements inbox.Peers.
func (w *wiring) Update(ctx context.Context, a *activity.Actor) error {
	raw, err := a.MarshalJSON()
	if err != nil {
		return err
	}
	return dropped(w.resolver.Update(ctx, a, raw))
}

// Gone implements inbox.Peers.
func (w *wiring) Gone(ctx context.Context, id string) error { return w.resolver.Gone(ctx, id) }
