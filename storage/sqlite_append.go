package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/inbox"
)

// Append waits no longer than ctx, except for a commit that has begun, whose outcome it returns.
func (s *sqliteJournal) Append(ctx context.Context, e inbox.Entry, b inbox.Bounds) (inbox.Kept, error) {
	w := &write{entry: e, bounds: b}
	s.writes.share(ctx, w, s.commit)
	if w.err != nil && !errors.Is(w.err, inbox.ErrFull) {
		return inbox.Kept{}, fmt.Errorf("storage: append to the journal: %w", w.err)
	}
	return w.kept, w.err
}

// Finish shares the commits of Append: what has run costs those who wait for a 202 no commit of its own.
func (s *sqliteJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) (more bool, err error) {
	if err := checkOutcomes(outcomes); err != nil {
		return false, err
	}
	w := &write{finish: true, epoch: epoch, outcomes: outcomes}
	s.writes.share(ctx, w, s.commit)
	if w.err != nil {
		return false, fmt.Errorf("storage: finish entries: %w", w.err)
	}
	return w.more, nil
}

// commit is one transaction for all of them.
func (s *sqliteJournal) commit(take func() []*write) error {
	some := take()
	return s.begin(func(b *batch) error { return b.write(some) })
}
