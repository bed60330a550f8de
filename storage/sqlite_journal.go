package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/sqldb"
)

// fedihook_entries holds unfinished entries only, and fedihook_journal their number and the lease, in one
// row. The index for Due holds all that Due looks at before it has decided, as bodies would be in its way.
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
INSERT INTO fedihook_journal VALUES (1, 0, '', 0, 0, 0)`}

const entryColumns = `seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body`

// sqliteJournal is an inbox.Journal. Append is in sqlite_append.go.
type sqliteJournal struct {
	db      *sql.DB
	appends appends
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
	var list []inbox.Entry
	if err == nil {
		list, err = all(ctx, s.db, scanEntry, `SELECT `+entryColumns+` FROM fedihook_entries WHERE seq IN (
			SELECT seq FROM fedihook_entries AS e INDEXED BY fedihook_entries_due
			WHERE not_before <= ? AND NOT EXISTS (
				SELECT 1 FROM fedihook_entries AS older
				WHERE older.okey = e.okey AND older.seq < e.seq AND older.okey <> '')
			ORDER BY seq LIMIT ?) ORDER BY seq`, toMicros(now), max(limit, 0))
	}
	if err != nil {
		return nil, fmt.Errorf("storage: due entries: %w", err)
	}
	return list, nil
}

func scanEntry(row scanner) (e inbox.Entry, err error) {
	var mark []byte
	var received, notBefore int64
	err = row.Scan(&e.Seq, &mark, &e.Key, &e.Sender, &e.Owner, &received, &e.Attempts, &notBefore, &e.LastError, &e.Body)
	copy(e.Mark[:], mark)
	e.Received, e.NotBefore = fromMicros(received), fromMicros(notBefore)
	return e, err
}

func (s *sqliteJournal) Finish(ctx context.Context, epoch int64, outcomes []inbox.Outcome) error {
	if err := checkOutcomes(outcomes); err != nil {
		return err
	}
	err := sqldb.Tx(ctx, s.db, func(tx *sql.Tx) error {
		l, err := selectLease(ctx, tx)
		if err != nil {
			return err
		}
		if !l.current(epoch) {
			return inbox.ErrLeaseLost
		}
		var finished int64
		p := &prepared{tx: tx}
		for _, o := range outcomes {
			n, err := finish(ctx, p, o)
			if err != nil {
				return fmt.Errorf("entry %d: %w", o.Seq, err)
			}
			finished += n
			for _, mark := range o.Forget {
				if _, err := p.exec(ctx, `DELETE FROM fedihook_marks WHERE mark = ?`, mark[:]); err != nil {
					return fmt.Errorf("entry %d: %w", o.Seq, err)
				}
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE fedihook_journal SET unfinished = unfinished - ?`, finished); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM fedihook_dead_entries
			WHERE n <= (SELECT max(n) FROM fedihook_dead_entries) - ?`, deadLetters)
		return err
	})
	if err != nil {
		return fmt.Errorf("storage: finish entries: %w", err)
	}
	return nil
}

// finish returns how many entries it finished: one or, if it was not there, none.
func finish(ctx context.Context, p *prepared, o inbox.Outcome) (int64, error) {
	switch o.State {
	case inbox.Again:
		_, err := p.exec(ctx, `UPDATE fedihook_entries SET attempts = ?, not_before = ?, last_error = ?
			WHERE seq = ?`, o.Attempts, toMicros(o.NotBefore), o.Err, o.Seq)
		return 0, err
	case inbox.Dead:
		if _, err := p.exec(ctx, `INSERT INTO fedihook_dead_entries
			(seq, mark, okey, sender, owner, received, attempts, not_before, last_error, body)
			SELECT seq, mark, okey, sender, owner, received, ?, 0, ?, body FROM fedihook_entries WHERE seq = ?`,
			o.Attempts, o.Err, o.Seq); err != nil {
			return 0, err
		}
	}
	res, err := p.exec(ctx, `DELETE FROM fedihook_entries WHERE seq = ?`, o.Seq)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *sqliteJournal) Dead(ctx context.Context, limit int) ([]inbox.Entry, error) {
	list, err := all(ctx, s.db, scanEntry, `SELECT `+entryColumns+`
		FROM fedihook_dead_entries ORDER BY n DESC LIMIT ?`, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("storage: dead letters: %w", err)
	}
	return list, nil
}

// forgottenAtOnce is how many marks one transaction deletes, so that Append need not wait long.
const forgottenAtOnce = 1000

func (s *sqliteJournal) Forget(ctx context.Context, before time.Time) error {
	for {
		n, err := exec(ctx, s.db, `DELETE FROM fedihook_marks WHERE mark IN (
			SELECT mark FROM fedihook_marks AS m WHERE at < ?
			AND NOT EXISTS (SELECT 1 FROM fedihook_entries WHERE seq = m.seq)
			ORDER BY at LIMIT ?)`, toMicros(before), forgottenAtOnce)
		if err != nil {
			return fmt.Errorf("storage: forget marks: %w", err)
		}
		if n < forgottenAtOnce {
			return nil
		}
	}
}
