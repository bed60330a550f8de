package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// compactAt is after how many chunks the acks of a record are put into one.
const compactAt = 64

// schema is the migrations. One row of activity is one fan-out: its targets are a set
// of inbox numbers, and what is settled is appended to ack in chunks, because to touch
// a row per delivery writes some fifty times as much.
var schema = []string{`
CREATE TABLE fedihook_q_inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE fedihook_q_activity (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL, sender TEXT NOT NULL, okey TEXT NOT NULL,
	class INTEGER NOT NULL, supersedes INTEGER NOT NULL, type TEXT NOT NULL, created INTEGER NOT NULL, not_before INTEGER NOT NULL, expires INTEGER NOT NULL,
	total INTEGER NOT NULL, size INTEGER NOT NULL, targets BLOB NOT NULL);
CREATE INDEX fedihook_q_activity_okey ON fedihook_q_activity (okey) WHERE okey <> '';
CREATE TABLE fedihook_q_body (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL); -- id: 8*seq, and more for others
CREATE TABLE fedihook_q_kept (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, sender TEXT NOT NULL, okey TEXT NOT NULL,
	class INTEGER NOT NULL, type TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE fedihook_q_ack (seq INTEGER NOT NULL, chunk INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL, ids BLOB NOT NULL,
	PRIMARY KEY (seq, chunk)) WITHOUT ROWID;
CREATE TABLE fedihook_q_defer (seq INTEGER NOT NULL, inbox INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL,
	status INTEGER NOT NULL, err TEXT NOT NULL, PRIMARY KEY (seq, inbox)) WITHOUT ROWID;
CREATE TABLE fedihook_q_id (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, total INTEGER NOT NULL, failed INTEGER NOT NULL,
	cancelled INTEGER NOT NULL, created INTEGER NOT NULL, finished INTEGER NOT NULL) WITHOUT ROWID; -- finished 0: not yet
CREATE INDEX fedihook_q_id_finished ON fedihook_q_id (finished) WHERE finished > 0;
CREATE TABLE fedihook_q_host (origin TEXT PRIMARY KEY, failures INTEGER NOT NULL, since INTEGER NOT NULL, last INTEGER NOT NULL,
	next INTEGER NOT NULL, asked INTEGER NOT NULL, status INTEGER NOT NULL, err TEXT NOT NULL,
	refusals INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fedihook_q_dead (id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, activity TEXT NOT NULL, sender TEXT NOT NULL, okey TEXT NOT NULL,
	inbox TEXT NOT NULL, at INTEGER NOT NULL, attempts INTEGER NOT NULL, status INTEGER NOT NULL, err TEXT NOT NULL);
CREATE INDEX fedihook_q_dead_seq ON fedihook_q_dead (seq);
CREATE TABLE fedihook_q_order (id INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, do TEXT NOT NULL, origin TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE fedihook_q_state (one INTEGER PRIMARY KEY CHECK (one = 1), owner TEXT NOT NULL, epoch INTEGER NOT NULL,
	until INTEGER NOT NULL, last INTEGER NOT NULL, targets INTEGER NOT NULL, bytes INTEGER NOT NULL); -- last: seq
INSERT INTO fedihook_q_state VALUES (1, '', 0, 0, 0, 0, 0);
INSERT INTO fedihook_q_ack VALUES (1 << 62, 0, 0, 0, x''); -- see settledRow
`, `ALTER TABLE fedihook_q_activity ADD COLUMN trace TEXT NOT NULL DEFAULT ''`}

// settledRow is the seq under which the table of acks counts, as failed, all targets that were ever settled; those that were
// ever added are the state's targets. To count them there would change one more page with every flush: this row stands on
// that of the newest acks.
const settledRow = 1 << 62

// OpenSQLite keeps the queue in db and brings its tables (fedihook_q_…) up to date. The
// file is for this library alone: the store gives db one connection, WAL and
// synchronous=FULL, so that what was enqueued survives the loss of power; what was delivered
// in the last moments before may go again. Other rooms'
// stores may share db. Several processes may open the file; one of them delivers. The
// caller closes db, after Run has ended.
func OpenSQLite(ctx context.Context, db *sql.DB) (delivery.Store, error) {
	if err := sqldb.Setup(ctx, db); err != nil {
		return nil, fmt.Errorf("queue: open: %w", err)
	}
	if err := sqldb.Migrate(ctx, db, "queue", schema); err != nil {
		return nil, fmt.Errorf("queue: open: %w", err)
	}
	return &sqlite{db: sqldb.New(db), prepared: make(map[string]*sql.Stmt)}, nil
}

type sqlite struct {
	db    *sqldb.DB
	names names

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // nil: to be prepared when the connection is free
}

// tx is a transaction that uses the store's prepared statements.
type tx struct {
	*sql.Tx
	ctx context.Context
	s   *sqlite
	own map[string]*sql.Stmt // of this transaction
}

func (s *sqlite) begin(ctx context.Context, t *sql.Tx) *tx {
	return &tx{Tx: t, ctx: ctx, s: s, own: make(map[string]*sql.Stmt)}
}

// write runs fn in a transaction.
func (s *sqlite) write(ctx context.Context, what string, fn func(*tx) error) error {
	err := s.prepare(ctx)
	if err == nil {
		err = s.db.Tx(ctx, func(t *sql.Tx) error { return fn(s.begin(ctx, t)) })
	}
	if err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}

// lazily is like write, for what may be done again after a loss of power: the numbers of URLs, which matter only once
// the row that names them is written, and what is settled, which then goes again.
func (s *sqlite) lazily(ctx context.Context, what string, fn func(*tx) error) error {
	err := s.prepare(ctx)
	if err == nil {
		err = s.db.Lazy(ctx, func(t *sql.Tx) error { return fn(s.begin(ctx, t)) })
	}
	if err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}

// read runs fn in a transaction that sees one state of the file and changes nothing.
func (s *sqlite) read(ctx context.Context, what string, fn func(*tx) error) error {
	err := s.prepare(ctx)
	if err == nil {
		var t *sql.Tx
		if t, err = s.db.BeginTx(ctx, nil); err == nil {
			defer t.Rollback()
			err = fn(s.begin(ctx, t))
		}
	}
	if err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}

// prepare prepares the statements that were used and are not prepared yet. It can't be
// done inside a transaction, which has the only connection.
func (s *sqlite) prepare(ctx context.Context) error {
	var wanted []string
	s.mu.Lock()
	for query, st := range s.prepared {
		if st == nil {
			wanted = append(wanted, query)
		}
	}
	s.mu.Unlock()
	for _, query := range wanted {
		st, err := s.db.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if s.prepared[query] == nil {
			s.prepared[query] = st
			st = nil
		}
		s.mu.Unlock()
		if st != nil {
			st.Close()
		}
	}
	return nil
}

func (t *tx) statement(query string) (*sql.Stmt, error) {
	if st := t.own[query]; st != nil {
		return st, nil
	}
	t.s.mu.Lock()
	shared, known := t.s.prepared[query]
	if !known {
		t.s.prepared[query] = nil
	}
	t.s.mu.Unlock()
	var st *sql.Stmt
	if shared != nil {
		st = t.StmtContext(t.ctx, shared)
	} else {
		var err error
		if st, err = t.PrepareContext(t.ctx, query); err != nil {
			return nil, err
		}
	}
	t.own[query] = st // the transaction closes it
	return st, nil
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	st, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(t.ctx, args...)
}

func (t *tx) run(query string, args ...any) error {
	_, err := t.exec(query, args...)
	return err
}

// row scans the one row of a query into dest, or returns sql.ErrNoRows.
func (t *tx) row(query string, args []any, dest ...any) error {
	st, err := t.statement(query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(t.ctx, args...).Scan(dest...)
}

// rows calls scan for each row of a query. scan must not use the transaction.
func (t *tx) rows(query string, args []any, scan func(*sql.Rows) error) error {
	st, err := t.statement(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(t.ctx, args...)
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

// array writes a list for SQLite's json_each.
func array[T any](list []T) (string, error) {
	b, err := json.Marshal(list)
	return string(b), err
}

// toMilli and fromMilli keep the zero time as 0.
func toMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// checkLease returns ErrLeaseLost if epoch is not current.
func (t *tx) checkLease(epoch int64) error {
	var current bool
	err := t.row(`SELECT owner <> '' AND epoch = ? FROM fedihook_q_state`, []any{epoch}, &current)
	if err == nil && !current {
		err = delivery.ErrLeaseLost
	}
	return err
}

// remaining returns the targets of an activity and those that are not settled, and in
// how many chunks the others are noted. It returns sql.ErrNoRows if the activity is gone.
func (t *tx) remaining(seq int64) (all, left []int64, chunks int, err error) {
	var set []byte
	if err := t.row(`SELECT targets FROM fedihook_q_activity WHERE seq = ?`, []any{seq}, &set); err != nil {
		return nil, nil, 0, err
	}
	if all, err = readTargets(set); err != nil {
		return nil, nil, 0, fmt.Errorf("activity %d: %w", seq, err)
	}
	done, chunks, err := t.acked(seq)
	if err != nil {
		return nil, nil, 0, err
	}
	return all, without(all, done), chunks, nil
}

// acked returns what is settled of an activity, in no order.
func (t *tx) acked(seq int64) (done []int64, chunks int, err error) {
	err = t.rows(`SELECT ids FROM fedihook_q_ack WHERE seq = ?`, []any{seq}, func(r *sql.Rows) error {
		var chunk sql.RawBytes
		if err := r.Scan(&chunk); err != nil {
			return err
		}
		ids, err := readTargets(chunk)
		done = append(done, ids...)
		chunks++
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("acks of activity %d: %w", seq, err)
	}
	return done, chunks, nil
}
