package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// A worker's lease is one row, and each shard says whose it is. A worker that is no more leaves its number behind in shards,
// which says nothing then: numbers are never given twice.
var postgresSharesTables = []string{`CREATE TABLE fedihook_workers (
	epoch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	room  text NOT NULL,
	owner bytea NOT NULL,
	until bigint NOT NULL,
	UNIQUE (room, owner)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
CREATE TABLE fedihook_shards (
	room  text NOT NULL,
	shard smallint NOT NULL,
	epoch bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (room, shard)
) WITH (fillfactor = 10);
INSERT INTO fedihook_shards (room, shard) SELECT r, s FROM unnest(ARRAY['journal', 'log']) AS r, generate_series(0, 63) AS s`}

// leasing is the advisory lock of who changes leases, with the table's oid: "FedL".
const leasing = 0x4665644c

// postgresShares are who works at what in one room: the rules are those of [inbox.Sharing].
type postgresShares struct {
	db   *sql.DB
	room string
}

// share takes what owner may have, or with all everything or nothing. Ending is called before others' leases are ended.
func (s postgresShares) share(ctx context.Context, owner string, now time.Time, ttl time.Duration, all bool,
	ending func(context.Context, *sql.Tx) error) (mine inbox.Share, ok bool, err error) {
	err = pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		mine, ok = inbox.Share{}, false
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		var others, over int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE until > $3), count(*) FILTER (WHERE until <= $3)
			FROM fedihook_workers WHERE room = $1 AND owner <> $2`, s.room, blob(owner), toMicros(now)).Scan(&others, &over); err != nil {
			return err
		}
		if all && others > 0 {
			return nil
		}
		if over > 0 {
			if err := ending(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM fedihook_workers WHERE room = $1 AND owner <> $2 AND until <= $3`,
				s.room, blob(owner), toMicros(now)); err != nil {
				return err
			}
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO fedihook_workers (room, owner, until) VALUES ($1, $2, $3)
			ON CONFLICT (room, owner) DO UPDATE SET until = excluded.until RETURNING epoch`,
			s.room, blob(owner), toMicros(now.Add(ttl))).Scan(&mine.Epoch); err != nil {
			return err
		}
		part := partOf(others + 1)
		if all {
			part = inbox.ShardCount
		}
		has, free, err := s.shards(ctx, tx, mine.Epoch)
		if err != nil {
			return err
		}
		taken := free.First(part - has.Len())
		if taken != 0 {
			if _, err := tx.ExecContext(ctx, `UPDATE fedihook_shards SET epoch = $2 WHERE room = $1 AND $3::bigint >> shard & 1 = 1`,
				s.room, mine.Epoch, int64(taken)); err != nil {
				return err
			}
		}
		mine.Shards = has | taken
		mine.Spare = max(mine.Shards.Len()-part, 0)
		ok = true
		return nil
	})
	if err != nil {
		return inbox.Share{}, false, fmt.Errorf("storage: lease the %s to %s: %w", s.room, owner, err)
	}
	return mine, ok, nil
}

func (s postgresShares) lock(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT `+bounded+`, pg_advisory_xact_lock(($1::bigint << 32) # 'fedihook_workers'::regclass::oid::bigint)`, int64(leasing))
	return err
}

// shards are those of an epoch, and those of nobody.
func (s postgresShares) shards(ctx context.Context, q querier, epoch int64) (has, free inbox.Shards, err error) {
	var mine, nobodys int64
	err = q.QueryRowContext(ctx, `SELECT coalesce(bit_or(1::bigint << shard) FILTER (WHERE epoch = $2), 0),
		coalesce(bit_or(1::bigint << shard) FILTER (WHERE NOT EXISTS (SELECT 1 FROM fedihook_workers AS w WHERE w.epoch = s.epoch)), 0)
		FROM fedihook_shards AS s WHERE room = $1`, s.room, epoch).Scan(&mine, &nobodys)
	return inbox.Shards(mine), inbox.Shards(nobodys), err
}

// leased tells whether there is a lease of an epoch in a room, and which shards it has.
const leased = `EXISTS (SELECT 1 FROM fedihook_workers WHERE room = $1 AND epoch = $2),
	(SELECT coalesce(bit_or(1::bigint << shard), 0) FROM fedihook_shards WHERE room = $1 AND epoch = $2)`

// of are the shards of a lease, or ErrLeaseLost.
func (s postgresShares) of(ctx context.Context, q querier, epoch int64) (inbox.Shards, error) {
	var there bool
	var mine int64
	err := q.QueryRowContext(ctx, `SELECT `+leased, s.room, epoch).Scan(&there, &mine)
	if err == nil && !there {
		err = inbox.ErrLeaseLost
	}
	return inbox.Shards(mine), err
}

// yield gives shards of a lease back.
func (s postgresShares) yield(ctx context.Context, tx *sql.Tx, epoch int64, shards inbox.Shards) error {
	if err := s.lock(ctx, tx); err != nil {
		return err
	}
	if _, err := s.of(ctx, tx, epoch); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE fedihook_shards SET epoch = 0 WHERE room = $1 AND epoch = $2 AND $3::bigint >> shard & 1 = 1`,
		s.room, epoch, int64(shards))
	return err
}

// release ends a lease, if it is there.
func (s postgresShares) release(ctx context.Context, tx *sql.Tx, epoch int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM fedihook_workers WHERE room = $1 AND epoch = $2`, s.room, epoch)
	return err
}
