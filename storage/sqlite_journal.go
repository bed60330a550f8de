package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// fedihook_entries holds unfinished entries only, fedihook_lanes their number by lane, and fedihook_journal their number, that
// of the marks, the highest seq and the lease, in one row.
//
// Few pages are written for an entry, for that is what it costs. A mark is known by its first 16 bytes, and has the seq of the entry that
// put it, so that no index over the entries is needed for it; only copies have one. Its first owners stand beside it, 8 bytes
// each, and those who come later in fedihook_mark_owners.
//
// Only a head may run: an entry without a key, or the oldest of its key. Most run and are gone soon, so that the last few hundred,
// those above listed, are not in the index of heads: there head is 2.
var journalTables = []string{`CREATE TABLE fedihook_marks (
	mark   BLOB PRIMARY KEY,
	at     INTEGER NOT NULL,
	seq    INTEGER NOT NULL DEFAULT 0,
	owners BLOB
) WITHOUT ROWID;
CREATE INDEX fedihook_marks_at ON fedihook_marks (at);
CREATE TABLE fedihook_mark_owners (mark BLOB, owner INTEGER, PRIMARY KEY (mark, owner)) WITHOUT ROWID;
CREATE TABLE fedihook_entries (
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
	concerns   TEXT NOT NULL DEFAULT '', -- actor ids as JSON
	alone      INTEGER NOT NULL DEFAULT 0,
	head       INTEGER NOT NULL DEFAULT 0,
	notes      BLOB,
	body       BLOB
);
CREATE INDEX fedihook_entries_okey ON fedihook_entries (okey, seq) WHERE okey <> '';
CREATE INDEX fedihook_entries_fresh ON fedihook_entries (turn, seq) WHERE head = 1 AND not_before = 0;
CREATE INDEX fedihook_entries_waiting ON fedihook_entries (not_before, seq) WHERE head = 1 AND not_before <> 0;
CREATE INDEX fedihook_entries_copies ON fedihook_entries (substr(mark, 1, 16)) WHERE alone = 1;
CREATE TABLE fedihook_lanes (lane TEXT PRIMARY KEY, unfinished INTEGER NOT NULL) WITHOUT ROWID;
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
CREATE TABLE fedihook_journal (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	unfinished INTEGER NOT NULL DEFAULT 0,
	marks      INTEGER NOT NULL DEFAULT 0,
	seq        INTEGER NOT NULL DEFAULT 0,
	listed     INTEGER NOT NULL DEFAULT 0,
	version    INTEGER NOT NULL DEFAULT 0, -- how often entries were written
	owner      TEXT NOT NULL DEFAULT '',
	epoch      INTEGER NOT NULL DEFAULT 0,
	until      INTEGER NOT NULL DEFAULT 0,
	held       INTEGER NOT NULL DEFAULT 0
);
INSERT INTO fedihook_journal (one) VALUES (1)`}

const entryColumns = `seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body,
	lane, turn, concerns, alone, notes`

// sqliteJournal is an inbox.Journal. Append and Finish are in sqlite_append.go.
type sqliteJournal struct {
	db         *sqldb.DB
	statements *statements
	writes     writes
	known      atomic.Pointer[known]
}

func (s *sqliteJournal) Lease(ctx context.Context, owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
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

func selectLease(ctx context.Context, q querier) (l oneLease, err error) {
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
		fresh, err = keptAll(ctx, s.statements, scanEntry, `SELECT * FROM
			(SELECT `+entryColumns+` FROM fedihook_entries INDEXED BY fedihook_entries_fresh
				WHERE head = 1 AND not_before = 0 ORDER BY turn, seq LIMIT ?1+0)
			UNION ALL SELECT * FROM
			(SELECT `+entryColumns+` FROM fedihook_entries NOT INDEXED
				WHERE head = 2 AND seq > (SELECT listed FROM fedihook_journal) ORDER BY turn, seq LIMIT ?1+0)`, limit)
		slices.SortFunc(fresh, byTurn)
		fresh = fresh[:min(len(fresh), limit)]
	}
	if err == nil {
		waited, err = keptAll(ctx, s.statements, scanEntry, `SELECT `+entryColumns+` FROM fedihook_entries INDEXED BY fedihook_entries_waiting
			WHERE head = 1 AND not_before <> 0 AND not_before <= ? ORDER BY not_before, seq LIMIT ?+0`, toMicros(now), limit)
	}
	if err != nil {
		return nil, fmt.Errorf("storage: due entries: %w", err)
	}
	list := share(fresh, waited, limit)
	slices.SortFunc(list, byTurn)
	return list, nil
}

func byTurn(a, b inbox.Entry) int { return cmp.Or(a.Turn.Compare(b.Turn), cmp.Compare(a.Seq, b.Seq)) }

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

// oneLease is who works an SQLite journal: one at a time, for all of them write one file.
type oneLease struct {
	owner string
	epoch int64 // the highest that was ever given
	until time.Time
	held  bool // false after Release and in the beginning
}

// take is the rule of [inbox.Journal.Lease].
func (l *oneLease) take(owner string, now time.Time, ttl time.Duration) (epoch int64, ok bool) {
	renew := l.held && l.owner == owner
	if l.held && !renew && l.until.After(now) {
		return 0, false
	}
	if !renew {
		l.epoch++
	}
	l.owner, l.until, l.held = owner, now.Add(ttl), true
	return l.epoch, true
}

func (l *oneLease) current(epoch int64) bool { return l.held && l.epoch == epoch }
