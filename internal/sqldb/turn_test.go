package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/fedihook/fedihook/internal/sqldb"
)

// With several connections nothing but the turns keeps two writers of one file apart.
func TestWritersTakeTurnsAndHoldNoConnectionMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := setup(t, filepath.Join(t.TempDir(), "a.db"))
		if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER)`}); err != nil {
			t.Fatal(err)
		}
		if err := sqldb.AllowReaders(t.Context(), db, 1); err != nil {
			t.Fatal(err)
		}
		d := sqldb.New(db)
		done, err := d.Turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		insert := func(i int) func(*sql.Tx) error {
			return func(tx *sql.Tx) error {
				order = append(order, i)
				_, err := tx.Exec(`INSERT INTO a VALUES (?)`, i)
				return err
			}
		}
		failed := make(chan error, 4)
		for i := range 4 {
			go func() {
				if i%2 == 0 {
					failed <- d.Tx(context.Background(), insert(i))
				} else {
					failed <- d.Lazy(context.Background(), insert(i))
				}
			}()
			synctest.Wait() // it waits behind those before it
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("those who wait hold %d connections", n)
		}
		if n := number(t, db, `SELECT count(*) FROM a`); n != 0 {
			t.Errorf("%d rows were written in another's turn", n)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Tx(ended, insert(9)); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up before its turn got %v", err)
		}
		done()
		for range 4 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if len(order) != 4 || order[0] != 0 || order[1] != 1 || order[2] != 2 || order[3] != 3 {
			t.Errorf("they wrote in the order %d", order)
		}
		db.Close()
	})
}

func TestATurnEndsThoughWhatIsDoneInItPanics(t *testing.T) {
	t.Parallel()
	db := setup(t, filepath.Join(t.TempDir(), "a.db"))
	if err := sqldb.Migrate(t.Context(), db, "a", []string{`CREATE TABLE a (x INTEGER)`}); err != nil {
		t.Fatal(err)
	}
	d := sqldb.New(db)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		_ = d.Tx(t.Context(), func(*sql.Tx) error { panic("boom") })
	}()
	if err := d.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO a VALUES (1)`)
		return err
	}); err != nil {
		t.Error(err)
	}
}
