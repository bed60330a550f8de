package storage

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// fedihook_entries holds unfinished entries only. Only a head may run: an entry without a key, or the oldest of its key. A mark
// is known by its first 16 bytes and has the seq of the entry that put it; only copies have an index by mark. Its first owners stand
// beside it, 8 bytes each, and those who come later in fedihook_mark_owners.
//
// Nothing is counted in rows that every commit would have to change: see postgresCounts.
var postgresJournalTables = []string{`CREATE TABLE fedihook_marks (
	mark   bytea PRIMARY KEY,
	at     bigint NOT NULL,
	seq    bigint NOT NULL,
	owners bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX fedihook_marks_at ON fedihook_marks (at);
CREATE TABLE fedihook_mark_owners (mark bytea, owner bigint, PRIMARY KEY (mark, owner));
CREATE SEQUENCE fedihook_entries_order;
CREATE TABLE fedihook_entries (
	seq        bigint PRIMARY KEY,
	mark       bytea NOT NULL,
	okey       bytea NOT NULL,
	sender     bytea NOT NULL,
	owner      bytea NOT NULL,
	received   bigint NOT NULL,
	attempts   bigint NOT NULL,
	not_before bigint NOT NULL,
	last_error bytea NOT NULL,
	body       bytea,
	lane       bytea NOT NULL,
	turn       bigint NOT NULL,
	concerns   text NOT NULL, -- actor ids as JSON
	alone      boolean NOT NULL,
	notes      bytea,
	shard      smallint NOT NULL,
	head       boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX fedihook_entries_okey ON fedihook_entries (sha256(okey), seq) WHERE okey <> '';
CREATE INDEX fedihook_entries_fresh ON fedihook_entries (shard, turn, seq) WHERE head AND not_before = 0;
CREATE INDEX fedihook_entries_waiting ON fedihook_entries (shard, not_before, seq) WHERE head AND not_before <> 0;
CREATE INDEX fedihook_entries_lane ON fedihook_entries (sha256(lane));
CREATE INDEX fedihook_entries_copies ON fedihook_entries (substr(mark, 1, 16)) WHERE alone;
CREATE TABLE fedihook_shelf (
	shelf      smallint NOT NULL,
	seq        bigint NOT NULL,
	mark       bytea NOT NULL,
	okey       bytea NOT NULL,
	sender     bytea NOT NULL,
	owner      bytea NOT NULL,
	received   bigint NOT NULL,
	attempts   bigint NOT NULL,
	not_before bigint NOT NULL,
	last_error bytea NOT NULL,
	body       bytea,
	lane       bytea NOT NULL,
	turn       bigint NOT NULL,
	concerns   text NOT NULL,
	alone      boolean NOT NULL,
	notes      bytea,
	PRIMARY KEY (shelf, seq)
)`}

// postgresJournal is an inbox.Journal, an inbox.Sharing and an inbox.Watcher. What writes entries is in postgres_append.go.
type postgresJournal struct {
	db     *sql.DB
	shares postgresShares
	ear    postgresEar
	writes writes
	counts *postgresCounts
	floor  postgresFloor
	mine   atomic.Uint64 // the shards that this process has, as far as it knows: of what it adds there nobody else need hear
}

func (s *postgresJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	mine, ok, err := s.shares.share(ctx, owner, now, ttl, true, s.quiet)
	if ok {
		s.mine.Store(uint64(mine.Shards))
	} else {
		mine.Epoch = 0
	}
	return mine.Epoch, ok, err
}

func (s *postgresJournal) Share(ctx context.Context, owner string, now time.Time, ttl time.Duration) (inbox.Share, error) {
	mine, _, err := s.shares.share(ctx, owner, now, ttl, false, s.quiet)
	if err == nil {
		s.mine.Store(uint64(mine.Shards))
	}
	return mine, err
}

func (s *postgresJournal) Yield(ctx context.Context, epoch int64, shards inbox.Shards) error {
	err := pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.shares.yield(ctx, tx, epoch, shards); err != nil {
			return err
		}
		return s.quiet(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("storage: yield shards of the journal: %w", err)
	}
	s.mine.And(^uint64(shards))
	return nil
}

func (s *postgresJournal) Release(ctx context.Context, epoch int64) error {
	err := pgdb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.shares.lock(ctx, tx); err != nil {
			return err
		}
		if err := s.quiet(ctx, tx); err != nil {
			return err
		}
		return s.shares.release(ctx, tx, epoch)
	})
	if err != nil {
		return fmt.Errorf("storage: release the journal: %w", err)
	}
	s.mine.Store(0)
	return nil
}

// writing is the advisory lock of who writes entries, with the table's oid: "FedJ".
const writing = 0x4665644a

// quiet is the lock; writing is its first parameter.
const quiet = `pg_advisory_xact_lock(($1::bigint << 32) # 'fedihook_entries'::regclass::oid::bigint)`

// quiet waits until nobody else writes entries, and keeps others out until the transaction ends: what somebody finishes with a
// lease, or adds, is seen by who comes next, and seqs become visible in their order.
func (s *postgresJournal) quiet(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT `+bounded+`, `+quiet, int64(writing))
	return err
}

// Watch is inbox.Watcher's.
func (s *postgresJournal) Watch(ctx context.Context, heard func()) error {
	return s.ear.hear(ctx, "journal", heard)
}

func (s *postgresJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return s.due(ctx, epoch, inbox.AllShards, false, nil, now, limit)
}

func (s *postgresJournal) DueOf(ctx context.Context, epoch int64, shards inbox.Shards, held []int64, now time.Time, limit int) ([]inbox.Entry, error) {
	return s.due(ctx, epoch, shards, true, held, now, limit)
}

func listOf(s inbox.Shards) (list []int) {
	for shard := range inbox.ShardCount {
		if s.Has(shard) {
			list = append(list, shard)
		}
	}
	return list
}

func scanPostgresEntry(row scanner) (e inbox.Entry, err error) {
	var mark, key, sender, owner, lastError, lane []byte
	var received, notBefore, turn int64
	var to string
	err = row.Scan(&e.Seq, &mark, &key, &sender, &owner, &received, &e.Attempts, &notBefore, &lastError, &e.Body,
		&lane, &turn, &to, &e.Alone, &e.Notes)
	if err != nil {
		return e, err
	}
	copy(e.Mark[:], mark)
	e.Key, e.Sender, e.Owner, e.LastError, e.Lane = string(key), string(sender), string(owner), string(lastError), string(lane)
	e.Received, e.NotBefore, e.Turn = fromMicros(received), fromMicros(notBefore), fromMicros(turn)
	return e, fromJSON(to, &e.To)
}
