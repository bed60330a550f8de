package storage_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/outbox"
)

// relayStore has another name than its method.
type relayStore = outbox.Relays

// brokenRelay does what its funcs do, where they are set.
type brokenRelay struct {
	relayStore
	put    func(ctx context.Context, r outbox.Relay) error
	answer func(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error
	remove func(ctx context.Context, id string) error
	list   func(ctx context.Context) ([]outbox.Relay, error)
}

func (b *brokenRelay) PutRelay(ctx context.Context, r outbox.Relay) error {
	if b.put != nil {
		return b.put(ctx, r)
	}
	return b.relayStore.PutRelay(ctx, r)
}

func (b *brokenRelay) AnswerRelay(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
	if b.answer != nil {
		return b.answer(ctx, followID, actor, state, at)
	}
	return b.relayStore.AnswerRelay(ctx, followID, actor, state, at)
}

func (b *brokenRelay) DeleteRelay(ctx context.Context, id string) error {
	if b.remove != nil {
		return b.remove(ctx, id)
	}
	return b.relayStore.DeleteRelay(ctx, id)
}

func (b *brokenRelay) Relays(ctx context.Context) ([]outbox.Relay, error) {
	if b.list != nil {
		return b.list(ctx)
	}
	return b.relayStore.Relays(ctx)
}

var brokenRelays = []struct {
	check string
	fault func(s outbox.Relays) outbox.Relays
}{
	{"a relay comes back as it was put", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, put: func(ctx context.Context, r outbox.Relay) error {
			r.Wanted = false
			return s.PutRelay(ctx, r)
		}}
	}},
	{"a relay comes back as it was put", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, put: func(ctx context.Context, r outbox.Relay) error {
			r.Inbox, _, _ = strings.Cut(r.Inbox, "\x00")
			return s.PutRelay(ctx, r)
		}}
	}},
	{"a relay with the same id is replaced", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, put: func(ctx context.Context, r outbox.Relay) error {
			if list, _ := s.Relays(ctx); len(list) > 0 {
				r.FollowID = list[0].FollowID
			}
			return s.PutRelay(ctx, r)
		}}
	}},
	{"of a relay that was sent the same Follow only Wanted changes", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, put: func(ctx context.Context, r outbox.Relay) error {
			return errors.Join(s.DeleteRelay(ctx, r.ID), s.PutRelay(ctx, r))
		}}
	}},
	{"all relays are listed, by id", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, list: func(ctx context.Context) ([]outbox.Relay, error) {
			list, err := s.Relays(ctx)
			slices.Reverse(list)
			return list, err
		}}
	}},
	{"an answer finds its relay by the Follow", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, answer: func(ctx context.Context, _, actor string, state outbox.RelayState, at time.Time) error {
			list, err := s.Relays(ctx)
			if err != nil || len(list) == 0 {
				return errors.Join(err, outbox.ErrNoRelay)
			}
			return s.AnswerRelay(ctx, list[0].FollowID, actor, state, at)
		}}
	}},
	{"an answer leaves an actor that is known", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, answer: func(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
			list, err := s.Relays(ctx)
			for _, r := range list {
				if r.FollowID == followID {
					r.Actor, r.State, r.At = actor, state, at
					return errors.Join(s.DeleteRelay(ctx, r.ID), s.PutRelay(ctx, r))
				}
			}
			return errors.Join(err, outbox.ErrNoRelay)
		}}
	}},
	{"an answer to a Follow that is forgotten changes nothing", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, answer: func(ctx context.Context, followID, actor string, state outbox.RelayState, at time.Time) error {
			err := s.AnswerRelay(ctx, followID, actor, state, at)
			if errors.Is(err, outbox.ErrNoRelay) {
				return nil
			}
			return err
		}}
	}},
	{"a deleted relay is gone", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, remove: func(ctx context.Context, id string) error {
			list, err := s.Relays(ctx)
			for _, r := range list {
				err = errors.Join(err, s.DeleteRelay(ctx, r.ID))
			}
			return err
		}}
	}},
	{"of ten simultaneous puts of a relay one is kept", func(s outbox.Relays) outbox.Relays {
		return &brokenRelay{relayStore: s, list: func(ctx context.Context) ([]outbox.Relay, error) {
			list, err := s.Relays(ctx)
			return append(list, list...), err
		}}
	}},
}

type brokenForward struct {
	inbox.Forwards
	put    func(ctx context.Context, f inbox.Forwarded) error
	to     func(ctx context.Context, object, author string) ([]string, error)
	forget func(ctx context.Context, before time.Time, keep int) error
}

func (b *brokenForward) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	if b.put != nil {
		return b.put(ctx, f)
	}
	return b.Forwards.PutForwarded(ctx, f)
}

func (b *brokenForward) ForwardedTo(ctx context.Context, object, author string) ([]string, error) {
	if b.to != nil {
		return b.to(ctx, object, author)
	}
	return b.Forwards.ForwardedTo(ctx, object, author)
}

func (b *brokenForward) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	if b.forget != nil {
		return b.forget(ctx, before, keep)
	}
	return b.Forwards.ForgetForwarded(ctx, before, keep)
}

var brokenForwards = []struct {
	check string
	fault func(s inbox.Forwards) inbox.Forwards
}{
	{"what was forwarded is found by its object and its author", func(s inbox.Forwards) inbox.Forwards {
		return &brokenForward{Forwards: s, put: func(ctx context.Context, f inbox.Forwarded) error {
			f.Author = ""
			return s.PutForwarded(ctx, f)
		}, to: func(ctx context.Context, object, _ string) ([]string, error) { return s.ForwardedTo(ctx, object, "") }}
	}},
	{"the same is kept once, with its last time", func(s inbox.Forwards) inbox.Forwards {
		return &brokenForward{Forwards: s, put: func(ctx context.Context, f inbox.Forwarded) error {
			if list, _ := s.ForwardedTo(ctx, f.Object, f.Author); slices.Contains(list, f.Local) {
				return nil
			}
			return s.PutForwarded(ctx, f)
		}}
	}},
	{"what is old is forgotten", func(s inbox.Forwards) inbox.Forwards {
		return &brokenForward{Forwards: s, forget: func(ctx context.Context, before time.Time, keep int) error {
			return s.ForgetForwarded(ctx, before.Add(time.Microsecond), keep)
		}}
	}},
	{"beyond a number the oldest are forgotten", func(s inbox.Forwards) inbox.Forwards {
		return &brokenForward{Forwards: s, forget: func(ctx context.Context, before time.Time, keep int) error {
			return s.ForgetForwarded(ctx, before, keep+1)
		}}
	}},
}
