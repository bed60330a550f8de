package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// Tx runs fn in a transaction and commits it if fn returns nil. fn's error comes back
// as it is. The transaction writes from its first statement on, like BEGIN IMMEDIATE:
// it waits for another writer instead of failing half-way with SQLITE_BUSY_SNAPSHOT.
//
// fn uses the tx it is given and nothing else of db, which may have no second
// connection. [Migrate] must have been called with db before.
func Tx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	return run(ctx, db, new(Settled), nil, false, fn)
}

// DB is a database in which those who share it write one at a time, in the order in which they came. Who waits for its turn
// holds no connection. Without that, where there are several connections, SQLite has who finds another one writing ask again
// after 1 ms, 2 ms, 5 ms and so on up to 100 ms, whoever comes in between is served first, and two who wait like that leave
// nobody else a connection.
//
// Other processes, and whoever uses the *sql.DB itself, are waited for as SQLite does it. A DB may be used by many goroutines
// at once.
type DB struct {
	*sql.DB
	turn    chan struct{} // full while somebody writes
	settled Settled
	lock    *sql.Stmt // takes the write lock; nil until it was needed; of whose turn it is
}

// New makes a DB of db, of which there should be one.
func New(db *sql.DB) *DB { return &DB{DB: db, turn: make(chan struct{}, 1)} }

// Turn waits until nobody else writes. Done, which is called once, ends the turn.
func (d *DB) Turn(ctx context.Context) (done func(), err error) {
	select {
	case d.turn <- struct{}{}:
		return func() { <-d.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("sqldb: wait for a turn: %w", ctx.Err())
	}
}

// Tx is like the func [Tx]. fn must not begin another one of the same DB, which would wait for this one.
func (d *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	return d.run(ctx, false, fn)
}

// Lazy is like Tx in a file of ours, but does not wait until the disk has what was committed: the next Tx does that
// for both, in order. The death of the process loses nothing; the loss of power may lose it.
func (d *DB) Lazy(ctx context.Context, fn func(*sql.Tx) error) error {
	return d.run(ctx, true, fn)
}

func (d *DB) run(ctx context.Context, lazy bool, fn func(*sql.Tx) error) error {
	done, err := d.Turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if d.lock == nil {
		if d.lock, err = d.DB.PrepareContext(ctx, takeLock); err != nil {
			return fmt.Errorf("sqldb: begin: %w", err)
		}
	}
	return run(ctx, d.DB, &d.settled, d.lock, lazy, fn)
}

// Settle puts our settings on a connection of d, unless it has them, if its file is ours.
func (d *DB) Settle(ctx context.Context, conn *sql.Conn) error { return d.settled.Settle(ctx, conn) }

// takeLock may write, and so takes the write lock, though it finds no row.
const takeLock = `DELETE FROM fedihook_schema WHERE 0`

// run runs fn in a transaction. Lock is takeLock, prepared, or nil.
func run(ctx context.Context, db *sql.DB, settled *Settled, lock *sql.Stmt, lazy bool, fn func(*sql.Tx) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqldb: connect: %w", err)
	}
	defer conn.Close()
	if err := settled.Settle(ctx, conn); err != nil {
		return err
	}
	if lazy {
		if _, err := conn.ExecContext(ctx, `PRAGMA synchronous = NORMAL`); err != nil {
			return fmt.Errorf("sqldb: begin: %w", err)
		}
		defer func() {
			if _, err := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA synchronous = FULL`); err != nil {
				// Whoever gets it next would be promised too much.
				conn.Raw(func(any) error { return driver.ErrBadConn })
			}
		}()
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if lock != nil {
		_, err = tx.StmtContext(ctx, lock).ExecContext(ctx)
	} else {
		_, err = tx.ExecContext(ctx, takeLock)
	}
	if err != nil {
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqldb: commit: %w", err)
	}
	return nil
}
