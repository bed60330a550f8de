package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// An app that begins by reading and then writes fails with SQLITE_BUSY_SNAPSHOT, whatever its
// busy_timeout, if anyone else has written between the two.
func TestTheAppsOwnTransactionsAreNotDisturbed(t *testing.T) {
	t.Parallel()
	s, app := fresh(t)
	mustExec(t, app, `CREATE TABLE posts (n INTEGER); INSERT INTO posts VALUES (0)`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const rounds = 300
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		dropped := 0
		for {
			last := false // all are committed: once nothing is left, nothing will come
			select {
			case <-stop:
				last = true
			default:
			}
			list, err := s.Intents.NextIntents(ctx, 10)
			if err == nil && len(list) > 0 {
				err = s.Intents.DropIntents(ctx, list[len(list)-1].Seq)
				dropped += len(list)
			}
			if err != nil {
				t.Error(err)
			}
			if err != nil || last && len(list) == 0 {
				done <- dropped
				return
			}
		}
	}()
	busy := 0
	for i := range rounds {
		if err := post(ctx, app, s, i); err != nil {
			busy++
			t.Logf("transaction %d: %v", i, err)
		}
	}
	close(stop)
	if dropped := <-done; dropped != rounds {
		t.Errorf("%d intents of %d transactions", dropped, rounds)
	}
	if busy > 0 {
		t.Errorf("%d of %d transactions failed", busy, rounds)
	}
	if n := text(t, app, `SELECT n FROM posts`); n != fmt.Sprint(rounds) {
		t.Errorf("%s posts, want %d", n, rounds)
	}
}

// post is what an app does: BEGIN (deferred), SELECT, UPDATE, the intent, COMMIT.
func post(ctx context.Context, app *sql.DB, s storage.Storage, i int) error {
	tx, err := app.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT n FROM posts`).Scan(&n); err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // others have time to write
	if _, err := tx.ExecContext(ctx, `UPDATE posts SET n = ?`, n+1); err != nil {
		return err
	}
	if err := s.Intents.AddIntent(ctx, tx, outbox.Intent{ID: fmt.Sprint(i)}); err != nil {
		return err
	}
	return tx.Commit()
}

func TestDroppedIntentsAreDeletedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, app := fresh(t)
		watch, err := app.Conn(t.Context()) // its data_version changes when another connection commits
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close()
		addIntent(t, s, "1")
		addIntent(t, s, "2")
		version := text(t, watch, `PRAGMA data_version`)
		for _, id := range []string{"1", "2"} {
			dropIntent(t, s, id)
		}
		if list := intents(t, s); len(list) != 0 {
			t.Errorf("dropped and still there: %v", list)
		}
		if now := text(t, watch, `PRAGMA data_version`); now != version {
			t.Error("the app's database was written to within the minute")
		}
		time.Sleep(time.Minute)
		addIntent(t, s, "3")
		addIntent(t, s, "4")
		dropIntent(t, s, "3")
		if ids := text(t, watch, `SELECT group_concat(id) FROM fedihook_intents`); ids != "4" {
			t.Errorf("after a minute the app's database holds the intents %s, want 4", ids)
		}
		dropIntent(t, s, "4")
		if n := text(t, watch, `SELECT count(*) FROM fedihook_intents`); n != "1" {
			t.Errorf("%s intents right after it was cleaned, want 1", n)
		}
	})
}

func TestIntentsOfARestoredAppAreNotMissed(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	backup := filepath.Join(t.TempDir(), "backup.db")
	func() {
		app, own := openApp(t, f.app), openSQL(t, f.own)
		defer app.Close()
		defer own.Close()
		s := openSQLite(t, app, own)
		for _, id := range []string{"1", "2", "3"} {
			addIntent(t, s, id)
		}
		dropIntent(t, s, "1")
		mustExec(t, app, `VACUUM INTO ?`, backup)
		addIntent(t, s, "4")
		addIntent(t, s, "5")
		for _, id := range []string{"2", "3", "4", "5"} {
			dropIntent(t, s, id)
		}
	}()
	for _, name := range []string{"restored", "empty", "as it was"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			ownPath := filepath.Join(t.TempDir(), "own.db")
			copyFile(t, f.own, ownPath)
			switch name {
			case "restored":
				copyFile(t, backup, path)
			case "as it was":
				copyFile(t, f.app, path)
			}
			for range 2 {
				app, own := openApp(t, path), openSQL(t, ownPath)
				s := openSQLite(t, app, own)
				if list := intents(t, s); len(list) != 0 {
					t.Errorf("what was dropped came back: %v", list)
				}
				if n := text(t, app, `SELECT count(*) FROM fedihook_intents`); n != "0" {
					t.Errorf("%s dropped intents were not deleted", n)
				}
				addIntent(t, s, "new")
				addIntent(t, s, "newer")
				if list := intents(t, s); !slices.Equal(list, []string{"new", "newer"}) {
					t.Errorf("what was added is %v", list)
				}
				dropIntent(t, s, "new")
				dropIntent(t, s, "newer")
				app.Close()
				own.Close()
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An app with one connection holds it while it adds an intent.
func TestAddIntentNeedsNoSecondConnection(t *testing.T) {
	t.Parallel()
	s, app := fresh(t)
	app.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	mustExec(t, app, `CREATE TABLE posts (n INTEGER); INSERT INTO posts VALUES (0)`)
	if err := post(ctx, app, s, 1); err != nil {
		t.Fatal(err)
	}
	if list := intents(t, s); !slices.Equal(list, []string{"1"}) {
		t.Errorf("intents: %v", list)
	}
}

// What is written in the transaction is one INSERT.
func TestAddIntentIsOneStatement(t *testing.T) {
	t.Parallel()
	s, app := fresh(t)
	tx, err := app.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	c := &counter{Execer: tx}
	if err := s.Intents.AddIntent(t.Context(), c, outbox.Intent{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if c.n != 1 {
		t.Errorf("%d statements", c.n)
	}
}

type counter struct {
	storage.Execer
	n int
}

func (c *counter) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c.n++
	return c.Execer.ExecContext(ctx, query, args...)
}

func addIntent(t *testing.T, s storage.Storage, id string) {
	t.Helper()
	if err := s.Intents.AddIntent(t.Context(), nil, outbox.Intent{ID: id}); err != nil {
		t.Fatal(err)
	}
}

// dropIntent drops the oldest intent, which is that of id.
func dropIntent(t *testing.T, s storage.Storage, id string) {
	t.Helper()
	list, err := s.Intents.NextIntents(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Fatalf("the oldest intent is %v, want %s: %v", list, id, err)
	}
	if err := s.Intents.DropIntents(t.Context(), list[0].Seq); err != nil {
		t.Fatal(err)
	}
}

func intents(t *testing.T, s storage.Storage) (ids []string) {
	t.Helper()
	list, err := s.Intents.NextIntents(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range list {
		ids = append(ids, in.ID)
	}
	return ids
}

// Of two processes that take one intent the slower may come after its record was removed.
func TestTheRecordOfADroppedIntentIsNotAddedAgain(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	for name, s := range map[string]storage.Storage{"Memory": storage.Memory(), "SQLite": s} {
		t.Run(name, func(t *testing.T) {
			for _, id := range []string{"1", "2"} {
				addIntent(t, s, id)
			}
			list, err := s.Intents.NextIntents(t.Context(), 2)
			if err != nil || len(list) != 2 {
				t.Fatalf("intents %v, %v", list, err)
			}
			add := func(i int) bool {
				t.Helper()
				if err := s.Log.AddRecord(t.Context(), outbox.Record{ID: list[i].ID, Intent: list[i].Seq}); err != nil {
					t.Fatal(err)
				}
				_, err := s.Log.Record(t.Context(), list[i].ID)
				if err != nil && !errors.Is(err, outbox.ErrUnknown) {
					t.Fatal(err)
				}
				return err == nil
			}
			if !add(0) {
				t.Fatal("the record of an intent that was not dropped is not there")
			}
			dropIntent(t, s, "1")
			if removed, err := s.Log.RemoveRecords(t.Context(), []string{"1"}); err != nil || !removed {
				t.Fatalf("RemoveRecords = %v, %v", removed, err)
			}
			if add(0) {
				t.Error("it was added again")
			}
			if !add(1) {
				t.Error("the next one was not added")
			}
		})
	}
}
