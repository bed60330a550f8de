package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/pgdb"
)

// postgresSchema is the migrations. As on SQLite one row of activity is one fan-out and what is settled is appended to ack
// in chunks; what differs is there for many processes:
//
// An inbox's number modulo 64 is its shard, and numbers are dense within a shard, so that whose a target is
// takes no look-up. An ID has its row in ledger from the beginning, and that row alone decides who added it.
// lease has a row per process that delivers. It is not logged: when the server has died, or another one has taken its place,
// it is empty. What was settled in the last moments before is lost then, or even what was appended, and who delivers knows
// better than the tables; without a lease it begins anew from these. life is empty then, too: numbers of URLs that a process has
// read before hold no longer, for what gave them may be lost, and they may be another's now.
//
// Nothing is written per delivery, so that few rows die: of one activity its row, its ledger's first version, and a chunk of acks
// for some 256 targets. Hence the tables are ordinary ones, vacuumed early, and none is partitioned or
// rotated. While a long transaction holds vacuum up they grow by what passes meanwhile; no query walks over what is
// dead but the first page of a new lease, since all go by a key or on from a number.
//
// What may hold any byte is bytea.
var postgresSchema = []string{`
CREATE SEQUENCE fedihook_q_seq MINVALUE 0;
SELECT setval('fedihook_q_seq', 0); -- last_value is the last number given, from the start
CREATE SEQUENCE fedihook_q_epoch;
CREATE TABLE fedihook_q_number (shard smallint PRIMARY KEY, last bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO fedihook_q_number SELECT shard, 0 FROM generate_series(0, 63) AS shard;
CREATE TABLE fedihook_q_inbox (id bigint PRIMARY KEY, url text COLLATE "C" NOT NULL UNIQUE, used bigint NOT NULL) WITH (fillfactor = 90);
CREATE TABLE fedihook_q_ledger (
	seq bigint NOT NULL, created bigint NOT NULL, finished bigint NOT NULL, total integer NOT NULL, failed integer NOT NULL,
	cancelled integer NOT NULL, id bytea PRIMARY KEY) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX fedihook_q_ledger_created ON fedihook_q_ledger (created);
CREATE TABLE fedihook_q_activity (
	seq bigint PRIMARY KEY, shards bigint NOT NULL, created bigint NOT NULL, not_before bigint NOT NULL, expires bigint NOT NULL,
	size bigint NOT NULL, total integer NOT NULL, class smallint NOT NULL, supersedes smallint NOT NULL, type text NOT NULL,
	id bytea NOT NULL, sender bytea NOT NULL, okey bytea NOT NULL, targets bytea NOT NULL, body bytea NOT NULL, other bytea NOT NULL)
	WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000);
CREATE INDEX fedihook_q_activity_okey ON fedihook_q_activity (okey) WHERE okey <> '';
CREATE TABLE fedihook_q_ack (seq bigint NOT NULL, chunk integer NOT NULL, n integer NOT NULL, failed integer NOT NULL, cancelled integer NOT NULL,
	ids bytea NOT NULL, PRIMARY KEY (seq, chunk))
	WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000);
CREATE TABLE fedihook_q_defer (seq bigint NOT NULL, inbox bigint NOT NULL, attempts integer NOT NULL, next bigint NOT NULL,
	status integer NOT NULL, err bytea NOT NULL, PRIMARY KEY (seq, inbox))
	WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE fedihook_q_host (origin text COLLATE "C" PRIMARY KEY, failures integer NOT NULL, since bigint NOT NULL, last bigint NOT NULL,
	next bigint NOT NULL, asked boolean NOT NULL, status integer NOT NULL, err bytea NOT NULL, refusals integer NOT NULL, held boolean NOT NULL)
	WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE fedihook_q_dead (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seq bigint NOT NULL, at bigint NOT NULL, attempts integer NOT NULL,
	status integer NOT NULL, activity bytea NOT NULL, sender bytea NOT NULL, okey bytea NOT NULL, inbox bytea NOT NULL, err bytea NOT NULL);
CREATE INDEX fedihook_q_dead_seq ON fedihook_q_dead (seq);
CREATE TABLE fedihook_q_kept (seq bigint PRIMARY KEY, size bigint NOT NULL, class smallint NOT NULL, type text NOT NULL,
	id bytea NOT NULL, sender bytea NOT NULL, okey bytea NOT NULL, body bytea NOT NULL, other bytea NOT NULL);
CREATE UNLOGGED TABLE fedihook_q_lease (epoch bigint PRIMARY KEY, owner bytea NOT NULL UNIQUE, until bigint NOT NULL, shards bigint NOT NULL)
	WITH (fillfactor = 30);
CREATE UNLOGGED TABLE fedihook_q_life (one boolean PRIMARY KEY DEFAULT true CHECK (one), token bigint NOT NULL);
CREATE TABLE fedihook_q_order (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shard smallint NOT NULL, at bigint NOT NULL,
	what text NOT NULL, origin text NOT NULL);
`, `ALTER TABLE fedihook_q_activity ADD COLUMN trace bytea NOT NULL DEFAULT ''`}

// Listen runs LISTEN for a channel on a connection of its own and calls heard once when it listens and then for each
// notification. It returns why when it can't go on, and nil when ctx ends. database/sql has no way to say that,
// so it is written for the driver in use; the example of [OpenPostgres] has it for pgx.
type Listen func(ctx context.Context, channel string, heard func()) error

// OpenPostgres keeps the queue in db, which is PostgreSQL 13 or later, and brings its tables (fedihook_q_…) up to date. They stand
// where the connections' search_path says; other tables may be beside them. Any number of processes may open
// them at once and deliver at once, each under a lease of some of the 64 shards.
//
// What was enqueued is durable as the server's synchronous_commit says; what was delivered in the last moments before
// the server fails may go again. A pooler between, such as PgBouncer, may give each transaction another
// connection; listen needs one that goes past it. db may have a single connection. The caller closes it, after Run has ended.
//
// Nil listen: who delivers looks for what other processes enqueue every Config.Poll. Otherwise the store is a
// [delivery.Watcher], too.
func OpenPostgres(ctx context.Context, db *sql.DB, listen Listen) (delivery.Store, error) {
	s := &postgres{db: db}
	err := pgdb.Migrate(ctx, db, "queue", postgresSchema)
	if err == nil {
		// By the table's number, since a database has one set of channels for all schemas.
		err = db.QueryRowContext(ctx, `SELECT 'fedihook_q_' || 'fedihook_q_activity'::regclass::oid`).Scan(&s.channel)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: open: %w", err)
	}
	if listen == nil {
		return s, nil
	}
	return &listening{s, listen}, nil
}

var (
	_ delivery.OrderBook = (*postgres)(nil)
	_ delivery.Watcher   = (*listening)(nil)
)

type postgres struct {
	db      *sql.DB
	channel string
	names   names
	backlog backlog

	mu   sync.Mutex
	life int64 // that names are of; 0: not known
}

type listening struct {
	*postgres
	listen Listen
}

// Watch calls heard for what any process appends, this one included.
func (l *listening) Watch(ctx context.Context, heard func()) error {
	err := l.listen(ctx, l.channel, heard)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		err = errors.New("Listen returned")
	}
	return fmt.Errorf("queue: listen: %w", err)
}

// notify wakes those who listen. It is not done in the transaction of what it tells of: PostgreSQL lets one transaction at
// a time commit that notifies, all databases taken together, and that includes the wait for the disk. If
// nobody gets to hear it, polling finds the record.
func (s *postgres) notify(ctx context.Context) {
	s.db.ExecContext(ctx, `SELECT pg_notify($1, '')`, s.channel)
}

// Transactions hold locks that others wait for, and a process may be stopped in the middle of one, or cut off: then
// PostgreSQL ends it after this time. Each of our transactions begins with a statement that says so. Some need not
// wait for the disk: what they lose is done again. Plans that were made when a table was empty are not to read all of it later;
// what can't be read otherwise, such as a sequence, then has an estimate so high that it would be compiled, which takes half a second.
const (
	bounded = `set_config('idle_in_transaction_session_timeout', '5000', true) || set_config('enable_seqscan', 'off', true) || set_config('jit', 'off', true)`
	lazily  = bounded + ` || set_config('synchronous_commit', 'off', true)`
)

// The advisory locks, each a pair: the number of one of our tables, so that another schema's are others, and one more.
const (
	leasing   = `pg_advisory_xact_lock('fedihook_q_lease'::regclass::oid::int, 0)::text`  // who changes the leases
	numbering = `pg_advisory_xact_lock('fedihook_q_number'::regclass::oid::int, 0)::text` // who gives numbers to URLs, or takes them away
	ordering  = `pg_advisory_xact_lock('fedihook_q_order'::regclass::oid::int, 0)::text`  // who adds orders, until they are seen
)

// pgtx is a transaction.
type pgtx struct {
	*sql.Tx
	ctx context.Context
}

func (s *postgres) write(ctx context.Context, what string, fn func(*pgtx) error) error {
	err := pgdb.Tx(ctx, s.db, func(t *sql.Tx) error { return fn(&pgtx{t, ctx}) })
	if err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}

func (t *pgtx) run(query string, args ...any) error {
	_, err := t.ExecContext(t.ctx, query, args...)
	return err
}

func (t *pgtx) row(query string, args []any, dest ...any) error {
	return t.QueryRowContext(t.ctx, query, args...).Scan(dest...)
}

func (t *pgtx) rows(query string, args []any, scan func(*sql.Rows) error) error {
	return each(t.ctx, t, query, args, scan)
}

// querier is a transaction or a database.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls scan for each row of a query. scan must not use q.
func each(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// runAll hands rows to a query with json_to_recordset ($1), unless there are none. Bytes are in base64 there.
func runAll[T any](t *pgtx, query string, rows []T, args ...any) error {
	if len(rows) == 0 {
		return nil
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return t.run(query, append([]any{string(list)}, args...)...)
}

// octets are s, and never NULL.
func octets(s string) []byte { return append([]byte{}, s...) }

// short cuts a number for the second half of an advisory lock. Two that are alike in it only wait for each other.
func short(n int64) int32 { return int32(uint32(uint64(n))) }
