package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/outbox"
)

// sweepEvery is how often dropped intents may be deleted from the app's database. Each of our commits
// there may fail a transaction of the app's that has read and not yet written (SQLITE_BUSY_SNAPSHOT), so
// what was dropped is remembered in our own database as a number, and deleted seldom.
const sweepEvery = time.Minute

// AUTOINCREMENT, because a Seq must never come again once its row is deleted. SQLite has one writer at a
// time, so the order of Seq is that of the commits.
var intentsTables = []string{`CREATE TABLE fedihook_intents (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL,
	author   TEXT NOT NULL,
	at       INTEGER NOT NULL,
	activity BLOB
)`, `ALTER TABLE fedihook_intents ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fedihook_intents ADD COLUMN except_at TEXT NOT NULL DEFAULT ''`,
	`ALTER TABLE fedihook_intents ADD COLUMN trace TEXT NOT NULL DEFAULT ''`}

var droppedTables = []string{`CREATE TABLE fedihook_dropped (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	seq INTEGER NOT NULL
);
INSERT INTO fedihook_dropped VALUES (1, 0)`}

// sqliteIntents is an outbox.Intents.
type sqliteIntents struct {
	app *sql.DB   // the intents
	own *sqldb.DB // up to which one they are dropped

	mu    sync.Mutex
	swept time.Time
}

func openIntents(ctx context.Context, app *sql.DB, own *sqldb.DB) (*sqliteIntents, error) {
	if err := sqldb.Migrate(ctx, app, "intents", intentsTables); err != nil {
		return nil, err
	}
	if err := sqldb.Migrate(ctx, own.DB, "dropped intents", droppedTables); err != nil {
		return nil, err
	}
	s := &sqliteIntents{app: app, own: own}
	if err := s.rewind(ctx); err != nil {
		return nil, err
	}
	return s, s.sweep(ctx)
}

// rewind takes back what was dropped beyond the highest Seq that the app's database has given, which is
// so after it was restored from an older copy or lost its last commits with the power: it will give those
// numbers again, to intents that nobody has seen.
func (s *sqliteIntents) rewind(ctx context.Context) error {
	// In this order: another process may add and drop intents meanwhile.
	dropped, err := s.dropped(ctx)
	if err != nil {
		return err
	}
	var highest int64
	err = s.app.QueryRowContext(ctx, `SELECT seq FROM sqlite_sequence WHERE name = 'fedihook_intents'`).Scan(&highest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("highest intent: %w", err)
	}
	if dropped <= highest {
		return nil
	}
	if _, err := exec(ctx, s.own, `UPDATE fedihook_dropped SET seq = ? WHERE seq = ?`, highest, dropped); err != nil {
		return fmt.Errorf("rewind to intent %d: %w", highest, err)
	}
	return nil
}

func (s *sqliteIntents) dropped(ctx context.Context) (seq int64, err error) {
	if err := s.own.QueryRowContext(ctx, `SELECT seq FROM fedihook_dropped`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("dropped intents: %w", err)
	}
	return seq, nil
}

// sweep deletes dropped intents from the app's database.
func (s *sqliteIntents) sweep(ctx context.Context) error {
	s.swept = time.Now()
	dropped, err := s.dropped(ctx)
	if err != nil {
		return err
	}
	var some bool
	err = s.app.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_intents WHERE seq <= ?)`, dropped).Scan(&some)
	if err != nil {
		return fmt.Errorf("find intents up to %d: %w", dropped, err)
	}
	if !some { // then don't take the app's write lock either
		return nil
	}
	if _, err := s.app.ExecContext(ctx, `DELETE FROM fedihook_intents WHERE seq <= ?`, dropped); err != nil {
		return fmt.Errorf("delete intents up to %d: %w", dropped, err)
	}
	return nil
}

const insertIntent = `INSERT INTO fedihook_intents (id, author, at, activity, not_before, except_at, trace) VALUES (?, ?, ?, ?, ?, ?, ?)`

func (s *sqliteIntents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if tx == nil {
		tx = s.app
	}
	except, err := toJSON(in.Except)
	if err == nil {
		_, err = tx.ExecContext(ctx, insertIntent, in.ID, in.Author, toMicros(in.At), in.Activity, toMicros(in.NotBefore), except, in.Trace)
	}
	if err != nil {
		return fmt.Errorf("storage: add intent %s: %w", in.ID, err)
	}
	return nil
}

func (s *sqliteIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	dropped, err := s.dropped(ctx)
	if err != nil {
		return nil, fmt.Errorf("storage: next intents: %w", err)
	}
	list, err := all(ctx, s.app, scanIntent, `SELECT seq, id, author, at, activity, not_before, except_at, trace
		FROM fedihook_intents WHERE seq > ? ORDER BY seq LIMIT ?`, dropped, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: next intents: %w", err)
	}
	return list, nil
}

func scanIntent(row scanner) (in outbox.Intent, err error) {
	var at, notBefore int64
	var except string
	if err := row.Scan(&in.Seq, &in.ID, &in.Author, &at, &in.Activity, &notBefore, &except, &in.Trace); err != nil {
		return in, err
	}
	in.At, in.NotBefore = fromMicros(at), fromMicros(notBefore)
	return in, fromJSON(except, &in.Except)
}

// DropIntents also deletes what was dropped, once a minute. If that fails it returns the error, though
// the intents are dropped, and tries again a minute later.
func (s *sqliteIntents) DropIntents(ctx context.Context, seq int64) error {
	if _, err := exec(ctx, s.own, `UPDATE fedihook_dropped SET seq = ? WHERE seq < ?`, seq, seq); err != nil {
		return fmt.Errorf("storage: drop intents up to %d: %w", seq, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.swept) < sweepEvery {
		return nil
	}
	if err := s.sweep(ctx); err != nil {
		return fmt.Errorf("storage: drop intents: %w", err)
	}
	return nil
}
