package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

func (s *postgresJournal) Shelved(ctx context.Context, shelf inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	list, err := all(ctx, s.db, scanPostgresEntry, `SELECT `+entryColumns+`
		FROM fedihook_shelf WHERE shelf = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`, int(shelf), before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: what was set aside: %w", err)
	}
	return list, nil
}

func (s *postgresJournal) Unshelve(ctx context.Context, shelf inbox.Shelf, seq int64, again *inbox.Entry) error {
	err := ctx.Err()
	if err == nil {
		err = s.begin(func(b *postgresBatch) error { return b.unshelve(shelf, seq, again) })
	}
	if err != nil {
		return fmt.Errorf("storage: take back entry %d: %w", seq, err)
	}
	return nil
}

func (b *postgresBatch) unshelve(shelf inbox.Shelf, seq int64, again *inbox.Entry) error {
	n, err := b.exec(`DELETE FROM fedihook_shelf WHERE shelf = $1 AND seq = $2`, int(shelf), seq)
	if err != nil || n == 0 {
		return orNoEntry(err)
	}
	if again == nil {
		return nil
	}
	over, err := b.isOver(inbox.Rules{Unless: again.Rules.Unless})
	if err != nil || over {
		return err
	}
	if err := b.load(nil, nil, 1); err != nil {
		return err
	}
	e := *again
	e.Attempts, e.NotBefore, e.LastError, e.Hold = 0, time.Time{}, "", false
	if _, err := b.add(e); err != nil {
		return err
	}
	_, err = b.exec(`UPDATE fedihook_marks SET seq = $2 WHERE mark = $1 AND seq = $3`, shortMark(e.Mark), b.seq, seq) // it is the mark's again
	return err
}

// Forget works in short transactions, each of which finds the oldest anew, and leaves those of them alone that go on.
func (s *postgresJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	for {
		n, err := s.forget(ctx, before, keep)
		if err != nil {
			return fmt.Errorf("storage: forget marks: %w", err)
		}
		if n < forgottenAtOnce {
			return nil
		}
	}
}

func (s *postgresJournal) forget(ctx context.Context, before time.Time, keep int) (dropped int, err error) {
	err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		b := &postgresBatch{ctx: ctx, tx: tx, journal: s}
		spare, err := b.spare(keep)
		if err != nil {
			return err
		}
		if err := s.quiet(ctx, tx); err != nil { // what is unfinished must not become so meanwhile
			return err
		}
		gone, err := all(ctx, tx, scanBlob, `SELECT mark FROM (
				SELECT mark, at, row_number() OVER (ORDER BY at) AS n FROM (
					SELECT mark, at FROM fedihook_marks AS m
					WHERE NOT EXISTS (SELECT 1 FROM fedihook_entries AS e WHERE e.seq = m.seq)
						AND NOT EXISTS (SELECT 1 FROM fedihook_entries AS e WHERE substr(e.mark, 1, 16) = m.mark AND e.alone)
					ORDER BY at LIMIT $1) AS oldest) AS numbered
			WHERE at < $2 OR n <= $3`, forgottenAtOnce, toMicros(before), spare)
		if err != nil {
			return err
		}
		dropped = len(gone)
		return b.dropMarks(gone)
	})
	return dropped, err
}

// leastMark is how many bytes a mark takes on disk at least: a file of so many bytes for each that may stay need not be counted.
const leastMark = 60

// spare is how many marks there are beyond keep.
func (b *postgresBatch) spare(keep int) (spare int64, err error) {
	if keep <= 0 {
		return 0, nil
	}
	var size int64
	if err := b.row(`SELECT pg_relation_size('fedihook_marks')`).Scan(&size); err != nil || size/leastMark <= int64(keep) {
		return 0, err
	}
	var marks int64
	err = b.row(`SELECT count(*) FROM fedihook_marks`).Scan(&marks)
	return max(marks-int64(keep), 0), err
}
