package storage_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fedihook/fedihook/consent"
)

// brokenStamp is a store of stamps with one fault.
type brokenStamp struct {
	stampStore
	save   func(context.Context, consent.Stamp) error
	find   func(context.Context, consent.Kind, string, string) (consent.Stamp, error)
	list   func(context.Context, consent.Query) ([]consent.Stamp, error)
	forget func(context.Context, time.Time) error
}

func (b *brokenStamp) SaveStamp(ctx context.Context, s consent.Stamp) error {
	if b.save != nil {
		return b.save(ctx, s)
	}
	return b.stampStore.SaveStamp(ctx, s)
}

func (b *brokenStamp) Stamp(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
	if b.find != nil {
		return b.find(ctx, k, interaction, target)
	}
	return b.stampStore.Stamp(ctx, k, interaction, target)
}

func (b *brokenStamp) Stamps(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.stampStore.Stamps(ctx, q)
}

func (b *brokenStamp) ForgetStamps(ctx context.Context, before time.Time) error {
	if b.forget != nil {
		return b.forget(ctx, before)
	}
	return b.stampStore.ForgetStamps(ctx, before)
}

// stampStore has a name that no method of it has.
type stampStore = consent.Stamps

// overwriting saves whatever version there is.
func overwriting(ctx context.Context, store consent.Stamps, s consent.Stamp) error {
	if old, err := store.Stamp(ctx, s.Kind, s.Interaction, s.Target); err == nil {
		s.Version = old.Version
	}
	return store.SaveStamp(ctx, s)
}

var brokenStamps = []struct {
	check string
	fault func(consent.Stamps) consent.Stamps
}{
	{"a stamp comes back as it was saved", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, save: func(ctx context.Context, one consent.Stamp) error {
			one.Theirs = false
			return s.SaveStamp(ctx, one)
		}}
	}},
	{"a stamp comes back as it was saved", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, list: func(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
			list, err := s.Stamps(ctx, q)
			for i := range list {
				list[i].Audience = nil
			}
			return list, err
		}}
	}},
	{"what is not there is ErrNone", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, find: func(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
			one, err := s.Stamp(ctx, k, interaction, target)
			if errors.Is(err, consent.ErrNone) {
				err = nil
			}
			return one, err
		}}
	}},
	{"what is not there is ErrNone", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, find: func(ctx context.Context, k consent.Kind, interaction, target string) (consent.Stamp, error) {
			if list, err := s.Stamps(ctx, consent.Query{Interaction: interaction, Target: target}); err == nil && len(list) > 0 {
				return list[0], nil // of whatever kind
			}
			return s.Stamp(ctx, k, interaction, target)
		}}
	}},
	{"one is replaced by who has read it and by nobody else", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, save: func(ctx context.Context, one consent.Stamp) error { return overwriting(ctx, s, one) }}
	}},
	{"one is replaced by who has read it and by nobody else", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, save: func(ctx context.Context, one consent.Stamp) error {
			err := s.SaveStamp(ctx, one)
			if errors.Is(err, consent.ErrStale) { // nothing is changed, and nobody told
				return nil
			}
			return err
		}}
	}},
	{"what was never there can't be replaced", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, save: func(ctx context.Context, one consent.Stamp) error {
			if _, err := s.Stamp(ctx, one.Kind, one.Interaction, one.Target); errors.Is(err, consent.ErrNone) {
				one.Version = 0
			}
			return s.SaveStamp(ctx, one)
		}}
	}},
	{"of ten who save at once one wins", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, save: func(ctx context.Context, one consent.Stamp) error {
			err := s.SaveStamp(ctx, one)
			for errors.Is(err, consent.ErrStale) {
				err = overwriting(ctx, s, one)
			}
			return err
		}}
	}},
	{"a query selects by each of its fields", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, list: func(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
			q.Request = ""
			return s.Stamps(ctx, q)
		}}
	}},
	{"pages come in order and none is left out", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, list: func(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
			list, err := s.Stamps(ctx, q)
			slices.Reverse(list)
			return list, err
		}}
	}},
	{"pages come in order and none is left out", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, list: func(ctx context.Context, q consent.Query) ([]consent.Stamp, error) {
			q.After++
			return s.Stamps(ctx, q)
		}}
	}},
	{"what is old and theirs is forgotten, and nothing else", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, forget: func(ctx context.Context, before time.Time) error {
			return s.ForgetStamps(ctx, before.Add(time.Microsecond))
		}}
	}},
	{"what is old and theirs is forgotten, and nothing else", func(s consent.Stamps) consent.Stamps {
		return &brokenStamp{stampStore: s, forget: func(context.Context, time.Time) error { return nil }}
	}},
}
