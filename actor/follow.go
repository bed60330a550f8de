package actor

import (
	"context"
	"iter"
	"time"
)

// FollowState tells whether a follow is in force.
type FollowState uint8

// The states of a follow. The zero FollowState is no state: in a [FollowQuery] it means both.
const (
	// Pending follows were asked for and not answered.
	Pending FollowState = iota + 1
	// Accepted follows are in force.
	Accepted
)

// String is "pending" or "accepted".
func (s FollowState) String() string {
	switch s {
	case Pending:
		return "pending"
	case Accepted:
		return "accepted"
	}
	return "no state"
}

// Follow says that one actor follows another, or wants to. At least one of the two is ours.
type Follow struct {
	// Follower and Followed are actor ids. Together they are the key: there is at most one follow
	// of each pair.
	Follower, Followed string

	// ID is the id of the Follow activity, which Accept, Reject and Undo name.
	ID string

	State FollowState

	// Inbox and SharedInbox are those of the remote one of the two; SharedInbox is "" where there is
	// none on the host of Inbox, see [Resolver.Inboxes]. Both are "" if the two are ours.
	Inbox, SharedInbox string

	// At is when the Follow was received or sent.
	At time.Time

	// Seq is given by the store when the pair is first put, and ascends. It stays the same when the
	// follow is replaced, so that paging by it neither skips nor repeats. What a caller writes here
	// is ignored.
	Seq int64
}

// FollowQuery selects follows. Zero fields select everything.
type FollowQuery struct {
	Follower string      // the follows by this actor: whom it follows
	Followed string      // the follows of this actor: its followers
	State    FollowState // zero: both
	After    int64       // follows with a higher Seq only
	Limit    int         // zero means 100; [Followers.CountFollows] ignores After and Limit
}

// Followers keeps follows, of local actors by remote ones and the other way round. Its methods may be
// called by many goroutines, and from many processes, at once. Package storagetest checks this contract.
type Followers interface {
	// Follow returns the follow of this pair, or an error that wraps [ErrNotFound].
	Follow(ctx context.Context, follower, followed string) (Follow, error)

	// FollowByID returns the follow whose activity has this id, or an error that wraps [ErrNotFound].
	// Ids are chosen by strangers: of several follows with one id it returns that with the lowest Seq,
	// and the caller still has to compare the follower with whoever names it. The empty id is no follow's.
	FollowByID(ctx context.Context, id string) (Follow, error)

	// PutFollow adds f or replaces the follow of its pair, which keeps its Seq.
	PutFollow(ctx context.Context, f Follow) error

	// DeleteFollow forgets the follow of this pair. There being none is no error.
	DeleteFollow(ctx context.Context, follower, followed string) error

	// Follows returns one page, ascending by Seq. A page shorter than the limit is the last.
	Follows(ctx context.Context, q FollowQuery) ([]Follow, error)

	// CountFollows counts what q selects on all pages.
	CountFollows(ctx context.Context, q FollowQuery) (int64, error)

	// Inboxes walks the URLs at which the followers of an actor take their post: of each [Accepted] follow
	// SharedInbox, or Inbox where that is "". Each comes once, in no order, so that it is much shorter than the
	// list of followers; "" comes if a follower is ours. Nothing of the store is held open while one is being looked
	// at, so that the loop's body may use the same store. The URL of a follow that is neither put nor deleted
	// meanwhile is not missed. It ends after the first error.
	Inboxes(ctx context.Context, followed string) iter.Seq2[string, error]
}

// FollowersVersions is what a [Followers] may be as well. With it a process notices within a second that another one has changed
// somebody's followers; without it what it remembers of them is up to a minute old. Package storagetest checks this contract.
type FollowersVersions interface {
	// FollowersVersion returns a number that differs from all that it has returned before a follow of this actor was put or
	// deleted, as long as there are any; without any it may be 0 each time. It is asked once a second for each actor whose
	// posts are being delivered, and should be quick.
	FollowersVersion(ctx context.Context, followed string) (int64, error)
}

// All walks the pages of q, each of q.Limit follows. Nothing of the store is held open while a follow
// is being looked at, so that the loop's body may use the same store. It ends after the first error.
func All(ctx context.Context, store Followers, q FollowQuery) iter.Seq2[Follow, error] {
	return func(yield func(Follow, error) bool) {
		q := q // each walk begins anew
		if q.Limit <= 0 {
			q.Limit = 100
		}
		for {
			page, err := store.Follows(ctx, q)
			if err != nil {
				yield(Follow{}, err)
				return
			}
			for _, f := range page {
				if !yield(f, nil) {
					return
				}
				q.After = f.Seq
			}
			if len(page) < q.Limit {
				return
			}
		}
	}
}
