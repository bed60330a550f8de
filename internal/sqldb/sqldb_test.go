package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/internal/sqldb"
	_ "modernc.org/sqlite"
)

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func setup(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := open(t, path)
	if err := sqldb.Setup(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func number(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestSetupAndMigrateMayBeCalledAgainByEveryRoom(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	a := []string{`CREATE TABLE a (x INTEGER); CREATE INDEX a_x ON a (x)`}
	for range 3 {
		if err := sqldb.Setup(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if err := sqldb.Migrate(t.Context(), db, "a", a); err != nil {
			t.Fatal(err)
		}
		if err := sqldb.Migrate(t.Context(), db, "b", []string{`CREATE TABLE b (x INTEGER)`}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sqldb.Migrate(t.Context(), db, "a", append(a, `INSERT INTO a VALUES (7)`)); err != nil {
		t.Fatal(err)
	}
	if n := number(t, db, `SELECT x FROM a`); n != 7 {
		t.Errorf("the second step did not run: x is %d", n)
	}
	var mode string
	if err := db.QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode is %q, %v", mode, err)
	}
}

func TestFailedStepLeavesTheOldVersion(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	steps := []string{`CREATE TABLE a (x INTEGER)`, `CREATE TABLE b (x INTEGER); NONSENSE`}
	if err := sqldb.Migrate(t.Context(), db, "a", steps); err == nil {
		t.Fatal("nonsense was accepted")
	}
	if n := number(t, db, `SELECT count(*) FROM sqlite_master WHERE name IN ('a', 'b')`); n != 0 {
		t.Errorf("%d tables of a migration that failed", n)
	}
	if err := sqldb.Migrate(t.Context(), db, "a", steps[:1]); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x)`, `CREATE TABLE b (x)`}); err != nil {
		t.Fatal(err)
	}
	err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x)`})
	var newer *sqldb.NewerError
	if !errors.As(err, &newer) || newer.Have != 2 || newer.Known != 1 || newer.Room != "a" {
		t.Fatalf("got %v", err)
	}
}

func TestSetupRefusesAnotherApplicationsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path)
	if _, err := db.Exec(`PRAGMA application_id = 42; CREATE TABLE theirs (x)`); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Setup(t.Context(), db); !errors.Is(err, sqldb.ErrForeignFile) {
		t.Fatalf("got %v", err)
	}
}

func TestTxRollsBackOnError(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER)`}); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := sqldb.Tx(t.Context(), db, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`INSERT INTO a VALUES (1)`); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Errorf("fn's error came back as %v", err)
	}
	if n := number(t, db, `SELECT count(*) FROM a`); n != 0 {
		t.Errorf("%d rows of a transaction that was rolled back", n)
	}
}

// A driver throws a connection away when a statement on it was cancelled.
func TestSettingsSurviveALostConnection(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER)`}); err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(0) // every use gets a new connection
	if n := number(t, db, `PRAGMA foreign_keys`); n != 0 {
		t.Fatal("this driver sets foreign_keys by itself: the test would prove nothing")
	}
	err := sqldb.Tx(t.Context(), db, func(tx *sql.Tx) error {
		for query, want := range map[string]int{`PRAGMA foreign_keys`: 1, `PRAGMA synchronous`: 2, `PRAGMA busy_timeout`: 10000} {
			var n int
			if err := tx.QueryRow(query).Scan(&n); err != nil {
				return err
			}
			if n != want {
				t.Errorf("%s is %d, want %d", query, n, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Read, then write: with a plain BEGIN some of these fail with SQLITE_BUSY_SNAPSHOT.
func TestReadersThatWriteWaitForEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	const writers, rounds = 4, 25
	for i := range writers {
		db := setup(t, path)
		if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (0)`}); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range rounds {
				if err := increment(t.Context(), db); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if n := number(t, open(t, path), `SELECT x FROM a`); n != writers*rounds {
		t.Errorf("x is %d, want %d", n, writers*rounds)
	}
}

func increment(ctx context.Context, db *sql.DB) error {
	return sqldb.Tx(ctx, db, func(tx *sql.Tx) error {
		var x int
		if err := tx.QueryRowContext(ctx, `SELECT x FROM a`).Scan(&x); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE a SET x = ?`, x+1); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	})
}

func TestLazyTransactionLeavesTheNextOneDurable(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER)`}); err != nil {
		t.Fatal(err)
	}
	c := sqldb.New(db)
	boom := errors.New("boom")
	for _, fails := range []error{nil, boom} {
		err := c.Lazy(t.Context(), func(tx *sql.Tx) error {
			var n int
			if err := tx.QueryRow(`PRAGMA synchronous`).Scan(&n); err != nil || n != 1 {
				t.Errorf("synchronous is %d in a lazy transaction, want 1: %v", n, err)
			}
			if _, err := tx.Exec(`INSERT INTO a VALUES (1)`); err != nil {
				return err
			}
			return fails
		})
		if err != fails {
			t.Errorf("Lazy returned %v, want %v", err, fails)
		}
		if n := number(t, db, `PRAGMA synchronous`); n != 2 {
			t.Errorf("synchronous is %d after a lazy transaction, want 2", n)
		}
	}
	if n := number(t, db, `SELECT count(*) FROM a`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}
