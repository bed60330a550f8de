package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
)

var forwardsTables = []string{`CREATE TABLE fedihook_forwards (
	object TEXT NOT NULL,
	author TEXT NOT NULL,
	local  TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (object, author, local)
) WITHOUT ROWID;
CREATE INDEX fedihook_forwards_at ON fedihook_forwards (at)`}

// sqliteForwards is an inbox.Forwards.
type sqliteForwards struct{ db *sqldb.DB }

func (s *sqliteForwards) PutForwarded(ctx context.Context, f inbox.Forwarded) error {
	_, err := exec(ctx, s.db, `INSERT INTO fedihook_forwards (object, author, local, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (object, author, local) DO UPDATE SET at = excluded.at`, f.Object, f.Author, f.Local, toMicros(f.At))
	if err != nil {
		return fmt.Errorf("storage: put that %s was forwarded: %w", f.Object, err)
	}
	return nil
}

func (s *sqliteForwards) ForwardedTo(ctx context.Context, object, author string) ([]string, error) {
	list, err := all(ctx, s.db, func(row scanner) (local string, err error) { return local, row.Scan(&local) },
		`SELECT local FROM fedihook_forwards WHERE object = ? AND author = ? ORDER BY local`, object, author)
	if err != nil {
		return nil, fmt.Errorf("storage: to whom %s was forwarded: %w", object, err)
	}
	return list, nil
}

func (s *sqliteForwards) ForgetForwarded(ctx context.Context, before time.Time, keep int) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM fedihook_forwards WHERE at < ?`, toMicros(before)); err != nil || keep <= 0 {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM fedihook_forwards WHERE (object, author, local) IN
			(SELECT object, author, local FROM fedihook_forwards ORDER BY at DESC, object, local LIMIT -1 OFFSET ?)`, keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("storage: forget what was forwarded: %w", err)
	}
	return nil
}
