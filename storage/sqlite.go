package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/storage/queue"
)

// readers is how many connections may read our file while another one writes.
const readers = 2

// errNoDatabase names the argument that OpenSQLite can't do without.
var errNoDatabase = errors.New("own is nil")

// OpenSQLite returns a Storage in two SQLite databases and brings the tables of both up to date. All of
// ours are named fedihook_….
//
// app is the database in whose transactions the app speaks. It gets a table of intents and the number of
// its version, and keeps its own settings: AddIntent is as durable as they make any commit, and where the
// app's own writes wait for a lock (busy_timeout), ours do. Ours are few: apart from AddIntent, one
// DELETE here and at most one a minute. Nil means own.
//
// own is a file of ours for all the rest. It is set up with WAL and synchronous=FULL, so that what was kept survives the
// loss of power, with three connections, so that who reads need not wait for a commit, and marked as ours by its
// application_id; a file that carries the mark of another application is refused. Some ten commits a second are to be
// expected in it, and some hundred where much comes in.
//
// app and own may be one *sql.DB or two on one file, for apps that begin every transaction that writes
// with BEGIN IMMEDIATE: one that begins by reading and then writes would now and then fail with
// SQLITE_BUSY_SNAPSHOT beside so many commits of ours. One *sql.DB has then one connection: an app that
// asks it for a second while it holds the first waits for ever.
//
// If app was restored from an older copy than own, intents that are added from then on are not taken for
// ones that were dropped before. That is seen here, so restore while no process has them open.
//
// The databases are not closed with the Storage. Several processes may open the same ones.
func OpenSQLite(ctx context.Context, app, own *sql.DB) (Storage, error) {
	if own == nil {
		return Storage{}, fmt.Errorf("storage: open SQLite: %w", errNoDatabase)
	}
	if app == nil {
		app = own
	}
	if err := sqldb.Setup(ctx, own); err != nil {
		return Storage{}, fmt.Errorf("storage: open SQLite: %w", err)
	}
	for _, room := range []struct {
		name  string
		steps []string
	}{
		{"log", logTables},
		{"journal", journalTables},
		{"followers", followersTables},
		{"keys", keysTables},
		{"remotes", remotesTables},
		{"rules", rulesTables},
		{"relays", relaysTables},
		{"forwards", forwardsTables},
		{"moves", movesTables},
		{"stamps", stampsTables},
	} {
		if err := sqldb.Migrate(ctx, own, room.name, room.steps); err != nil {
			return Storage{}, fmt.Errorf("storage: open SQLite: %w", err)
		}
	}
	db := sqldb.New(own)
	intents, err := openIntents(ctx, app, db)
	if err != nil {
		return Storage{}, fmt.Errorf("storage: open SQLite: %w", err)
	}
	queued, err := queue.OpenSQLite(ctx, own)
	if err != nil {
		return Storage{}, fmt.Errorf("storage: open SQLite: %w", err)
	}
	if app != own {
		if err := sqldb.AllowReaders(ctx, own, readers); err != nil {
			return Storage{}, fmt.Errorf("storage: open SQLite: %w", err)
		}
	}
	prepared := &statements{db: own}
	queue.TakeTurns(queued, db)
	return Storage{
		Intents:   intents,
		Log:       &sqliteLog{db: db, statements: prepared},
		Journal:   &sqliteJournal{db: db, statements: prepared},
		Followers: &sqliteFollowers{db: db, statements: prepared},
		Keys:      &sqliteKeys{db: db},
		Remotes:   &sqliteRemotes{db: db, statements: prepared},
		Rules:     &sqliteRules{db: db},
		Relays:    &sqliteRelays{db: db},
		Forwards:  &sqliteForwards{db: db},
		Moves:     &sqliteMoves{db: db},
		Stamps:    &sqliteStamps{db: db},
		Hosts:     &sqliteHosts{db: db},
		Queue:     queued,
	}, nil
}

// all reads every row into memory and closes them: a caller that used the store between two rows would
// wait for our only connection for ever.
func all[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	return list(rows, err, scan)
}

func list[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// querier is *sql.DB and *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is *sql.Row and *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// exec runs a statement that changes own, in a transaction of its own, and returns how many rows it
// changed.
func exec(ctx context.Context, db *sqldb.DB, query string, args ...any) (changed int64, err error) {
	err = db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		changed, err = res.RowsAffected()
		return err
	})
	return changed, err
}

// toJSON is a list as it is kept: "" if it is empty.
func toJSON[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

func fromJSON[T any](s string, list *[]T) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), list)
}
