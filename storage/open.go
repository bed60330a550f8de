package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/actor"
)

// Open is [OpenSQLite] or [OpenPostgres], whichever app is a database of: for apps that leave that to their operators. With
// PostgreSQL everything is in app's schema, and own is not used.
func Open(ctx context.Context, app, own *sql.DB) (Storage, error) {
	if app == nil {
		return Storage{}, fmt.Errorf("storage: open: %w", errNoDatabase)
	}
	var version string
	notSQLite := app.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version)
	if notSQLite == nil {
		return OpenSQLite(ctx, app, own)
	}
	notPostgres := app.QueryRowContext(ctx, `SHOW server_version`).Scan(&version)
	if notPostgres == nil {
		return OpenPostgres(ctx, app, nil)
	}
	return Storage{}, fmt.Errorf("storage: open: it is neither SQLite nor PostgreSQL: %w", errors.Join(notSQLite, notPostgres))
}

// NotFound returns err, and if it says that there is no such row, wraps [actor.ErrNotFound] too: for
// a Profile func and others that read from a database of the app.
func NotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %w", actor.ErrNotFound, err)
	}
	return err
}
