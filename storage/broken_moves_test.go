package storage_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// brokenMove does what its funcs do, where they are set.
type brokenMove struct {
	actor.Moves
	move func(ctx context.Context, from string) (actor.Move, error)
	add  func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error)
	save func(ctx context.Context, m actor.Move) (bool, error)
	list func(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error)
}

func (b *brokenMove) Move(ctx context.Context, from string) (actor.Move, error) {
	if b.move != nil {
		return b.move(ctx, from)
	}
	return b.Moves.Move(ctx, from)
}

func (b *brokenMove) AddMove(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
	if b.add != nil {
		return b.add(ctx, m, since)
	}
	return b.Moves.AddMove(ctx, m, since)
}

func (b *brokenMove) SaveMove(ctx context.Context, m actor.Move) (bool, error) {
	if b.save != nil {
		return b.save(ctx, m)
	}
	return b.Moves.SaveMove(ctx, m)
}

func (b *brokenMove) ListMoves(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Moves.ListMoves(ctx, q)
}

var brokenMoves = []struct {
	check string
	fault func(s actor.Moves) actor.Moves
}{
	{"a move comes back as it was added, with a version", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
			m.There = 0
			return s.AddMove(ctx, m, since)
		}}
	}},
	{"a move comes back as it was added, with a version", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
			_, err := s.AddMove(ctx, m, since)
			return m, err
		}}
	}},
	{"what was never added is not found", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, move: func(ctx context.Context, from string) (actor.Move, error) {
			m, err := s.Move(ctx, strings.ToLower(from))
			return m, err
		}}
	}},
	{"a move takes the place of one that is older than since, and of no other", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
			return s.AddMove(ctx, m, since.Add(-time.Microsecond))
		}}
	}},
	{"a move takes the place of one that is older than since, and of no other", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, _ time.Time) (actor.Move, error) {
			return s.AddMove(ctx, m, m.At)
		}}
	}},
	{"a move that is added again stays as it is", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
			if old, err := s.Move(ctx, m.From); err == nil && old.ID == m.ID {
				m.Version = old.Version
				_, err := s.SaveMove(ctx, m)
				return m, err
			}
			return s.AddMove(ctx, m, since)
		}}
	}},
	{"of ten simultaneous moves of one actor all are told of the same", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, add: func(ctx context.Context, m actor.Move, since time.Time) (actor.Move, error) {
			if _, err := s.Move(ctx, m.From); errors.Is(err, actor.ErrNotFound) {
				time.Sleep(50 * time.Millisecond)
				return s.AddMove(ctx, m, m.At.Add(time.Hour))
			}
			return s.AddMove(ctx, m, since)
		}}
	}},
	{"a move is saved by who knows how it is", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, save: func(ctx context.Context, m actor.Move) (bool, error) {
			if old, err := s.Move(ctx, m.From); err == nil && old.ID == m.ID {
				m.Version = old.Version
			}
			return s.SaveMove(ctx, m)
		}}
	}},
	{"a move is saved by who knows how it is", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, save: func(ctx context.Context, m actor.Move) (bool, error) {
			if old, err := s.Move(ctx, m.From); err == nil && old.Version == m.Version {
				m.ID = old.ID
			}
			return s.SaveMove(ctx, m)
		}}
	}},
	{"pages select and ascend by from", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, list: func(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
			q.Unfinished = false
			return s.ListMoves(ctx, q)
		}}
	}},
	{"pages select and ascend by from", func(s actor.Moves) actor.Moves {
		return &brokenMove{Moves: s, list: func(ctx context.Context, q actor.MoveQuery) ([]actor.Move, error) {
			page, err := s.ListMoves(ctx, q)
			slices.Reverse(page)
			return page, err
		}}
	}},
}
