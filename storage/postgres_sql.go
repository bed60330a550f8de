package storage

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"

	"github.com/fedihook/fedihook/internal/pgdb"
)

// What strangers say, ids above all, is kept as bytea: a text can't hold a NUL nor what is not UTF-8, and its order depends
// on the server's collation, while bytea is compared byte by byte. Indexes hold the SHA-256 of what may be long, or its
// first bytes where order matters, since a row of an index has at most 2,704 bytes.

// bounded has PostgreSQL end the transaction 5 s after its process was stopped in the middle of it, or cut off: others wait for what it
// holds. It is selected with the lock that comes first; a transaction without one calls bound.
const bounded = `set_config('idle_in_transaction_session_timeout', '5000', true)`

func bound(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT `+bounded)
	return err
}

// alone makes the transaction the only one at these tables that has this lock, until it ends: another schema's are others. Two locks
// that happen to have one number cost time and nothing else.
func alone(ctx context.Context, tx *sql.Tx, room, key string) error {
	sum := sha256.Sum256([]byte("fedihook\n" + room + "\n" + key))
	_, err := tx.ExecContext(ctx, `SELECT `+bounded+`, pg_advisory_xact_lock($1 # ('fedihook_schema'::regclass::oid::bigint << 32))`, int64(binary.BigEndian.Uint64(sum[:])))
	return err
}

// changes runs a statement that changes rows, in a transaction of its own, and returns how many it changed.
func changes(ctx context.Context, db *sql.DB, query string, args ...any) (int64, error) {
	res, err := pgdb.Exec(ctx, db, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
