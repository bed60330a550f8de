package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/fedihook/fedihook/inbox"
)

func (s *sqliteJournal) Shelved(ctx context.Context, shelf inbox.Shelf, before int64, limit int) ([]inbox.Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	list, err := all(ctx, s.db, scanEntry, `SELECT `+entryColumns+`
		FROM fedihook_shelf WHERE shelf = ? AND seq < ? ORDER BY seq DESC LIMIT ?`, shelf, before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: what was set aside: %w", err)
	}
	return list, nil
}

func (s *sqliteJournal) Unshelve(ctx context.Context, shelf inbox.Shelf, seq int64, again *inbox.Entry) error {
	err := ctx.Err()
	if err == nil {
		err = s.begin(func(b *batch) error { return b.unshelve(shelf, seq, again) })
	}
	if err != nil {
		return fmt.Errorf("storage: take back entry %d: %w", seq, err)
	}
	return nil
}

func (b *batch) unshelve(shelf inbox.Shelf, seq int64, again *inbox.Entry) error {
	res, err := b.exec(b.ctx, `DELETE FROM fedihook_shelf WHERE shelf = ? AND seq = ?`, shelf, seq)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return orNoEntry(err)
	}
	if again == nil {
		return nil
	}
	over, err := b.isOver(inbox.Rules{Unless: again.Rules.Unless})
	if err != nil || over {
		return err
	}
	e := *again
	e.Attempts, e.NotBefore, e.LastError, e.Hold = 0, time.Time{}, "", false
	_, err = b.add(e)
	return err
}

func orNoEntry(err error) error {
	if err == nil {
		return inbox.ErrNoEntry
	}
	return err
}

// forgottenAtOnce is how many marks one transaction deletes, so that Append need not wait long.
const forgottenAtOnce = 1000

// Forget works in short transactions, each of which finds the oldest anew.
func (s *sqliteJournal) Forget(ctx context.Context, before time.Time, keep int) error {
	for {
		n := int64(0)
		err := s.db.Tx(ctx, func(tx *sql.Tx) error {
			var marks int64
			if err := tx.QueryRowContext(ctx, `SELECT marks FROM fedihook_journal`).Scan(&marks); err != nil {
				return err
			}
			spare := int64(0)
			if keep > 0 {
				spare = max(marks-int64(keep), 0)
			}
			gone, err := all(ctx, tx, func(row scanner) (mark []byte, err error) { return mark, row.Scan(&mark) }, `
				SELECT mark FROM (
					SELECT mark, at, row_number() OVER (ORDER BY at) AS n FROM (
						SELECT mark, at FROM fedihook_marks AS m
						WHERE NOT EXISTS (SELECT 1 FROM fedihook_entries WHERE seq = m.seq)
							AND NOT EXISTS (SELECT 1 FROM fedihook_entries WHERE substr(mark, 1, 16) = m.mark AND alone = 1)
						ORDER BY at LIMIT ?))
				WHERE at < ? OR n <= ?`, forgottenAtOnce, toMicros(before), spare)
			if err != nil {
				return err
			}
			p := s.statements.in(tx)
			for _, mark := range gone {
				dropped, err := dropMark(ctx, p, mark)
				if err != nil {
					return err
				}
				n += dropped
			}
			_, err = tx.ExecContext(ctx, `UPDATE fedihook_journal SET marks = marks - ?`, n)
			return err
		})
		if err != nil {
			return fmt.Errorf("storage: forget marks: %w", err)
		}
		if n < forgottenAtOnce {
			return nil
		}
	}
}

func dropMark(ctx context.Context, p *transaction, mark []byte) (dropped int64, err error) {
	if _, err := p.exec(ctx, `DELETE FROM fedihook_mark_owners WHERE mark = ?`, mark); err != nil {
		return 0, err
	}
	res, err := p.exec(ctx, `DELETE FROM fedihook_marks WHERE mark = ?`, mark)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
