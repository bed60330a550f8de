package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/outbox"
)

// Two partial indexes make DueRecords cost what is left to do, not what was ever said; the first holds all that it looks at. The partial indexes are used by queries that repeat their condition
// word by word.
var logTables = []string{`CREATE TABLE fedihook_records (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT NOT NULL UNIQUE,
	type       TEXT NOT NULL,
	object     TEXT NOT NULL,
	author     TEXT NOT NULL,
	actor      TEXT NOT NULL,
	at         INTEGER NOT NULL,
	public     INTEGER NOT NULL,
	followers  INTEGER NOT NULL,
	state      INTEGER NOT NULL,
	pass       INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	not_before INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	recipients TEXT NOT NULL,
	waiting    TEXT NOT NULL,
	targets    TEXT NOT NULL,
	activity   BLOB
);
CREATE INDEX fedihook_records_object ON fedihook_records (object, seq);
CREATE INDEX fedihook_records_due ON fedihook_records (seq, not_before, object, state) WHERE state IN (0, 3);
CREATE INDEX fedihook_records_waiting ON fedihook_records (object, seq) WHERE state = 0 AND object <> '';
CREATE INDEX fedihook_records_public ON fedihook_records (actor, seq) WHERE public = 1 AND type IN ('Create', 'Announce')`,
	`ALTER TABLE fedihook_records ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fedihook_records ADD COLUMN except_at TEXT NOT NULL DEFAULT ''`,
	`ALTER TABLE fedihook_records ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
UPDATE fedihook_records SET until = at + 1 WHERE type IN ('Accept', 'Reject') OR type IN ('Announce', 'Undo') AND object LIKE '% announced';
CREATE INDEX fedihook_records_until ON fedihook_records (until, seq) WHERE until > 0 AND state IN (1, 2, 4)`,
	`ALTER TABLE fedihook_records ADD COLUMN trace TEXT NOT NULL DEFAULT ''`}

// sqliteLog is an outbox.Log.
type sqliteLog struct {
	db         *sqldb.DB
	statements *statements
}

const recordColumns = `seq, id, type, object, author, actor, at, public, followers,
	state, pass, attempts, not_before, last_error, recipients, waiting, targets, activity, version, except_at, until, trace`

// recordLists are a record's lists as they are kept.
type recordLists struct{ to, waiting, targets, except string }

func listsOf(r outbox.Record) (l recordLists, err error) {
	if l.to, err = toJSON(r.To); err != nil {
		return l, err
	}
	if l.waiting, err = toJSON(r.Waiting); err != nil {
		return l, err
	}
	if l.except, err = toJSON(r.Except); err != nil {
		return l, err
	}
	l.targets, err = toJSON(r.Targets)
	return l, err
}

// AddRecord looks at what was dropped in the same statement: of two processes that take one intent, the slower one may come
// after the faster has removed it again.
func (s *sqliteLog) AddRecord(ctx context.Context, r outbox.Record) error {
	l, err := listsOf(r)
	if err == nil {
		_, err = exec(ctx, s.db, `INSERT INTO fedihook_records (id, type, object, author, actor, at, public, followers,
			state, pass, attempts, not_before, last_error, recipients, waiting, targets, activity, except_at, until, trace)
			SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
			WHERE ? = 0 OR ? > (SELECT seq FROM fedihook_dropped) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Type, r.Object, r.Author, r.Actor, toMicros(r.At), r.Public, r.Followers,
			r.State, r.Pass, r.Attempts, toMicros(r.NotBefore), r.LastError, l.to, l.waiting, l.targets, r.Activity, l.except, toMicros(r.Until), r.Trace,
			r.Intent, r.Intent)
	}
	if err != nil {
		return fmt.Errorf("storage: add the record of %s: %w", r.ID, err)
	}
	return nil
}

func (s *sqliteLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	l, err := listsOf(r)
	if err == nil {
		err = s.db.Tx(ctx, func(tx *sql.Tx) error { return saveRecord(ctx, tx, r, l) })
	}
	if err != nil {
		return fmt.Errorf("storage: save the record of %s: %w", r.ID, err)
	}
	return nil
}

func saveRecord(ctx context.Context, tx *sql.Tx, r outbox.Record, l recordLists) error {
	res, err := tx.ExecContext(ctx, `UPDATE fedihook_records SET type = ?, object = ?, actor = ?, public = ?, followers = ?,
		state = ?, pass = ?, attempts = ?, not_before = ?, last_error = ?,
		recipients = ?, waiting = ?, targets = ?, activity = ?, except_at = ?, until = ?, version = version + 1 WHERE id = ? AND version = ?`,
		r.Type, r.Object, r.Actor, r.Public, r.Followers,
		r.State, r.Pass, r.Attempts, toMicros(r.NotBefore), r.LastError,
		l.to, l.waiting, l.targets, r.Activity, l.except, toMicros(r.Until), r.ID, r.Version)
	if err != nil {
		return err
	}
	changed, err := res.RowsAffected()
	if err != nil || changed > 0 {
		return err
	}
	var there bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_records WHERE id = ?)`, r.ID).Scan(&there); err != nil {
		return err
	}
	if there {
		return outbox.ErrStale
	}
	return outbox.ErrUnknown
}

func (s *sqliteLog) RemoveRecords(ctx context.Context, ids []string) (removed bool, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			res, err := tx.ExecContext(ctx, `DELETE FROM fedihook_records WHERE id = ? AND state = 0 AND actor = ''`, id)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, errNotAll)
			}
		}
		removed = len(ids) > 0
		return nil
	})
	if errors.Is(err, errNotAll) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("storage: remove records: %w", err)
	}
	return removed, nil
}

// errNotAll rolls a removal back that could not be done whole.
var errNotAll = errors.New("not all of them can be removed")

func (s *sqliteLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	r, err := scanRecord(s.db.QueryRowContext(ctx, `SELECT `+recordColumns+` FROM fedihook_records WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = outbox.ErrUnknown
	}
	if err != nil {
		return outbox.Record{}, fmt.Errorf("storage: record of %s: %w", id, err)
	}
	return r, nil
}

func scanRecord(row scanner) (r outbox.Record, err error) {
	var at, notBefore, until int64
	var l recordLists
	if err := row.Scan(&r.Seq, &r.ID, &r.Type, &r.Object, &r.Author, &r.Actor, &at, &r.Public, &r.Followers,
		&r.State, &r.Pass, &r.Attempts, &notBefore, &r.LastError, &l.to, &l.waiting, &l.targets, &r.Activity, &r.Version, &l.except, &until, &r.Trace); err != nil {
		return outbox.Record{}, err
	}
	r.At, r.NotBefore, r.Until = fromMicros(at), fromMicros(notBefore), fromMicros(until)
	return r, errors.Join(fromJSON(l.to, &r.To), fromJSON(l.waiting, &r.Waiting), fromJSON(l.targets, &r.Targets), fromJSON(l.except, &r.Except))
}

func (s *sqliteLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	list, err := keptAll(ctx, s.statements, scanRecord, `SELECT `+recordColumns+`
		FROM fedihook_records WHERE object = ? ORDER BY seq LIMIT ?+0`, id, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: records about %s: %w", id, err)
	}
	return list, nil
}

func (s *sqliteLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanRecord, `SELECT `+recordColumns+` FROM fedihook_records WHERE seq IN (
		SELECT seq FROM fedihook_records AS r INDEXED BY fedihook_records_due
		WHERE state IN (0, 3) AND not_before <= ? AND (state = 3 OR NOT EXISTS (
			SELECT 1 FROM fedihook_records AS older
			WHERE older.object = r.object AND older.seq < r.seq AND older.state = 0 AND older.object <> ''))
		ORDER BY seq LIMIT ?) ORDER BY seq`, toMicros(now), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: due records: %w", err)
	}
	return list, nil
}

func (s *sqliteLog) PublicRecords(ctx context.Context, actor string, before int64, limit int) (list []outbox.Record, total int64, err error) {
	const public = ` FROM fedihook_records WHERE actor = ? AND public = 1 AND type IN ('Create', 'Announce')`
	if err := s.db.QueryRowContext(ctx, `SELECT count(*)`+public, actor).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("storage: count the public records of %s: %w", actor, err)
	}
	list, err = all(ctx, s.db, scanRecord, `SELECT `+recordColumns+public+`
		AND (? = 0 OR seq < ?) ORDER BY seq DESC LIMIT ?`, actor, before, before, max(limit, 0))
	if err != nil {
		return nil, 0, fmt.Errorf("storage: public records of %s: %w", actor, err)
	}
	return list, total, nil
}

// isPastRecord is the condition of an index: see logTables.
const isPastRecord = ` until > 0 AND state IN (1, 2, 4) AND until <= ?`

func (s *sqliteLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanRecord, `SELECT `+recordColumns+` FROM fedihook_records WHERE`+isPastRecord+`
		ORDER BY until, seq LIMIT ?`, toMicros(now), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: records that are past: %w", err)
	}
	return list, nil
}

func (s *sqliteLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM fedihook_records WHERE id = ? AND`+isPastRecord, id, toMicros(now)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storage: forget records: %w", err)
	}
	return nil
}
