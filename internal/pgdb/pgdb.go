// Package pgdb is what our PostgreSQL stores share: migrations, transactions, lists as parameters and what errors mean,
// through database/sql and any driver. PostgreSQL 13 is the oldest that it is for.
//
// It holds no queries: each store keeps its own next to the code that reads them. Tables are named fedihook_… and stand
// where the connection's search_path says.
package pgdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// NewerError says that a room's tables were written by a later version of the library than this one. Nothing was changed.
type NewerError struct {
	Room        string
	Have, Known int // the database's version and the highest that this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("pgdb: the tables of %s have version %d, this program knows up to %d", e.Room, e.Have, e.Known)
}

// migrating is the advisory lock of who migrates, with the schema: "FedQ". Who migrates another schema waits for nobody here.
const migrating = 0x46656451

// Migrate runs those of steps that the room's tables have not had yet, in order and in one transaction, and records their
// number in the table fedihook_schema. A step may hold several statements without parameters. Steps that were released
// are never changed, only added to.
//
// It returns a *[NewerError] if the tables are ahead of steps. Many processes may call it at once: one migrates, the others wait.
func Migrate(ctx context.Context, db *sql.DB, room string, steps []string) error {
	err := Tx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(coalesce(current_schema(), ''), $1))`, int64(migrating)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS fedihook_schema (room text PRIMARY KEY, version bigint NOT NULL)`); err != nil {
			return err
		}
		var have int
		err := tx.QueryRowContext(ctx, `SELECT version FROM fedihook_schema WHERE room = $1`, room).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if have > len(steps) {
			return &NewerError{Room: room, Have: have, Known: len(steps)}
		}
		for i, step := range steps[have:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("to version %d: %w", have+i+1, err)
			}
		}
		if have == len(steps) {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO fedihook_schema (room, version) VALUES ($1, $2)
			ON CONFLICT (room) DO UPDATE SET version = excluded.version`, room, len(steps))
		return err
	})
	if newer := (*NewerError)(nil); err != nil && !errors.As(err, &newer) {
		return fmt.Errorf("pgdb: migrate %s: %w", room, err)
	}
	return err
}

// maxTries is how often a transaction is begun anew that PostgreSQL has ended because of another one.
const maxTries = 10

// Tx runs fn in a transaction, READ COMMITTED whatever the database's default is, and commits it if fn returns nil. fn's error comes back as it is. If
// PostgreSQL ends the transaction because of another one (a deadlock or a serialization failure), all of fn runs again, up to
// ten times: it must not add to what it has collected before.
//
// fn uses the tx it is given and nothing else of db, which may have no second connection. After an error of Tx the
// transaction may have been committed if the connection broke in the middle of its commit.
func Tx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return Again(ctx, func() error { return once(ctx, db, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn) })
}

// Read runs fn in a transaction that sees one state of the database and changes nothing (REPEATABLE READ, READ ONLY).
func Read(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return Again(ctx, func() error {
		return once(ctx, db, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
	})
}

// Exec runs a statement that is a transaction of its own, with the database's default isolation, and again if PostgreSQL ends it
// because of another one, up to ten times.
func Exec(ctx context.Context, db *sql.DB, query string, args ...any) (res sql.Result, err error) {
	err = Again(ctx, func() (err error) {
		res, err = db.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

// Again runs do, and again, up to ten times in all, as long as PostgreSQL ends what it does because of another transaction.
func Again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == maxTries || !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(try) * 5 * time.Millisecond)):
		}
	}
}

func once(ctx context.Context, db *sql.DB, o *sql.TxOptions, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("pgdb: begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("pgdb: commit: %w", err)
	}
	return nil
}

// transient says whether another transaction is to blame, so that the same may succeed now.
func transient(err error) bool {
	switch Code(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// Code returns the SQLSTATE that PostgreSQL gave for an error, such as "23505" (unique_violation), and "" if it gave none
// or the driver's errors have no method SQLState, as those of pgx and lib/pq do.
func Code(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	return ""
}

// Ints writes a list for a parameter of type bigint[]: `= ANY ($1::bigint[])`.
func Ints[T ~int64 | ~int | ~int32](list []T) string {
	b := make([]byte, 0, 2+8*len(list))
	b = append(b, '{')
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(append(b, '}'))
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Texts writes a list for a parameter of type text[]. PostgreSQL keeps no text with a NUL in it: who can't rule it out keeps bytea.
func Texts(list []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		quoted.WriteString(&b, s)
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
