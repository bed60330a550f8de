package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// NewerError says that a room's tables were written by a later version of the
// library than this one. Nothing was changed.
type NewerError struct {
	Room        string
	Have, Known int // the file's version and the highest that this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("sqldb: the tables of %s have version %d, this program knows up to %d", e.Room, e.Have, e.Known)
}

// Migrate runs those of steps that the room's tables have not had yet, in order and in
// one transaction, and records their number in the table fedihook_schema. A step may
// hold several statements. Steps that were released are never changed, only added to.
//
// It returns a *[NewerError] if the tables are ahead of steps. Several processes may
// call it at once. With the app's own database, skip [Setup] and call only this.
func Migrate(ctx context.Context, db *sql.DB, room string, steps []string) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS fedihook_schema (
		room TEXT PRIMARY KEY, version INTEGER NOT NULL)`); err != nil {
		return fmt.Errorf("sqldb: migrate %s: %w", room, err)
	}
	return Tx(ctx, db, func(tx *sql.Tx) error {
		var have int
		err := tx.QueryRowContext(ctx, `SELECT version FROM fedihook_schema WHERE room = ?`, room).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("sqldb: migrate %s: %w", room, err)
		}
		if have > len(steps) {
			return &NewerError{Room: room, Have: have, Known: len(steps)}
		}
		if have == len(steps) {
			return nil
		}
		for i, step := range steps[have:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("sqldb: migrate %s to version %d: %w", room, have+i+1, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO fedihook_schema (room, version) VALUES (?, ?)
			ON CONFLICT (room) DO UPDATE SET version = excluded.version`, room, len(steps)); err != nil {
			return fmt.Errorf("sqldb: migrate %s: %w", room, err)
		}
		return nil
	})
}
