package storage

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb"
	"github.com/fedihook/fedihook/internal/sqldb"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage/queue"
)

var (
	// ErrNotCopied is wrapped by the error of [Copy] for stores that it can't copy from or to.
	ErrNotCopied = errors.New("only what OpenSQLite returned is copied, into what OpenPostgres returned")
	// ErrNotEmpty is wrapped by the error of [Copy] for a target that holds something.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrInUse is wrapped by the error of [Copy] for a source that a process works on, or did less than half a minute ago.
	ErrInUse = errors.New("a process holds a lease")
)

// CopyReport tells what was copied.
type CopyReport struct{ Tables []pgdb.Copied }

// String has a line for each table: its name, how many rows it has, and a digest of them.
func (r CopyReport) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%-24s %9d %s\n", t.Table, t.Rows, t.Digest)
	}
	return b.String()
}

// Copy moves a site's data from SQLite into an empty PostgreSQL database: everything, with what is still to be delivered and to be
// worked off. It reads each table back, and what it has written is committed only if that is the same, row by row; after any
// error the target is as empty as it was, and Copy may be called again. An error that came with the commit may have come after
// it: then the next call says [ErrNotEmpty].
//
// The error wraps [ErrNotCopied], [ErrNotEmpty] or [ErrInUse], or pgdb's if the copy differs. Stop all processes before: none can
// write to the source meanwhile, nor to the target, but who goes on with the source afterwards says what the other says too.
// The source stays as it is.
//
// Nobody's leases are copied, nor what is counted.
func Copy(ctx context.Context, to, from Storage) (CopyReport, error) {
	r, err := copyAll(ctx, to, from)
	if err != nil {
		return CopyReport{}, fmt.Errorf("storage: copy: %w", err)
	}
	return r, nil
}

func copyAll(ctx context.Context, to, from Storage) (r CopyReport, err error) {
	app, own, err := sqliteOf(from)
	if err != nil {
		return r, err
	}
	db, err := postgresOf(to)
	if err != nil {
		return r, err
	}
	one, err := sameFile(ctx, app, own)
	if err != nil {
		return r, err
	}
	// Both files are locked for writing.
	err = sqldb.Tx(ctx, own, func(ownTx *sql.Tx) error {
		if one {
			r, err = copyTo(ctx, db, ownTx, ownTx)
			return err
		}
		return sqldb.Tx(ctx, app, func(appTx *sql.Tx) error {
			r, err = copyTo(ctx, db, appTx, ownTx)
			return err
		})
	})
	return r, err
}

// sameFile tells whether two handles are of one file, of which the second would wait for the first.
func sameFile(ctx context.Context, app, own *sql.DB) (bool, error) {
	if app == own {
		return true, nil
	}
	var files [2]string
	for i, db := range []*sql.DB{app, own} {
		if err := db.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&files[i]); err != nil {
			return false, err
		}
	}
	return files[0] != "" && files[0] == files[1], nil
}

// sqliteOf finds the databases of a Storage, all of whose stores must be ours and of one file.
func sqliteOf(s Storage) (app, own *sql.DB, err error) {
	intents, ok := s.Intents.(*sqliteIntents)
	if !ok {
		return nil, nil, fmt.Errorf("intents of type %T: %w", s.Intents, ErrNotCopied)
	}
	for field, db := range map[string]*sql.DB{
		"Log": of(s.Log, func(s *sqliteLog) *sql.DB { return s.db.DB }), "Journal": of(s.Journal, func(s *sqliteJournal) *sql.DB { return s.db.DB }),
		"Followers": of(s.Followers, func(s *sqliteFollowers) *sql.DB { return s.db.DB }), "Keys": of(s.Keys, func(s *sqliteKeys) *sql.DB { return s.db.DB }),
		"Remotes": of(s.Remotes, func(s *sqliteRemotes) *sql.DB { return s.db.DB }), "Relays": of(s.Relays, func(s *sqliteRelays) *sql.DB { return s.db.DB }),
		"Forwards": of(s.Forwards, func(s *sqliteForwards) *sql.DB { return s.db.DB }), "Moves": of(s.Moves, func(s *sqliteMoves) *sql.DB { return s.db.DB }),
		"Stamps": of(s.Stamps, func(s *sqliteStamps) *sql.DB { return s.db.DB }), "Rules": of(s.Rules, func(s *sqliteRules) *sql.DB { return s.db.DB }),
		"Hosts": of(s.Hosts, func(s *sqliteHosts) *sql.DB { return s.db.DB }), "Queue": queue.SQLiteOf(s.Queue),
	} {
		if db != intents.own.DB {
			return nil, nil, fmt.Errorf("%s of the source: %w", field, ErrNotCopied)
		}
	}
	return intents.app, intents.own.DB, nil
}

func postgresOf(s Storage) (*sql.DB, error) {
	own := of(s.Followers, func(s *postgresFollowers) *sql.DB { return s.db })
	for field, db := range map[string]*sql.DB{
		"Intents": of(s.Intents, func(s *postgresIntents) *sql.DB { return s.db }),
		"Log":     of(s.Log, func(s *postgresLog) *sql.DB { return s.db }), "Journal": of(s.Journal, func(s *postgresJournal) *sql.DB { return s.db }),
		"Followers": own, "Keys": of(s.Keys, func(s *postgresKeys) *sql.DB { return s.db }),
		"Remotes": of(s.Remotes, func(s *postgresRemotes) *sql.DB { return s.db }), "Relays": of(s.Relays, func(s *postgresRelays) *sql.DB { return s.db }),
		"Forwards": of(s.Forwards, func(s *postgresForwards) *sql.DB { return s.db }), "Moves": of(s.Moves, func(s *postgresMoves) *sql.DB { return s.db }),
		"Stamps": of(s.Stamps, func(s *postgresStamps) *sql.DB { return s.db }), "Rules": of(s.Rules, func(s *postgresRules) *sql.DB { return s.db }),
		"Hosts": of(s.Hosts, func(s *postgresHosts) *sql.DB { return s.db }), "Queue": queue.PostgresOf(s.Queue),
	} {
		if db == nil || db != own {
			return nil, fmt.Errorf("%s of the target: %w", field, ErrNotCopied)
		}
	}
	return own, nil
}

// of is the database of a store of type S, nil if it is another's.
func of[S any](store any, db func(S) *sql.DB) *sql.DB {
	if s, ok := store.(S); ok {
		return db(s)
	}
	return nil
}

func copyTo(ctx context.Context, db *sql.DB, app, own *sql.Tx) (r CopyReport, err error) {
	now := time.Now()
	var busy bool
	if err := own.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM fedihook_journal WHERE owner <> '' AND held = 1 AND until > ?)`, toMicros(now)).Scan(&busy); err != nil {
		return r, err
	}
	if busy {
		return r, fmt.Errorf("the journal: %w", ErrInUse)
	}
	err = pgdb.Tx(ctx, db, func(tx *sql.Tx) error {
		r = CopyReport{}
		for _, t := range append(append(copyTables(), queue.CopyTables()...), pgdb.Table{Name: "fedihook_workers"}) {
			empty, err := t.Empty(ctx, tx)
			if err != nil {
				return err
			}
			if !empty {
				return fmt.Errorf("%s: %w", t.Name, ErrNotEmpty)
			}
		}
		for _, t := range copyTables() {
			from := own
			if t.Name == "fedihook_intents" {
				from = app
				var dropped int64
				if err := own.QueryRowContext(ctx, `SELECT seq FROM fedihook_dropped`).Scan(&dropped); err != nil {
					return err
				}
				t.From = fmt.Sprintf(t.From, dropped)
			}
			c, err := t.Copy(ctx, tx, from)
			if err != nil {
				return err
			}
			r.Tables = append(r.Tables, c)
		}
		if err := copyNumbers(ctx, tx, app, own); err != nil {
			return err
		}
		queued, err := queue.Copy(ctx, tx, own, now)
		if errors.Is(err, queue.ErrDelivering) {
			err = fmt.Errorf("%w: %w", ErrInUse, err)
		}
		r.Tables = append(r.Tables, queued...)
		return err
	})
	return r, err
}

// copyNumbers lets the numbers that the target gives begin after those that the source gave, and counts followers.
func copyNumbers(ctx context.Context, to, app, own *sql.Tx) error {
	const given = `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '%s'), 0)`
	const identity = `SELECT setval(pg_get_serial_sequence('%s', 'seq'), greatest($1, 1), $1 > 0)`
	for _, n := range []struct {
		from       *sql.Tx
		last, next string
	}{
		{own, fmt.Sprintf(given, "fedihook_follows"), fmt.Sprintf(identity, "fedihook_follows")},
		{own, fmt.Sprintf(given, "fedihook_stamps"), fmt.Sprintf(identity, "fedihook_stamps")},
		{own, fmt.Sprintf(given, "fedihook_records"), fmt.Sprintf(identity, "fedihook_records")},
		{app, fmt.Sprintf(given, "fedihook_intents"), `SELECT setval('fedihook_intents_order', greatest($1, 1), $1 > 0)`},
		{own, `SELECT seq FROM fedihook_journal`, `SELECT setval('fedihook_entries_order', greatest($1, 1), $1 > 0)`},
		{own, `SELECT site FROM fedihook_rules_head`, `UPDATE fedihook_rules_head SET site = $1, last = greatest(last, $1)`},
		{own, `SELECT own FROM fedihook_rules_head`, `UPDATE fedihook_rules_head SET own = $1, last = greatest(last, $1)`},
		{own, `SELECT enforced FROM fedihook_rules_head`, `UPDATE fedihook_rules_head SET enforced = $1, last = greatest(last, $1)`},
	} {
		var last int64
		err := n.from.QueryRowContext(ctx, n.last).Scan(&last)
		if err == nil {
			_, err = to.ExecContext(ctx, n.next, last)
		}
		if err != nil {
			return fmt.Errorf("numbers: %w", err)
		}
	}
	_, err := to.ExecContext(ctx, `INSERT INTO fedihook_followed (followed_key, version, follows, pending, accepted)
		SELECT followed_key, nextval('fedihook_followed_version'), count(*), count(*) FILTER (WHERE state = 1),
			count(*) FILTER (WHERE state = 2) FROM fedihook_follows GROUP BY followed_key`)
	if err != nil {
		return fmt.Errorf("count followers: %w", err)
	}
	return nil
}

// plain is a table with the same columns in both.
func plain(name, where string, columns ...string) pgdb.Table {
	names := make([]string, len(columns))
	for i, c := range columns {
		_, names[i], _ = strings.Cut(c, ":")
	}
	return pgdb.Table{Name: name, Columns: columns, From: `SELECT ` + strings.Join(names, ", ") + ` FROM ` + name + where}
}

// hashed is a row of which all values are kept as their SHA-256.
func hashed(row []any) ([]any, error) {
	out := make([]any, len(row))
	for i, v := range row {
		sum := sha256.Sum256(v.([]byte))
		out[i] = sum[:]
	}
	return out, nil
}

// copyTables are those of all rooms but the queue.
func copyTables() []pgdb.Table {
	entry := []string{"i:seq", "b:mark", "b:okey", "b:sender", "b:owner", "i:received", "i:attempts", "i:not_before", "b:last_error", "n:body", "b:lane",
		"i:turn", "s:concerns", "t:alone", "n:notes"}
	entries := plain("fedihook_entries", "", append(entry[:len(entry):len(entry)], "t:head")...)
	entries.From = strings.Replace(entries.From, ", head", ", min(head, 1)", 1) // 2 is a head that is not in the index of heads
	entries.Read = "ibbbbiiibnbistnt"
	entries.Columns = append(entries.Columns, "i:shard")
	entries.Map = func(row []any) ([]any, error) {
		e := inbox.Entry{Key: string(row[2].([]byte))}
		if n := copy(e.Mark[:], row[1].([]byte)); n != len(e.Mark) {
			return nil, fmt.Errorf("entry %d has a mark of %d bytes", row[0], n)
		}
		return append(row[:len(row):len(row)], int64(e.Shard())), nil
	}
	records := plain("fedihook_records", "", "i:seq", "b:id", "b:type", "b:object", "b:author", "b:actor", "i:at", "t:public", "t:followers", "i:state",
		"i:pass", "i:attempts", "i:not_before", "b:last_error", "s:recipients", "s:waiting", "s:targets", "s:except_at", "i:version", "i:until", "b:trace", "n:activity")
	records.Read = "ibbbbbittiiiibssssiibn"
	records.Columns = append(records.Columns, "i:shard")
	records.Map = func(row []any) ([]any, error) {
		r := outbox.Record{ID: string(row[1].([]byte)), Object: string(row[3].([]byte))}
		return append(row[:len(row):len(row)], int64(r.Shard())), nil
	}
	remoteKeys := pgdb.Table{
		Name: "fedihook_remote_keys", From: `SELECT key_id, remote FROM fedihook_remote_keys`, Columns: []string{"b:key_key", "b:remote_key"}, Map: hashed,
	}
	return []pgdb.Table{
		plain("fedihook_intents", " WHERE seq > %d", "i:seq", "b:id", "b:author", "i:at", "i:not_before", "s:except_at", "b:trace", "n:activity"),
		records,
		plain("fedihook_marks", "", "b:mark", "i:at", "i:seq", "b:owners"),
		plain("fedihook_mark_owners", "", "b:mark", "i:owner"),
		entries,
		plain("fedihook_shelf", "", append(entry, "i:shelf")...),
		plain("fedihook_follows", "", "i:seq", "b:follower", "b:followed", "b:id", "i:state", "b:inbox", "b:shared_inbox", "i:at"),
		plain("fedihook_keys", "", "b:actor", "i:serial", "i:kind", "b:id", "n:private", "i:created", "i:retired"),
		plain("fedihook_remotes", "", "b:id", "i:fetched", "i:gone", "b:key_ids", "b:etag", "b:last_modified", "b:handle", "i:proved", "n:document"),
		remoteKeys,
		plain("fedihook_rules", "", "b:local", "b:about", "b:rule"),
		plain("fedihook_rules_trail", "", "i:seq", "i:at", "b:by", "b:reason", "t:lifted", "b:rule"),
		plain("fedihook_seen", "", "b:host", "i:first", "i:last"),
		plain("fedihook_relays", "", "b:id", "i:style", "b:inbox", "b:actor", "b:follow_id", "i:state", "t:wanted", "i:at"),
		plain("fedihook_forwards", "", "b:object", "b:author", "b:local", "i:at"),
		plain("fedihook_moves", "", "b:source", "b:target", "b:id", "i:at", "i:back", "i:followers", "i:there", "i:step", "i:after", "i:version"),
		plain("fedihook_stamps", "", "i:seq", "i:kind", "b:interaction", "b:target", "b:author", "b:actor", "b:id", "b:request", "i:state", "b:audience",
			"t:theirs", "i:at", "i:version"),
	}
}
