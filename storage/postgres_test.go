package storage_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/internal/pgdb/pgtest"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/storage/storagetest"
	"github.com/jackc/pgx/v5"
)

func openPostgres(t testing.TB, db *sql.DB) storage.Storage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := storage.OpenPostgres(ctx, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is one storage as two processes have it.
func pair(t *testing.T) (one, other storage.Storage, db *sql.DB) {
	t.Helper()
	address := pgtest.URL(t)
	db = pgtest.Connect(t, address)
	return openPostgres(t, db), openPostgres(t, pgtest.Connect(t, address)), db
}

// conns opens a database with so many connections.
func conns(t *testing.T, n int) *sql.DB {
	t.Helper()
	db := pgtest.Open(t)
	db.SetMaxOpenConns(n)
	return db
}

// runPostgres runs the suites of the rooms in this half.
func runPostgres(t *testing.T, open func(t *testing.T) storage.Storage) {
	t.Run("Log", func(t *testing.T) {
		storagetest.RunLog(t, func(t *testing.T) outbox.Log { return open(t).Log })
	})
	t.Run("Journal", func(t *testing.T) {
		storagetest.RunJournal(t, func(t *testing.T) inbox.Journal { return open(t).Journal })
	})
}

func TestPostgresKeepsTheContracts(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	runPostgres(t, func(t *testing.T) storage.Storage { return openPostgres(t, pgtest.Open(t)) })
	t.Run("Intents", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			db := pgtest.Open(t)
			return storagetest.Intents{Store: openPostgres(t, db).Intents, Begin: beginIn(db)}
		})
	})
	t.Run("Counter", func(t *testing.T) {
		storagetest.RunCounter(t, func(t *testing.T) inbox.Journal { return openPostgres(t, pgtest.Open(t)).Journal })
	})
	t.Run("Sharing", func(t *testing.T) {
		storagetest.RunSharing(t, func(t *testing.T) [2]inbox.Journal {
			one, other, _ := pair(t)
			return [2]inbox.Journal{one.Journal, other.Journal}
		})
	})
}

func TestPostgresKeepsTenThousandDeadLetters(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	storagetest.RunJournalDeadLetters(t, func(t *testing.T) inbox.Journal { return openPostgres(t, pgtest.Open(t)).Journal })
}

// Each call goes to another of two processes.
func TestPostgresKeepsTheContractsAcrossProcesses(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	runPostgres(t, func(t *testing.T) storage.Storage {
		one, other, _ := pair(t)
		return alternating(one, other)
	})
	t.Run("Intents", func(t *testing.T) {
		storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
			one, other, db := pair(t)
			return storagetest.Intents{Store: alternating(one, other).Intents, Begin: beginIn(db)}
		})
	})
}

// Some databases have another default than READ COMMITTED.
func TestPostgresKeepsTheContractsWhereTransactionsAreSerializableByDefault(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	runPostgres(t, func(t *testing.T) storage.Storage { return openPostgres(t, pgtest.Connect(t, pgtest.Strict(t))) })
}

// In a database that two sites share, each in a schema, nobody waits for the other's locks.
func TestPostgresInAnotherSchemaDoesNotWait(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t)
	slow, other := openPostgres(t, db), openPostgres(t, pgtest.Open(t))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE fedihook_follows IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	follow := actor.Follow{Follower: "https://a.example/1", Followed: "https://here.example/1", At: time.Now()}
	done := make(chan error, 1)
	go func() { done <- slow.Followers.PutFollow(context.Background(), follow) }()
	for waiting := false; !waiting; time.Sleep(10 * time.Millisecond) {
		if err := db.QueryRow(`SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'fedihook_follows'::regclass AND NOT granted)`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := other.Followers.PutFollow(ctx, follow); err != nil {
		t.Errorf("in another schema: %v", err)
	}
	select {
	case err := <-done:
		t.Errorf("the slow one has ended with %v: nothing was tried", err)
	default:
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// With one connection a store that asked for a second while it holds one would wait for ever.
func TestPostgresNeedsNoSecondConnection(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	runPostgres(t, func(t *testing.T) storage.Storage { return openPostgres(t, conns(t, 1)) })
	for _, n := range []int{1, 2} {
		t.Run("Intents", func(t *testing.T) {
			storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
				db := conns(t, n)
				return storagetest.Intents{Store: openPostgres(t, db).Intents, Begin: beginIn(db), Alone: n == 1}
			})
		})
	}
}

func TestPostgresWithoutADatabaseIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := storage.OpenPostgres(t.Context(), nil, nil); err == nil {
		t.Fatal("no error")
	}
}

// pgxBegin begins transactions of pgx alone, which [execer] makes an Execer.
func pgxBegin(t *testing.T, address string) func(context.Context) (storagetest.Tx, error) {
	return func(ctx context.Context) (storagetest.Tx, error) {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		tx, err := conn.Begin(ctx)
		return pgxTx{execer{tx}}, err
	}
}

type pgxTx struct{ execer }

func (tx pgxTx) Commit() error   { return tx.execer.Commit(context.Background()) }
func (tx pgxTx) Rollback() error { return tx.execer.Rollback(context.Background()) }

func TestPostgresJoinsTransactionsOfPgx(t *testing.T) {
	t.Parallel()
	pgtest.URL(t)
	storagetest.RunIntents(t, func(t *testing.T) storagetest.Intents {
		address := pgtest.URL(t)
		db := pgtest.Connect(t, address)
		s, err := storage.OpenPostgres(t.Context(), db, listen(address))
		if err != nil {
			t.Fatal(err)
		}
		return storagetest.Intents{Store: s.Intents, Begin: pgxBegin(t, address)}
	})
}
