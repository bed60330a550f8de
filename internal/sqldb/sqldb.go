// Package sqldb is what our SQLite stores share: the settings of a file, its
// migrations and its transactions, through database/sql and any driver.
//
// [Setup] makes a file ours, [Migrate] brings the tables of one room up to date, [Tx] runs
// a transaction, and those of a [DB] take turns. Several rooms may use one file and call
// each of them again at any time.
//
// It holds no queries: each store keeps its own next to the code that reads them.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// applicationID marks a file that [Setup] made ours, in the field of SQLite's file
// header that is meant for that. It spells "FedQ".
const applicationID = 0x46656451

// pragmas are the settings that belong to a connection and not to the file.
const pragmas = `PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000`

// ErrForeignFile says that a file belongs to another application, by the
// application_id in its header. Nothing in it was changed.
var ErrForeignFile = errors.New("the file belongs to another application")

// Setup gives db one connection, in WAL mode with synchronous=FULL, so that what was
// committed survives the loss of power, and marks the file as ours. It must not be
// called with a database that the app uses for itself: one connection would make the
// app's own nested reads wait for ever. It may be called again for the same file.
func Setup(ctx context.Context, db *sql.DB) error {
	// SQLite has one writer anyway, and a second connection of ours would only find it busy.
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	db.SetConnMaxIdleTime(0)
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqldb: open: %w", err)
	}
	defer conn.Close()
	id, err := fileID(ctx, conn)
	if err != nil {
		return err
	}
	if id != 0 && id != applicationID {
		return fmt.Errorf("sqldb: application_id %#x: %w", id, ErrForeignFile)
	}
	if _, err := conn.ExecContext(ctx, pragmas); err != nil {
		return fmt.Errorf("sqldb: set the connection up: %w", err)
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return fmt.Errorf("sqldb: journal_mode: %w", err)
	}
	// A database in memory has a journal of its own kind and no file to protect.
	if mode = strings.ToLower(mode); mode != "wal" && mode != "memory" {
		return fmt.Errorf("sqldb: journal_mode is %q, not wal: the file system or another process forbids it", mode)
	}
	if id == 0 {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
			return fmt.Errorf("sqldb: mark the file: %w", err)
		}
	}
	return nil
}

func fileID(ctx context.Context, conn *sql.Conn) (int64, error) {
	var id int64
	if err := conn.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return 0, fmt.Errorf("sqldb: application_id: %w", err)
	}
	return id, nil
}
