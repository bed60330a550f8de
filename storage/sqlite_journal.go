package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// fedihook_entries holds unfinished entries only, and fedihook_journal their number, that of the marks and the lease, in one
// row.
var journalTables = []string{`CREATE TABLE fedihook_marks (
	mark BLOB PRIMARY KEY,
	at   INTEGER NOT NULL,
	seq  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX fedihook_marks_at ON fedihook_marks (at, seq);
CREATE TABLE fedihook_entries (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	mark       BLOB NOT NULL,
	okey       TEXT NOT NULL,
	sender     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	received   INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	not_before INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	body       BLOB
);
CREATE INDEX fedihook_entries_due ON fedihook_entries (seq, not_before, okey);
CREATE INDEX fedihook_entries_okey ON fedihook_entries (okey, seq) WHERE okey <> '';
CREATE TABLE fedihook_dead_entries (
	n          INTEGER PRIMARY KEY AUTOINCREMENT,
	seq        INTEGER NOT NULL,
	mark       BLOB NOT NULL,
	okey       TEXT NOT NULL,
	sender     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	received   INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	not_before INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	body       BLOB
);
CREATE TABLE fedihook_journal (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	unfinished INTEGER NOT NULL,
	owner      TEXT NOT NULL,
	epoch      INTEGER NOT NULL,
	until      INTEGER NOT NULL,
	held       INTEGER NOT NULL
);
INSERT INTO fedihook_journal VALUES (1, 0, '', 0, 0, 0)`,

	// Only a head may run: an entry without a key, or the oldest of its key. concerns is a list of actor ids as JSON.
	`ALTER TABLE fedihook_entries ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE fedihook_entries ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fedihook_entries ADD COLUMN concerns TEXT NOT NULL DEFAULT '';
ALTER TABLE fedihook_entries ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fedihook_entries ADD COLUMN notes BLOB;
ALTER TABLE fedihook_entries ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
UPDATE fedihook_entries SET head = 1 WHERE okey = '' OR seq IN (SELECT min(seq) FROM fedihook_entries GROUP BY okey);
DROP INDEX fedihook_entries_due;
CREATE INDEX fedihook_entries_fresh ON fedihook_entries (turn, seq) WHERE head = 1 AND not_before = 0;
CREATE INDEX fedihook_entries_waiting ON fedihook_entries (not_before, seq) WHERE head = 1 AND not_before <> 0;
CREATE INDEX fedihook_entries_mark ON fedihook_entries (mark);
CREATE TABLE fedihook_lanes (lane TEXT PRIMARY KEY, unfinished INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO fedihook_lanes SELECT lane, count(*) FROM fedihook_entries GROUP BY lane;
CREATE TABLE fedihook_shelf (
	shelf      INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	mark       BLOB NOT NULL,
	okey       TEXT NOT NULL,
	sender     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	received   INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	not_before INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	body       BLOB,
	lane       TEXT NOT NULL,
	turn       INTEGER NOT NULL,
	concerns   TEXT NOT NULL,
	alone      INTEGER NOT NULL,
	notes      BLOB
);
CREATE UNIQUE INDEX fedihook_shelf_seq ON fedihook_shelf (shelf, seq);
INSERT INTO fedihook_shelf SELECT 0, seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body,
	'', 0, '', 0, NULL FROM fedihook_dead_entries;
DROP TABLE fedihook_dead_entries;
CREATE TABLE fedihook_mark_owners (mark BLOB, owner INTEGER, PRIMARY KEY (mark, owner)) WITHOUT ROWID;
DROP INDEX fedihook_marks_at;
ALTER TABLE fedihook_marks DROP COLUMN seq;
CREATE INDEX fedihook_marks_at ON fedihook_marks (at);
ALTER TABLE fedihook_journal ADD COLUMN marks INTEGER NOT NULL DEFAULT 0;
UPDATE fedihook_journal SET marks = (SELECT count(*) FROM fedihook_marks)`,

	// Numbers are given out by fedihook_journal, and the first owners of a mark stand beside it, 8 bytes each: few tables are
	// written for an entry.
	`ALTER TABLE fedihook_journal ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
UPDATE fedihook_journal SET seq = max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'fedihook_entries'), 0),
	ifnull((SELECT max(seq) FROM fedihook_shelf), 0));
ALTER TABLE fedihook_marks ADD COLUMN owners BLOB;
CREATE TABLE fedihook_unfinished (
	seq        INTEGER PRIMARY KEY,
	mark       BLOB NOT NULL,
	okey       TEXT NOT NULL,
	sender     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	received   INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	not_before INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	lane       TEXT NOT NULL DEFAULT '',
	turn       INTEGER NOT NULL DEFAULT 0,
	concerns   TEXT NOT NULL DEFAULT '',
	alone      INTEGER NOT NULL DEFAULT 0,
	head       INTEGER NOT NULL DEFAULT 0,
	notes      BLOB,
	body       BLOB
);
INSERT INTO fedihook_unfinished SELECT seq, mark, okey, sender, owner, received, attempts, not_before, last_error,
	lane, turn, concerns, alone, head, notes, body FROM fedihook_entries;
DROP TABLE fedihook_entries;
ALTER TABLE fedihook_unfinished RENAME TO fedihook_entries;
CREATE INDEX fedihook_entries_okey ON fedihook_entries (okey, seq) WHERE okey <> '';
CREATE INDEX fedihook_entries_fresh ON fedihook_entries (turn, seq) WHERE head = 1 AND not_before = 0;
CREATE INDEX fedihook_entries_waiting ON fedihook_entries (not_before, seq) WHERE head = 1 AND not_before <> 0;
CREATE INDEX fedihook_entries_mark ON fedihook_entries (mark)`}

const entryColumns = `seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body,
	lane, turn, concerns, alone, notes`

// sqliteJournal is an inbox.Journal. Append and Finish are in sqlite_append.go.
type sqliteJournal struct {
	db         *sql.DB
	statements *statements
	settled    *sqldb.Settled
	writes     writes
}

func (s *sqliteJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	err = sqldb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		l, err := selectLease(ctx, tx)
		if err != nil {
			return err
		}
		if epoch, ok = l.take(owner, now, ttl); !ok {
			return nil
		}
		_, err = tx.ExecContext(ctx, `UPDATE fedihook_journal SET owner = ?, epoch = ?, until = ?, held = 1`,
			l.owner, l.epoch, toMicros(l.until))
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("storage: lease the journal to %s: %w", owner, err)
	}
	return epoch, ok, nil
}

func selectLease(ctx context.Context, q querier) (l lease, err error) {
	var until int64
	err = q.QueryRowContext(ctx, `SELECT owner, epoch, until, held FROM fedihook_journal`).
		Scan(&l.owner, &l.epoch, &until, &l.held)
	l.until = fromMicros(until)
	return l, err
}

func (s *sqliteJournal) Release(ctx context.Context, epoch int64) error {
	if _, err := exec(ctx, s.db, `UPDATE fedihook_journal SET held = 0 WHERE epoch = ?`, epoch); err != nil {
		return fmt.Errorf("storage: release the journal: %w", err)
	}
	return nil
}

func (s *sqliteJournal) Due(ctx context.Context, epoch int64, now time.Time, limit int) ([]inbox.Entry, error) {
	l, err := selectLease(ctx, s.db)
	if err == nil && !l.current(epoch) {
		err = inbox.ErrLeaseLost
	}
	var fresh, waited []inbox.Entry
	limit = max(limit, 0)
	if err == nil {
		fresh, err = keptAll(ctx, s.statements, scanEntry, `SELECT `+entryColumns+` FROM fedihook_entries INDEXED BY fedihook_entries_fresh
			WHERE head = 1 AND not_before = 0 ORDER BY turn, seq LIMIT ?`, limit)
	}
	if err == nil {
		waited, err = keptAll(ctx, s.statements, scanEntry, `SELECT `+entryColumns+` FROM fedihook_entries INDEXED BY fedihook_entries_waiting
			WHERE head = 1 AND not_before <> 0 AND not_before <= ? ORDER BY not_before, seq LIMIT ?`, toMicros(now), limit)
	}
	if err != nil {
		return nil, fmt.Errorf("storage: due entries: %w", err)
	}
	list := share(fresh, waited, limit)
	slices.SortFunc(list, func(a, b inbox.Entry) int { return cmp.Or(a.Turn.Compare(b.Turn), cmp.Compare(a.Seq, b.Seq)) })
	return list, nil
}

func scanEntry(row scanner) (e inbox.Entry, err error) {
	var mark []byte
	var received, notBefore, turn int64
	var to string
	err = row.Scan(&e.Seq, &mark, &e.Key, &e.Sender, &e.Owner, &received, &e.Attempts, &notBefore, &e.LastError, &e.Body,
		&e.Lane, &turn, &to, &e.Alone, &e.Notes)
	if err != nil {
		return e, err
	}
	copy(e.Mark[:], mark)
	e.Received, e.NotBefore, e.Turn = fromMicros(received), fromMicros(notBefore), fromMicros(turn)
	return e, fromJSON(to, &e.To)
}
