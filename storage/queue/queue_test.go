package queue_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage/queue"
	"github.com/fedihook/fedihook/storage/storagetest"
	_ "modernc.org/sqlite"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	storagetest.RunSharedQueue(t, func(*testing.T) delivery.Store { return queue.Memory() })
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storagetest.RunQueue(t, func(t *testing.T) delivery.Store { return open(t, filepath.Join(t.TempDir(), "queue.db")) })
}

func open(t testing.TB, path string) delivery.Store {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	st, err := queue.OpenSQLite(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
