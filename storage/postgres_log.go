package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/outbox"
)

// digestsOf are the digests of the ids in $1, by which records are found.
const digestsOf = `(SELECT sha256(id) FROM unnest($1::bytea[]) AS ids (id))`

// Two partial indexes make DueRecords cost what is left to do, not what was ever said.
var postgresLogTables = []string{`CREATE TABLE fedihook_records (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         bytea NOT NULL,
	type       bytea NOT NULL,
	object     bytea NOT NULL,
	author     bytea NOT NULL,
	actor      bytea NOT NULL,
	at         bigint NOT NULL,
	public     boolean NOT NULL,
	followers  boolean NOT NULL,
	state      smallint NOT NULL,
	pass       bigint NOT NULL,
	attempts   bigint NOT NULL,
	not_before bigint NOT NULL,
	last_error bytea NOT NULL,
	recipients text NOT NULL,
	waiting    text NOT NULL,
	targets    text NOT NULL,
	except_at  text NOT NULL,
	version    bigint NOT NULL DEFAULT 0,
	shard      smallint NOT NULL,
	until      bigint NOT NULL,
	activity   bytea
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX fedihook_records_id ON fedihook_records (sha256(id));
CREATE INDEX fedihook_records_object ON fedihook_records (sha256(object), seq);
CREATE INDEX fedihook_records_due ON fedihook_records (seq) WHERE state IN (0, 3);
CREATE INDEX fedihook_records_waiting ON fedihook_records (sha256(object), seq) WHERE state = 0 AND object <> '';
CREATE INDEX fedihook_records_public ON fedihook_records (sha256(actor), seq) WHERE public AND type IN ('Create', 'Announce');
CREATE INDEX fedihook_records_until ON fedihook_records (until, seq) WHERE until > 0 AND state IN (1, 2, 4)`,
	`ALTER TABLE fedihook_records ADD COLUMN trace bytea NOT NULL DEFAULT ''`}

// postgresLog is an outbox.Log and an outbox.Sharing.
type postgresLog struct {
	db     *sql.DB
	shares postgresShares
	ear    postgresEar
	mine   atomic.Uint64 // the shards that this process has, as far as it knows: of what it adds there nobody else need hear
}

func (s *postgresLog) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (outbox.Shards, error) {
	mine, _, err := s.shares.share(ctx, owner, now, ttl, false, func(context.Context, *sql.Tx) error { return nil })
	if err != nil {
		return 0, err
	}
	if spare := mine.Shards.First(mine.Spare); spare != 0 { // what runs there another may begin, too: one of them counts
		if err := pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error { return s.shares.yield(ctx, tx, mine.Epoch, spare) }); err != nil {
			return 0, fmt.Errorf("storage: yield shards of the log: %w", err)
		}
		mine.Shards &^= spare
	}
	s.mine.Store(uint64(mine.Shards))
	return outbox.Shards(mine.Shards), nil
}

func (s *postgresLog) Unshare(ctx context.Context, owner string) error {
	if _, err := pgdb.Exec(ctx, s.db, `DELETE FROM fedihook_workers WHERE room = 'log' AND owner = $1`, blob(owner)); err != nil {
		return fmt.Errorf("storage: release the log: %w", err)
	}
	s.mine.Store(0)
	return nil
}

// AddRecord locks the intent of which the record is, if that is there: of two processes that take one intent, the slower one
// may come after the faster has removed the record again, and waits for it to drop the intent.
func (s *postgresLog) AddRecord(ctx context.Context, r outbox.Record) error {
	l, err := listsOf(r)
	if err == nil {
		channel := "" // of who has its shard
		if s.ear.listen != nil && !outbox.Shards(s.mine.Load()).Has(r.Shard()) {
			channel = s.ear.channel("outbox")
		}
		_, err = pgdb.Exec(ctx, s.db, `WITH intent AS (SELECT 1 FROM fedihook_intents WHERE seq = $18::bigint FOR KEY SHARE),
			added AS (INSERT INTO fedihook_records (id, type, object, author, actor, at, public, followers,
				state, pass, attempts, not_before, last_error, recipients, waiting, targets, activity, except_at, shard, until, trace)
			SELECT $1::bytea, $2::bytea, $3::bytea, $4::bytea, $5::bytea, $6::bigint, $7::boolean, $8::boolean,
				$9::smallint, $10::bigint, $11::bigint, $12::bigint, $13::bytea, $14::text, $15::text, $16::text, $17::bytea, $19::text, $20::smallint, $22::bigint, $23::bytea
			WHERE $18::bigint = 0 OR EXISTS (SELECT 1 FROM intent) ON CONFLICT (sha256(id)) DO NOTHING RETURNING seq)
			SELECT pg_notify($21::text, '') FROM added WHERE $21::text <> ''`,
			blob(r.ID), blob(r.Type), blob(r.Object), blob(r.Author), blob(r.Actor), toMicros(r.At), r.Public, r.Followers,
			int(r.State), r.Pass, r.Attempts, toMicros(r.NotBefore), blob(r.LastError), l.to, l.waiting, l.targets, r.Activity,
			r.Intent, l.except, r.Shard(), channel, toMicros(r.Until), blob(r.Trace))
	}
	if err != nil {
		return fmt.Errorf("storage: add the record of %s: %w", r.ID, err)
	}
	return nil
}

func (s *postgresLog) SaveRecord(ctx context.Context, r outbox.Record) error {
	l, err := listsOf(r)
	if err == nil {
		err = s.save(ctx, r, l)
	}
	if err != nil {
		return fmt.Errorf("storage: save the record of %s: %w", r.ID, err)
	}
	return nil
}

func (s *postgresLog) save(ctx context.Context, r outbox.Record, l recordLists) error {
	res, err := pgdb.Exec(ctx, s.db, `UPDATE fedihook_records SET type = $3, object = $4, actor = $5, public = $6, followers = $7,
		state = $8, pass = $9, attempts = $10, not_before = $11, last_error = $12,
		recipients = $13, waiting = $14, targets = $15, activity = $16, except_at = $17, shard = $18, until = $19, version = version + 1
		WHERE sha256(id) = sha256($1) AND version = $2`,
		blob(r.ID), r.Version, blob(r.Type), blob(r.Object), blob(r.Actor), r.Public, r.Followers,
		int(r.State), r.Pass, r.Attempts, toMicros(r.NotBefore), blob(r.LastError),
		l.to, l.waiting, l.targets, r.Activity, l.except, r.Shard(), toMicros(r.Until))
	if err != nil {
		return err
	}
	changed, err := res.RowsAffected()
	if err != nil || changed > 0 {
		return err
	}
	var there bool
	if err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_records WHERE sha256(id) = sha256($1))`, blob(r.ID)).Scan(&there); err != nil {
		return err
	}
	if there {
		return outbox.ErrStale
	}
	return outbox.ErrUnknown
}

func (s *postgresLog) RemoveRecords(ctx context.Context, ids []string) (removed bool, err error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := bound(ctx, tx); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM fedihook_records WHERE sha256(id) IN `+digestsOf+` AND state = 0 AND actor = ''`, blobs(ids))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < int64(len(ids)) {
			return errors.Join(err, errNotAll)
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

func (s *postgresLog) Record(ctx context.Context, id string) (outbox.Record, error) {
	r, err := scanPostgresRecord(s.db.QueryRowContext(ctx, `SELECT `+recordColumns+` FROM fedihook_records WHERE sha256(id) = sha256($1)`, blob(id)))
	if errors.Is(err, sql.ErrNoRows) {
		err = outbox.ErrUnknown
	}
	if err != nil {
		return outbox.Record{}, fmt.Errorf("storage: record of %s: %w", id, err)
	}
	return r, nil
}

func scanPostgresRecord(row scanner) (r outbox.Record, err error) {
	var at, notBefore, until int64
	var id, typ, object, author, actor, lastError, trace []byte
	var l recordLists
	if err := row.Scan(&r.Seq, &id, &typ, &object, &author, &actor, &at, &r.Public, &r.Followers,
		&r.State, &r.Pass, &r.Attempts, &notBefore, &lastError, &l.to, &l.waiting, &l.targets, &r.Activity, &r.Version, &l.except, &until, &trace); err != nil {
		return outbox.Record{}, err
	}
	r.ID, r.Type, r.Object, r.Author, r.Actor = string(id), string(typ), string(object), string(author), string(actor)
	r.Trace, r.LastError, r.At, r.NotBefore, r.Until = string(trace), string(lastError), fromMicros(at), fromMicros(notBefore), fromMicros(until)
	return r, errors.Join(fromJSON(l.to, &r.To), fromJSON(l.waiting, &r.Waiting), fromJSON(l.targets, &r.Targets), fromJSON(l.except, &r.Except))
}

func (s *postgresLog) ObjectRecords(ctx context.Context, id string, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanPostgresRecord, `SELECT `+recordColumns+`
		FROM fedihook_records WHERE sha256(object) = sha256($1) ORDER BY seq LIMIT $2`, blob(id), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: records about %s: %w", id, err)
	}
	return list, nil
}

func (s *postgresLog) DueRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	return s.DueOf(ctx, outbox.AllShards, now, limit)
}

func (s *postgresLog) DueOf(ctx context.Context, shards outbox.Shards, now time.Time, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanPostgresRecord, `SELECT `+recordColumns+` FROM fedihook_records AS r
		WHERE state IN (0, 3) AND not_before <= $1 AND $3::bigint >> shard & 1 = 1 AND (state = 3 OR object = '' OR NOT EXISTS (
			SELECT 1 FROM fedihook_records AS older
			WHERE sha256(older.object) = sha256(r.object) AND older.seq < r.seq AND older.state = 0 AND older.object <> ''))
		ORDER BY seq LIMIT $2`, toMicros(now), max(limit, 0), int64(shards))
	if err != nil {
		return nil, fmt.Errorf("storage: due records: %w", err)
	}
	return list, nil
}

func (s *postgresLog) PublicRecords(ctx context.Context, actor string, before int64, limit int) (list []outbox.Record, total int64, err error) {
	const public = ` FROM fedihook_records WHERE sha256(actor) = sha256($1) AND public AND type IN ('Create', 'Announce')`
	if err := s.db.QueryRowContext(ctx, `SELECT count(*)`+public, blob(actor)).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("storage: count the public records of %s: %w", actor, err)
	}
	list, err = all(ctx, s.db, scanPostgresRecord, `SELECT `+recordColumns+public+`
		AND ($2::bigint = 0 OR seq < $2) ORDER BY seq DESC LIMIT $3`, blob(actor), before, max(limit, 0))
	if err != nil {
		return nil, 0, fmt.Errorf("storage: public records of %s: %w", actor, err)
	}
	return list, total, nil
}

func (s *postgresLog) PastRecords(ctx context.Context, now time.Time, limit int) ([]outbox.Record, error) {
	list, err := all(ctx, s.db, scanPostgresRecord, `SELECT `+recordColumns+` FROM fedihook_records
		WHERE until > 0 AND state IN (1, 2, 4) AND until <= $1 ORDER BY until, seq LIMIT $2`, toMicros(now), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: records that are past: %w", err)
	}
	return list, nil
}

func (s *postgresLog) ForgetRecords(ctx context.Context, ids []string, now time.Time) error {
	if _, err := pgdb.Exec(ctx, s.db, `DELETE FROM fedihook_records
		WHERE sha256(id) IN `+digestsOf+` AND until > 0 AND state IN (1, 2, 4) AND until <= $2`, blobs(ids), toMicros(now)); err != nil {
		return fmt.Errorf("storage: forget records: %w", err)
	}
	return nil
}
