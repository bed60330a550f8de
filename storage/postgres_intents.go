package storage

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/outbox"
)

// Rows are numbered by who reads them, not by who adds them: numbers from a sequence are given in another order than that in
// which transactions commit, so that who reads up to one would pass over another that is committed later. added only tells in
// which order one client added its own.
var postgresIntentsTables = []string{`CREATE TABLE fedihook_intents (
	added      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	seq        bigint, -- NULL: not numbered yet
	id         bytea NOT NULL,
	author     bytea NOT NULL,
	at         bigint NOT NULL,
	not_before bigint NOT NULL,
	except_at  text NOT NULL,
	activity   bytea
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, fillfactor = 70);
CREATE INDEX fedihook_intents_seq ON fedihook_intents (seq);
CREATE SEQUENCE fedihook_intents_order OWNED BY fedihook_intents.seq`,
	`ALTER TABLE fedihook_intents ADD COLUMN trace bytea NOT NULL DEFAULT ''`}

// numberingIntents is the advisory lock of who numbers intents, with the table's oid: "FedI".
const numberingIntents = 0x46656449

// numberedAtOnce is how many intents one transaction numbers.
const numberedAtOnce = 1000

// postgresIntents is an outbox.Intents.
type postgresIntents struct {
	db  *sql.DB
	ear postgresEar
}

const (
	insertPostgresIntent = `INSERT INTO fedihook_intents (id, author, at, not_before, except_at, activity, trace) VALUES ($1, $2, $3, $4, $5, $6, $7)`

	// One statement of the app's transaction does both, and who listens hears of it at the commit.
	notePostgresIntent = `WITH added AS (` + insertPostgresIntent + `) SELECT pg_notify($8::text, '')`
)

func (s *postgresIntents) AddIntent(ctx context.Context, tx outbox.Execer, in outbox.Intent) error {
	if tx == nil {
		tx = s.db
	}
	except, err := toJSON(in.Except)
	if err == nil {
		args := []any{blob(in.ID), blob(in.Author), toMicros(in.At), toMicros(in.NotBefore), except, in.Activity, blob(in.Trace)}
		query := insertPostgresIntent
		if s.ear.listen != nil {
			query, args = notePostgresIntent, append(args, s.ear.channel("outbox"))
		}
		_, err = tx.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return fmt.Errorf("storage: add intent %s: %w", in.ID, err)
	}
	return nil
}

// Watch is outbox.Watcher's.
func (s *postgresIntents) Watch(ctx context.Context, heard func()) error {
	return s.ear.hear(ctx, "outbox", heard)
}

func (s *postgresIntents) NextIntents(ctx context.Context, limit int) ([]outbox.Intent, error) {
	var fresh bool
	err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_intents WHERE seq IS NULL)`).Scan(&fresh)
	if err == nil && fresh {
		err = s.number(ctx)
	}
	var list []outbox.Intent
	if err == nil {
		list, err = all(ctx, s.db, scanPostgresIntent, `SELECT seq, id, author, at, not_before, except_at, activity, trace
			FROM fedihook_intents WHERE seq IS NOT NULL ORDER BY seq LIMIT $1`, max(limit, 0))
	}
	if err != nil {
		return nil, fmt.Errorf("storage: next intents: %w", err)
	}
	return list, nil
}

// number gives numbers to what was committed since, one process at a time: a number that is visible has none below it that is
// still to come.
func (s *postgresIntents) number(ctx context.Context) error {
	return pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT `+bounded+`, pg_advisory_xact_lock(($1::bigint << 32) # 'fedihook_intents'::regclass::oid::bigint)`,
			int64(numberingIntents)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE fedihook_intents AS i SET seq = n.seq
			FROM (SELECT added, nextval('fedihook_intents_order') AS seq
				FROM (SELECT added FROM fedihook_intents WHERE seq IS NULL ORDER BY added LIMIT $1 OFFSET 0) AS o) AS n
			WHERE i.added = n.added`, numberedAtOnce)
		return err
	})
}

func scanPostgresIntent(row scanner) (in outbox.Intent, err error) {
	var at, notBefore int64
	var id, author, trace []byte
	var except string
	if err := row.Scan(&in.Seq, &id, &author, &at, &notBefore, &except, &in.Activity, &trace); err != nil {
		return in, err
	}
	in.ID, in.Author, in.Trace, in.At, in.NotBefore = string(id), string(author), string(trace), fromMicros(at), fromMicros(notBefore)
	return in, fromJSON(except, &in.Except)
}

func (s *postgresIntents) DropIntents(ctx context.Context, seq int64) error {
	if _, err := pgdb.Exec(ctx, s.db, `DELETE FROM fedihook_intents WHERE seq <= $1`, seq); err != nil {
		return fmt.Errorf("storage: drop intents up to %d: %w", seq, err)
	}
	return nil
}
