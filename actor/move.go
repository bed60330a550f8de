package actor

import (
	"context"
	"time"
)

// Move says that one actor has become another, as it is kept: by an actor here, or by one elsewhere whom somebody here
// followed. FEP-7628
type Move struct {
	// From is the id of the actor that moved, and the key: only the last move of each is kept. To is who takes its place.
	From, To string

	// ID is the id of the Move activity.
	ID string

	// At is when it was said or received. Who begins to follow From later is not asked to follow To.
	At time.Time

	// Back is when From took it back. Zero: it stands.
	Back time.Time

	// Followers is how many accepted followers From had then, as far as they are known here: all of them if From is here,
	// else those who are. There is how many To had, zero if it is elsewhere.
	Followers, There int64

	// Step is what is still to be done here, and After the Seq of the last follow of From that was looked at for that.
	Step  MoveStep
	After int64

	// Version is given by the store: it ascends with each save.
	Version int64
}

// MoveStep is how far a move has come.
type MoveStep uint8

// The steps. The zero MoveStep is MoveDone.
const (
	MoveDone   MoveStep = iota // nothing is left to do
	MoveSaying                 // From is here, and its followers are to be told
	MoveAsking                 // followers of From who are here are to follow To
	MoveEnding                 // the follows of From end as those of To arrive
)

// MoveQuery selects moves. Zero fields select everything.
type MoveQuery struct {
	To         string // the moves to this actor
	Unfinished bool   // those whose Step is not MoveDone
	After      string // those whose From is greater, byte by byte
	Limit      int    // zero means 100
}

// Moves keeps who moved where. Its methods may be called by many goroutines, and from many processes, at once. Package
// storagetest checks this contract.
type Moves interface {
	// Move returns the last move of this actor, or an error that wraps [ErrNotFound].
	Move(ctx context.Context, from string) (Move, error)

	// AddMove puts m in the place of the last move of m.From, with Version 1, unless that has m's ID or an At after since:
	// then it stays. It returns the one that is kept; of several at once all return the same.
	AddMove(ctx context.Context, m Move, since time.Time) (Move, error)

	// SaveMove replaces all but From, To, ID and At of the move of m.From and gives it the next Version, if it has m's ID
	// and Version. Else it changes nothing, and ok is false.
	SaveMove(ctx context.Context, m Move) (ok bool, err error)

	// ListMoves returns one page, ascending by From. A page shorter than the limit is the last.
	ListMoves(ctx context.Context, q MoveQuery) ([]Move, error)
}
