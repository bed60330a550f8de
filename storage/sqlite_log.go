package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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
CREATE INDEX fedihook_records_public ON fedihook_records (actor, seq) WHERE public = 1 AND type IN ('Create', 'Announce')`}

// sqliteLog is an outbox.Log.
type sqliteLog struct{ db *sql.DB }

const recordColumns = `seq, id, type, object, author, actor, at, public, followers,
	state, pass, attempts, not_before, last_error, recipients, waiting, targets, activity`

func (s *sqliteLog) AddRecord(ctx context.Context, r outbox.Record) error {
	to, waiting, targets, err := recordLists(r)
	if err == nil {
		_, err = exec(ctx, s.db, `INSERT INTO fedihook_records (id, type, object, author, actor, at, public, followers,
			state, pass, attempts, not_before, last_error, recipients, waiting, targets, activity)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Type, r.Object, r.Author, r.Actor, toMicros(r.At), r.Public, r.Followers,
			r.State, r.Pass, r.Attempts, toMicros(r.NotBefore), r.LastError, to, waiting, targets, r.Activity)
	}
	if err != nil {
		return fmt.Errorf("storage: add the record of %s: %w", r.ID, err)
	}
	return nil
}

func recordLists(r outbox.Record) (to, waiting, targets string, err error) {
	if to, err = toJSON(r.To); err != nil {
		return "", "", "", err
	}
	if waiting, err = toJSON(r.Waiting); err != nil {
		return "", "", "", err
	}
	targets, err = toJSON(r.Targets)
	return to, waiting, targets, err
}

func (s *sqliteLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	to, waiting, targets, err := recordLists(r)
	var changed int64
	if err == nil {
		changed, err = exec(ctx, s.db, `UPDATE fedihook_records SET type = ?, object = ?, actor = ?, public = ?, followers = ?,
			state = ?, pass = ?, attempts = ?, not_before = ?, last_error = ?,
			recipients = ?, waiting = ?, targets = ?, activity = ? WHERE id = ?`,
			r.Type, r.Object, r.Actor, r.Public, r.Followers,
			r.State, r.Pass, r.Attempts, toMicros(r.NotBefore), r.LastError,
			to, waiting, targets, r.Activity, r.ID)
	}
	if err == nil && changed == 0 {
		err = outbox.ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("storage: save the record of %s: %w", r.ID, err)
	}
	return nil
}

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
	var at, notBefore int64
	var to, waiting, targets string
	if err := row.Scan(&r.Seq, &r.ID, &r.Type, &r.Object, &r.Author, &r.Actor, &at, &r.Public, &r.Followers,
		&r.State, &r.Pass, &r.Attempts, &notBefore, &r.LastError, &to, &waiting, &targets, &r.Activity); err != nil {
		return outbox.Record{}, err
	}
	r.At, r.NotBefore = fromMicros(at), fromMicros(notBefore)
	return r, errors.Join(fromJSON(to, &r.To), fromJSON(waiting, &r.Waiting), fromJSON(targets, &r.Targets))
}

func (s *sqliteLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanRecord, `SELECT `+recordColumns+`
		FROM fedihook_records WHERE object = ? ORDER BY seq LIMIT ?`, id, max(limit, 0))
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
