package storage_test

import (
	"context"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

type reRelays struct{ o *opener }

func (r reRelays) PutRelay(ctx context.Context, v outbox.Relay) error {
	return r.o.with(func(s storage.Storage) error { return s.Relays.PutRelay(ctx, v) })
}

func (r reRelays) AnswerRelay(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
	return r.o.with(func(s storage.Storage) error { return s.Relays.AnswerRelay(ctx, followID, actor, state, at) })
}

func (r reRelays) DeleteRelay(ctx context.Context, id string) error {
	return r.o.with(func(s storage.Storage) error { return s.Relays.DeleteRelay(ctx, id) })
}

func (r reRelays) Relays(ctx context.Context) ([]outbox.Relay, error) {
	return one(r.o, func(s storage.Storage) ([]outbox.Relay, error) { return s.Relays.Relays(ctx) })
}

type reForwards struct{ o *opener }

func (r reForwards) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	return r.o.with(func(s storage.Storage) error { return s.Forwards.PutForwarded(ctx, f) })
}

func (r reForwards) ForwardedTo(ctx context.Context, object, author string) ([]string, error) {
	return one(r.o, func(s storage.Storage) ([]string, error) { return s.Forwards.ForwardedTo(ctx, object, author) })
}

func (r reForwards) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	return r.o.with(func(s storage.Storage) error { return s.Forwards.ForgetForwarded(ctx, before, keep) })
}
