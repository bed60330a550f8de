// Package sqldb is what our SQLite stores share: the settings of a file, its
// migrations and its transactions, through database/sql and any driver.
//
// [Setup] makes a file ours, [Migrate] brings the tables of one room up to date and
// [Tx] runs a transaction. Several rooms may use one file and call each of them
// again at any time.
//
// It holds no queries: each store keeps its own next to the code that reads them.
package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
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

// Tx runs fn in a transaction and commits it if fn returns nil. fn's error comes back
// as it is. The transaction writes from its first statement on, like BEGIN IMMEDIATE:
// it waits for another writer instead of failing half-way with SQLITE_BUSY_SNAPSHOT.
//
// fn uses the tx it is given and nothing else of db, which may have no second
// connection. [Migrate] must have been called with db before.
func Tx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return new(Conn).Tx(ctx, db, fn)
}

// Conn remembers which connection of a database has its settings, so that a transaction
// need not make sure of them. The zero value remembers none. It may be used by many
// goroutines at once, for one database.
type Conn struct {
	mu  sync.Mutex
	set any // the driver's connection
}

// Tx is like the func [Tx].
func (c *Conn) Tx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return c.run(ctx, db, false, fn)
}

// Lazy is like Tx in a file of ours, but does not wait until the disk has what was committed: the next Tx does that
// for both, in order. The death of the process loses nothing; the loss of power may lose it.
func (c *Conn) Lazy(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return c.run(ctx, db, true, fn)
}

func (c *Conn) run(ctx context.Context, db *sql.DB, lazy bool, fn func(*sql.Tx) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqldb: connect: %w", err)
	}
	defer conn.Close()
	if err := c.setUp(ctx, conn); err != nil {
		return err
	}
	if lazy {
		if _, err := conn.ExecContext(ctx, `PRAGMA synchronous = NORMAL`); err != nil {
			return fmt.Errorf("sqldb: begin: %w", err)
		}
		defer func() {
			if _, err := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA synchronous = FULL`); err != nil {
				// Whoever gets it next would be promised too much.
				conn.Raw(func(any) error { return driver.ErrBadConn })
			}
		}()
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	// A statement that may write takes the write lock, though it finds no row.
	if _, err := tx.ExecContext(ctx, `DELETE FROM fedihook_schema WHERE 0`); err != nil {
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqldb: commit: %w", err)
	}
	return nil
}

// setUp gives a connection its settings. A connection whose statement was cancelled is
// thrown away by the driver, and the next one starts with default settings. In a file of
// ours we put them back; in the app's file they are the app's affair.
func (c *Conn) setUp(ctx context.Context, conn *sql.Conn) error {
	var raw any
	if err := conn.Raw(func(driverConn any) error { raw = driverConn; return nil }); err != nil {
		return fmt.Errorf("sqldb: connect: %w", err)
	}
	if raw != nil && !reflect.TypeOf(raw).Comparable() {
		raw = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if raw != nil && c.set == raw {
		return nil
	}
	id, err := fileID(ctx, conn)
	if err != nil {
		return err
	}
	if id == applicationID {
		if _, err := conn.ExecContext(ctx, pragmas); err != nil {
			return fmt.Errorf("sqldb: set the connection up: %w", err)
		}
	}
	c.set = raw
	return nil
}
