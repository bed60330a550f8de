package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/storage/storagetest"
	_ "modernc.org/sqlite"
)

// files are the two databases of one Storage.
type files struct{ app, own string }

func newFiles(t testing.TB) files {
	dir := t.TempDir()
	return files{app: filepath.Join(dir, "app.db"), own: filepath.Join(dir, "own.db")}
}

// madeFiles are new files with all tables in them, copied from others: to make the tables takes longer than most checks.
func madeFiles(t testing.TB) files {
	t.Helper()
	made, err := tables()
	f := newFiles(t)
	if err = errors.Join(err, os.WriteFile(f.app, made[0], 0o600), os.WriteFile(f.own, made[1], 0o600)); err != nil {
		t.Fatal(err)
	}
	return f
}

// tables are the contents of an app's file and of ours that hold nothing but tables.
var tables = sync.OnceValues(func() (made [2][]byte, err error) {
	dir, err := os.MkdirTemp("", "tables-")
	if err != nil {
		return made, err
	}
	defer os.RemoveAll(dir)
	var dbs [2]*sql.DB
	path := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	for i := range dbs {
		if dbs[i], err = sql.Open("sqlite", path(i)); err != nil {
			return made, err
		}
	}
	_, err = storage.OpenSQLite(context.Background(), dbs[0], dbs[1])
	for i, db := range dbs {
		err = errors.Join(err, db.Close()) // and what is in the WAL goes into the file
		if err == nil {
			made[i], err = os.ReadFile(path(i))
		}
	}
	return made, err
})

// openApp opens a database as an app would.
func openApp(t testing.TB, path string) *sql.DB {
	t.Helper()
	return openSQL(t, path+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
}

func openSQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openSQLite(t testing.TB, app, own *sql.DB) storage.Storage {
	t.Helper()
	s, err := storage.OpenSQLite(context.Background(), app, own)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fresh is a new Storage and its app's database.
func fresh(t testing.TB) (storage.Storage, *sql.DB) {
	t.Helper()
	f := madeFiles(t)
	app := openApp(t, f.app)
	return openSQLite(t, app, openSQL(t, f.own)), app
}

func beginIn(db *sql.DB) func(context.Context) (storagetest.Tx, error) {
	return func(ctx context.Context) (storagetest.Tx, error) { return db.BeginTx(ctx, nil) }
}

func TestMemoryKeepsTheContracts(t *testing.T) {
	t.Parallel()
	runAll(t, func(*testing.T) storage.Storage { return storage.Memory() })
	t.Run("Intents", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			return storagetest.Intents{Store: storage.Memory().Intents}
		})
	})
	t.Run("Sharing", func(t *testing.T) {
		storagetest.RunSharing(t, func(t *testing.T) [2]inbox.Journal {
			j := storage.Memory().Journal
			return [2]inbox.Journal{j, j}
		})
	})
}

func TestSQLiteKeepsTheContracts(t *testing.T) {
	t.Parallel()
	runAll(t, func(t *testing.T) storage.Storage {
		s, _ := fresh(t)
		return s
	})
	t.Run("Intents", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			s, app := fresh(t)
			return storagetest.Intents{Store: s.Intents, Begin: beginIn(app)}
		})
	})
}

func TestSQLiteKeepsTheContractsAcrossRestartsAndProcesses(t *testing.T) {
	if raced {
		t.Skip("the race detector looks at the same suites in one process; here it takes a minute")
	}
	t.Parallel()
	runAll(t, func(t *testing.T) storage.Storage { return reopening(t, madeFiles(t)) })
	t.Run("Intents", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			f := madeFiles(t)
			app := openApp(t, f.app)
			return storagetest.Intents{Store: reopening(t, f).Intents, Begin: beginIn(app), Alone: true} // opening waits for the lock
		})
	})
}

func TestSQLiteInOneFileKeepsTheContractOfIntents(t *testing.T) {
	t.Parallel()
	t.Run("one handle", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			db := openSQL(t, newFiles(t).own)
			return storagetest.Intents{Store: openSQLite(t, nil, db).Intents, Begin: beginIn(db), Alone: true}
		})
	})
	t.Run("two handles", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			f := newFiles(t)
			app := openApp(t, f.own)
			return storagetest.Intents{Store: openSQLite(t, app, openSQL(t, f.own)).Intents, Begin: beginIn(app)}
		})
	})
}

func TestTenThousandDeadLettersAreKept(t *testing.T) {
	t.Parallel()
	t.Run("Memory", func(t *testing.T) {
		storagetest.RunJournalDeadLetters(t, func(*testing.T) inbox.Journal { return storage.Memory().Journal })
	})
	t.Run("SQLite", func(t *testing.T) {
		storagetest.RunJournalDeadLetters(t, func(t *testing.T) inbox.Journal {
			s, _ := fresh(t)
			return s.Journal
		})
	})
}

// runAll runs every suite but that of intents, which needs a way to begin a transaction.
func runAll(t *testing.T, open func(t *testing.T) storage.Storage) {
	t.Run("Log", func(t *testing.T) {
		storagetest.RunLog(t, func(t *testing.T) outbox.Log { return open(t).Log })
	})
	t.Run("Journal", func(t *testing.T) {
		storagetest.RunJournal(t, func(t *testing.T) inbox.Journal { return open(t).Journal })
	})
	t.Run("Counter", func(t *testing.T) {
		storagetest.RunCounter(t, func(t *testing.T) inbox.Journal { return open(t).Journal })
	})
	t.Run("Followers", func(t *testing.T) {
		storagetest.RunFollowers(t, func(t *testing.T) actor.Followers { return open(t).Followers })
	})
	t.Run("Keys", func(t *testing.T) {
		storagetest.RunKeys(t, func(t *testing.T) actor.Keys { return open(t).Keys })
	})
	t.Run("Remotes", func(t *testing.T) {
		storagetest.RunRemotes(t, func(t *testing.T) actor.Remotes { return open(t).Remotes })
	})
	t.Run("Stamps", func(t *testing.T) {
		storagetest.RunStamps(t, func(t *testing.T) consent.Stamps { return open(t).Stamps })
	})
	t.Run("Rules", func(t *testing.T) {
		storagetest.RunRules(t, func(t *testing.T) moderation.Rules { return open(t).Rules })
	})
	t.Run("Relays", func(t *testing.T) {
		storagetest.RunRelays(t, func(t *testing.T) outbox.Relays { return open(t).Relays })
	})
	t.Run("Forwards", func(t *testing.T) {
		storagetest.RunForwards(t, func(t *testing.T) inbox.Forwards { return open(t).Forwards })
	})
	t.Run("Moves", func(t *testing.T) {
		storagetest.RunMoves(t, func(t *testing.T) actor.Moves { return open(t).Moves })
	})
	t.Run("Hosts", func(t *testing.T) {
		storagetest.RunHosts(t, func(t *testing.T) moderation.Hosts { return open(t).Hosts })
	})
}
