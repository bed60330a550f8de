package storage

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fedihook/fedihook/inbox"
)

// Backlog is inbox.Counter's.
func (m *memoryJournal) Backlog(ctx context.Context) (inbox.Backlog, error) {
	if err := ctx.Err(); err != nil {
		return inbox.Backlog{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b := inbox.Backlog{Unfinished: len(m.entries), Held: len(m.shelves[inbox.Held]), Dead: len(m.shelves[inbox.DeadLetters])}
	var oldest *item
	for _, it := range m.entries {
		if oldest == nil || it.Seq < oldest.Seq {
			oldest = it
		}
	}
	if oldest != nil {
		b.Oldest = oldest.Received
	}
	return b, nil
}

// Backlog is inbox.Counter's.
func (s *sqliteJournal) Backlog(ctx context.Context) (inbox.Backlog, error) {
	return backlog(ctx, s.db.DB, `(SELECT unfinished FROM fedihook_journal)`)
}

// Backlog is inbox.Counter's.
func (s *postgresJournal) Backlog(ctx context.Context) (inbox.Backlog, error) {
	return backlog(ctx, s.db, `(SELECT count(*) FROM fedihook_entries)`)
}

func backlog(ctx context.Context, db *sql.DB, unfinished string) (b inbox.Backlog, err error) {
	var oldest sql.NullInt64
	err = db.QueryRowContext(ctx, `SELECT `+unfinished+`, (SELECT received FROM fedihook_entries ORDER BY seq LIMIT 1),
		(SELECT count(*) FROM fedihook_shelf WHERE shelf = `+fmt.Sprint(int(inbox.Held))+`),
		(SELECT count(*) FROM fedihook_shelf WHERE shelf = `+fmt.Sprint(int(inbox.DeadLetters))+`)`).Scan(&b.Unfinished, &oldest, &b.Held, &b.Dead)
	if err != nil {
		return inbox.Backlog{}, fmt.Errorf("storage: count the journal: %w", err)
	}
	if oldest.Valid {
		b.Oldest = fromMicros(oldest.Int64)
	}
	return b, nil
}
